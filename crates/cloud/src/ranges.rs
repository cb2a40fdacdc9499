//! Ranges of addresses that are apart, and what each one stands for. Knows nothing of what that is.

use std::net::IpAddr;

use ipnet::IpNet;

/// Both families' ranges. Sorted, and so to be asked, once [`Ranges::seal`] has run. Where ranges
/// overlap, which [`World::check`](crate::World::check) refuses, the one that starts last is found.
#[derive(Clone, Debug)]
pub(crate) struct Ranges<T> {
    ipv4: Vec<Range<u32, T>>,
    ipv6: Vec<Range<u128, T>>,
}

#[derive(Clone, Copy, Debug)]
struct Range<A, T> {
    first: A,
    last: A,
    stands_for: T,
}

impl<T> Default for Ranges<T> {
    fn default() -> Ranges<T> {
        Ranges { ipv4: Vec::new(), ipv6: Vec::new() }
    }
}

impl<T: Copy> Ranges<T> {
    pub(crate) fn add(&mut self, range: IpNet, stands_for: T) {
        match range {
            IpNet::V4(range) => {
                let (first, last) = (range.network().to_bits(), range.broadcast().to_bits());
                self.ipv4.push(Range { first, last, stands_for });
            }
            IpNet::V6(range) => {
                let (first, last) = (range.network().to_bits(), range.broadcast().to_bits());
                self.ipv6.push(Range { first, last, stands_for });
            }
        }
    }

    pub(crate) fn seal(&mut self) {
        self.ipv4.sort_by_key(|range| range.first);
        self.ipv6.sort_by_key(|range| range.first);
    }

    pub(crate) fn get(&self, address: IpAddr) -> Option<T> {
        match address {
            IpAddr::V4(address) => find(&self.ipv4, address.to_bits()),
            IpAddr::V6(address) => find(&self.ipv6, address.to_bits()),
        }
    }
}

fn find<A: Copy + Ord, T: Copy>(sorted: &[Range<A, T>], address: A) -> Option<T> {
    let after = sorted.partition_point(|range| range.first <= address);
    let range = sorted.get(after.checked_sub(1)?)?;
    (address <= range.last).then_some(range.stands_for)
}
