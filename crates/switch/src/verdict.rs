//! What became of a frame, as a value.

use ringfence_cloud::{InterfaceIndex, Place, Unreachable};
use ringfence_frame::{Malformed, Tuple};
use ringfence_policy::RuleRef;
use ringfence_session::SessionId;

/// A frame's number, given by whoever hands it in.
pub type FrameId = u64;

/// The step of the journey at which the verdict fell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    /// Malformed frames and fragments.
    Parse,
    /// Spoofed and not-forwarded frames, and what the fabric answers itself.
    Admit,
    /// The sender's interface.
    Outbound,
    /// Unreachable, TTL, MTU.
    Route,
    /// The receiver's interface.
    Inbound,
    /// The output queue.
    Deliver,
}

/// Why. The names that users script against are in [`Because::name`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Because {
    /// A custom rule.
    Rule(RuleRef),
    /// Same-group Accept.
    SameGroup(ringfence_cloud::GroupIndex),
    /// The default of the group type.
    Default,
    /// Always-allowed traffic, and what the fabric itself answers (ARP, ND).
    AlwaysAllowed,
    /// The platform's port 25 block.
    Platform,
    /// A live session.
    Session,
    /// TCP without SYN and without session, under `tcp_midstream: drop`.
    Midstream,
    /// Not the sender's MAC or address.
    Spoofed,
    /// Broadcast, multicast, VLAN tags, other ethertypes.
    NotForwarded,
    /// No way there.
    Unreachable(Unreachable),
    /// TTL used up.
    TtlExceeded,
    /// Larger than the MTU.
    TooBig,
    /// The output queue is full.
    QueueFull,
    /// Cannot be read.
    Malformed(Malformed),
    /// A later fragment whose first one did not come within 2 s.
    FragmentTimeout,
    /// Fragments that overlap.
    FragmentOverlap,
    /// Too many packets waiting for their first fragment.
    FragmentLimit,
    /// Too many sessions.
    SessionLimit,
    /// Too many half-open sessions.
    HalfOpenLimit,
}

/// One interface's part in a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Side {
    /// Whose.
    pub interface: InterfaceIndex,
    /// Whether it let the frame cross.
    pub allowed: bool,
    /// Why.
    pub because: Because,
    /// The session of this half that the frame belongs to or opened.
    pub session: Option<SessionId>,
}

/// What became of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Whether it was delivered (or answered by the fabric).
    pub allowed: bool,
    /// Why: of an allowed packet "the receiving interface's inbound decision, or the outbound one
    /// where the target is outside the fabric"; of a denied one the reason of the side or stage
    /// that denied.
    pub because: Because,
    /// Where it fell.
    pub stage: Stage,
    /// Its key as it came in, if it is an IP packet that could be read.
    pub tuple: Option<Tuple>,
    /// Where it went or would have gone, if that was found out.
    pub to: Option<Place>,
    /// The sender's interface, if it was asked.
    pub outbound: Option<Side>,
    /// The receiver's interface, if it was asked.
    pub inbound: Option<Side>,
    /// Sessions that this frame found condemned by a rule change, and ended.
    pub sessions_cut: Vec<SessionId>,
    /// How many changes the switch had taken when it was decided: under which rules a [`RuleRef`]
    /// in it is to be read. That of a later fragment was decided with the first one.
    pub epoch: u64,
}

impl Stage {
    /// All of them, in the order of the journey.
    pub const ALL: [Stage; 6] =
        [Stage::Parse, Stage::Admit, Stage::Outbound, Stage::Route, Stage::Inbound, Stage::Deliver];

    /// Stable name: `parse`, `admit`, ...
    pub fn name(self) -> &'static str {
        match self {
            Stage::Parse => "parse",
            Stage::Admit => "admit",
            Stage::Outbound => "outbound",
            Stage::Route => "route",
            Stage::Inbound => "inbound",
            Stage::Deliver => "deliver",
        }
    }
}

/// Reasons without what they carry: their names, and their places in tables by reason.
macro_rules! kinds {
    ($($kind:ident $(($any:pat))? = $name:literal),* $(,)?) => {
        #[derive(Clone, Copy)]
        enum Kind {
            $($kind),*
        }

        const NAMES: &[&str] = &[$($name),*];

        impl From<Because> for Kind {
            fn from(because: Because) -> Kind {
                match because {
                    $(Because::$kind $(($any))? => Kind::$kind),*
                }
            }
        }
    };
}

kinds! {
    Rule(_) = "rule",
    SameGroup(_) = "same-group",
    Default = "default",
    AlwaysAllowed = "always-allowed",
    Platform = "platform",
    Session = "session",
    Midstream = "midstream",
    Spoofed = "spoofed",
    NotForwarded = "not-forwarded",
    Unreachable(_) = "unreachable",
    TtlExceeded = "ttl-exceeded",
    TooBig = "too-big",
    QueueFull = "queue-full",
    Malformed(_) = "malformed",
    FragmentTimeout = "fragment-timeout",
    FragmentOverlap = "fragment-overlap",
    FragmentLimit = "fragment-limit",
    SessionLimit = "session-limit",
    HalfOpenLimit = "half-open-limit",
}

impl Because {
    /// The names of all kinds of reasons, by [`Because::kind`].
    pub const NAMES: &[&str] = NAMES;

    /// Its place in a table by reason, whatever it carries: below the number of [`Because::NAMES`].
    #[inline]
    pub fn kind(self) -> usize {
        Kind::from(self) as usize
    }

    /// Stable name: `rule`, `same-group`, `default`, ...
    pub fn name(self) -> &'static str {
        NAMES[self.kind()]
    }
}

impl From<ringfence_policy::Because> for Because {
    fn from(because: ringfence_policy::Because) -> Because {
        match because {
            ringfence_policy::Because::Rule(rule) => Because::Rule(rule),
            ringfence_policy::Because::SameGroup(group) => Because::SameGroup(group),
            ringfence_policy::Because::Default => Because::Default,
            ringfence_policy::Because::AlwaysAllowed => Because::AlwaysAllowed,
            ringfence_policy::Because::Platform => Because::Platform,
        }
    }
}
