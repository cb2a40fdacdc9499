//! Generators and checkers without a switch: what is sent is sound and keeps to its pattern, and
//! whatever goes wrong with a frame is found.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use ringfence_endpoints::generator::{
    Accounts, Arriving, Checker, Expected, FlowError, FlowSpec, Fresh, Headers, Pattern,
    Popularity, Rate, Reason, Sizes, Spacing, Stage, Tag, Traffic, TrafficGenerator, Wrong,
    frame_id,
};
use ringfence_frame::batch::{FrameBatch, FrameMeta};
use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::{Body, MacAddr, Protocol, TcpFlags, Transport, Tuple, parse};

const FLOWS: u32 = 8;
const DENIED: u8 = 7;

/// Where flow `number` comes in and goes out.
fn ports(number: u32) -> (u32, u32) {
    (100 + number, 200 + number)
}

fn tuple(number: u32, protocol: Protocol, ipv6: bool) -> Tuple {
    let [source, target] = match ipv6 {
        false => ["10.0.0.1", "10.0.0.2"],
        true => ["2400::1", "2400::2"],
    };
    let source_port = 40_000 + number as u16;
    let protocol = match (protocol, ipv6) {
        (Protocol::ICMP, true) => Protocol::ICMPV6,
        (other, _) => other,
    };
    Tuple {
        source: source.parse().unwrap(),
        target: target.parse().unwrap(),
        protocol,
        source_port,
        target_port: if protocol.has_ports() { 9_000 } else { source_port },
    }
}

/// A flow that is translated on its way, as a public address is.
fn flow(number: u32, protocol: Protocol, ipv6: bool) -> FlowSpec {
    let tuple = tuple(number, protocol, ipv6);
    let headers =
        Headers { source_mac: MacAddr([2; 6]), target_mac: MacAddr([4; 6]), tuple, ttl: 64 };
    let (port, out) = ports(number);
    let arriving = Headers {
        source_mac: MacAddr([4; 6]),
        target_mac: MacAddr([6; 6]),
        tuple: match ipv6 {
            false => Tuple { target: "192.168.0.9".parse().unwrap(), ..tuple },
            true => tuple,
        },
        ttl: 62,
    };
    let expected = Expected::Delivered(Arriving { port: out, headers: arriving });
    FlowSpec { port, headers, expected, replies: true, fresh: false }
}

fn denied(number: u32, protocol: Protocol, ipv6: bool) -> FlowSpec {
    let expected = Expected::Dropped(Reason::new(DENIED).unwrap());
    FlowSpec { expected, ..flow(number, protocol, ipv6) }
}

/// The frame as it must arrive, made by other means: parsed and built again.
fn arrived(bytes: &[u8], headers: &Headers) -> Vec<u8> {
    let Body::Ip(ip) = parse(bytes).unwrap().body else { panic!("an IP packet") };
    let Headers { source_mac, target_mac, tuple, ttl } = *headers;
    let (source, target) = (tuple.source, tuple.target);
    let envelope = Envelope { source_mac, target_mac, source, target, ttl };
    let at = ip.transport_offset;
    match ip.transport {
        Transport::Tcp(tcp) => {
            let fields = TcpFields {
                source_port: tcp.source_port,
                target_port: tcp.target_port,
                sequence: tcp.sequence,
                acknowledgement: tcp.acknowledgement,
                flags: tcp.flags,
                window: tcp.window,
                window_scale: tcp.window_scale,
            };
            build::tcp(&envelope, &fields, &bytes[at + 20..])
        }
        Transport::Udp(udp) => {
            let mut frame =
                build::udp(&envelope, udp.source_port, udp.target_port, &bytes[at + 8..]);
            if bytes[at + 6..at + 8] == [0, 0] {
                frame[at + 6..at + 8].fill(0);
            }
            frame
        }
        Transport::Icmp(icmp) => {
            let rest = bytes[at + 4..at + 8].try_into().unwrap();
            build::icmp(&envelope, icmp.icmp_type, icmp.code, rest, &bytes[at + 8..])
        }
        Transport::Other | Transport::LaterFragment => panic!("what was not generated"),
    }
}

fn is_reply(meta: &FrameMeta) -> bool {
    Tag::of_id(meta.id).reply
}

/// Where and how a frame must come out.
fn destination(meta: &FrameMeta, specs: &[FlowSpec]) -> Option<Arriving> {
    let spec = &specs[Tag::of_id(meta.id).flow as usize];
    let Expected::Delivered(arriving) = spec.expected else { return None };
    Some(match is_reply(meta) {
        false => arriving,
        true => Arriving { port: spec.port, headers: spec.headers.answered(62) },
    })
}

/// Hands every frame of `batches` batches to `fate`.
fn each(
    generator: &mut TrafficGenerator,
    stage: Stage,
    batches: usize,
    mut fate: impl FnMut(&FrameMeta, &[u8]),
) {
    let mut batch = FrameBatch::new(40);
    generator.begin(stage);
    for now in 0..batches as u64 {
        if generator.fill(&mut batch, 1_000 * now) == 0 {
            break;
        }
        batch.iter().for_each(|(meta, bytes)| fate(meta, bytes));
        batch.clear();
    }
}

/// What an honest switch does.
fn honestly(checker: &mut Checker, specs: &[FlowSpec], meta: &FrameMeta, bytes: &[u8]) {
    match destination(meta, specs) {
        Some(arriving) => {
            checker.note_delivered(&arrived(bytes, &arriving.headers), arriving.port);
        }
        None => checker.note_dropped(meta.id, Reason::new(DENIED).unwrap()),
    }
}

fn one(specs: &[FlowSpec], pattern: &Pattern) -> (TrafficGenerator, Checker) {
    let traffic = Traffic::new(specs.iter().copied(), 1, |_| 0, pattern, 1).unwrap();
    let Traffic { mut generators, checker } = traffic;
    (generators.remove(0), checker)
}

/// Every frame of a kind parses, is what a builder makes of the same values, and arrives clean.
fn check_kind(protocol: Protocol, ipv6: bool, sizes: Sizes) {
    let mut specs: Vec<FlowSpec> = (0..FLOWS).map(|n| flow(n, protocol, ipv6)).collect();
    specs.extend((FLOWS..FLOWS + 4).map(|n| denied(n, protocol, ipv6)));
    specs.push(FlowSpec { fresh: true, ..flow(FLOWS + 4, protocol, ipv6) });
    let pattern = Pattern {
        sizes,
        reply_share: 0.5,
        denied_share: 0.2,
        fresh: Fresh::Share(0.2),
        ..Pattern::default()
    };
    let (mut generator, mut checker) = one(&specs, &pattern);
    let mut next: BTreeMap<(u32, bool), u32> = BTreeMap::new();
    let mut fresh_ports = Vec::new();
    for stage in [Stage::Open, Stage::Answer, Stage::Steady] {
        each(&mut generator, stage, 30, |meta, bytes| {
            let Body::Ip(ip) = parse(bytes).unwrap().body else { panic!("an IP packet") };
            let tag = Tag::read(bytes).unwrap();
            assert_eq!((meta.id, meta.len as usize), (tag.id(), bytes.len()));
            assert_eq!(frame_id(bytes), Some(meta.id));
            assert!(tag.scheduled_ns.is_none_or(|due| due == meta.scheduled_ns));
            let number = next.entry((tag.flow, tag.reply)).or_default();
            assert_eq!(tag.number, *number);
            *number += 1;
            let spec = &specs[tag.flow as usize];
            let (port, headers) = match (tag.reply, spec.expected) {
                (true, Expected::Delivered(arriving)) => {
                    (arriving.port, arriving.headers.answered(64))
                }
                _ => (spec.port, spec.headers),
            };
            assert_eq!(meta.port, port);
            let mut tuple = headers.tuple;
            if spec.fresh {
                fresh_ports.push(ip.tuple().source_port);
                tuple.source_port = ip.tuple().source_port;
                tuple.target_port = ip.tuple().target_port;
            }
            assert_eq!((ip.tuple(), ip.ttl), (tuple, headers.ttl));
            assert_eq!(arrived(bytes, &headers), bytes, "{protocol} {sizes:?}");
            if let Transport::Tcp(tcp) = ip.transport {
                let opens = tag.number == 0 || spec.fresh || destination(meta, &specs).is_none();
                assert_eq!(tcp.flags.contains(TcpFlags::SYN), opens);
            }
            honestly(&mut checker, &specs, meta, bytes);
        });
    }
    let accounts = checker.finish(&[generator]);
    assert!(accounts.is_clean(), "{protocol} {ipv6} {sizes:?}: {accounts} {:?}", accounts.findings);
    assert_eq!(accounts.sent, u64::from(2 * FLOWS) + 30 * 40);
    assert_eq!(accounts.delivered + accounts.dropped.values().sum::<u64>(), accounts.sent);
    assert!(accounts.dropped.len() == 1 && fresh_ports.len() > 100);
    let counted: Vec<u16> = (0..fresh_ports.len() as u16).map(|n| 32_768 + n).collect();
    assert_eq!(fresh_ports, counted);
}

#[test]
fn frames_are_sound_and_arrive_clean() {
    for protocol in [Protocol::TCP, Protocol::UDP, Protocol::ICMP] {
        for ipv6 in [false, true] {
            let fixed = [0, 64, 65, 75, 76, 77, 84, 95, 96, 97, 570, 1_518, 2_052, 9_000];
            for sizes in fixed.map(Sizes::Fixed).into_iter().chain([Sizes::Imix]) {
                check_kind(protocol, ipv6, sizes);
            }
        }
    }
}

/// A switch that does something wrong with the tenth frame of a kind.
fn planted(specs: &[FlowSpec], wrong: impl Fn(&mut Checker, &FrameMeta, Vec<u8>, u32)) -> Accounts {
    let pattern = Pattern { reply_share: 0.5, denied_share: 0.2, ..Pattern::default() };
    let (mut generator, mut checker) = one(specs, &pattern);
    let mut frames = 0;
    for stage in [Stage::Open, Stage::Answer, Stage::Steady] {
        each(&mut generator, stage, 3, |meta, bytes| {
            frames += 1;
            match (frames, destination(meta, specs)) {
                (10, Some(arriving)) => {
                    wrong(&mut checker, meta, arrived(bytes, &arriving.headers), arriving.port);
                }
                _ => honestly(&mut checker, specs, meta, bytes),
            }
        });
    }
    checker.finish(&[generator])
}

#[test]
fn whatever_goes_wrong_with_a_frame_is_found() {
    for protocol in [Protocol::TCP, Protocol::UDP, Protocol::ICMP] {
        for ipv6 in [false, true] {
            let specs: Vec<FlowSpec> = (0..FLOWS).map(|n| flow(n, protocol, ipv6)).collect();
            check_planted(&specs, ipv6);
        }
    }
}

fn check_planted(specs: &[FlowSpec], ipv6: bool) {
    let found = |accounts: &Accounts| {
        let wrong: Vec<Wrong> = accounts.findings.iter().map(|finding| finding.wrong).collect();
        let Accounts { leaks, false_drops, lost, surplus, .. } = *accounts;
        assert!(!accounts.is_clean());
        (wrong, leaks, false_drops, lost, surplus)
    };
    let elsewhere = planted(specs, |checker, _, bytes, _| checker.note_delivered(&bytes, 1));
    assert_eq!(found(&elsewhere), (vec![Wrong::Port(1)], 1, 0, 0, 0));

    let reason = Reason::new(9).unwrap();
    let dropped = planted(specs, |checker, meta, _, _| checker.note_dropped(meta.id, reason));
    assert_eq!(found(&dropped), (vec![Wrong::Dropped(reason)], 0, 1, 0, 0));
    assert_eq!(dropped.dropped, BTreeMap::from([(reason, 1)]));

    let lost = planted(specs, |_, _, _, _| {});
    assert!(
        matches!(found(&lost), (wrong, 0, 0, 1, 0) if matches!(wrong[..], [Wrong::Balance(_, 1)]))
    );
    let twice = planted(specs, |checker, _, bytes, port| {
        checker.note_delivered(&bytes, port);
        checker.note_delivered(&bytes, port);
    });
    assert!(
        matches!(found(&twice), (wrong, 0, 0, 0, 1) if matches!(wrong[..], [Wrong::Balance(_, -1)]))
    );

    let (transport, ttl, addresses) = if ipv6 { (54, 21, 22..54) } else { (34, 22, 26..34) };
    let len = planted(specs, |_, _, bytes, _| assert!(bytes.len() >= 60)).sent;
    assert!(len > 0);
    let header = (0..14).chain([ttl]).chain(addresses).chain(transport..transport + 4);
    for at in header.chain(transport + 4..transport + 26) {
        for bit in 0..8 {
            let touched = planted(specs, |checker, _, mut bytes, port| {
                bytes[at] ^= 1 << bit;
                checker.note_delivered(&bytes, port);
            });
            assert!(touched.leaks == 1, "bit {bit} of byte {at}: {touched} {:?}", touched.findings);
        }
    }
    let cut = planted(specs, |checker, _, bytes, port| {
        checker.note_delivered(&bytes[..bytes.len() - 1], port);
    });
    assert_eq!(cut.leaks, 1);
    for foreign in [&[][..], &[0; 14], &[0xff; 60], &[0; 2_000]] {
        let unknown = planted(specs, |checker, _, _, port| checker.note_delivered(foreign, port));
        assert_eq!(found(&unknown).0[0], Wrong::Unknown);
        assert_eq!((unknown.leaks, unknown.lost), (1, 1));
    }
}

/// Addresses changed with all checksums mended, as a wrong translation would.
#[test]
fn a_wrong_translation_is_found() {
    let specs: Vec<FlowSpec> = (0..FLOWS).map(|n| flow(n, Protocol::UDP, false)).collect();
    let accounts = planted(&specs, |checker, meta, bytes, port| {
        let Arriving { mut headers, .. } = destination(meta, &specs).unwrap();
        headers.tuple.source = "192.0.2.1".parse().unwrap();
        checker.note_delivered(&arrived(&bytes, &headers), port);
    });
    assert_eq!(accounts.findings.iter().map(|f| f.wrong).collect::<Vec<_>>(), [Wrong::Headers]);
}

#[test]
fn a_denied_frame_that_comes_out_is_a_leak_and_one_dropped_otherwise_is_false() {
    let specs: Vec<FlowSpec> = (0..FLOWS).map(|n| denied(n, Protocol::UDP, false)).collect();
    let (mut generator, mut checker) = one(&specs, &Pattern::default());
    let mut frames = 0;
    each(&mut generator, Stage::Steady, 2, |meta, bytes| {
        frames += 1;
        match frames {
            3 => checker.note_delivered(bytes, 5),
            4 => checker.note_dropped(meta.id, Reason::new(1).unwrap()),
            _ => checker.note_dropped(meta.id, Reason::new(DENIED).unwrap()),
        }
    });
    checker.note_dropped(u64::from(u32::MAX), Reason::new(DENIED).unwrap());
    let accounts = checker.finish(&[generator]);
    let Accounts { sent, delivered, leaks, false_drops, lost, surplus, .. } = accounts;
    assert_eq!((sent, delivered, leaks, false_drops, lost, surplus), (80, 1, 1, 2, 0, 0));
    let line = "sent = 80, delivered = 1, dropped = 80, leaks = 1, false drops = 2, lost = 0";
    assert_eq!(accounts.to_string(), line);
}

#[test]
fn a_generation_of_rules_has_its_own_answers() {
    let specs: Vec<FlowSpec> = (0..2).map(|n| flow(n, Protocol::UDP, false)).collect();
    let (mut generator, mut checker) = one(&specs, &Pattern::default());
    let reason = Reason::new(3).unwrap();
    let phase = checker.add_phase();
    assert_eq!(phase, 1);
    checker.expect(phase, 1, false, Some(reason));
    checker.expect(phase, 9, true, None);
    checker.expect(9, 1, true, None);
    let mut leaks = Vec::new();
    for (generations, drops) in [
        ((0, 0), false),
        ((1, 1), true),
        ((1, 1), false),
        ((1, 2), false),
        ((0, 1), true),
        ((4, 4), true),
    ] {
        checker.set_generations(generations.0, generations.1);
        each(&mut generator, Stage::Open, 1, |meta, bytes| {
            if Tag::of_id(meta.id).flow == 1 && drops {
                return checker.note_dropped(meta.id, reason);
            }
            honestly(&mut checker, &specs, meta, bytes);
        });
        let accounts = checker.finish(&[]);
        leaks.push((accounts.leaks, accounts.false_drops));
    }
    assert_eq!(leaks, [(0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (1, 1)]);
}

/// How often each flow was picked, in shares of all frames.
fn shares(popularity: Popularity, flows: u32) -> Vec<f64> {
    let specs: Vec<FlowSpec> = (0..flows).map(|n| flow(n, Protocol::UDP, false)).collect();
    let (mut generator, _) = one(&specs, &Pattern { popularity, ..Pattern::default() });
    let mut counts = vec![0_u32; flows as usize];
    each(&mut generator, Stage::Steady, 5_000, |meta, _| {
        counts[Tag::of_id(meta.id).flow as usize] += 1;
    });
    counts.into_iter().map(|count| f64::from(count) / 200_000.0).collect()
}

#[test]
fn flows_are_as_popular_as_asked() {
    let flows = 3_000;
    let uniform = shares(Popularity::Uniform, flows);
    assert!(uniform.iter().all(|share| (share * f64::from(flows) - 1.0).abs() < 0.7));
    let in_turn = shares(Popularity::InTurn, 50);
    assert!(in_turn.iter().all(|&share| (share - 0.02).abs() < 1e-9));
    for exponent in [0.8, 1.0, 1.3] {
        let zipf = shares(Popularity::Zipf(exponent), flows);
        let weight = |rank: u32| f64::from(rank).powf(-exponent);
        let all: f64 = (1..=flows).map(weight).sum();
        for (first, last) in [(1, 1), (2, 2), (10, 19), (100, 299), (1_000, 1_999), (2_000, 3_000)]
        {
            let wanted: f64 = (first..=last).map(weight).sum::<f64>() / all;
            let found: f64 = zipf[first as usize - 1..last as usize].iter().sum();
            let off = (found / wanted - 1.0).abs();
            assert!(off < 0.15, "{exponent}: ranks {first} to {last} {found} for {wanted}");
        }
    }
}

/// Frames due at given times, of a rate of one in 10 us.
fn due(spacing: Spacing, times: &[u64]) -> (Vec<u64>, Option<u64>) {
    let specs = [flow(0, Protocol::UDP, false)];
    let rate = Some(Rate { frames_per_second: 100_000, spacing });
    let (mut generator, _) = one(&specs, &Pattern { rate, ..Pattern::default() });
    generator.begin(Stage::Steady);
    assert_eq!(generator.next_due_ns(), None);
    let mut batch = FrameBatch::new(1_000);
    for &now in times {
        generator.fill(&mut batch, now);
    }
    let due = batch.iter().map(|(meta, _)| meta.scheduled_ns).collect();
    (due, generator.next_due_ns())
}

#[test]
fn the_plan_does_not_wait_for_whoever_is_late() {
    let (frames, next) = due(Spacing::Constant, &[1_000, 1_500, 51_000]);
    assert_eq!(frames, [1_000, 11_000, 21_000, 31_000, 41_000, 51_000]);
    assert_eq!(next, Some(61_000));
    let (frames, _) = due(Spacing::Poisson, &[0, 5_000_000]);
    assert!((400..600).contains(&frames.len()), "{}", frames.len());
    assert!(frames.is_sorted() && frames.iter().all(|&due| due <= 5_000_000));
}

#[test]
fn fresh_flows_have_a_rate_of_their_own() {
    let specs =
        [flow(0, Protocol::UDP, false), FlowSpec { fresh: true, ..flow(1, Protocol::TCP, false) }];
    let fresh = Fresh::PerSecond(1_000_000);
    let (mut generator, _) = one(&specs, &Pattern { fresh, ..Pattern::default() });
    generator.begin(Stage::Steady);
    let mut batch = FrameBatch::new(100);
    for now in [0, 10_000, 20_000] {
        batch.clear();
        assert_eq!(generator.fill(&mut batch, now), 100);
        let fresh = batch.iter().filter(|(meta, _)| Tag::of_id(meta.id).flow == 1).count();
        assert_eq!(fresh, if now == 0 { 1 } else { 10 });
    }
}

#[test]
fn rates_may_be_set_from_stage_to_stage() {
    let specs =
        [flow(0, Protocol::UDP, false), FlowSpec { fresh: true, ..flow(1, Protocol::TCP, false) }];
    let (mut generator, _) = one(&specs, &Pattern::default());
    let mut batch = FrameBatch::new(1_000);
    for (frames, fresh) in [(100_000, 10_000), (200_000, 0), (0, 50_000)] {
        let rate = |frames_per_second| Rate { frames_per_second, spacing: Spacing::Constant };
        generator.set_rates(rate(frames), rate(fresh));
        generator.begin(Stage::Steady);
        batch.clear();
        for now in [0, 999_999] {
            generator.fill(&mut batch, now);
        }
        let of_flow = |number| {
            batch.iter().filter(|(meta, _)| Tag::of_id(meta.id).flow == number).count() as u64
        };
        assert_eq!((of_flow(0), of_flow(1)), (frames / 1_000, fresh / 1_000));
    }
}

#[test]
fn what_found_the_queue_full_is_neither_lost_nor_a_false_drop() {
    let specs: Vec<FlowSpec> = (0..FLOWS).map(|n| flow(n, Protocol::UDP, false)).collect();
    let (mut generator, mut checker) = one(&specs, &Pattern::default());
    let mut other = checker.clone();
    let mut frames = 0;
    each(&mut generator, Stage::Steady, 2, |meta, bytes| {
        frames += 1;
        match frames {
            3 | 4 => checker.note_overflow(meta.id),
            5 => other.note_overflow(meta.id),
            _ => honestly(&mut checker, &specs, meta, bytes),
        }
    });
    checker.merge(other);
    checker.note_overflow(u64::MAX);
    let accounts = checker.finish(&[generator]);
    assert!(accounts.is_clean() && accounts.overflowed == 4, "{accounts}");
    assert!(accounts.to_string().ends_with("lost = 0, overflowed = 4"), "{accounts}");
}

#[test]
fn a_flow_that_returns_comes_out_as_it_went_in() {
    let specs: Vec<FlowSpec> = (0..FLOWS)
        .flat_map(|n| [flow(n, Protocol::UDP, false), denied(n, Protocol::TCP, true)])
        .map(FlowSpec::returned)
        .collect();
    let (mut generator, mut checker) =
        one(&specs, &Pattern { reply_share: 0.5, ..Pattern::default() });
    for stage in [Stage::Open, Stage::Answer, Stage::Steady] {
        each(&mut generator, stage, 10, |meta, bytes| checker.note_delivered(bytes, meta.port));
    }
    let accounts = checker.finish(&[generator]);
    assert!(accounts.is_clean() && accounts.delivered > 0, "{accounts}");
}

#[test]
fn flows_with_weights_come_in_proportion() {
    // both families, so that weights must find their lines
    let weights = [1.0, 4.0, 0.0, 5.0];
    let flows = (0..).zip(weights).map(|(n, weight)| (flow(n, Protocol::UDP, n % 2 == 0), weight));
    let traffic = Traffic::weighted(flows, 1, |_| 0, &Pattern::default(), 1).unwrap();
    let mut counts = [0_u32; 4];
    let [mut generator] = traffic.generators.try_into().ok().unwrap();
    each(&mut generator, Stage::Steady, 250, |_, bytes| {
        counts[Tag::read(bytes).unwrap().flow as usize] += 1;
    });
    let [one, four, none, five] = counts;
    assert_eq!((one + four + five, none), (10_000, 0));
    assert!((850..1_150).contains(&one) && (3_800..4_200).contains(&four), "{counts:?}");
}

#[test]
fn one_seed_makes_the_same_bytes() {
    let bytes = |seed| {
        let specs = (0..100).map(|n| flow(n, Protocol::TCP, n % 2 == 0));
        let pattern = Pattern { reply_share: 0.3, sizes: Sizes::Imix, ..Pattern::default() };
        let traffic = Traffic::new(specs, 2, |port| port as usize % 2, &pattern, seed).unwrap();
        let mut all = Vec::new();
        for mut generator in traffic.generators {
            each(&mut generator, Stage::Steady, 10, |_, bytes| all.extend_from_slice(bytes));
        }
        all
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn what_cannot_be_sent_is_said() {
    let good = flow(0, Protocol::UDP, false);
    let refused = |change: fn(&mut FlowSpec)| {
        let mut bad = good;
        change(&mut bad);
        Traffic::new([good, bad], 1, |port| usize::from(port == 5), &Pattern::default(), 1).err()
    };
    assert_eq!(refused(|_| {}), None);
    assert_eq!(refused(|flow| flow.port = 5), Some(FlowError::Queue(1, 5, 1)));
    assert_eq!(refused(|flow| flow.port = 1 << 24), Some(FlowError::Port(1, 1 << 24)));
    assert_eq!(
        refused(|flow| flow.headers.tuple.protocol = Protocol::GRE),
        Some(FlowError::Protocol(1, Protocol::GRE))
    );
    assert_eq!(
        refused(|flow| flow.headers.tuple.target = "::1".parse().unwrap()),
        Some(FlowError::Families(1))
    );
    let nothing = Traffic::new([], 1, |_| 0, &Pattern::default(), 1).unwrap();
    let mut generator = nothing.generators.into_iter().next().unwrap();
    each(&mut generator, Stage::Steady, 2, |_, _| panic!("there is nothing to send"));
}
