//! Asking for a cache line before it is needed.

#![allow(unsafe_code, reason = "prefetching is an intrinsic that takes a raw pointer")]

/// Asks for the line that holds `target`; nothing where the processor has no such instruction.
#[inline(always)]
pub(crate) fn prefetch<T>(target: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program can see and cannot fault; the pointer comes
    // from a reference anyway.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(target).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}
