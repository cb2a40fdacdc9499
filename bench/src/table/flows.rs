//! The sessions that all tables hold: flows of UDP over IPv4 between interfaces, made from their
//! number and a seed; and the lists that trials go through.

use ringfence_session::{KeyV4, PortId};

/// Interfaces that flows lie between.
pub(super) const INTERFACES: u32 = 1_024;
/// The protocol of all flows.
const UDP: u8 = 17;
/// Room beyond the sessions, as a divisor: they fill four fifths of it.
const SPARE_PART: usize = 4;
/// Room for so many of them at least.
const SPARE_BLOCKS: usize = 16;
/// Keys in a list: a multiple of every batch.
const LIST: usize = 1 << 21;
/// Sessions that a worker enters and takes out again: at least, and at most.
const BLOCK: std::ops::RangeInclusive<usize> = 64..=4_096;

/// How many sessions there are and who may touch which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flows {
    seed: u64,
    /// Sessions that stay in the table.
    pub(super) sessions: usize,
    /// Threads at work.
    pub(super) workers: usize,
    /// Sessions that each worker enters and takes out.
    block: usize,
}

/// One flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Flow {
    /// The sender's interface and address.
    pub(super) sender: PortId,
    pub(super) source: u32,
    pub(super) source_port: u16,
    /// The receiver's.
    pub(super) receiver: PortId,
    pub(super) target: u32,
    pub(super) target_port: u16,
}

/// One direction's key as the other tables have it: the same bits as [`KeyV4`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key(pub(super) [u64; 2]);

impl std::hash::Hash for Key {
    #[inline]
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
        state.write_u64(self.0[1]);
    }
}

impl Key {
    /// As the session table has it.
    #[inline]
    pub(super) fn ours(self) -> KeyV4 {
        let Key([who, whom]) = self;
        KeyV4::new(
            who as u32 & 0x00ff_ffff,
            (who >> 24) as u8,
            (who >> 32) as u32,
            (whom >> 32) as u32,
            (whom >> 16) as u16,
            whom as u16,
        )
    }
}

/// What one worker's trials go through, made before the clock runs. Read from front to back, which
/// costs next to nothing, and long enough that coming round meets no warm line.
pub(super) struct Lists {
    /// Keys of its own sessions, picked at random.
    pub(super) present: Vec<Key>,
    /// Keys that no table holds.
    pub(super) absent: Vec<Key>,
    /// Sessions that it enters and takes out.
    pub(super) spare: Vec<Flow>,
}

impl Lists {
    pub(super) fn new(flows: &Flows, worker: usize) -> Lists {
        let mut random = Random((worker as u64) << 48 ^ flows.seed);
        let share = flows.share(worker);
        let present = |_| {
            let (place, is_answer) = random.below(share);
            flows.flow(flows.own(worker, place)).key(is_answer)
        };
        let present: Vec<Key> = (0..LIST).map(present).collect();
        let absent = |_| {
            let (number, is_answer) = random.below(flows.sessions);
            Flow { target_port: 9, ..flows.flow(number) }.key(is_answer)
        };
        let absent = (0..LIST).map(absent).collect();
        let spare = flows.spare(worker).into_iter().map(|it| flows.flow(it)).collect();
        Lists { present, absent, spare }
    }
}

impl Flows {
    pub(super) fn new(seed: u64, sessions: usize, workers: usize) -> Flows {
        let block =
            (sessions / SPARE_PART / SPARE_BLOCKS / workers).clamp(*BLOCK.start(), *BLOCK.end());
        Flows { seed, sessions, workers, block }
    }

    /// Sessions that each table has room for.
    pub(super) fn capacity(&self) -> usize {
        // what was taken out is free again only after a while, where readers are not waited for
        let spare = (self.sessions / SPARE_PART).max(SPARE_BLOCKS * self.block * self.workers);
        self.sessions + spare
    }

    /// Which worker's a session is.
    pub(super) fn worker_of(&self, number: usize) -> usize {
        number % self.workers
    }

    /// The `place`th of a worker's sessions that stay, of `share` many.
    #[inline]
    fn own(&self, worker: usize, place: usize) -> usize {
        (place * self.workers + worker).min(self.sessions - 1)
    }

    /// How many sessions stay for each worker; at least one, which two workers then share.
    fn share(&self, worker: usize) -> usize {
        ((self.sessions + self.workers - 1 - worker) / self.workers).max(1)
    }

    /// The numbers of the sessions that a worker enters and takes out.
    fn spare(&self, worker: usize) -> Vec<usize> {
        (0..self.block).map(|place| self.sessions + place * self.workers + worker).collect()
    }

    /// The flow of a number. Flows of different numbers differ.
    #[inline]
    pub(super) fn flow(&self, number: usize) -> Flow {
        let mixed = mix(number as u64 ^ self.seed);
        let number = number as u32;
        Flow {
            sender: (mixed as u32) % (INTERFACES / 2),
            source: 0x0a00_0000 | (number & 0x00ff_ffff),
            source_port: 1_024 + (number >> 24) as u16,
            receiver: INTERFACES / 2 + ((mixed >> 32) as u32) % (INTERFACES / 2),
            target: 0xac10_0000 | ((mixed >> 44) as u32 & 0x000f_ffff),
            target_port: if mixed & (1 << 31) == 0 { 443 } else { 53 },
        }
    }
}

impl Flow {
    /// The flow of the answers.
    pub(super) fn reversed(&self) -> Flow {
        Flow {
            sender: self.receiver,
            source: self.target,
            source_port: self.target_port,
            receiver: self.sender,
            target: self.source,
            target_port: self.source_port,
        }
    }

    /// The key of one direction's frames.
    #[inline]
    pub(super) fn key(&self, is_answer: bool) -> Key {
        let flow = if is_answer { self.reversed() } else { *self };
        let Flow { sender, source, source_port, target, target_port, .. } = flow;
        let who = u64::from(source) << 32 | u64::from(UDP) << 24 | u64::from(sender);
        let whom = u64::from(target) << 32 | u64::from(source_port) << 16 | u64::from(target_port);
        Key([who, whom])
    }
}

/// Random numbers from a seed: a few clocks each (SplitMix64).
#[derive(Clone, Copy, Debug)]
struct Random(u64);

impl Random {
    #[inline]
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, and one bit more.
    #[inline]
    fn below(&mut self, bound: usize) -> (usize, bool) {
        let random = self.next();
        let place = ((u128::from(random) * bound as u128) >> 64) as usize;
        (place, random & 1 == 1)
    }
}

#[inline]
fn mix(mut mixed: u64) -> u64 {
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Flows, Lists};
    use ringfence_session::KeyV4;
    use std::collections::HashSet;

    #[test]
    fn both_forms_of_a_key_have_the_same_fields() {
        let flow = Flows::new(7, 100, 1).flow(42);
        let ours = KeyV4::new(
            flow.receiver,
            17,
            flow.target,
            flow.source,
            flow.target_port,
            flow.source_port,
        );
        assert_eq!(flow.key(true).ours(), ours);
    }

    #[test]
    fn keys_differ_and_sessions_have_one_worker() {
        let check = |sessions: usize, workers: usize| {
            let flows = Flows::new(7, sessions, workers);
            let mut keys = HashSet::new();
            for number in 0..flows.capacity() {
                for is_answer in [false, true] {
                    let key = flows.flow(number).key(is_answer);
                    assert!(keys.insert(key.0), "{sessions} {workers}: {number}");
                }
            }
            let mut touched = HashSet::new();
            for worker in 0..workers {
                for place in 0..flows.share(worker) {
                    let number = flows.own(worker, place);
                    assert!(number < sessions);
                    let is_shared = sessions < workers;
                    assert!(is_shared || flows.worker_of(number) == worker);
                    assert!(touched.insert(number) || is_shared, "{number}");
                }
                for number in flows.spare(worker) {
                    assert!(number < flows.capacity(), "{number}");
                    assert!(touched.insert(number), "{number}");
                }
            }
            let all = sessions + flows.block * workers;
            assert_eq!(touched.len(), all, "{sessions} {workers}");
            let lists = Lists::new(&flows, workers - 1);
            assert!(lists.present.iter().all(|key| keys.contains(&key.0)));
            assert!(!lists.absent.iter().any(|key| keys.contains(&key.0)));
        };
        check(1, 1);
        check(1, 2);
        check(1_001, 2);
        check(10_000, 1);
    }
}
