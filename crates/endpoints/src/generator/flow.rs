//! A flow as whoever builds a load describes it: what its frames carry, and what must become of
//! them.

use ringfence_frame::batch::PortNumber;
use ringfence_frame::{Family, MacAddr, Protocol, Tuple};

/// What the headers of a flow's frames say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Headers {
    /// Ethernet source.
    pub source_mac: MacAddr,
    /// Ethernet target.
    pub target_mac: MacAddr,
    /// Addresses, protocol (TCP, UDP, or ICMP and ICMPv6: echo) and ports. For echo both ports are
    /// the identifier.
    pub tuple: Tuple,
    /// TTL or hop limit.
    pub ttl: u8,
}

impl Headers {
    /// The headers of a reply to a frame that arrived with these.
    pub fn answered(&self, ttl: u8) -> Headers {
        Headers {
            source_mac: self.target_mac,
            target_mac: self.source_mac,
            tuple: self.tuple.reversed(),
            ttl,
        }
    }
}

/// Why frames are dropped, as a number below [`Reason::COUNT`] whose meaning whoever builds the
/// load and whoever runs it agree on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reason(u8);

impl Reason {
    /// How many reasons there can be.
    pub const COUNT: usize = 128;

    /// A reason, if the number is one.
    pub fn new(number: u8) -> Option<Reason> {
        (usize::from(number) < Reason::COUNT).then_some(Reason(number))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// Where and how a flow's frames must come out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arriving {
    /// The port.
    pub port: PortNumber,
    /// The headers there: MACs of the last link, addresses translated, TTL taken down.
    pub headers: Headers,
}

/// What must become of every frame of a flow (in one direction).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// It comes out.
    Delivered(Arriving),
    /// It does not, for this reason.
    Dropped(Reason),
}

/// A flow with its expected answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowSpec {
    /// Where its frames come in.
    pub port: PortNumber,
    /// What they carry.
    pub headers: Headers,
    /// What must become of them.
    pub expected: Expected,
    /// Whether frames go back as well, once its own have been delivered: from the port where they
    /// come out, to the port where they came in, with the headers turned round. Both ends must
    /// have allowed the flow.
    pub replies: bool,
    /// Every frame is the first of a flow of its own: the source port (or echo identifier) counts
    /// up from 32,768 and begins there again, whatever `headers` says. Such a flow has no replies.
    pub fresh: bool,
}

/// Why a flow cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FlowError {
    /// Two IP versions in one packet, or other ones where it arrives.
    #[error("flow {0}: addresses of two IP versions")]
    Families(u32),
    /// Neither TCP nor UDP nor echo of the family.
    #[error("flow {0}: {1} is not generated: tcp, udp, and icmp for IPv4 or icmpv6 for IPv6 are")]
    Protocol(u32, Protocol),
    /// A port number that is none.
    #[error("flow {0}: port {1} is not below 16,777,216")]
    Port(u32, PortNumber),
    /// A port without queue.
    #[error("flow {0}: port {1} is given to queue {2}, which does not exist")]
    Queue(u32, PortNumber, usize),
    /// Flow numbers have 31 bits.
    #[error("more than 2,147,483,647 flows")]
    TooMany,
}

/// One direction of a flow.
#[derive(Clone, Copy)]
pub(crate) struct OneWay {
    /// Where its frames come in.
    pub(crate) port: PortNumber,
    /// What they carry.
    pub(crate) headers: Headers,
    /// What must become of them.
    pub(crate) expected: Expected,
}

impl FlowSpec {
    /// The same flow where there is no switch, and every frame comes out as it went in, where it
    /// went in.
    pub fn returned(self) -> FlowSpec {
        let arriving = Arriving { port: self.port, headers: self.headers };
        FlowSpec { expected: Expected::Delivered(arriving), ..self }
    }

    /// Its own direction, and that of the replies if it has any.
    pub(crate) fn directions(&self) -> (OneWay, Option<OneWay>) {
        let own = OneWay { port: self.port, headers: self.headers, expected: self.expected };
        let Expected::Delivered(arriving) = self.expected else { return (own, None) };
        if !self.replies || self.fresh {
            return (own, None);
        }
        let sent = arriving.headers.answered(self.headers.ttl);
        let taken = self.headers.ttl.saturating_sub(arriving.headers.ttl);
        let back = Arriving {
            port: self.port,
            headers: self.headers.answered(self.headers.ttl.saturating_sub(taken)),
        };
        let expected = Expected::Delivered(back);
        (own, Some(OneWay { port: arriving.port, headers: sent, expected }))
    }

    /// # Errors
    /// Why it cannot be sent; `number` is what it would be called.
    pub(crate) fn check(&self, number: u32) -> Result<(), FlowError> {
        let arriving = match self.expected {
            Expected::Delivered(arriving) => arriving,
            Expected::Dropped(_) => Arriving { port: self.port, headers: self.headers },
        };
        for Headers { tuple, .. } in [self.headers, arriving.headers] {
            let family = self.headers.tuple.family();
            if [tuple.source, tuple.target].map(Family::of) != [family; 2] {
                return Err(FlowError::Families(number));
            }
            let known = match tuple.protocol {
                Protocol::TCP | Protocol::UDP => true,
                Protocol::ICMP => family == Family::Ipv4,
                Protocol::ICMPV6 => family == Family::Ipv6,
                _ => false,
            };
            if !known || tuple.protocol != self.headers.tuple.protocol {
                return Err(FlowError::Protocol(number, tuple.protocol));
            }
        }
        let ports = [self.port, arriving.port];
        match ports.into_iter().find(|&port| port >= ringfence_frame::batch::PORTS_MAX) {
            Some(port) => Err(FlowError::Port(number, port)),
            None => Ok(()),
        }
    }
}
