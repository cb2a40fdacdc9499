//! Large zeroed tables, on huge pages where they can be had, and the hint that brings a line near. Owns
//! the one place where memory is mapped; knows nothing of what lies in it.

mod prefetch;
mod zeroed;

pub use prefetch::{prefetch, prefetch_at};
pub use zeroed::{Pages, ZeroIsValid, Zeroed};
