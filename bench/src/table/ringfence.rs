//! The session table, driven as the switch drives it: batches on the fast path, `reserve` and
//! `commit` for what is new.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ringfence_frame::{Direction, Instant, Ip, Protocol, Transport, Udp};
use ringfence_session::{
    End, FlowWorker, FlowsConfig, Forward, Likely, Limits, Opening, Passage, PortId, Room, Step,
    Timeouts, V4,
};

use super::contender::{Contender, Worker};
use super::flows::{Flow, Flows, INTERFACES, Key};
use super::maps::FRAME_BYTES;

/// Look-ups that are under way at once.
const BATCH: usize = 32;
/// How often room is asked for before giving up.
const PATIENCE: usize = 1_000_000;
/// The one epoch there is.
const EPOCH: u32 = 1;
/// Longer than any run.
const LIFE: Duration = Duration::from_secs(100_000);
const TIMEOUTS: Timeouts = Timeouts {
    tcp_opening: LIFE,
    tcp_established: LIFE,
    tcp_closed_and_time_wait: LIFE,
    udp: LIFE,
    udp_stream: LIFE,
    icmp: LIFE,
    other: LIFE,
};

pub(super) struct Table {
    flows: Arc<ringfence_session::Flows>,
    workers: usize,
}

impl Table {
    pub(super) fn new(flows: &Flows) -> Table {
        let everything = 2 * flows.capacity();
        let table = ringfence_session::Flows::new(FlowsConfig {
            limits: Limits {
                sessions_max: everything,
                sessions_per_interface_max: everything,
                half_open_per_interface_max: everything,
            },
            capacity: flows.capacity(),
            interfaces: INTERFACES as usize,
            workers_max: flows.workers + 1,
            numbered: false,
            seed: 0x5eed,
            huge_pages: true,
        });
        let table = Table { flows: Arc::new(table), workers: flows.workers };
        let mut worker = Handle { worker: table.register() };
        for number in 0..flows.sessions {
            let flow = flows.flow(number);
            worker.insert(&flow, 0);
            // answered, so that frames of both directions are plain ones
            worker.answer(&flow);
            worker.rest();
        }
        table
    }

    fn register(&self) -> FlowWorker {
        self.flows.register().expect("the table was made for as many workers")
    }
}

impl Contender for Table {
    fn workers(&mut self) -> Vec<Box<dyn Worker + '_>> {
        let handle = |_| {
            let mut handle = Handle { worker: self.register() };
            handle.sleep();
            Box::new(handle) as Box<dyn Worker>
        };
        (0..self.workers).map(handle).collect()
    }

    fn mapped_bytes(&self) -> u64 {
        let memory = self.flows.memory_bytes();
        (memory.records_v4 + memory.index_v4 + memory.other) as u64
    }
}

struct Handle {
    worker: FlowWorker,
}

impl Handle {
    /// The receiver's answer, which settles the way back.
    fn answer(&mut self, flow: &Flow) {
        let now = Instant::from_ms(0);
        let ip = ip(&flow.reversed());
        let outbound = self.worker.find(flow.receiver, Direction::Outbound, &ip, now);
        let inbound = self.worker.find(flow.sender, Direction::Inbound, &ip, now);
        if let (Some(outbound), Some(inbound)) = (outbound, inbound) {
            let passage = Passage {
                sent: &ip,
                arriving: &ip,
                sender: End { port: flow.receiver, step: Step::Advance(outbound) },
                receiver: End { port: flow.sender, step: Step::Advance(inbound) },
                there: forward(flow.sender),
                back: Some(forward(flow.receiver)),
                epoch: EPOCH,
                len: FRAME_BYTES,
            };
            self.worker.commit(&passage, None, now);
        }
    }
}

impl Handle {
    /// Room, waited for while another worker has not yet passed a quiescent point since what was
    /// taken out: the system may have taken it off its processor. If none comes the removal will
    /// find nothing, which fails the measurement.
    fn reserve(&mut self, halves: &[u32; 2], ip: &Ip, now: Instant) -> Option<Room> {
        for _ in 0..PATIENCE {
            match self.worker.reserve(halves, ip, now) {
                Ok(room) => return Some(room),
                Err(_) => {
                    self.worker.quiescent();
                    std::thread::yield_now();
                }
            }
        }
        None
    }
}

impl Worker for Handle {
    fn look_up(&mut self, keys: &[Key], now_ms: u32) -> u64 {
        let mut found = 0;
        for batch in keys.chunks(BATCH) {
            let mut hashes = [0; BATCH];
            for (hash, key) in hashes.iter_mut().zip(batch) {
                *hash = self.worker.hash::<V4>(&key.ours());
                self.worker.prefetch_bucket::<V4>(*hash);
            }
            let mut likely = [Likely::default(); BATCH];
            for ((likely, hash), key) in likely.iter_mut().zip(&hashes).zip(batch) {
                *likely = self.worker.prefetch_line::<V4>(&key.ours(), *hash);
            }
            for (likely, key) in likely.iter().zip(batch) {
                let (worker, key) = (&self.worker, key.ours());
                let established = worker.established_at::<V4>(*likely, &key, EPOCH, now_ms);
                if let Some(established) = established {
                    std::hint::black_box(established.forward());
                    established.touch(now_ms, FRAME_BYTES, None);
                    found += 1;
                }
            }
        }
        found
    }

    fn insert(&mut self, flow: &Flow, now_ms: u32) {
        let now = Instant::from_ms(u64::from(now_ms));
        let ip = ip(flow);
        let halves = [flow.sender, flow.receiver];
        let Some(room) = self.reserve(&halves, &ip, now) else { return };
        let opening =
            || Step::Open(Opening { timeouts: &TIMEOUTS, over_internet: false, tally: 0 });
        let passage = Passage {
            sent: &ip,
            arriving: &ip,
            sender: End { port: flow.sender, step: opening() },
            receiver: End { port: flow.receiver, step: opening() },
            there: forward(flow.receiver),
            back: Some(forward(flow.sender)),
            epoch: EPOCH,
            len: FRAME_BYTES,
        };
        self.worker.commit(&passage, Some(room), now);
    }

    fn remove(&mut self, flow: &Flow, now_ms: u32) -> bool {
        let now = Instant::from_ms(u64::from(now_ms));
        let ip = ip(flow);
        let halves = [(flow.sender, Direction::Outbound), (flow.receiver, Direction::Inbound)];
        halves.into_iter().all(|(port, direction)| {
            let half = self.worker.find(port, direction, &ip, now);
            half.map(|half| self.worker.end(half, now)).is_some()
        })
    }

    fn rest(&mut self) {
        self.worker.quiescent();
    }

    fn wake(&mut self) {
        self.worker.wake();
    }

    fn sleep(&mut self) {
        self.worker.sleep();
    }
}

fn forward(port: PortId) -> Forward {
    Forward { port, hops: 1, ..Forward::default() }
}

fn ip(flow: &Flow) -> Ip {
    let Flow { source, source_port, target, target_port, .. } = *flow;
    Ip {
        source: IpAddr::V4(Ipv4Addr::from_bits(source)),
        target: IpAddr::V4(Ipv4Addr::from_bits(target)),
        protocol: Protocol::UDP,
        ttl: 64,
        dont_fragment: true,
        fragment: None,
        ip_offset: 14,
        transport_offset: 34,
        end: 60,
        transport: Transport::Udp(Udp { source_port, target_port, payload_len: 18 }),
    }
}
