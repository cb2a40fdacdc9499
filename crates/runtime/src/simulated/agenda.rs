//! What happens when: frames on links by (due, sequence), and who wants to be woken at which
//! moment.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use ringfence_cloud::Place;
use ringfence_frame::Instant;

/// Something that happens at a moment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Event {
    /// A frame reaches the switch.
    ToSwitch(Place, Vec<u8>),
    /// A frame reaches whoever lives at the port.
    ToEndpoint(Place, Vec<u8>),
    /// The link to the endpoint can take the next frame.
    Free(Place),
}

/// Who can be woken. Guests come in port order, before generators.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Sleeper {
    /// The guest at a port.
    Guest(Place),
    /// A generator, by its place in the order in which they were attached.
    Generator(usize),
}

/// Events and wake-ups to come.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    sequence: u64,
    wakeups: BTreeSet<(Instant, Sleeper)>,
    wakeup_of: BTreeMap<Sleeper, Instant>,
}

impl Agenda {
    /// Notes an event; those of one moment happen in the order in which they were noted.
    pub(crate) fn schedule(&mut self, due: Instant, event: Event) {
        self.events.push(Reverse((due, self.sequence, event)));
        self.sequence += 1;
    }

    /// The next event that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Event> {
        if self.events.peek().is_none_or(|Reverse((due, ..))| *due > now) {
            return None;
        }
        self.events.pop().map(|Reverse((_, _, event))| event)
    }

    /// Notes when somebody wants to be woken, instead of what was noted before.
    pub(crate) fn wake(&mut self, who: Sleeper, at: Option<Instant>) {
        if let Some(before) = self.wakeup_of.remove(&who) {
            self.wakeups.remove(&(before, who));
        }
        if let Some(at) = at {
            self.wakeup_of.insert(who, at);
            self.wakeups.insert((at, who));
        }
    }

    /// Who is to be woken by now, in port order.
    pub(crate) fn due_sleepers(&self, now: Instant) -> BTreeSet<Sleeper> {
        self.wakeups.iter().take_while(|(at, _)| *at <= now).map(|&(_, who)| who).collect()
    }

    /// The next moment at which something happens or somebody is to be woken.
    pub(crate) fn next(&self) -> Option<Instant> {
        let event = self.events.peek().map(|Reverse((due, ..))| *due);
        let wakeup = self.wakeups.first().map(|&(at, _)| at);
        event.into_iter().chain(wakeup).min()
    }
}
