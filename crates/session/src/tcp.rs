//! The TCP state of one session: directions, FINs, windows.
