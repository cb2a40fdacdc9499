//! How many sessions there may be.

/// The limits of a table. "At a limit the NEW flow is dropped; nothing live is evicted."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Sessions of the whole fabric.
    pub sessions_max: usize,
    /// Sessions of one interface.
    pub sessions_per_interface_max: usize,
    /// Of these, TCP sessions that are not yet established.
    pub half_open_per_interface_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sessions_max: 1_000_000,
            sessions_per_interface_max: 250_000,
            half_open_per_interface_max: 62_500,
        }
    }
}

/// The limit that a new flow met.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Limit {
    /// `session-limit`: of the fabric or of the interface.
    Sessions,
    /// `half-open-limit`: of the interface.
    HalfOpen,
}
