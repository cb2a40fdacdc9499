//! What the operating system lends a live fabric: network namespaces for its guests, the set-up of
//! their devices, and a place where it says that it runs, so that other commands find it.
//!
//! Owns no frame and no rule. Everything here is Linux's.

#![cfg(target_os = "linux")]

mod addressing;
mod error;
mod namespaces;
mod privilege;
mod running;

pub use addressing::{Nic, NicAddress, NicRoute};
pub use error::HostError;
pub use namespaces::{Namespaces, see_instead};
pub use privilege::{Privilege, may_run};
pub use running::{Attached, Card, Claim, Running, StateFolder};
