//! Rules that have been replaced, for as long as a verdict may still speak of them: later fragments
//! share that of the first one, "and what is known of a packet lives 2 s from its first fragment".

use std::collections::VecDeque;
use std::time::Duration;

use ringfence_frame::{Body, Instant, parse};
use ringfence_switch::{Fabric, Verdict};

/// What is known of a fragmented packet is forgotten after that.
const LIFETIME: Duration = Duration::from_secs(2);

/// The last worlds, each up to a change.
#[derive(Default)]
pub(super) struct RecentRules {
    /// Changes made so far.
    epoch: u64,
    last_fragment: Option<Instant>,
    /// Each with its number and the moment at which it ended.
    ended: VecDeque<(u64, Instant, Fabric)>,
}

impl RecentRules {
    /// A frame comes in.
    pub(super) fn meet(&mut self, bytes: &[u8], now: Instant) {
        if let Ok(frame) = parse(bytes)
            && let Body::Ip(ip) = frame.body
            && ip.fragment.is_some()
        {
            self.last_fragment = Some(now);
        }
    }

    /// A change is about to be made. Without fragments about, nobody will ask for what was before.
    pub(super) fn keep(&mut self, fabric: &Fabric, now: Instant) {
        while self.ended.pop_front_if(|(_, end, _)| now.since(*end) > LIFETIME).is_some() {}
        if self.last_fragment.is_some_and(|last| now.since(last) <= LIFETIME) {
            self.ended.push_back((self.epoch, now, fabric.clone()));
        }
        self.epoch += 1;
    }

    /// The rules that gave a verdict; none if they are those of now.
    pub(super) fn of(&self, verdict: &Verdict) -> Option<&Fabric> {
        if verdict.epoch == self.epoch {
            return None;
        }
        let kept = self.ended.iter().find(|(epoch, ..)| *epoch == verdict.epoch);
        kept.map(|(_, _, fabric)| fabric)
    }
}
