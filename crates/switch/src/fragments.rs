//! Fragments: all share the verdict of the first one.
