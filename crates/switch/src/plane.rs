//! What all workers of a switch share: the ports, the session table, and the rules of the moment.
//! A worker picks the newest rules up between two batches and judges every frame of a batch by one
//! value of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use crossbeam_utils::CachePadded;
use ringfence_cloud::World;
use ringfence_policy::Options;
use ringfence_session::Flows;

use crate::rules::Rules;
use crate::{Ports, SwitchOptions};

/// What all workers of a switch share. Made by [`crate::Controller`].
pub struct Plane {
    pub(crate) world: Arc<World>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) options: SwitchOptions,
    /// How rules are read.
    pub(crate) reading: Options,
    pub(crate) flows: Arc<Flows>,
    rules: ArcSwap<Rules>,
    epoch: AtomicU32,
    /// For each worker the epoch of the rules that it judges by, or [`ASLEEP`].
    seen: Vec<CachePadded<AtomicU32>>,
}

/// A worker that holds no frame, or none at all.
const ASLEEP: u32 = u32::MAX;

impl Plane {
    pub(crate) fn new(
        world: Arc<World>,
        ports: Arc<Ports>,
        (options, reading): (SwitchOptions, Options),
        flows: Arc<Flows>,
        rules: Rules,
        workers_max: usize,
    ) -> Plane {
        let seen = (0..workers_max).map(|_| CachePadded::new(AtomicU32::new(ASLEEP))).collect();
        let epoch = AtomicU32::new(rules.epoch);
        let rules = ArcSwap::from_pointee(rules);
        Plane { world, ports, options, reading, flows, rules, epoch, seen }
    }

    /// The ports by number.
    pub fn ports(&self) -> &Arc<Ports> {
        &self.ports
    }

    /// The session table.
    pub fn flows(&self) -> &Arc<Flows> {
        &self.flows
    }

    /// How many changes the rules have taken.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether no frame is judged by rules older than `epoch` any more: each worker has passed a
    /// batch boundary since, or sleeps.
    pub fn is_in_force(&self, epoch: u32) -> bool {
        self.seen.iter().all(|seen| seen.load(Ordering::SeqCst) >= epoch)
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    pub(crate) fn publish(&self, rules: Rules) {
        let epoch = rules.epoch;
        self.rules.store(Arc::new(rules));
        // pairs with `wake`: either the worker finds this epoch or this thread finds it awake
        self.epoch.store(epoch, Ordering::SeqCst);
    }

    /// Notes that `worker` judges by rules of `epoch` from now on.
    pub(crate) fn judges_by(&self, worker: usize, epoch: u32) {
        self.seen[worker].store(epoch, Ordering::SeqCst);
    }

    pub(crate) fn falls_asleep(&self, worker: usize) {
        self.seen[worker].store(ASLEEP, Ordering::SeqCst);
    }
}
