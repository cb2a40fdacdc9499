//! The table that the switch has had: one entry for each half, one owner. It goes when the switch
//! has moved to [`crate::Flows`].

mod entry;
mod key;
mod table;

pub use table::{Session, SessionRef, Sessions};
