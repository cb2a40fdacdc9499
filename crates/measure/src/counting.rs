//! An allocator that counts, for tests and benchmarks:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: ringfence_measure::counting::Counting = ringfence_measure::counting::Counting;
//!
//! let before = ringfence_measure::counting::thread();
//! let boxed = Box::new([0u64; 8]);
//! let made = ringfence_measure::counting::thread() - before;
//! assert_eq!((made.allocations, made.live_bytes()), (1, 64));
//! # drop(boxed);
//! ```
//!
//! Counts are each thread's own: what other threads of a test do is not seen, and counting adds no
//! write that threads share. Bytes are those asked for, without the allocator's own overhead.

#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Sub;

/// What a thread asked the allocator for since it began.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Calls that gave memory, growing and shrinking included.
    pub allocations: u64,
    /// Calls that gave memory back.
    pub frees: u64,
    /// Bytes asked for.
    pub allocated_bytes: u64,
    /// Bytes given back.
    pub freed_bytes: u64,
}

impl Counts {
    /// Bytes asked for and not given back; negative if the thread frees what others allocated.
    pub fn live_bytes(&self) -> i64 {
        self.allocated_bytes.wrapping_sub(self.freed_bytes) as i64
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, earlier: Counts) -> Counts {
        Counts {
            allocations: self.allocations.wrapping_sub(earlier.allocations),
            frees: self.frees.wrapping_sub(earlier.frees),
            allocated_bytes: self.allocated_bytes.wrapping_sub(earlier.allocated_bytes),
            freed_bytes: self.freed_bytes.wrapping_sub(earlier.freed_bytes),
        }
    }
}

thread_local! {
    // constant and without a destructor, so that reaching it neither allocates nor ever fails
    static COUNTS: Cell<Counts> = const {
        Cell::new(Counts { allocations: 0, frees: 0, allocated_bytes: 0, freed_bytes: 0 })
    };
}

/// What this thread asked for so far; zeros unless [`Counting`] is the global allocator.
pub fn thread() -> Counts {
    COUNTS.get()
}

/// The system's allocator, counting.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counting;

fn count(allocated: usize, freed: usize, allocations: u64, frees: u64) {
    COUNTS.with(|counts| {
        let mut now = counts.get();
        now.allocations = now.allocations.wrapping_add(allocations);
        now.frees = now.frees.wrapping_add(frees);
        now.allocated_bytes = now.allocated_bytes.wrapping_add(allocated as u64);
        now.freed_bytes = now.freed_bytes.wrapping_add(freed as u64);
        counts.set(now);
    });
}

// SAFETY: every call goes to `System` with the arguments it came with; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0, 1, 0);
        // SAFETY: the caller keeps to the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0, 1, 0);
        // SAFETY: the caller keeps to the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size(), 0, 1);
        // SAFETY: the caller keeps to the contract of `dealloc`, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size, layout.size(), 1, 0);
        // SAFETY: the caller keeps to the contract of `realloc`, which is the same.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
