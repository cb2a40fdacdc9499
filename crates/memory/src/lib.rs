//! Large zeroed tables, on huge pages where they can be had. Owns the one place where memory is
//! mapped; knows nothing of what lies in it.

mod zeroed;

pub use zeroed::{Pages, ZeroIsValid, Zeroed};
