//! A flow that opens in one step stands as one for which room was reserved and that was committed, at
//! limits too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the support is for other tests as well")]

mod support;

use std::sync::Arc;

use ringfence_frame::{Direction, Instant, Ip};
use ringfence_session::{
    End, FlowWorker, Flows, Forward, Limit, Limits, NewFlow, NewHalf, Opening, Passage, PortId,
    SessionId, Step, Timeouts, V4,
};
use support::{Line, config};

/// Where packets come in and go out, and the answers the other way; the last is no interface.
const PORTS: [PortId; 3] = [1, 2, 20];

type Opened = Result<[Option<SessionId>; 2], (usize, Limit)>;

struct Table {
    flows: Arc<Flows>,
    worker: FlowWorker,
}

impl Table {
    fn new(limits: Limits) -> Table {
        let flows = Arc::new(Flows::new(config(limits)));
        let worker = flows.register().unwrap();
        Table { flows, worker }
    }

    fn reserve_and_commit(&mut self, ip: &Ip, ports: [PortId; 2], now: Instant) -> Opened {
        let timeouts = Timeouts::default();
        let halves: Vec<PortId> = ports.into_iter().filter(|port| is_interface(*port)).collect();
        let room = self.worker.reserve(&halves, ip, now).map_err(|(which, limit)| {
            (ports.iter().position(|port| *port == halves[which]).unwrap(), limit)
        })?;
        let end = |port: PortId| {
            let opening = Opening { timeouts: &timeouts, over_internet: port == 2, tally: port };
            let step = if is_interface(port) { Step::Open(opening) } else { Step::Outside };
            End { port, step }
        };
        let passage = Passage {
            sent: ip,
            arriving: ip,
            sender: end(ports[0]),
            receiver: end(ports[1]),
            there: way(ports[1]),
            back: Some(way(ports[0])),
            epoch: 1,
            len: 100,
        };
        Ok(self.worker.commit(&passage, Some(room), now))
    }

    fn open(&mut self, ip: &Ip, ports: [PortId; 2], now: Instant) -> Opened {
        let timeouts = self.flows.keep(&Timeouts::default());
        let half = |port: PortId| {
            let half = NewHalf { timeouts, over_internet: port == 2, tally: port };
            is_interface(port).then_some(half)
        };
        let flow = NewFlow::<V4> {
            first: &ip.transport,
            keys: [
                self.worker.keyed(ports[0], &ip.tuple()).unwrap(),
                self.worker.keyed(ports[1], &ip.tuple().reversed()).unwrap(),
            ],
            halves: ports.map(half),
            forwards: [way(ports[1]), way(ports[0])],
            epoch: 1,
            len: 100,
        };
        self.worker.open(&flow, now)
    }

    /// Whether an answer is expected at the port where the packet went out.
    fn knows_answer(&self, ip: &Ip, port: PortId) -> bool {
        self.worker.knows(&self.worker.keyed::<V4>(port, &ip.tuple().reversed()).unwrap())
    }
}

fn is_interface(port: PortId) -> bool {
    port < 16
}

fn way(port: PortId) -> Forward {
    Forward { port, hops: 1, ..Forward::default() }
}

#[test]
fn a_flow_opened_in_one_step_stands_as_one_committed() {
    let limits =
        Limits { sessions_max: 9, sessions_per_interface_max: 4, half_open_per_interface_max: 1 };
    let (mut one, mut two) = (Table::new(limits), Table::new(limits));
    let packets = [
        ("0 out udp local=1", [0, 1], "both"),
        ("1 out udp local=2", [1, 0], "both"),
        ("2 out S local=3", [0, 2], "sender"),
        ("3 out S local=4", [1, 0], "half-open at 1"),
        ("4 out S local=5", [2, 1], "receiver"),
        ("5 out udp local=6", [0, 1], "both"),
        ("6 out udp local=7", [2, 0], "sessions at 1"),
        ("7 out udp local=8", [0, 1], "sessions at 0"),
        ("30003 out udp local=9", [0, 1], "both"),
    ];
    for (packet, ports, expected) in packets {
        let Line { now, ip, .. } = Line::read(packet);
        let ports = ports.map(|end: usize| PORTS[end]);
        let opened = one.open(&ip, ports, now);
        assert_eq!(opened, two.reserve_and_commit(&ip, ports, now), "{packet}");
        let said = match opened {
            Ok([Some(_), Some(_)]) => "both".to_owned(),
            Ok([Some(_), None]) => "sender".to_owned(),
            Ok([None, Some(_)]) => "receiver".to_owned(),
            Ok([None, None]) => "neither".to_owned(),
            Err((end, Limit::Sessions)) => format!("sessions at {end}"),
            Err((end, Limit::HalfOpen)) => format!("half-open at {end}"),
        };
        assert_eq!(said, expected, "{packet}");
        assert_eq!(one.knows_answer(&ip, ports[1]), opened.is_ok(), "{packet}");
        assert_eq!(one.flows.sessions(), two.flows.sessions(), "{packet}");
        for port in [1, 2] {
            assert_eq!(one.flows.usage(port), two.flows.usage(port), "{packet}");
        }
        let found = one.worker.find(ports[0], Direction::Outbound, &ip, now);
        assert_eq!(found.is_some(), opened.is_ok() && is_interface(ports[0]), "{packet}");
        one.worker.quiescent();
        two.worker.quiescent();
    }
    let tallies = |table: &Table| {
        let mut all = Vec::new();
        table.flows.running_tallies(|tally, frames, bytes| all.push((tally, frames, bytes)));
        all
    };
    assert_eq!(tallies(&one), tallies(&two));
}
