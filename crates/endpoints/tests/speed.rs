//! What the generator and the checker cost, in ns a frame: the minimum of many short trials. Not
//! run by default: `cargo test --release -p ringfence-endpoints --test speed -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures for whoever asked for them")]

use std::hint::black_box;

use ringfence_endpoints::generator::{
    Arriving, Expected, FlowSpec, Headers, Pattern, Popularity, Sizes, Stage, Traffic,
};
use ringfence_frame::batch::FrameBatch;
use ringfence_frame::{MacAddr, Protocol, Tuple};

const FRAMES_PER_TRIAL: usize = 8_192;
const TRIALS: usize = 600;

fn flow(number: u32, protocol: Protocol, ipv6: bool) -> FlowSpec {
    let address = |n: u32| match ipv6 {
        false => std::net::Ipv4Addr::from_bits(10 << 24 | n).into(),
        true => std::net::Ipv6Addr::from_bits(0x2400 << 112 | u128::from(n)).into(),
    };
    let tuple = Tuple {
        source: address(number >> 10),
        target: address(number >> 10 ^ 1),
        protocol,
        source_port: 40_000 + (number & 0x3ff) as u16,
        target_port: 9_000,
    };
    let headers =
        Headers { source_mac: MacAddr([2; 6]), target_mac: MacAddr([4; 6]), tuple, ttl: 64 };
    let expected = Expected::Delivered(Arriving { port: 1, headers });
    FlowSpec { port: number >> 10, headers, expected, replies: true, fresh: false }
}

/// The shortest time of a frame, in ns.
fn shortest(mut trial: impl FnMut() -> usize) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..TRIALS {
        #[expect(clippy::disallowed_methods, reason = "it is a measurement")]
        let start = std::time::Instant::now();
        let frames = trial();
        best = best.min(start.elapsed().as_nanos() as f64 / frames as f64);
    }
    best
}

fn measure(flows: u32, protocol: Protocol, ipv6: bool, pattern: &Pattern) {
    let specs = (0..flows).map(|number| flow(number, protocol, ipv6));
    let Traffic { mut generators, mut checker } =
        Traffic::new(specs, 1, |_| 0, pattern, 1).unwrap();
    let generator = &mut generators[0];
    let mut batch = FrameBatch::new(256);
    let mut now_ns = 0;
    while generator.fill(&mut batch, now_ns) > 0 {
        batch.clear();
    }
    generator.begin(Stage::Steady);
    let fill = shortest(|| {
        let mut frames = 0;
        while frames < FRAMES_PER_TRIAL {
            now_ns += 1_000;
            batch.clear();
            frames += generator.fill(&mut batch, now_ns);
        }
        frames
    });
    let check = shortest(|| {
        let mut frames = 0;
        while frames < FRAMES_PER_TRIAL {
            for (meta, bytes) in batch.iter() {
                let reply = meta.id & 1 << 31 != 0;
                checker.note_delivered(
                    bytes,
                    black_box(if reply { meta.id as u32 >> 10 & 0x1f_ffff } else { 1 }),
                );
            }
            frames += batch.len();
        }
        frames
    });
    let accounts = checker.finish(&generators);
    assert_eq!(accounts.leaks, 0, "{:?}", accounts.findings);
    println!(
        "{flows:>9} {protocol} {} {:?} {:?}: fill {fill:.2} ns, check {check:.2} ns a frame",
        if ipv6 { "ipv6" } else { "ipv4" },
        pattern.popularity,
        pattern.sizes
    );
}

/// What nobody can do without: 64 bytes copied from a random template, and a meta.
fn floor(lines: usize) {
    let templates = vec![[1_u64; 8]; lines];
    let mut slots = vec![[0_u64; 33 * 8]; 256];
    let mut metas = vec![[0_u64; 3]; 256];
    let mut random = 1_u64;
    let copy = shortest(|| {
        for _ in 0..FRAMES_PER_TRIAL / 256 {
            for (slot, meta) in slots.iter_mut().zip(&mut metas) {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let index = ((random >> 32) * lines as u64) >> 32;
                slot[..8].copy_from_slice(&templates[index as usize]);
                *meta = [random, index, 1];
            }
            black_box((&mut slots, &mut metas));
        }
        FRAMES_PER_TRIAL
    });
    println!("{lines:>9} copies of 64 bytes: {copy:.2} ns a frame");
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    for lines in [1, 10_000, 100_000, 1_000_000] {
        floor(lines);
    }
    let plain = Pattern::default();
    for flows in [1, 10_000, 100_000, 1_000_000] {
        measure(flows, Protocol::UDP, false, &plain);
    }
    measure(10_000, Protocol::TCP, false, &plain);
    measure(10_000, Protocol::UDP, true, &plain);
    measure(10_000, Protocol::TCP, true, &plain);
    let replies = Pattern { reply_share: 0.5, ..plain };
    measure(10_000, Protocol::UDP, false, &replies);
    let imix = Pattern { sizes: Sizes::Imix, ..plain };
    measure(10_000, Protocol::UDP, false, &imix);
    measure(10_000, Protocol::TCP, false, &imix);
    let long = Pattern { sizes: Sizes::Fixed(1_518), ..plain };
    measure(10_000, Protocol::UDP, false, &long);
    for flows in [10_000, 1_000_000] {
        let zipf = Pattern { popularity: Popularity::Zipf(1.0), ..plain };
        measure(flows, Protocol::UDP, false, &zipf);
    }
}
