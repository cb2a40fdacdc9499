//! The rules as they were at each moment of a run: the paper copy of the world, with the changes
//! applied that had come by then.

use std::rc::Rc;

use ringfence_cloud::InterfaceIndex;
use ringfence_frame::Instant;
use ringfence_switch::Fabric;

use crate::model::TimedChange;

/// A time during which nothing changed.
pub(super) struct Epoch {
    /// Its first moment.
    since: Instant,
    /// The world then.
    fabric: Rc<Fabric>,
    /// The interfaces that the change at its start changed.
    touched: Vec<InterfaceIndex>,
}

/// All of them, in time order.
pub(super) struct History {
    epochs: Vec<Epoch>,
}

impl History {
    /// A world and what will change in it.
    pub(super) fn new(fabric: &Fabric, changes: &[TimedChange]) -> History {
        let start =
            Epoch { since: Instant::START, fabric: Rc::new(fabric.clone()), touched: Vec::new() };
        let mut epochs = vec![start];
        for TimedChange { at, change, .. } in changes {
            let before = &epochs[epochs.len() - 1].fabric;
            let touched = before.touched_by(change);
            let mut fabric = Fabric::clone(before);
            fabric.put(change.clone());
            epochs.push(Epoch { since: *at, fabric: Rc::new(fabric), touched });
        }
        History { epochs }
    }

    /// The world at a moment: "changes before the frames of that moment".
    pub(super) fn at(&self, moment: Instant) -> &Rc<Fabric> {
        let begun = self.epochs.partition_point(|epoch| epoch.since <= moment);
        &self.epochs[begun.saturating_sub(1)].fabric
    }

    /// Whether an interface was changed after `from`, until `until`.
    pub(super) fn has_touched(
        &self,
        interface: InterfaceIndex,
        from: Instant,
        until: Instant,
    ) -> bool {
        let between = self.epochs.iter().filter(|it| it.since > from && it.since <= until);
        between.into_iter().any(|epoch| epoch.touched.contains(&interface))
    }

    /// The world after so many changes.
    pub(super) fn after(&self, changes: u64) -> &Rc<Fabric> {
        let last = self.epochs.len() - 1;
        let index = usize::try_from(changes).map_or(last, |changes| changes.min(last));
        &self.epochs[index].fabric
    }

    /// When something first changes.
    pub(super) fn first_change(&self) -> Option<Instant> {
        self.epochs.get(1).map(|epoch| epoch.since)
    }
}
