//! Which ids rules are counted under. A rule that comes gets one, and the ids of rules that are gone
//! are given again, so that what workers keep of them is bounded by the rules that there are and the
//! sessions that live.
//!
//! A session counts for the rule that opened it as long as it lives, whatever becomes of the rule. So
//! the id of a rule that is gone is nobody's only when
//! 1. every worker judges by rules that lack it, so that nothing opens under it any more;
//! 2. no flow is counted for it, which a search through the session table finds out, a slice of it with
//!    each change;
//! 3. every worker has forgotten what it has counted under it, as it does when it picks up rules that
//!    say so.
//!
//! Each of these is only looked at when a change comes; nobody waits. What was counted for a rule that
//! is gone is reported no more from the change on that took it away, and forgotten with its id.

use std::sync::Arc;

use ringfence_session::TallySearch;

use crate::plane::Plane;
use crate::rules::Rules;
use crate::tally::TallyId;

/// Ids that have to be gone before they are looked for: a search has its price, and so has telling the
/// workers.
const GONE_MIN: usize = 1_024;

/// One search for so many ids that are gone, of as many as there are, whatever their number.
const GONE_SHARE: usize = 8;

/// Records that are looked at for each id that goes with a change. Large tables have 64 records for
/// each id that goes while they are searched, and 24 bytes a worker are little beside those.
const RECORDS_PER_ID: usize = 64;

/// The ids that no rule has.
pub(crate) struct TallyIds {
    /// What may be given again.
    free: Vec<TallyId>,
    /// What was taken from rules, and sessions may hold.
    gone: Vec<TallyId>,
    /// How many are gone when the next search begins.
    search_at: usize,
    /// How many went with the change under way.
    given_back: usize,
    stage: Stage,
}

/// How far those are that a search is for.
enum Stage {
    /// There is none.
    Idle,
    /// Some worker may judge by rules older than `epoch`, which have them.
    Waiting { ids: Vec<TallyId>, epoch: u32 },
    /// Flows may hold them; those that are known to be held are marked, by id.
    Searching { ids: Vec<TallyId>, held: Vec<bool>, search: TallySearch },
    /// Some worker may not have seen the rules of `epoch`, and so have counts under them.
    Clearing { ids: Vec<TallyId>, epoch: u32 },
}

/// Which ids a worker is to forget the counts of when it picks rules up.
#[derive(Clone)]
pub(crate) struct Cleared {
    /// The last epoch with which ids were freed.
    pub(crate) at: u32,
    /// For each id the last epoch with which it was freed; those above were not.
    pub(crate) by_id: Arc<[u32]>,
}

impl Cleared {
    pub(crate) fn nothing() -> Cleared {
        Cleared { at: 0, by_id: Arc::new([]) }
    }

    /// The ids that were freed after `epoch`.
    pub(crate) fn since(&self, epoch: u32) -> impl Iterator<Item = TallyId> {
        let by_id = if self.at > epoch { &*self.by_id } else { &[] };
        (0..).zip(by_id).filter(move |(_, at)| **at > epoch).map(|(id, _)| id)
    }
}

impl TallyIds {
    pub(crate) fn new() -> TallyIds {
        TallyIds {
            free: Vec::new(),
            gone: Vec::new(),
            search_at: GONE_MIN,
            given_back: 0,
            stage: Stage::Idle,
        }
    }

    /// An id for a rule that comes; `len` is one more than the largest there is.
    pub(crate) fn take(&mut self, len: &mut u32) -> TallyId {
        self.free.pop().unwrap_or_else(|| {
            *len += 1;
            *len - 1
        })
    }

    /// Takes the id of a rule that goes with the change under way.
    pub(crate) fn give_back(&mut self, id: TallyId) {
        self.gone.push(id);
        self.given_back += 1;
    }

    /// One step towards giving ids again, with a change that is about to be published.
    pub(crate) fn go_on(&mut self, plane: &Plane, rules: &mut Rules) {
        let slice = self.given_back.max(1).saturating_mul(RECORDS_PER_ID);
        self.given_back = 0;
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle if self.gone.len() >= self.search_at => {
                Stage::Waiting { ids: std::mem::take(&mut self.gone), epoch: rules.epoch }
            }
            Stage::Waiting { ids, epoch } if plane.is_in_force(epoch) => {
                let held = vec![false; rules.tallies as usize];
                Stage::Searching { ids, held, search: plane.flows.search_tallies() }
            }
            Stage::Searching { ids, mut held, mut search } => {
                let slice = u32::try_from(slice).unwrap_or(u32::MAX);
                let mark = |id| {
                    if let Some(held) = held.get_mut(id as usize) {
                        *held = true;
                    }
                };
                match plane.flows.held_tallies(&mut search, slice, mark) {
                    true => self.clear(ids, &held, rules),
                    false => Stage::Searching { ids, held, search },
                }
            }
            Stage::Clearing { ids, epoch } if plane.is_in_force(epoch) => {
                self.free.extend(ids);
                Stage::Idle
            }
            stage => stage,
        };
    }

    /// A search is complete: what it did not find is freed with the rules about to be published.
    fn clear(&mut self, ids: Vec<TallyId>, held: &[bool], rules: &mut Rules) -> Stage {
        let (held, ids): (Vec<TallyId>, Vec<TallyId>) =
            ids.into_iter().partition(|id| held[*id as usize]);
        self.search_at = held.len() + GONE_MIN.max(rules.tallies as usize / GONE_SHARE);
        self.gone.extend(held);
        if ids.is_empty() {
            return Stage::Idle;
        }
        let mut by_id = rules.cleared.by_id.to_vec();
        by_id.resize(rules.tallies as usize, 0);
        ids.iter().for_each(|id| by_id[*id as usize] = rules.epoch);
        rules.cleared = Cleared { at: rules.epoch, by_id: by_id.into() };
        Stage::Clearing { ids, epoch: rules.epoch }
    }
}
