//! The journey of a frame, top to bottom.
