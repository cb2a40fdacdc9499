//! Other people's maps: an entry for each direction, with a record as large as a cache line. Its
//! counters are atomics, since a shared map gives shared references; on one thread they cost what
//! plain numbers do.

use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::FixedState;

use super::contender::{Contender, Worker};
use super::flows::{Flow, Flows, Key};

/// Bytes of the frames that are counted.
pub(super) const FRAME_BYTES: u32 = 64;

/// What is kept of one direction.
#[derive(Default, Debug)]
struct Record {
    last_ms: AtomicU64,
    frames: AtomicU64,
    bytes: AtomicU64,
    _rest: [u64; 5],
}

const _: () = assert!(size_of::<Record>() == 64, "a record is a cache line, as ours is");

impl Record {
    /// A frame at `now_ms`. A direction's frames come from one worker, so no addition is lost.
    #[inline]
    fn touch(&self, now_ms: u32) {
        let add = |to: &AtomicU64, what: u64| {
            to.store(to.load(Ordering::Relaxed).wrapping_add(what), Ordering::Relaxed);
        };
        self.last_ms.store(u64::from(now_ms), Ordering::Relaxed);
        add(&self.frames, 1);
        add(&self.bytes, u64::from(FRAME_BYTES));
    }
}

fn both(flow: &Flow) -> [Key; 2] {
    [flow.key(false), flow.key(true)]
}

/// All sessions that stay, in order.
fn staying(flows: &Flows) -> impl Iterator<Item = Flow> + '_ {
    (0..flows.sessions).map(|number| flows.flow(number))
}

/// One dashmap shared by all workers.
pub(super) struct Dashmap {
    map: dashmap::DashMap<Key, Record, FixedState>,
    workers: usize,
}

impl Dashmap {
    pub(super) fn new(flows: &Flows) -> Dashmap {
        let hasher = FixedState::with_seed(0);
        let map = dashmap::DashMap::with_capacity_and_hasher(2 * flows.capacity(), hasher);
        for flow in staying(flows) {
            for key in both(&flow) {
                map.insert(key, Record::default());
            }
        }
        Dashmap { map, workers: flows.workers }
    }
}

impl Contender for Dashmap {
    fn workers(&mut self) -> Vec<Box<dyn Worker + '_>> {
        (0..self.workers).map(|_| Box::new(&self.map) as Box<dyn Worker>).collect()
    }
}

impl Worker for &dashmap::DashMap<Key, Record, FixedState> {
    fn look_up(&mut self, keys: &[Key], now_ms: u32) -> u64 {
        let mut found = 0;
        for key in keys {
            if let Some(record) = self.get(key) {
                record.touch(now_ms);
                found += 1;
            }
        }
        found
    }

    fn insert(&mut self, flow: &Flow, _now_ms: u32) {
        for key in both(flow) {
            dashmap::DashMap::insert(self, key, Record::default());
        }
    }

    fn remove(&mut self, flow: &Flow, _now_ms: u32) -> bool {
        both(flow).iter().all(|key| dashmap::DashMap::remove(self, key).is_some())
    }
}

/// One papaya map shared by all workers.
pub(super) struct Papaya {
    map: papaya::HashMap<Key, Record, FixedState>,
    workers: usize,
}

impl Papaya {
    pub(super) fn new(flows: &Flows) -> Papaya {
        let hasher = FixedState::with_seed(0);
        let map = papaya::HashMap::with_capacity_and_hasher(2 * flows.capacity(), hasher);
        let pinned = map.pin();
        for flow in staying(flows) {
            for key in both(&flow) {
                pinned.insert(key, Record::default());
            }
        }
        drop(pinned);
        Papaya { map, workers: flows.workers }
    }
}

impl Contender for Papaya {
    fn workers(&mut self) -> Vec<Box<dyn Worker + '_>> {
        (0..self.workers).map(|_| Box::new(&self.map) as Box<dyn Worker>).collect()
    }
}

impl Worker for &papaya::HashMap<Key, Record, FixedState> {
    fn look_up(&mut self, keys: &[Key], now_ms: u32) -> u64 {
        // pinned once for all of them, which is as good as it gets
        let pinned = self.pin();
        let mut found = 0;
        for key in keys {
            if let Some(record) = pinned.get(key) {
                record.touch(now_ms);
                found += 1;
            }
        }
        found
    }

    fn insert(&mut self, flow: &Flow, _now_ms: u32) {
        let pinned = self.pin();
        for key in both(flow) {
            pinned.insert(key, Record::default());
        }
    }

    fn remove(&mut self, flow: &Flow, _now_ms: u32) -> bool {
        let pinned = self.pin();
        both(flow).iter().all(|key| pinned.remove(key).is_some())
    }
}

type Own = hashbrown::HashMap<Key, Record, FixedState>;

/// A hashbrown for each worker, with its own sessions.
pub(super) struct Hashbrown {
    maps: Vec<Own>,
}

impl Hashbrown {
    pub(super) fn new(flows: &Flows) -> Hashbrown {
        let room = 2 * flows.capacity().div_ceil(flows.workers);
        let empty = || Own::with_capacity_and_hasher(room, FixedState::with_seed(0));
        let mut maps: Vec<Own> = (0..flows.workers).map(|_| empty()).collect();
        for (number, flow) in staying(flows).enumerate() {
            for (worker, map) in maps.iter_mut().enumerate() {
                // fewer sessions than workers: each has them all
                if flows.worker_of(number) == worker || flows.sessions < flows.workers {
                    map.extend(both(&flow).map(|key| (key, Record::default())));
                }
            }
        }
        Hashbrown { maps }
    }
}

impl Contender for Hashbrown {
    fn workers(&mut self) -> Vec<Box<dyn Worker + '_>> {
        self.maps.iter_mut().map(|map| Box::new(map) as Box<dyn Worker>).collect()
    }
}

impl Worker for &mut Own {
    fn look_up(&mut self, keys: &[Key], now_ms: u32) -> u64 {
        let mut found = 0;
        for key in keys {
            if let Some(record) = self.get(key) {
                record.touch(now_ms);
                found += 1;
            }
        }
        found
    }

    fn insert(&mut self, flow: &Flow, _now_ms: u32) {
        for key in both(flow) {
            Own::insert(self, key, Record::default());
        }
    }

    fn remove(&mut self, flow: &Flow, _now_ms: u32) -> bool {
        both(flow).iter().all(|key| Own::remove(self, key).is_some())
    }
}
