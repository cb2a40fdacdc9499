//! Captures through the switch on the virtual clock, a verdict per frame.
