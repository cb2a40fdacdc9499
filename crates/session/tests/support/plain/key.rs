//! What names a session in the table: the interface and the conversation.

use ringfence_frame::{Direction, Icmp, IcmpKind, Ip, Protocol, Transport, Tuple};

use ringfence_session::InterfaceId;

/// The name of a conversation at one interface, the same for packets of both its directions.
///
/// The tuple is turned by the direction in which the packet crosses the interface, not by
/// comparing addresses: so a packet from an address to itself has a name in each direction too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    interface: InterfaceId,
    /// The tuple of the packets that leave the instance.
    outbound: Tuple,
    /// For ICMP queries, which way the requests go. "A request opens it, replies go the other
    /// way": two sides that ping each other under the same identifier have two sessions.
    requests: Option<Direction>,
}

impl Key {
    /// The key of the session that `ip` belongs to or opens, if it can have one. ICMP errors
    /// have none, and the header of a later fragment is elsewhere.
    pub fn of(interface: InterfaceId, direction: Direction, ip: &Ip) -> Option<Key> {
        let requests = match ip.transport {
            Transport::LaterFragment => return None,
            Transport::Icmp(Icmp { kind, .. }) => match kind {
                IcmpKind::Error { .. } => return None,
                IcmpKind::Query => Some(direction),
                IcmpKind::Reply => Some(direction.opposite()),
                IcmpKind::Neighbor(_) | IcmpKind::MulticastListener | IcmpKind::Other => None,
            },
            Transport::Tcp(_) | Transport::Udp(_) | Transport::Other => None,
        };
        Some(Key::new(interface, direction, ip.tuple(), requests))
    }

    /// The keys that a packet with `tuple`, crossing in `direction`, may have, the likeliest
    /// first: of a quoted ICMP message it is not known whether it was a request.
    pub fn candidates(
        interface: InterfaceId,
        direction: Direction,
        tuple: Tuple,
    ) -> impl Iterator<Item = Key> {
        let is_icmp = tuple.protocol == Protocol::ICMP || tuple.protocol == Protocol::ICMPV6;
        let queries = [Some(direction), Some(direction.opposite())];
        let queries = queries.into_iter().filter(move |_| is_icmp);
        let others = std::iter::once(None);
        queries.chain(others).map(move |requests| Key::new(interface, direction, tuple, requests))
    }

    pub fn new(
        interface: InterfaceId,
        direction: Direction,
        tuple: Tuple,
        requests: Option<Direction>,
    ) -> Key {
        let outbound = match direction {
            Direction::Outbound => tuple,
            Direction::Inbound => tuple.reversed(),
        };
        Key { interface, outbound, requests }
    }

    /// Which way ICMP requests of this session go.
    pub fn requests(&self) -> Option<Direction> {
        self.requests
    }
}
