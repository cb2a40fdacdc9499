//! A line's key: the port at which one direction's frames come in and their tuple as it arrives
//! there, in as few words as it takes. Owns the layout and the hash; where keys lie is the
//! index's matter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_frame::{Direction, Icmp, IcmpKind, Ip, Protocol, Transport, Tuple};

/// A port of the switch: interfaces first, then outside hosts and edges. Below [`PORTS_MAX`].
pub type PortId = u32;

/// One more than the largest [`PortId`].
pub const PORTS_MAX: PortId = 1 << 24;

/// Which way the ICMP queries of a conversation go, as seen from the key's port: the place of
/// the target port in an ICMP key, whose source port is the identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Requests {
    /// No query and no reply.
    None = 0,
    /// Queries come in at the port, from whoever is behind it.
    Outbound = 1,
    /// Queries go to whoever is behind the port.
    Inbound = 2,
}

/// The key of one direction of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// IPv4
    V4(KeyV4),
    /// IPv6
    V6(KeyV6),
}

/// The key of one direction of an IPv4 flow: source 32 bits, protocol 8, port 24; then target 32,
/// source port 16, target port 16.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyV4(pub(crate) [u64; 2]);

/// The key of one direction of an IPv6 flow: source port 16 bits, target port 16, protocol 8,
/// port 24; then source and target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyV6(pub(crate) [u64; 5]);

impl KeyV4 {
    /// The key of frames that come in at `port`. Addresses are numbers in host order. For ICMP
    /// queries and replies `source_port` is the identifier and `target_port` a [`Requests`]; for
    /// other ICMP and protocols without ports both are 0.
    #[inline]
    pub fn new(
        port: PortId,
        protocol: u8,
        source: u32,
        target: u32,
        source_port: u16,
        target_port: u16,
    ) -> KeyV4 {
        let who = u64::from(source) << 32 | u64::from(protocol) << 24 | u64::from(port & 0xff_ffff);
        let whom = u64::from(target) << 32 | u64::from(source_port) << 16 | u64::from(target_port);
        KeyV4([who, whom])
    }
}

impl KeyV6 {
    /// As [`KeyV4::new`].
    #[inline]
    pub fn new(
        port: PortId,
        protocol: u8,
        source: u128,
        target: u128,
        source_port: u16,
        target_port: u16,
    ) -> KeyV6 {
        let ports = u64::from(source_port) << 48 | u64::from(target_port) << 32;
        let head = ports | u64::from(protocol) << 24 | u64::from(port & 0xff_ffff);
        let halves = |address: u128| [(address >> 64) as u64, address as u64];
        let ([a, b], [c, d]) = (halves(source), halves(target));
        KeyV6([head, a, b, c, d])
    }
}

impl Key {
    /// The key of `ip`, which crosses `port` in `direction` (outbound: it comes in there). A packet
    /// that leaves has the key under which the answer will come in. `None` for ICMP errors and
    /// later fragments, which have no key of their own.
    pub fn of(port: PortId, direction: Direction, ip: &Ip) -> Option<Key> {
        Some(Key::new(port, direction, &ip.tuple(), requests(direction, ip)?))
    }

    pub(crate) fn new(
        port: PortId,
        direction: Direction,
        tuple: &Tuple,
        requests: Requests,
    ) -> Key {
        let tuple = match direction {
            Direction::Outbound => *tuple,
            Direction::Inbound => tuple.reversed(),
        };
        let Protocol(protocol) = tuple.protocol;
        let (source_port, target_port) = match is_icmp(tuple.protocol) {
            true => (tuple.source_port, requests as u16),
            false => (tuple.source_port, tuple.target_port),
        };
        match (tuple.source, tuple.target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => Key::V4(KeyV4::new(
                port,
                protocol,
                source.to_bits(),
                target.to_bits(),
                source_port,
                target_port,
            )),
            (source, target) => Key::V6(KeyV6::new(
                port,
                protocol,
                bits(source),
                bits(target),
                source_port,
                target_port,
            )),
        }
    }
}

impl Key {
    /// The port of a key, and the tuple of the packets that come in there.
    pub(crate) fn parts(&self) -> (PortId, Tuple) {
        let (port, protocol, source, target, source_port, target_port) = match *self {
            Key::V4(KeyV4([who, whom])) => {
                let address = |bits: u64| IpAddr::from(Ipv4Addr::from_bits((bits >> 32) as u32));
                (who, who, address(who), address(whom), whom >> 16, whom)
            }
            Key::V6(KeyV6([head, a, b, c, d])) => {
                let address = |high: u64, low: u64| {
                    let bits = u128::from(high) << 64 | u128::from(low);
                    IpAddr::from(Ipv6Addr::from_bits(bits))
                };
                (head, head, address(a, b), address(c, d), head >> 48, head >> 32)
            }
        };
        let protocol = Protocol((protocol >> 24) as u8);
        let source_port = source_port as u16;
        let target_port = if is_icmp(protocol) { source_port } else { target_port as u16 };
        let port = port as u32 & 0xff_ffff;
        (port, Tuple { source, target, protocol, source_port, target_port })
    }
}

pub(crate) fn is_icmp(protocol: Protocol) -> bool {
    protocol == Protocol::ICMP || protocol == Protocol::ICMPV6
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Which way the requests of `ip`'s conversation go at a port that it crosses in `direction`;
/// `None` if it has no key of its own.
pub(crate) fn requests(direction: Direction, ip: &Ip) -> Option<Requests> {
    let (same, opposite) = match direction {
        Direction::Outbound => (Requests::Outbound, Requests::Inbound),
        Direction::Inbound => (Requests::Inbound, Requests::Outbound),
    };
    match ip.transport {
        Transport::LaterFragment => None,
        Transport::Icmp(Icmp { kind, .. }) => match kind {
            IcmpKind::Error { .. } => None,
            IcmpKind::Query => Some(same),
            IcmpKind::Reply => Some(opposite),
            IcmpKind::Neighbor(_) | IcmpKind::MulticastListener | IcmpKind::Other => {
                Some(Requests::None)
            }
        },
        Transport::Tcp(_) | Transport::Udp(_) | Transport::Other => Some(Requests::None),
    }
}

/// An address family: how wide its keys are, and which table has them.
pub trait Family: sealed::Layout {}

/// IPv4
#[derive(Clone, Copy, Debug)]
pub struct V4;

/// IPv6
#[derive(Clone, Copy, Debug)]
pub struct V6;

impl Family for V4 {}
impl Family for V6 {}

/// What is nobody else's business, so that there are no other families.
pub mod sealed {
    use super::{Key, KeyV4, KeyV6};
    use crate::flows::Flows;
    use crate::sync::{AtomicU64, Relaxed, ZeroIsValid};
    use crate::table::Table;

    /// How a family's keys lie in memory.
    pub trait Layout: Copy + Send + Sync + std::fmt::Debug + 'static {
        /// Its keys.
        type Key: Copy + Eq + Send + Sync + std::fmt::Debug + 'static;
        /// A key in a line.
        type Words: ZeroIsValid + AsRef<[AtomicU64]> + Send + Sync + std::fmt::Debug;

        /// 0 or 1.
        const INDEX: usize;

        /// Its table.
        fn table(flows: &Flows) -> &Table<Self>
        where
            Self: super::Family;

        /// The numbers of a key.
        fn numbers(key: &Self::Key) -> &[u64];

        /// The port of a key.
        #[inline]
        fn port(key: &Self::Key) -> super::PortId {
            (Self::numbers(key)[0] & 0xff_ffff) as super::PortId
        }

        /// The protocol of a key.
        #[inline]
        fn protocol(key: &Self::Key) -> super::Protocol {
            super::Protocol((Self::numbers(key)[0] >> 24) as u8)
        }

        /// Whether a line has a key.
        fn is_same(words: &Self::Words, key: &Self::Key) -> bool;

        /// Writes the key of a line.
        fn store(words: &Self::Words, key: &Self::Key);

        /// The key of a line.
        fn load(words: &Self::Words) -> Self::Key;

        /// The key with its family.
        fn any(key: Self::Key) -> Key;

        /// The key, if it is of this family.
        fn own(key: Key) -> Option<Self::Key>;

        /// A keyed hash: a folded multiplication for each word, so that whoever does not know
        /// `seed` cannot make keys collide.
        fn hash(key: &Self::Key, seed: u64) -> u64;
    }

    impl Layout for super::V4 {
        type Key = KeyV4;
        type Words = [AtomicU64; 2];

        const INDEX: usize = 0;

        #[inline]
        fn table(flows: &Flows) -> &Table<Self> {
            flows.v4()
        }

        #[inline]
        fn numbers(key: &KeyV4) -> &[u64] {
            &key.0
        }

        #[inline(always)]
        fn is_same([who, whom]: &[AtomicU64; 2], key: &KeyV4) -> bool {
            (who.load(Relaxed) ^ key.0[0]) | (whom.load(Relaxed) ^ key.0[1]) == 0
        }

        #[inline]
        fn store([who, whom]: &[AtomicU64; 2], key: &KeyV4) {
            who.store(key.0[0], Relaxed);
            whom.store(key.0[1], Relaxed);
        }

        #[inline]
        fn load([who, whom]: &[AtomicU64; 2]) -> KeyV4 {
            KeyV4([who.load(Relaxed), whom.load(Relaxed)])
        }

        fn any(key: KeyV4) -> Key {
            Key::V4(key)
        }

        fn own(key: Key) -> Option<KeyV4> {
            match key {
                Key::V4(key) => Some(key),
                Key::V6(_) => None,
            }
        }

        #[inline]
        fn hash(key: &KeyV4, seed: u64) -> u64 {
            let [who, whom] = key.0;
            super::folded(super::folded(who ^ seed, whom ^ super::MIX[0]), seed ^ super::MIX[1])
        }
    }

    impl Layout for super::V6 {
        type Key = KeyV6;
        type Words = [AtomicU64; 5];

        const INDEX: usize = 1;

        #[inline]
        fn table(flows: &Flows) -> &Table<Self> {
            flows.v6()
        }

        #[inline]
        fn numbers(key: &KeyV6) -> &[u64] {
            &key.0
        }

        #[inline(always)]
        fn is_same([head, a, b, c, d]: &[AtomicU64; 5], key: &KeyV6) -> bool {
            let source = (a.load(Relaxed) ^ key.0[1]) | (b.load(Relaxed) ^ key.0[2]);
            let target = (c.load(Relaxed) ^ key.0[3]) | (d.load(Relaxed) ^ key.0[4]);
            source | target | (head.load(Relaxed) ^ key.0[0]) == 0
        }

        #[inline]
        fn store(words: &[AtomicU64; 5], key: &KeyV6) {
            for (word, number) in words.iter().zip(key.0) {
                word.store(number, Relaxed);
            }
        }

        #[inline]
        fn load([head, a, b, c, d]: &[AtomicU64; 5]) -> KeyV6 {
            let [head, a, b] = [head.load(Relaxed), a.load(Relaxed), b.load(Relaxed)];
            KeyV6([head, a, b, c.load(Relaxed), d.load(Relaxed)])
        }

        fn any(key: KeyV6) -> Key {
            Key::V6(key)
        }

        fn own(key: Key) -> Option<KeyV6> {
            match key {
                Key::V6(key) => Some(key),
                Key::V4(_) => None,
            }
        }

        #[inline]
        fn hash(key: &KeyV6, seed: u64) -> u64 {
            let [head, a, b, c, d] = key.0;
            let source = super::folded(a ^ seed, b ^ super::MIX[0]);
            let target = super::folded(c ^ seed.rotate_left(32), d ^ super::MIX[2]);
            let all = source ^ target.rotate_left(24) ^ head;
            super::folded(all, seed ^ super::MIX[1])
        }
    }
}

/// Digits of pi.
const MIX: [u64; 3] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0];

#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide >> 64) as u64 ^ wide as u64
}
