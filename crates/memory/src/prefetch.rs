//! Asking for a cache line before it is needed.

#![allow(unsafe_code, reason = "the hint is an intrinsic")]

/// Asks for the cache line at the beginning of `what` to be brought near; nothing where the processor
/// has no such instruction.
#[inline(always)]
pub fn prefetch<T>(what: &T) {
    prefetch_at(std::ptr::from_ref(what));
}

/// The same for an address. One that is nobody's is no harm.
#[inline(always)]
pub fn prefetch_at<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint reads nothing that the program can see and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
