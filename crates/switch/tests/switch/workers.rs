//! Two workers whose batches are of different moments: what becomes of a frame is said by its own
//! batch's moment, not by which of them came first.

use std::time::Duration;

use ringfence_frame::Instant;
use ringfence_switch::{
    Controller, Egress, Event, Fabric, FrameId, Incoming, Layout, Observer, PortId, Sink, Verdict,
    Worker,
};

use crate::lab::{ACK, Lab, RST, SYN, fabric};

/// Two workers of one switch, and a lab that makes their frames and tells their verdicts.
struct Two {
    lab: Lab,
    workers: [Worker; 2],
}

/// One that is further on, and one that is behind.
const AHEAD: usize = 0;
const BEHIND: usize = 1;

struct Anywhere;

impl Sink for Anywhere {
    fn room(&self, _: PortId) -> usize {
        usize::MAX
    }

    fn put(&mut self, _: Egress<'_>) {}
}

#[derive(Default)]
struct Told(Vec<Verdict>);

impl Observer for Told {
    const WANTS_STEPS: bool = false;
    const WANTS_PASSED: bool = true;

    fn event(&mut self, _: FrameId, _: impl FnOnce() -> Event) {}

    fn verdict(&mut self, _: FrameId, verdict: impl FnOnce() -> Verdict) {
        self.0.push(verdict());
    }
}

impl Two {
    fn of(fabric: Fabric) -> Two {
        let layout = Layout { workers_max: 2, ..Layout::default() };
        let controller = Controller::new(fabric.clone(), layout);
        let workers = [controller.worker().unwrap(), controller.worker().unwrap()];
        Two { lab: Lab::of(fabric), workers }
    }

    /// A batch of one frame.
    #[track_caller]
    fn check(&mut self, worker: usize, now_ms: u64, port: &str, frame: &[u8], expected: &str) {
        let mut bytes = frame.to_vec();
        let worker = &mut self.workers[worker];
        let port = worker.plane().ports().number(self.lab.port(port));
        let incoming = Incoming { port, id: 1, slot: 0, bytes: &mut bytes };
        let (now, mut told) = (Instant::from_ms(now_ms), Told::default());
        worker.handle_batch(&mut [incoming], now, &mut Anywhere, &mut told);
        let told: Vec<String> = told.0.iter().map(|verdict| self.lab.tell(verdict)).collect();
        assert_eq!(told.join("; "), expected, "at {now_ms}");
    }

    fn expire(&mut self, worker: usize, now_ms: u64) {
        let now = Instant::from_ms(now_ms);
        self.workers[worker].expire(now, usize::MAX, &mut Anywhere, &mut Told::default());
    }

    fn sessions(&self) -> usize {
        self.workers[0].plane().flows().len()
    }
}

/// A flow that lives until 31 s, of which both workers have met a direction.
fn with_a_flow() -> (Two, Vec<u8>, Vec<u8>) {
    let mut two = Two::of(fabric(&["sg-web in allow 1 udp 53/53 0.0.0.0/0"]));
    let query = two.lab.udp("app", "172.16.1.10", (5_000, 53), b"");
    let answer = two.lab.udp("web", "172.16.1.11", (53, 5_000), b"");
    let opens = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
    two.check(AHEAD, 1_000, "app", &query, opens);
    let passes = "allow inbound session, out allow session #2, in allow session #1";
    two.check(BEHIND, 1_000, "web", &answer, passes);
    (two, query, answer)
}

#[test]
fn a_late_batch_finds_what_is_alive_at_its_moment() {
    let (mut two, _, answer) = with_a_flow();
    two.expire(BEHIND, 31_000);
    for now_ms in [31_001, 40_000, 3_000_000] {
        two.expire(AHEAD, now_ms);
    }
    assert_eq!(two.sessions(), 2);
    let passes = "allow inbound session, out allow session #2, in allow session #1";
    two.check(BEHIND, 31_000, "web", &answer, passes);
    two.check(BEHIND, 31_000, "web", &answer, passes);
    // what it has refreshed ends by its moment
    two.expire(BEHIND, 61_000);
    two.expire(AHEAD, 3_000_001);
    assert_eq!(two.sessions(), 2);
    two.expire(BEHIND, 61_001);
    two.expire(AHEAD, 3_000_002);
    assert_eq!(two.sessions(), 0);
    two.check(BEHIND, 61_001, "web", &answer, DENIED);
}

const DENIED: &str = "deny inbound default, out allow default, in deny default";

#[test]
fn a_worker_that_sleeps_holds_nothing_back() {
    let (mut two, _, answer) = with_a_flow();
    two.workers[BEHIND].sleep();
    two.expire(AHEAD, 31_001);
    assert_eq!(two.sessions(), 0);
    two.workers[BEHIND].wake();
    two.check(BEHIND, 31_001, "web", &answer, DENIED);
}

/// One half of a flow outlives the other, and a packet advances that one alone: the other is there
/// still for whom it has not died.
#[test]
fn a_half_that_is_dead_for_one_worker_lives_for_the_other() {
    for (behind_ms, half) in [(21_000, "session #1"), (21_001, "default")] {
        let mut fabric = fabric(&[
            "sg-web in allow 1 tcp 80/80 0.0.0.0/0",
            "sg-app in allow 1 tcp 4000/4000 0.0.0.0/0",
        ]);
        let lab = Lab::of(fabric.clone());
        let web = lab.interface("web");
        fabric.timeouts[web.as_usize()].tcp_opening = Duration::from_secs(40);
        let mut two = Two::of(fabric);
        let syn = lab.tcp("app", "172.16.1.10", (4_000, 80), SYN);
        let opens = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
        two.check(AHEAD, 1_000, "app", &syn, opens);
        two.expire(BEHIND, behind_ms);
        // it belongs to the one half, and is let through unremembered at the other
        let reset = lab.tcp("web", "172.16.1.11", (80, 4_000), RST.with(ACK));
        let passes = "allow inbound sg-app/1, out allow session #2, in allow sg-app/1";
        two.check(AHEAD, 21_001, "web", &reset, passes);
        let more = lab.tcp("app", "172.16.1.10", (4_000, 80), ACK);
        let opens = if half == "default" { " #3" } else { "" };
        let expected =
            format!("allow inbound session, out allow {half}{opens}, in allow session #2");
        two.check(BEHIND, behind_ms, "app", &more, &expected);
    }
}
