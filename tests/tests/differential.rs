//! Random worlds in which four readings must agree: `decide` (by way of the reference verdict on
//! paper), the set algebra of this crate, the compiled classifier, and frames through the switch.
//! `RINGFENCE_WORLDS` sets how many worlds, `RINGFENCE_SEED` the first seed; a failure names the
//! seed of its world.

use std::collections::BTreeMap;

use ringfence_cloud::{Edge, InterfaceIndex, Place, Route, Unreachable};
use ringfence_frame::{Body, Direction, Instant, Ip, Tuple, parse};
use ringfence_policy::{Classifier, Decision, Nic, Object, Question, decide};
use ringfence_scenario::paper;
use ringfence_scenario::probe::Resolved;
use ringfence_switch::{Because, Delivery, Fabric, Side, Silent, Stage, Switch, Verdict};
use ringfence_tests::algebra::Algebra;
use ringfence_tests::dice::Dice;
use ringfence_tests::packets::Aim;
use ringfence_tests::{frames, setting, world};

const WORLDS: u64 = 10_000;
const FIRST_SEED: u64 = 0x5ec0_0000;
const THREADS: u64 = 2;
const QUESTIONS_PER_WORLD: usize = 24;
const PACKETS_PER_WORLD: usize = 10;

#[test]
fn reference_algebra_and_frames_agree() {
    let worlds = setting("RINGFENCE_WORLDS", WORLDS);
    let first_seed = setting("RINGFENCE_SEED", FIRST_SEED);
    println!("{worlds} worlds from seed {first_seed}");
    let parts: Vec<_> = std::thread::scope(|scope| {
        let run = |part| move || check_worlds(first_seed + part, worlds.div_ceil(THREADS));
        let running: Vec<_> = (0..THREADS).map(|part| scope.spawn(run(part))).collect();
        running.into_iter().map(|it| it.join().expect("a part has panicked")).collect()
    });
    let mut met = Met::default();
    for part in parts {
        met.add(part.unwrap_or_else(|disagreement| panic!("{disagreement}")));
    }
    println!("{met:#?}");
    if worlds >= WORLDS {
        assert!(met.counts["world"] >= WORLDS, "too few worlds: {met:#?}");
        for what in EVERYTHING_TO_MEET {
            assert!(met.counts.contains_key(what), "{worlds} worlds never met {what}: {met:#?}");
        }
    }
}

/// What the random worlds must have met for their agreement to mean anything.
const EVERYTHING_TO_MEET: [&str; 46] = [
    "outbound rule allow",
    "outbound rule deny",
    "outbound same-group allow",
    "outbound default allow",
    "outbound default deny",
    "outbound always-allowed allow",
    "outbound platform deny",
    "inbound rule allow",
    "inbound rule deny",
    "inbound same-group allow",
    "inbound default deny",
    "inbound always-allowed allow",
    "object IPv4 range",
    "object IPv6 range",
    "object group",
    "object prefix list",
    "path SameVSwitch",
    "path SameVpc",
    "path JoinedVpc",
    "path OnPremises",
    "path Intranet",
    "path Internet",
    "path InternetHairpin",
    "path ClassicInternal",
    "no way NobodyOwnsIt",
    "no way SenderHasNoPublicAddress",
    "no way TargetHasNoPublicAddress",
    "no way NoWay",
    "no way BothOutside",
    "packet ipv4 tcp",
    "packet ipv4 udp",
    "packet ipv4 icmp",
    "packet ipv4 other",
    "packet ipv6 tcp",
    "packet ipv6 udp",
    "packet ipv6 icmp",
    "packet ipv6 other",
    "frame allowed",
    "frame denied",
    "frame answered",
    "tie between rules",
    "forbid over allow",
    "ICMP type",
    "profile Alibaba",
    "profile Aws",
    "profile Neutron",
];

/// How often the worlds met what.
#[derive(Default, Debug)]
struct Met {
    counts: BTreeMap<String, u64>,
}

impl Met {
    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    fn add(&mut self, other: Met) {
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }
}

/// Draws valid worlds from every `THREADS`th seed on, and checks each.
fn check_worlds(mut seed: u64, worlds: u64) -> Result<Met, String> {
    let mut met = Met::default();
    let mut checked = 0;
    while checked < worlds {
        match world::draw(seed) {
            Ok(fabric) => {
                let place = |what: String| format!("in the world of seed {seed}: {what}");
                check_world(&fabric, seed, &mut met).map_err(place)?;
                checked += 1;
                met.count("world");
                met.count(format!("profile {:?}", fabric.policies.options.profile));
            }
            Err(refused) => {
                let class = refused.split(':').next().unwrap_or_default().to_owned();
                met.count(format!("refused {}", class.replace(|c: char| c.is_ascii_digit(), "N")));
            }
        }
        seed += THREADS;
    }
    Ok(met)
}

fn check_world(fabric: &Fabric, seed: u64, met: &mut Met) -> Result<(), String> {
    let mut dice = Dice::new(!seed);
    let aim = Aim::at(fabric);
    let mut algebra = Algebra::new(&fabric.world, &fabric.policies);
    let questions: Vec<_> = (0..QUESTIONS_PER_WORLD).map(|_| aim.question(&mut dice)).collect();
    for question in &questions {
        check_question(fabric, &mut algebra, question, met)?;
    }
    check_classifiers(fabric, &questions)?;
    let mut switch = Switch::new(fabric.clone());
    for _ in 0..PACKETS_PER_WORLD {
        let packet = aim.packet(&mut dice);
        let at =
            |what: String| format!("{} sends {}: {what}", place(fabric, packet.port), packet.tuple);
        let reference = paper::verdict(fabric, &packet);
        check_algebra(fabric, &mut algebra, &packet, &reference).map_err(at)?;
        check_frames(&mut switch, &packet, &reference, met).map_err(at)?;
        count_packet(fabric, &packet, &reference, met);
    }
    Ok(())
}

fn place(fabric: &Fabric, place: Place) -> String {
    fabric.world.place_name(place)
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, a: &T, b: &T) -> Result<(), String> {
    match a == b {
        true => Ok(()),
        false => Err(format!("{what}\n  one says   {a:?}\n  other says {b:?}")),
    }
}

/// `decide` against the algebra, at one interface.
fn check_question(
    fabric: &Fabric,
    algebra: &mut Algebra<'_>,
    question: &Question,
    met: &mut Met,
) -> Result<(), String> {
    let reference = decide(&fabric.world, &fabric.policies, question);
    let second = algebra.decide(question);
    equal(&format!("{question:?}: decide, and the algebra"), &reference, &second)?;
    let verdict = if reference.allowed { "allow" } else { "deny" };
    let because = Because::from(reference.because);
    met.count(format!("{} {} {verdict}", question.direction, because.name()));
    if let Because::Rule(decided) = because {
        let rule = fabric.policies.rule(decided);
        met.count(match rule.object {
            Object::Cidr(range) if range.addr().is_ipv4() => "object IPv4 range",
            Object::Cidr(_) => "object IPv6 range",
            Object::Group(_) => "object group",
            Object::PrefixList(_) => "object prefix list",
        });
        if rule.icmp.is_some() {
            met.count("ICMP type");
        }
        let groups = &fabric.world.interface(question.interface).groups;
        let rules = groups.iter().flat_map(|it| &fabric.policies.group(*it).rules);
        let beside: Vec<_> = rules
            .filter(|it| it.priority == rule.priority && it.object == rule.object)
            .filter(|it| it.direction == rule.direction && it.id != rule.id)
            .filter(|it| it.protocol == rule.protocol && it.ports == rule.ports)
            .collect();
        if beside.iter().any(|it| it.action == rule.action) {
            met.count("tie between rules");
        }
        if beside.iter().any(|it| it.action != rule.action) {
            met.count("forbid over allow");
        }
    }
    Ok(())
}

/// `decide` against the classifier of each interface, alone and in a batch.
fn check_classifiers(fabric: &Fabric, questions: &[Question]) -> Result<(), String> {
    let Fabric { world, policies, .. } = fabric;
    for (number, interface) in (0..).zip(&world.interfaces) {
        let classifier = Classifier::compile(
            policies,
            world.platform.metadata_server,
            &interface.groups,
            Nic::of(interface.network),
        );
        let here = questions.iter().filter(|it| it.interface == InterfaceIndex(number));
        let with_peer = here.map(|question| {
            let peer = question.peer(world, policies.options.profile);
            (*question, peer.map(|it| world.interface(it).groups.as_slice()))
        });
        let asked: Vec<_> = with_peer.collect();
        let nothing = Decision { allowed: false, because: ringfence_policy::Because::Default };
        let mut batch = vec![nothing; asked.len()];
        classifier.decide_batch(&asked, &mut batch);
        for ((question, peer), batched) in asked.iter().zip(&batch) {
            let reference = decide(world, policies, question);
            let single = classifier.decide(question, *peer);
            equal(&format!("{question:?}: decide, and the classifier"), &reference, &single)?;
            equal(&format!("{question:?}: decide, and the batch"), &reference, batched)?;
        }
    }
    Ok(())
}

/// A side of a verdict without what only the switch knows.
fn plain(side: Option<Side>) -> Option<(bool, Because)> {
    side.map(|side| (side.allowed, side.because))
}

/// The journey of part 0 composed once more, sides decided by the algebra.
fn check_algebra(
    fabric: &Fabric,
    algebra: &mut Algebra<'_>,
    packet: &Resolved,
    reference: &Verdict,
) -> Result<(), String> {
    if matches!(reference.stage, Stage::Parse | Stage::Admit) {
        return Ok(());
    }
    let Resolved { port, tuple, icmp } = *packet;
    let route = fabric.world.locate(port, tuple.source, tuple.target);
    let mut ask = |interface, direction, tuple| {
        let reach = match &route {
            Ok(route) => route.reach,
            Err(Unreachable::NobodyOwnsIt) => ringfence_cloud::Reach::Internal,
            Err(_) => ringfence_cloud::Reach::Internet,
        };
        let decision = algebra.decide(&Question { interface, direction, tuple, icmp, reach });
        (decision.allowed, Because::from(decision.because))
    };
    let outbound = match port {
        Place::Interface(sender) => Some(ask(sender, Direction::Outbound, tuple)),
        Place::Outside(_) | Place::Edge(_) => None,
    };
    let passed = outbound.is_none_or(|(allowed, _)| allowed);
    let inbound = match &route {
        Ok(Route { to: Place::Interface(receiver), .. }) if passed => {
            Some(ask(*receiver, Direction::Inbound, translated(&route, tuple)))
        }
        _ => None,
    };
    let verdict = match (outbound, &route, inbound) {
        (Some((false, because)), _, _) => (false, Stage::Outbound, because),
        (_, Err(why), _) => (false, Stage::Route, Because::Unreachable(*why)),
        (_, Ok(_), Some((allowed, because))) => (allowed, Stage::Inbound, because),
        (Some((true, because)), Ok(_), None) => (true, Stage::Outbound, because),
        (None, Ok(_), None) => return Err("a way from outside to outside".to_owned()),
    };
    let Verdict { allowed, stage, because, .. } = *reference;
    equal("the verdict on paper, and the algebra's", &(allowed, stage, because), &verdict)?;
    equal("outbound on paper, and the algebra's", &plain(reference.outbound), &outbound)?;
    equal("inbound on paper, and the algebra's", &plain(reference.inbound), &inbound)
}

fn translated(route: &Result<Route, Unreachable>, tuple: Tuple) -> Tuple {
    match route {
        Ok(route) => Tuple {
            source: route.source_becomes.unwrap_or(tuple.source),
            target: route.target_becomes.unwrap_or(tuple.target),
            ..tuple
        },
        Err(_) => tuple,
    }
}

/// The packet as a frame through a switch without sessions, and what answers it.
fn check_frames(
    switch: &mut Switch,
    packet: &Resolved,
    reference: &Verdict,
    met: &mut Met,
) -> Result<(), String> {
    switch.reset();
    let frame = frames::first(&switch.fabric().world, packet);
    let (verdict, deliveries) = send(switch, packet.port, 1, &frame)?;
    let said = |it: &Verdict| (it.allowed, it.stage, it.because, it.tuple, it.to);
    equal("the verdict on paper, and the frame's", &said(reference), &said(&verdict))?;
    for (what, a, b) in [
        ("outbound", reference.outbound, verdict.outbound),
        ("inbound", reference.inbound, verdict.inbound),
    ] {
        equal(&format!("{what} on paper, and the frame's"), &plain(a), &plain(b))?;
    }
    if !verdict.allowed {
        met.count("frame denied");
        equal("sessions after a denied frame", &0, &switch.session_count())?;
        return equal("deliveries of a denied frame", &0, &deliveries.len());
    }
    met.count("frame allowed");
    let arrived = check_delivery(switch.fabric(), packet, &deliveries)?;
    let sides = [verdict.outbound, verdict.inbound].into_iter().flatten().count();
    let opens = !is_icmp_error(packet);
    let wanted = if opens { sides } else { 0 };
    // Where a packet comes back to its sender as its own answer, both halves may be one session.
    let is_own_answer = arrived.port == packet.port && arrived.tuple == packet.tuple.reversed();
    let least = if is_own_answer { wanted.min(1) } else { wanted };
    let opened = switch.session_count();
    if !(least..=wanted).contains(&opened) {
        return Err(format!("{opened} sessions opened where {wanted} are wanted"));
    }
    match opens && is_reached_back(switch.fabric(), packet) {
        true => check_answer(switch, packet, &arrived, met),
        false => Ok(()),
    }
}

fn send(
    switch: &mut Switch,
    port: Place,
    id: u64,
    bytes: &[u8],
) -> Result<(Verdict, Vec<Delivery>), String> {
    let mut verdicts = Vec::new();
    switch.handle_frame(port, id, bytes, Instant::from_ms(id), &mut Silent, &mut verdicts);
    let deliveries = std::iter::from_fn(|| switch.pull()).collect();
    match verdicts.as_slice() {
        [(of, verdict)] if *of == id => Ok((verdict.clone(), deliveries)),
        other => Err(format!("one frame, these verdicts: {other:?}")),
    }
}

/// One frame, where and as the way says.
fn check_delivery(
    fabric: &Fabric,
    packet: &Resolved,
    deliveries: &[Delivery],
) -> Result<Resolved, String> {
    let [delivery] = deliveries else {
        return Err(format!("an allowed frame came out {} times", deliveries.len()));
    };
    let world = &fabric.world;
    let Resolved { port, tuple, icmp } = *packet;
    let route = world.locate(port, tuple.source, tuple.target);
    let way = route.as_ref().map_err(|why| format!("delivered, and there is no way: {why}"))?;
    let frame =
        parse(delivery.bytes()).map_err(|it| format!("what came out is malformed: {it}"))?;
    let Body::Ip(ip) = frame.body else {
        return Err("what came out is no IP packet".to_owned());
    };
    let Ip { ttl, .. } = ip;
    equal("where it should come out, and did", &way.to, &delivery.port())?;
    equal("its key as translated, and as seen", &translated(&route, tuple), &ip.tuple())?;
    equal("TTL left", &(64 - way.hops.len()), &usize::from(ttl))?;
    equal("its source MAC", &world.platform.gateway_mac, &frame.ethernet.source)?;
    if !matches!(way.to, Place::Edge(_)) {
        equal("its target MAC", &frames::mac(world, way.to), &frame.ethernet.target)?;
    }
    Ok(Resolved { port: way.to, tuple: ip.tuple(), icmp })
}

/// "An allowed packet in one direction admits the reply direction."
fn check_answer(
    switch: &mut Switch,
    packet: &Resolved,
    arrived: &Resolved,
    met: &mut Met,
) -> Result<(), String> {
    let Some(frame) = frames::answer(&switch.fabric().world, arrived) else { return Ok(()) };
    let (verdict, deliveries) = send(switch, arrived.port, 2, &frame)?;
    let by_session = |side: Option<Side>| side.is_none_or(|it| it.because == Because::Session);
    let passes = verdict.allowed
        && verdict.because == Because::Session
        && by_session(verdict.outbound)
        && by_session(verdict.inbound);
    if !passes {
        return Err(format!("the answer is not let through by the session: {verdict:?}"));
    }
    let [delivery] = deliveries.as_slice() else {
        return Err(format!("the answer came out {} times", deliveries.len()));
    };
    equal("where the answer should come out, and did", &packet.port, &delivery.port())?;
    let Ok(frame) = parse(delivery.bytes()) else { return Err("a malformed answer".to_owned()) };
    let Body::Ip(ip) = frame.body else { return Err("an answer that is no IP".to_owned()) };
    equal("the answer's key", &packet.tuple.reversed(), &ip.tuple())?;
    met.count("frame answered");
    Ok(())
}

/// Whether a frame to the packet's source would come to its sender: not where the sender lent
/// itself an address, nor to somebody inside whom nobody knows.
fn is_reached_back(fabric: &Fabric, packet: &Resolved) -> bool {
    match packet.port {
        Place::Interface(index) => fabric.world.interface(index).owns(packet.tuple.source),
        Place::Outside(_) | Place::Edge(Edge::Internet | Edge::OnPremises(_)) => true,
        Place::Edge(Edge::Intranet(_)) => false,
    }
}

fn is_icmp_error(packet: &Resolved) -> bool {
    match packet.tuple.source.is_ipv6() {
        true => matches!(packet.icmp, Some((1..=4, _))),
        false => matches!(packet.icmp, Some((3 | 11 | 12, _))),
    }
}

fn count_packet(fabric: &Fabric, packet: &Resolved, reference: &Verdict, met: &mut Met) {
    let family = if packet.tuple.source.is_ipv4() { "ipv4" } else { "ipv6" };
    let protocol = match packet.tuple.protocol.0 {
        6 => "tcp",
        17 => "udp",
        1 | 58 => "icmp",
        _ => "other",
    };
    met.count(format!("packet {family} {protocol}"));
    if let Because::Unreachable(why) = reference.because {
        met.count(format!("no way {why:?}"));
    }
    met.count(format!("stage {}", reference.stage.name()));
    let Resolved { port, tuple, .. } = *packet;
    if let Ok(route) = fabric.world.locate(port, tuple.source, tuple.target) {
        met.count(format!("path {:?}", route.path));
    }
}
