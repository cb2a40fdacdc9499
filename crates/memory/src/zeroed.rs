//! Memory that the system gives zeroed, mapped and unmapped. Owns every address here; leaves what
//! the elements mean to whoever says that zeroes are one of them.

#![allow(unsafe_code, reason = "memory is mapped by hand, so that it is committed when touched")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize};

/// The size of a huge page.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;

/// Which pages to ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pages {
    /// As small as the system makes them.
    Normal,
    /// 2 MiB, if the system has them; memory is then committed in such pieces.
    Huge,
}

/// A type of which all bits zero is a value, and which has nothing to drop.
///
/// # Safety
/// That is so, and its alignment is at most 4096.
pub unsafe trait ZeroIsValid: Sized {}

macro_rules! zero_is_valid {
    ($($of:ty)*) => { $(
        // SAFETY: a number, of which zero is one.
        unsafe impl ZeroIsValid for $of {}
    )* };
}

zero_is_valid!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool);
zero_is_valid!(AtomicU8 AtomicU16 AtomicU32 AtomicU64 AtomicUsize AtomicBool);

// SAFETY: an array is its elements, one behind the other.
unsafe impl<T: ZeroIsValid, const N: usize> ZeroIsValid for [T; N] {}

/// A slice of a length chosen once, zeroed at first. Its pages are committed when first touched,
/// and given back when it is dropped.
pub struct Zeroed<T: ZeroIsValid> {
    first: NonNull<T>,
    len: usize,
    source: Source,
}

/// Where the memory came from, and so where it goes.
#[derive(Clone, Copy)]
enum Source {
    /// Zero bytes come from nowhere.
    Nowhere,
    Allocator,
    #[cfg(target_os = "linux")]
    Mapped {
        bytes: usize,
        huge: bool,
    },
}

// SAFETY: it owns its elements as a `Box<[T]>` does.
unsafe impl<T: ZeroIsValid + Send> Send for Zeroed<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: ZeroIsValid + Sync> Sync for Zeroed<T> {}

impl<T: ZeroIsValid> Zeroed<T> {
    /// `len` elements of zeroes.
    ///
    /// # Panics
    /// If they would take more bytes than there are addresses; aborts where the allocator does.
    pub fn new(len: usize, pages: Pages) -> Zeroed<T> {
        const {
            assert!(!std::mem::needs_drop::<T>(), "elements are never dropped");
            assert!(align_of::<T>() <= 4096, "a page is aligned to no more");
        }
        let layout = Layout::array::<T>(len).expect("a table fits into the address space");
        if layout.size() == 0 {
            return Zeroed { first: NonNull::dangling(), len, source: Source::Nowhere };
        }
        #[cfg(target_os = "linux")]
        if let Some((first, source)) = mapped(layout.size(), pages) {
            return Zeroed { first: first.cast(), len, source };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = pages;
        // SAFETY: the layout is not of zero bytes.
        let allocated = unsafe { alloc_zeroed(layout) };
        let Some(first) = NonNull::new(allocated) else { handle_alloc_error(layout) };
        Zeroed { first: first.cast(), len, source: Source::Allocator }
    }

    /// Bytes of its elements.
    pub fn bytes(&self) -> usize {
        size_of::<T>() * self.len
    }

    /// Whether huge pages were asked for and the system took note.
    pub fn has_huge_pages(&self) -> bool {
        match self.source {
            #[cfg(target_os = "linux")]
            Source::Mapped { huge, .. } => huge,
            Source::Nowhere | Source::Allocator => false,
        }
    }
}

/// At least `bytes` of anonymous memory, and whether it has huge pages.
#[cfg(target_os = "linux")]
fn mapped(bytes: usize, pages: Pages) -> Option<(NonNull<u8>, Source)> {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    let unit = match pages {
        Pages::Normal => 4096,
        Pages::Huge => HUGE,
    };
    let bytes = bytes.checked_next_multiple_of(unit)?;
    let spare = if pages == Pages::Huge { HUGE } else { 0 };
    let asked = bytes.checked_add(spare)?;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping at an address of the system's choice overlaps nothing.
    let base = unsafe { mmap_anonymous(std::ptr::null_mut(), asked, protection, flags) }.ok()?;
    let base = base.cast::<u8>();
    let before = if spare > 0 { base.align_offset(HUGE) } else { 0 };
    let first = base.wrapping_add(before);
    // SAFETY: both pieces lie inside the new mapping, outside of what is kept of it, and begin and
    // end at pages; a piece that cannot be given back is kept for nothing, and does no harm.
    unsafe {
        if before > 0 {
            let _ = munmap(base.cast(), before);
        }
        if spare > before {
            let _ = munmap(first.wrapping_add(bytes).cast(), spare - before);
        }
    }
    // SAFETY: advice on a mapping of our own changes nothing that can be read from it.
    let advised = || unsafe { madvise(first.cast(), bytes, Advice::LinuxHugepage) }.is_ok();
    let huge = pages == Pages::Huge && advised();
    Some((NonNull::new(first)?, Source::Mapped { bytes, huge }))
}

impl<T: ZeroIsValid> Drop for Zeroed<T> {
    fn drop(&mut self) {
        match self.source {
            Source::Nowhere => {}
            Source::Allocator => {
                let layout = Layout::array::<T>(self.len).expect("it was allocated by it");
                // SAFETY: allocated with the same layout, and nothing refers to it any more.
                unsafe { dealloc(self.first.as_ptr().cast(), layout) }
            }
            #[cfg(target_os = "linux")]
            Source::Mapped { bytes, .. } => {
                // SAFETY: mapped by `mapped` with this size, and nothing refers to it any more.
                let unmapped = unsafe { rustix::mm::munmap(self.first.as_ptr().cast(), bytes) };
                debug_assert!(unmapped.is_ok(), "a mapping of our own can be given back");
            }
        }
    }
}

impl<T: ZeroIsValid> Deref for Zeroed<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` elements lie there, zeroed at first, which is a value of `T`.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl<T: ZeroIsValid> DerefMut for Zeroed<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`, and `self` is borrowed for it alone.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

impl<T: ZeroIsValid> fmt::Debug for Zeroed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let huge = self.has_huge_pages();
        f.debug_struct("Zeroed").field("len", &self.len).field("huge", &huge).finish()
    }
}
