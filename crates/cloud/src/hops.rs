//! The devices on a way, held in place: finding a way allocates nothing. Which devices those are is
//! for `locate`.

use std::fmt;
use std::ops::Deref;

use crate::{CenIndex, VpcIndex};

/// A device on the way that takes one from the TTL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Hop {
    /// The router of a VPC.
    VpcRouter(VpcIndex),
    /// A CEN.
    Cen(CenIndex),
    /// The Internet gateway, where public addresses are mapped to private ones.
    InternetGateway,
}

/// What takes one from the TTL, in order: at most [`Hops::MAX`] devices. Reads as a slice.
#[derive(Clone, Copy)]
pub struct Hops {
    list: [Hop; Hops::MAX],
    len: u8,
}

impl Hops {
    /// No way has more.
    pub const MAX: usize = 5;

    /// How many there are: what the way takes from the TTL.
    pub fn count(&self) -> u8 {
        self.len
    }

    pub(crate) const fn of<const N: usize>(hops: [Hop; N]) -> Hops {
        const { assert!(N <= Hops::MAX) };
        let mut list = [Hop::InternetGateway; Hops::MAX];
        let mut at = 0;
        while at < N {
            list[at] = hops[at];
            at += 1;
        }
        Hops { list, len: N as u8 }
    }

    pub(crate) fn then(mut self, hop: Hop) -> Hops {
        *self.list.get_mut(usize::from(self.len)).expect("no way has more hops") = hop;
        self.len += 1;
        self
    }
}

impl Deref for Hops {
    type Target = [Hop];

    fn deref(&self) -> &[Hop] {
        &self.list[..usize::from(self.len)]
    }
}

impl PartialEq for Hops {
    fn eq(&self, other: &Hops) -> bool {
        **self == **other
    }
}

impl Eq for Hops {}

impl fmt::Debug for Hops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
