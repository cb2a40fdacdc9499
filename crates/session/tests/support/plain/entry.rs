//! One session's life: what a packet does to its phase and its deadline.

use ringfence_frame::{Direction, Icmp, IcmpKind, Instant, Ip, Transport};

use super::key::Key;
use super::table::Session;
use super::tcp::{self, Effect, Sides};
use super::{Kept, kept_by};
use ringfence_session::{InterfaceId, SessionId, TcpPhase, Timeouts};

/// A session and what the table alone needs to know of it.
#[derive(Debug)]
pub struct Entry<T> {
    pub session: Session<T>,
    requests: Option<Direction>,
    timeouts: Kept,
    /// Whether both directions have been seen.
    answered: bool,
    /// For TCP, `Some` as `session.tcp` is.
    sides: Option<Sides>,
    /// The deadline under which the table's queue holds it; not later than its own.
    pub queued: Instant,
}

/// The circumstances of a first packet.
pub struct Opening<'a> {
    pub id: SessionId,
    pub interface: InterfaceId,
    pub direction: Direction,
    pub timeouts: &'a Timeouts,
    pub now: Instant,
}

impl<T> Entry<T> {
    pub fn open(opening: &Opening<'_>, key: &Key, ip: &Ip, note: T) -> Entry<T> {
        let timeouts = kept_by(opening.timeouts, ip.protocol);
        let sides = match ip.transport {
            Transport::Tcp(segment) => Some(Sides::open(&segment)),
            _ => None,
        };
        let deadline = deadline(opening.now, timeouts.one_way_ms);
        let session = Session {
            id: opening.id,
            interface: opening.interface,
            opened: opening.direction,
            tuple: ip.tuple(),
            since: opening.now,
            deadline,
            tcp: sides.map(|_| TcpPhase::Opening),
            note,
        };
        let requests = key.requests();
        Entry { session, requests, timeouts, answered: false, sides, queued: deadline }
    }

    pub fn key(&self) -> Key {
        let Session { interface, opened, tuple, .. } = self.session;
        Key::new(interface, opened, tuple, self.requests)
    }

    /// "A session dies when it was idle LONGER than its timeout; session time counts whole
    /// milliseconds since the start."
    pub fn is_dead(&self, now: Instant) -> bool {
        is_past(self.session.deadline, now)
    }

    /// "Of these half-open": TCP that is not established.
    pub fn is_half_open(&self) -> bool {
        self.session.tcp == Some(TcpPhase::Opening)
    }

    /// Whether `ip`, which has this session's key, begins another conversation: "A SYN on a
    /// closing session is a new flow, decided by rules."
    pub fn is_superseded_by(&self, ip: &Ip) -> bool {
        self.session.tcp == Some(TcpPhase::Closing)
            && matches!(ip.transport, Transport::Tcp(segment) if tcp::is_opening_syn(&segment))
    }

    /// See [`super::Sessions::advance`].
    pub fn advance(&mut self, direction: Direction, ip: &Ip, now: Instant) {
        let forward = direction == self.session.opened;
        match ip.transport {
            // Its first fragment has spoken for the whole packet.
            Transport::LaterFragment => return,
            // "... and refresh nothing"
            Transport::Icmp(Icmp { kind: IcmpKind::Error { .. }, .. }) => return,
            Transport::Tcp(segment) => {
                let (Some(phase), Some(sides)) = (self.session.tcp, &mut self.sides) else {
                    return;
                };
                // "the 3 s then run once and packets do not extend them"
                if phase == TcpPhase::Closing {
                    return;
                }
                match sides.take(phase, forward, &segment) {
                    Effect::Nothing => return,
                    Effect::Closes => {
                        self.session.tcp = Some(TcpPhase::Closing);
                        self.session.deadline = deadline(now, self.timeouts.closing_ms);
                        return;
                    }
                    // "It is established when both directions have been seen."
                    Effect::Seen if !forward => self.session.tcp = Some(TcpPhase::Established),
                    Effect::Seen => {}
                }
            }
            Transport::Udp(_) | Transport::Icmp(_) | Transport::Other => {}
        }
        self.answered |= !forward;
        let idle_ms = match self.answered {
            true => self.timeouts.both_ways_ms,
            false => self.timeouts.one_way_ms,
        };
        self.session.deadline = deadline(now, idle_ms);
    }
}

fn deadline(now: Instant, idle_ms: u64) -> Instant {
    Instant::from_ms(now.as_ms().saturating_add(idle_ms))
}

/// Whether `now` is a later whole millisecond than `deadline`.
pub fn is_past(deadline: Instant, now: Instant) -> bool {
    now.as_ms() > deadline.as_ms()
}
