//! Where atomics and large tables come from: one place, so that a test can put models of them in
//! its stead and try every interleaving.

pub(crate) use core::sync::atomic::{
    AtomicU16, AtomicU32, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release, Ordering::SeqCst, fence,
};

pub(crate) use ringfence_memory::{Pages, ZeroIsValid, Zeroed};

/// Whether these are the machine's own atomics, of the machine's size.
pub(crate) const REAL: bool = true;
