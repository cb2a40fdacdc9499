//! scratch
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "scratch"
)]
use ringfence_endpoints::generator::*;
use ringfence_frame::batch::FrameBatch;
use ringfence_frame::{Family, Instant, Protocol};
use ringfence_load::*;
use ringfence_switch::*;
use std::time::Instant as Real;

struct Collect {
    n: u64,
    x: u64,
}
impl Sink for Collect {
    #[inline]
    fn room(&self, _: PortId) -> usize {
        usize::MAX
    }
    #[inline]
    fn put(&mut self, e: Egress<'_>) {
        self.n += 1;
        self.x += u64::from(e.port());
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let flows: usize = args[1].parse().unwrap();
    let proto =
        if args.get(2).is_some_and(|x| x.contains("tcp")) { Protocol::TCP } else { Protocol::UDP };
    let family =
        if args.get(2).is_some_and(|x| x.contains('6')) { Family::Ipv6 } else { Family::Ipv4 };
    let fresh = args.get(2).is_some_and(|x| x.contains("fresh"));
    let shape = WorldShape { interfaces: 64, ..WorldShape::default() };
    let world = BenchWorld::new(&shape, 1);
    let wish =
        LaneWish { lanes: 1000, protocol: proto, family, replies: true, ..LaneWish::default() };
    let lanes = world.lanes(&wish, 1).unwrap();
    let layout = Layout {
        workers_max: 2,
        flows_max: Some((flows.max(1 << 16) * 5 / 4).max(if fresh { 2_000_000 } else { 0 })),
        numbered: false,
        huge_pages: true,
        seed: 7,
    };
    let pattern = Pattern {
        reply_share: 0.5,
        fresh: if fresh { Fresh::Share(1.0) } else { Fresh::None },
        ..Pattern::default()
    };
    let mut traffic = if fresh {
        Traffic::new(lanes.fresh().take(32768), 1, |_| 0, &pattern, 3).unwrap()
    } else {
        Traffic::new(lanes.flows(flows), 1, |_| 0, &pattern, 3).unwrap()
    };
    let controller = Controller::new(world.fabric.clone(), layout);
    let mut worker = controller.worker().unwrap();
    worker.wake();
    let mut batch = FrameBatch::new(256);
    let generator = &mut traffic.generators[0];
    let mut sink = Collect { n: 0, x: 0 };
    let mut now = Instant::from_ms(1);
    let handle = |worker: &mut Worker, batch: &mut FrameBatch, sink: &mut Collect, now| {
        let (slots, metas) = batch.parts_mut();
        let t = Real::now();
        for (slots, metas) in slots.chunks_mut(BATCH_MAX).zip(metas.chunks(BATCH_MAX)) {
            if metas.len() == BATCH_MAX {
                let mut it = slots.iter_mut().zip(metas);
                let mut frames: [Incoming<'_>; BATCH_MAX] = std::array::from_fn(|_| {
                    let (s, m) = it.next().unwrap();
                    Incoming { port: m.port, id: m.id, slot: 0, bytes: &mut s[..m.len as usize] }
                });
                worker.handle_batch(&mut frames, now, sink, &mut Silent);
            } else {
                let mut frames: Vec<Incoming<'_>> = slots
                    .iter_mut()
                    .zip(metas)
                    .map(|(s, m)| Incoming {
                        port: m.port,
                        id: m.id,
                        slot: 0,
                        bytes: &mut s[..m.len as usize],
                    })
                    .collect();
                worker.handle_batch(&mut frames, now, sink, &mut Silent);
            }
        }
        t.elapsed().as_nanos() as u64
    };
    for stage in [Stage::Open, Stage::Answer] {
        generator.begin(stage);
        while generator.fill(&mut batch, now.as_ns()) > 0 {
            handle(&mut worker, &mut batch, &mut sink, now);
            batch.clear();
        }
    }
    println!("sessions {} delivered {}", controller.plane().flows().len(), sink.n);
    generator.begin(Stage::Steady);
    let mut figures = Vec::new();
    let mut virtual_flows = 0u64;
    for _ in 0..if args.get(3).is_some() { 200 } else { 40 } {
        let (mut ns, mut frames, mut gen_ns) = (0, 0, 0);
        for _ in 0..400 {
            let t = Real::now();
            let n = generator.fill(&mut batch, now.as_ns()) as u64;
            gen_ns += t.elapsed().as_nanos() as u64;
            if fresh {
                virtual_flows += n;
                now = Instant::from_ms(1 + virtual_flows / 33);
            }
            frames += n;
            ns += handle(&mut worker, &mut batch, &mut sink, now);
            batch.clear();
        }
        figures.push((ns as f64 / frames as f64, gen_ns as f64 / frames as f64));
    }
    figures.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = figures.len();
    println!(
        "flows {flows}: ns/frame min {:.1} med {:.1} max {:.1}; clocks med {:.0}; generator {:.1}; delivered {} sessions {}",
        figures[0].0,
        figures[n / 2].0,
        figures[n - 1].0,
        figures[n / 2].0 * 2.6,
        figures[n / 2].1,
        sink.n,
        controller.plane().flows().len()
    );
    let mut c = Counters::default();
    worker.add_counters(&mut c);
    let dropped: Vec<_> = c.ports.values().flat_map(|p| p.dropped.iter()).collect();
    println!("{:?}", dropped.iter().take(3).collect::<Vec<_>>());
}
