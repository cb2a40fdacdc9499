//! A million frames that nobody should send, through one switch: nothing panics, nothing is lost,
//! nothing grows without limit, and each way to be malformed is met and named. `RINGFENCE_SEED`
//! sets another seed.

#![allow(clippy::print_stdout, reason = "a test says what it met")]

use std::collections::BTreeMap;
use std::time::Duration;

use ringfence_cloud::{GroupIndex, Place};
use ringfence_frame::{Instant, Malformed, parse};
use ringfence_policy::Group;
use ringfence_session::Limits;
use ringfence_switch::{
    Because, Change, Fabric, FrameId, Silent, Stage, Switch, SwitchOptions, Verdict,
};
use ringfence_tests::dice::Dice;
use ringfence_tests::hostile::Hostile;
use ringfence_tests::{setting, world};

const FRAMES: u64 = 1_000_000;
const SEED: u64 = 0xbad_f4a3e;
const SESSIONS_MAX: usize = 400;
const QUEUE_MAX: usize = 32;
/// "at most 64 such packets for an interface".
const HELD_MAX: u64 = 64;
/// What a run may grow by once its tables are full.
const GROWTH_MAX_KIB: u64 = 16 * 1_024;

#[test]
fn a_million_hostile_frames() {
    let seed = setting("RINGFENCE_SEED", SEED);
    println!("seed {seed}");
    let fabric = fabric();
    let world = fabric.world.clone();
    let mut hostile = Hostile::new(&world, seed);
    let mut run = Run::new(fabric);
    let mut dice = Dice::new(!seed);
    let mut resident_early = None;
    for id in 0..FRAMES {
        run.now += match dice.between(0, 9_999) {
            0 => Duration::from_secs(3),
            1..=20 => Duration::from_millis(500),
            _ => Duration::from_micros(300),
        };
        let (port, frame) = hostile.frame();
        run.send(port, id, &frame);
        if dice.chance(4) {
            run.drain();
        }
        if id % 5_000 == 4_999 {
            run.change_rules(&mut dice);
            run.check_limits();
        }
        if id == FRAMES / 5 {
            resident_early = resident_kib();
        }
    }
    if let (Some(early), Some(late)) = (resident_early, resident_kib()) {
        println!("resident: {early} KiB after a fifth, {late} KiB at the end");
        assert!(late <= early + GROWTH_MAX_KIB, "grew from {early} to {late} KiB");
    }
    run.finish();
}

/// A world with something of everything, small tables, and a narrow link.
fn fabric() -> Fabric {
    let rich = |fabric: &Fabric| {
        let names = |suffix: &str| {
            fabric.world.interfaces.iter().filter(|it| it.name.ends_with(suffix)).count()
        };
        names("/public") > 1
            && names("/eth1") > 0
            && fabric.world.interfaces.iter().filter(|it| it.ipv6.len() > 1).count() > 1
            && !fabric.world.on_premises.is_empty()
            && !fabric.world.cens.is_empty()
    };
    let drawn = (0..10_000).filter_map(|seed| world::draw(seed).ok()).find(rich);
    let mut fabric = drawn.expect("one of these worlds has everything");
    for interface in fabric.world.interfaces.iter_mut().step_by(2) {
        interface.mtu = 600;
    }
    let limits = Limits {
        sessions_max: SESSIONS_MAX,
        sessions_per_interface_max: 60,
        half_open_per_interface_max: 15,
    };
    fabric.options =
        SwitchOptions { limits, output_queue_max: QUEUE_MAX, ..SwitchOptions::default() };
    fabric
}

struct Run {
    switch: Switch,
    /// As they were at first.
    groups: Vec<Group>,
    now: Instant,
    /// Frames in, delivered, answered and dropped, by what their verdicts say.
    sent: u64,
    delivered: u64,
    answered: u64,
    dropped: BTreeMap<&'static str, u64>,
    malformed: BTreeMap<Malformed, u64>,
    judged: Vec<bool>,
    frames_out: u64,
    bytes_out: u64,
    verdicts: Vec<(FrameId, Verdict)>,
}

impl Run {
    fn new(fabric: Fabric) -> Run {
        Run {
            groups: fabric.policies.groups.clone(),
            switch: Switch::new(fabric),
            now: Instant::START,
            sent: 0,
            delivered: 0,
            answered: 0,
            dropped: BTreeMap::new(),
            malformed: BTreeMap::new(),
            judged: vec![false; FRAMES as usize],
            frames_out: 0,
            bytes_out: 0,
            verdicts: Vec::new(),
        }
    }

    fn send(&mut self, port: Place, id: FrameId, frame: &[u8]) {
        self.sent += 1;
        self.switch.handle_frame(port, id, frame, self.now, &mut Silent, &mut self.verdicts);
        self.judge();
    }

    fn judge(&mut self) {
        for (id, verdict) in self.verdicts.drain(..) {
            let judged = &mut self.judged[id as usize];
            assert!(!*judged, "frame {id} has two verdicts, the second {verdict:?}");
            *judged = true;
            match (verdict.allowed, verdict.stage) {
                (true, Stage::Admit) => self.answered += 1,
                (true, _) => self.delivered += 1,
                (false, _) => *self.dropped.entry(verdict.because.name()).or_default() += 1,
            }
            if let Because::Malformed(class) = verdict.because {
                assert_eq!(verdict.stage, Stage::Parse, "of frame {id}");
                *self.malformed.entry(class).or_default() += 1;
            }
        }
    }

    fn drain(&mut self) {
        while let Some(delivery) = self.switch.pull() {
            self.frames_out += 1;
            self.bytes_out += delivery.bytes().len() as u64;
            let read = parse(delivery.bytes());
            let read = read.unwrap_or_else(|it| panic!("{it} came out: {:02x?}", delivery.bytes()));
            let gateway = self.switch.fabric().world.platform.gateway_mac;
            assert_eq!(read.ethernet.source, gateway, "{delivery:?}");
        }
    }

    /// Takes a group's rules away, or gives them back turned round.
    fn change_rules(&mut self, dice: &mut Dice) {
        let index = dice.between(0, self.groups.len() - 1);
        let mut rules = match dice.chance(30) {
            true => Vec::new(),
            false => self.groups[index].rules.clone(),
        };
        rules.reverse();
        let change = Change::Rules(GroupIndex(index as u32), rules);
        self.switch.apply(change, self.now);
    }

    fn judged_count(&self) -> u64 {
        self.delivered + self.answered + self.dropped.values().sum::<u64>()
    }

    fn check_limits(&self) {
        let sessions = self.switch.session_count();
        assert!(sessions <= SESSIONS_MAX, "{sessions} sessions");
        let held = self.sent - self.judged_count();
        let ports = self.switch.counters().ports.len() as u64;
        assert!(held <= HELD_MAX * ports, "{held} frames held at {ports} ports");
    }

    /// "frames_in = delivered + answered + dropped + held", and in the end none is held.
    fn finish(mut self) {
        self.now += Duration::from_secs(10);
        self.switch.expire(self.now, &mut Silent, &mut self.verdicts);
        self.judge();
        self.drain();
        let counters = self.switch.counters();
        let sum = |of: fn(&ringfence_switch::PortCounters) -> u64| -> u64 {
            counters.ports.values().map(of).sum()
        };
        assert_eq!(sum(|it| it.frames_in), FRAMES);
        assert_eq!(sum(|it| it.dropped.values().sum()), self.dropped.values().sum::<u64>());
        assert_eq!(sum(|it| it.answered.values().sum()), self.answered);
        assert_eq!(self.judged_count(), FRAMES, "frames are still held");
        assert_eq!(sum(|it| it.frames_out), self.frames_out);
        assert_eq!(sum(|it| it.bytes_out), self.bytes_out);
        let mut dropped: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (why, count) in counters.ports.values().flat_map(|it| &it.dropped) {
            *dropped.entry(why).or_default() += count;
        }
        assert_eq!(dropped, self.dropped);
        let sessions = self.switch.session_count();
        println!("delivered {}, answered {}, {sessions} sessions", self.delivered, self.answered);
        println!("dropped {:#?}\nmalformed {:#?}", self.dropped, self.malformed);
        check_everything_was_met(&self);
    }
}

fn check_everything_was_met(run: &Run) {
    let unmet: Vec<_> =
        Malformed::ALL.into_iter().filter(|it| !run.malformed.contains_key(it)).collect();
    assert!(unmet.is_empty(), "malformed classes never met: {unmet:?}");
    let names: std::collections::BTreeSet<_> = Malformed::ALL.iter().map(|it| it.name()).collect();
    assert_eq!(names.len(), Malformed::ALL.len(), "two classes of one name");
    let reasons = [
        "default",
        "fragment-limit",
        "fragment-overlap",
        "fragment-timeout",
        "half-open-limit",
        "malformed",
        "not-forwarded",
        "platform",
        "queue-full",
        "rule",
        "session-limit",
        "spoofed",
        "too-big",
        "ttl-exceeded",
        "unreachable",
    ];
    let met: Vec<_> = run.dropped.keys().copied().collect();
    assert_eq!(met, reasons);
    assert!(run.delivered > FRAMES / 100, "only {} frames delivered", run.delivered);
    assert!(run.answered > FRAMES / 100, "only {} frames answered", run.answered);
}

/// What this process keeps in memory, where the system says so.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
