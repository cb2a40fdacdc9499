//! What a load has met, and whether that is enough to prove anything.

use ringfence_switch::{Because, Side, Verdict};

/// What was met.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Met {
    pub frames: u64,
    pub denied: u64,
    /// Let through by sessions alone.
    pub established: u64,
    pub opened: u64,
    pub cut: u64,
    pub changes: u64,
    /// Frames of a batch that was judged by an earlier moment than the clock's.
    pub behind: u64,
    /// Flows that had a frame in the last millisecond in which they lived.
    pub just_in_time: u64,
    /// And of those that came a millisecond too late.
    pub just_too_late: u64,
    pub sleeps: u64,
}

impl Met {
    pub fn add(&mut self, other: &Met) {
        self.frames += other.frames;
        self.denied += other.denied;
        self.established += other.established;
        self.opened += other.opened;
        self.cut += other.cut;
        self.changes += other.changes;
        self.behind += other.behind;
        self.just_in_time += other.just_in_time;
        self.just_too_late += other.just_too_late;
        self.sleeps += other.sleeps;
    }

    /// A comparison of what never happens would prove nothing.
    pub fn check(&self) {
        let Met { frames, denied, established, opened, cut, .. } = *self;
        for (what, count, least) in [
            ("denied", denied, frames / 20),
            ("established", established, frames / 10),
            ("opened", opened, frames / 50),
            ("cut", cut, 20),
            ("changes", self.changes, 20),
            ("behind", self.behind, frames / 100),
            ("just in time", self.just_in_time, frames / 1_000),
            ("just too late", self.just_too_late, frames / 1_000),
            ("sleeps", self.sleeps, 10),
        ] {
            assert!(count >= least, "{what}: {count}, fewer than {least}");
        }
    }

    /// Counts a frame by its verdict, at `now_ms`, and of a flow that would have died after
    /// `deadline_ms`.
    pub fn count(&mut self, verdict: &Verdict, deadline_ms: Option<u64>, now_ms: u64) {
        let sides = [verdict.outbound, verdict.inbound];
        let opened = |side: &Side| side.session.is_some() && side.because != Because::Session;
        self.frames += 1;
        self.denied += u64::from(!verdict.allowed);
        let mut sides = sides.into_iter().flatten();
        let by_session = sides.clone().all(|side| side.because == Because::Session);
        self.established += u64::from(verdict.allowed && by_session);
        self.opened += sides.by_ref().filter(opened).count() as u64;
        self.cut += verdict.sessions_cut.len() as u64;
        self.just_in_time += u64::from(deadline_ms == Some(now_ms));
        self.just_too_late += u64::from(deadline_ms.is_some_and(|it| it + 1 == now_ms));
    }
}
