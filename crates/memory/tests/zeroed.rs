//! Tables of every size, on both kinds of pages.

use std::sync::atomic::{AtomicU64, Ordering};

use ringfence_memory::{Pages, Zeroed};

#[track_caller]
fn check(len: usize, pages: Pages) {
    let mut table: Zeroed<[AtomicU64; 8]> = Zeroed::new(len, pages);
    assert_eq!((table.len(), table.bytes()), (len, len * 64));
    assert!(table.iter().flatten().all(|word| word.load(Ordering::Relaxed) == 0));
    for (number, line) in table.iter().enumerate() {
        line[7].store(number as u64 + 1, Ordering::Relaxed);
    }
    for (number, line) in table.iter_mut().enumerate() {
        assert_eq!(*line[7].get_mut(), number as u64 + 1);
        assert_eq!(*line[0].get_mut(), 0);
    }
    if pages == Pages::Normal {
        assert!(!table.has_huge_pages());
    }
    if table.has_huge_pages() {
        assert_eq!(table.as_ptr() as usize % (2 << 20), 0, "begins at a huge page");
    }
}

#[test]
fn zeroed_at_first_and_written_to_its_last_element() {
    for pages in [Pages::Normal, Pages::Huge] {
        for len in [0, 1, 63, 64, 65, 32_767, 32_768, 32_769, 100_000] {
            check(len, pages);
        }
    }
}

/// Far more than there is memory: it is committed when touched.
#[cfg(target_os = "linux")]
#[test]
fn untouched_memory_costs_nothing() {
    let table: Zeroed<u64> = Zeroed::new(1 << 36, Pages::Normal);
    assert_eq!(table[(1 << 36) - 1], 0);
}

#[test]
fn shared_by_threads() {
    let table: Zeroed<AtomicU64> = Zeroed::new(1000, Pages::Normal);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for word in table.iter() {
                    word.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(table.iter().all(|word| word.load(Ordering::Relaxed) == 4));
}
