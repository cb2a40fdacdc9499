//! Which tallies flows count for. A half is counted for the tally under which it opened as long as it
//! lives, so that whoever wants to use the number of a tally again has to know that no half holds it.
//! That is looked for in slices, while workers go on, and costs them nothing.

use std::ops::Range;
use std::sync::{MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use crate::Family;
use crate::flows::Flows;
use crate::sync::{Acquire, Relaxed};
use crate::table::Table;
use crate::way;

/// A search through all records, begun by [`Flows::search_tallies`].
#[derive(Debug)]
pub struct TallySearch {
    /// Records of each family that are to be looked at yet.
    left: [Range<u32>; 2],
}

/// Tallies of halves that have moved to another record.
pub(crate) type MovedTallies = HashSet<u32, FixedState>;

impl Flows {
    /// Begins to look for the tallies that flows count for.
    pub fn search_tallies(&self) -> TallySearch {
        self.moved().clear();
        TallySearch { left: [0..self.v4().store.used(), 0..self.v6().store.used()] }
    }

    /// Looks at no more than `records_max` further records and tells `each` the tallies that their
    /// halves are counted for. Returns whether that was all.
    ///
    /// A tally that was not told by then is held by no flow, if none opened under it since the search
    /// began. What was counted for it may be in the sums of workers yet, until they have passed the
    /// end of their batches and given them away ([`FlowWorker::drain_tallies`](crate::FlowWorker)).
    pub fn held_tallies(
        &self,
        search: &mut TallySearch,
        records_max: u32,
        mut each: impl FnMut(u32),
    ) -> bool {
        let [v4, v6] = &mut search.left;
        let slice = front(v4, records_max);
        let left = records_max - slice.len() as u32;
        self.v4().each_held(slice, &mut each);
        self.v6().each_held(front(v6, left), &mut each);
        let complete = v4.start == v4.end && v6.start == v6.end;
        if complete {
            self.moved().drain().for_each(each);
        }
        complete
    }

    /// Notes that a half, which is counted for `tally`, stands in another record as well: a search
    /// may have passed over that one already. To be called before the half leaves the record where
    /// it was, so that a search either comes there in time or finds this note.
    pub(crate) fn note_moved(&self, tally: u32) {
        self.moved().insert(tally);
    }

    fn moved(&self) -> MutexGuard<'_, MovedTallies> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes no more than `len` from the front of a range.
fn front(range: &mut Range<u32>, len: u32) -> Range<u32> {
    let begin = range.start;
    range.start = begin.saturating_add(len).min(range.end);
    begin..range.start
}

impl<F: Family> Table<F> {
    fn each_held(&self, records: Range<u32>, each: &mut impl FnMut(u32)) {
        for record in records {
            let control = self.control(record).load(Acquire);
            for line in 0..2 {
                if control & way::READY != 0 && control & way::owed(line) != 0 {
                    each(self.line(2 * record + line).tally.load(Relaxed));
                }
            }
        }
    }
}
