//! Synthetic traffic on the virtual clock: flows, new flows, floods and sweeps at a given rate, open
//! loop, measured at the receiver against the scheduled time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hdrhistogram::Histogram;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::{Pcg64, Pcg64Mcg};
use ringfence_frame::build::{self, Envelope, TcpFields};
use ringfence_frame::{Instant, Protocol, TcpFlags};

use super::Popularity;
use super::choice::Choice;
use crate::Endpoint;

/// What to send.
#[derive(Clone, PartialEq, Debug)]
pub struct GeneratorConfig {
    /// Addresses of every frame; of a sweep, those of the first.
    pub envelope: Envelope,
    /// TCP (SYNs only) or UDP.
    pub protocol: Protocol,
    /// Target port; of a sweep, the first.
    pub target_port: u16,
    /// Number of flows (source ports from 20000 on, picked from the seed).
    pub flows: u16,
    /// How often each flow is picked.
    pub popularity: Popularity,
    /// How many frames a second are the first of a new flow, at most `rate`: source ports from
    /// 32768 on, one after the other, and then from there again.
    pub new_flows: u64,
    /// Targets, one after the other.
    pub sweep: Sweep,
    /// Frames a second.
    pub rate: u64,
    /// Frame lengths in bytes, without FCS, at least 60, each as often; longer where the headers and
    /// the mark (18 bytes) need more. None: as short as can be.
    pub frame_lens: Vec<usize>,
    /// First frame.
    pub start: Instant,
    /// For how long.
    pub duration: Duration,
    /// Seed.
    pub seed: u64,
}

/// Targets one after the other: consecutive addresses, and consecutive ports of each. A single one
/// is no sweep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sweep {
    /// Addresses.
    pub hosts: u32,
    /// Ports of each address, which come first.
    pub ports: u16,
}

impl Default for Sweep {
    fn default() -> Sweep {
        Sweep { hosts: 1, ports: 1 }
    }
}

impl Sweep {
    /// How many targets there are.
    pub fn targets(&self) -> u64 {
        u64::from(self.hosts.max(1)) * u64::from(self.ports.max(1))
    }

    /// The address and port of a frame, by its number, where `first` are those of the first. Behind
    /// the last one comes the first again; behind the last address or port there is, too.
    pub fn target(&self, first: (IpAddr, u16), frame: u64) -> (IpAddr, u16) {
        let number = frame % self.targets();
        let ports = u64::from(self.ports.max(1));
        let host = (number / ports) as u32;
        let address = match first.0 {
            IpAddr::V4(it) => Ipv4Addr::from_bits(it.to_bits().wrapping_add(host)).into(),
            IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits().wrapping_add(host.into())).into(),
        };
        (address, first.1.wrapping_add((number % ports) as u16))
    }
}

/// What a generator sent and what arrived of it.
#[derive(Clone, Debug)]
pub struct GeneratorReport {
    /// Frames sent.
    pub frames_sent: u64,
    /// Frames that arrived.
    pub frames_received: u64,
    /// Bytes that arrived.
    pub bytes_received: u64,
    /// From scheduled time to arrival, ns.
    pub latency_ns: Histogram<u64>,
}

/// First source port, and first one of new flows.
const SOURCE_PORT_MIN: u16 = 20_000;
const NEW_PORT_MIN: u16 = 32_768;
/// Mark, sequence number (6 bytes), scheduled time.
const MARK_LEN: usize = 4;
const SEQUENCE_LEN: usize = 6;
const PAYLOAD_MIN: usize = MARK_LEN + SEQUENCE_LEN + 8;
/// Longer latencies are recorded as an hour.
const LATENCY_MAX_NS: u64 = 3_600_000_000_000;
/// Ethernet header and IPv4 packet at their longest.
const FRAME_MAX: usize = 14 + 65_535;

/// A generator. The receiver's side hands arrivals to [`Generator::note_arrival`].
pub struct Generator {
    config: GeneratorConfig,
    report: GeneratorReport,
    random: Pcg64,
    /// Which flow is next, and its own source of randomness.
    choice: Choice,
    choosing: Pcg64Mcg,
    new_flows_sent: u64,
    mark: [u8; MARK_LEN],
    /// Ethernet, IP and transport header.
    headers_len: usize,
    frame_lens: Vec<usize>,
    frames_total: u64,
}

impl Generator {
    /// A generator that starts as its configuration says.
    pub fn new(config: GeneratorConfig) -> Generator {
        let latency_ns = Histogram::new(3).expect("3 significant digits are allowed");
        let report =
            GeneratorReport { frames_sent: 0, frames_received: 0, bytes_received: 0, latency_ns };
        let mut random = Pcg64::seed_from_u64(config.seed);
        let mut mark = [0; MARK_LEN];
        random.fill_bytes(&mut mark);
        let ip_len = if config.envelope.source.is_ipv4() { 20 } else { 40 };
        let transport_len = if config.protocol == Protocol::TCP { 20 } else { 8 };
        let headers_len = 14 + ip_len + transport_len;
        let shortest = 60.max(headers_len + PAYLOAD_MIN);
        let mut frame_lens: Vec<usize> =
            config.frame_lens.iter().map(|len| (*len).clamp(shortest, FRAME_MAX)).collect();
        if frame_lens.is_empty() {
            frame_lens.push(shortest);
        }
        let flows = config.flows.clamp(1, u16::MAX - SOURCE_PORT_MIN);
        let choice = Choice::new(config.popularity, flows.into());
        let choosing = Pcg64Mcg::seed_from_u64(config.seed);
        let frames =
            u128::from(config.rate).saturating_mul(config.duration.as_nanos()) / 1_000_000_000;
        let frames_total = u64::try_from(frames).unwrap_or(u64::MAX);
        Generator {
            config,
            report,
            random,
            choice,
            choosing,
            new_flows_sent: 0,
            mark,
            headers_len,
            frame_lens,
            frames_total,
        }
    }

    /// What it sends.
    pub fn config(&self) -> &GeneratorConfig {
        &self.config
    }

    /// Notes a frame that was delivered somewhere; ignored unless this generator sent it (its
    /// payload carries a mark from the seed, the sequence number and the scheduled time). Whether
    /// it did.
    pub fn note_arrival(&mut self, bytes: &[u8], now: Instant) -> bool {
        if !self.frame_lens.contains(&bytes.len()) {
            return false;
        }
        let payload = &bytes[self.headers_len..];
        let Some((mark, rest)) = payload.split_first_chunk::<MARK_LEN>() else {
            return false;
        };
        let scheduled = rest.get(SEQUENCE_LEN..).and_then(|rest| rest.first_chunk::<8>());
        let (true, Some(scheduled)) = (*mark == self.mark, scheduled) else {
            return false;
        };
        let latency = now.since(Instant::from_ns(u64::from_be_bytes(*scheduled)));
        self.report.frames_received += 1;
        self.report.bytes_received += bytes.len() as u64;
        let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let recorded = self.report.latency_ns.record(latency_ns.min(LATENCY_MAX_NS));
        debug_assert!(recorded.is_ok(), "the histogram grows up to an hour");
        true
    }

    /// What was sent and what arrived so far.
    pub fn report(&self) -> &GeneratorReport {
        &self.report
    }

    /// When the next frame is to be sent, by the plan and whatever happened before: open loop.
    fn next_scheduled(&self) -> Option<Instant> {
        if self.report.frames_sent >= self.frames_total {
            return None;
        }
        let offset =
            u128::from(self.report.frames_sent) * 1_000_000_000 / u128::from(self.config.rate);
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        Some(self.config.start + Duration::from_nanos(offset))
    }

    fn frame(&mut self, scheduled: Instant) -> Vec<u8> {
        let source_port = self.source_port();
        let sequence = self.report.frames_sent;
        let mut payload = vec![0; self.frame_len() - self.headers_len];
        payload[..MARK_LEN].copy_from_slice(&self.mark);
        payload[MARK_LEN..MARK_LEN + SEQUENCE_LEN].copy_from_slice(&sequence.to_be_bytes()[2..]);
        payload[MARK_LEN + SEQUENCE_LEN..PAYLOAD_MIN]
            .copy_from_slice(&scheduled.as_ns().to_be_bytes());
        let GeneratorConfig { envelope, protocol, target_port, sweep, .. } = &self.config;
        let (target, target_port) = sweep.target((envelope.target, *target_port), sequence);
        let envelope = Envelope { target, ..*envelope };
        if *protocol != Protocol::TCP {
            return build::udp(&envelope, source_port, target_port, &payload);
        }
        let fields = TcpFields {
            source_port,
            target_port,
            sequence: self.random.random(),
            flags: TcpFlags::SYN,
            window: u16::MAX,
            ..TcpFields::default()
        };
        build::tcp(&envelope, &fields, &payload)
    }

    /// That of a new flow, if as many have not come yet as should have by this frame, else that of
    /// one of the flows.
    fn source_port(&mut self) -> u16 {
        let GeneratorConfig { new_flows, rate, .. } = self.config;
        let frames = u128::from(self.report.frames_sent) + 1;
        let due = frames * u128::from(new_flows.min(rate)) / u128::from(rate.max(1));
        if due > u128::from(self.new_flows_sent) {
            let ports = u64::from(u16::MAX - NEW_PORT_MIN) + 1;
            let port = NEW_PORT_MIN + (self.new_flows_sent % ports) as u16;
            self.new_flows_sent += 1;
            return port;
        }
        let flows = self.config.flows.clamp(1, u16::MAX - SOURCE_PORT_MIN);
        match self.config.popularity {
            Popularity::Uniform => SOURCE_PORT_MIN + self.random.random_range(0..flows),
            Popularity::Zipf(_) | Popularity::InTurn => {
                let random = self.choosing.next_u64() >> 32;
                SOURCE_PORT_MIN + self.choice.draw(random, &mut self.choosing) as u16
            }
        }
    }

    fn frame_len(&mut self) -> usize {
        match self.frame_lens[..] {
            [len] => len,
            ref lens => lens[self.random.random_range(0..lens.len())],
        }
    }
}

impl Endpoint for Generator {
    fn handle_frame(&mut self, bytes: &[u8], now: Instant) {
        self.note_arrival(bytes, now);
    }

    fn pull(&mut self, now: Instant) -> Option<Vec<u8>> {
        let scheduled = self.next_scheduled().filter(|&scheduled| scheduled <= now)?;
        let frame = self.frame(scheduled);
        self.report.frames_sent += 1;
        Some(frame)
    }

    fn next_wakeup(&mut self, _now: Instant) -> Option<Instant> {
        self.next_scheduled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_frame::{Body, MacAddr, Transport, parse};

    fn config(protocol: Protocol, addresses: [&str; 2], frame_len: usize) -> GeneratorConfig {
        let [source, target] = addresses.map(|address| address.parse().expect("an address"));
        let envelope = Envelope {
            source_mac: MacAddr([2; 6]),
            target_mac: MacAddr([0xee; 6]),
            source,
            target,
            ttl: 64,
        };
        GeneratorConfig {
            envelope,
            protocol,
            target_port: 9_000,
            flows: 10,
            popularity: Popularity::Uniform,
            new_flows: 0,
            sweep: Sweep::default(),
            rate: 1_000,
            frame_lens: vec![frame_len],
            start: Instant::from_ms(5),
            duration: Duration::from_millis(100),
            seed: 3,
        }
    }

    const IPV4: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
    const IPV6: [&str; 2] = ["2001:db8::1", "2001:db8::2"];

    fn check(protocol: Protocol, addresses: [&str; 2], asked: usize, frame_len: usize) {
        let mut generator = Generator::new(config(protocol, addresses, asked));
        let mut other = Generator::new(GeneratorConfig { seed: 4, ..generator.config().clone() });
        let mut ports = std::collections::BTreeSet::new();
        for number in 0..100 {
            let due = Instant::from_ms(5 + number);
            assert_eq!(generator.next_wakeup(Instant::START), Some(due));
            let early = Instant::from_ns(due.as_ns() - 1);
            assert_eq!(generator.pull(early), None);
            let frame = generator.pull(due).expect("it is due");
            assert_eq!(frame.len(), frame_len);
            let Body::Ip(ip) = parse(&frame).expect("a sound frame").body else {
                panic!("an IP packet");
            };
            assert_eq!((ip.tuple().protocol, ip.tuple().target_port), (protocol, 9_000));
            assert_eq!(matches!(ip.transport, Transport::Tcp(_)), protocol == Protocol::TCP);
            ports.insert(ip.tuple().source_port);
            assert!(!other.note_arrival(&frame, due));
            assert!(generator.note_arrival(&frame, due + Duration::from_micros(250)));
        }
        assert_eq!(generator.next_wakeup(Instant::START), None);
        assert_eq!(generator.pull(Instant::FAR_FUTURE), None);
        assert_eq!(ports, (20_000..20_010).collect());
        let report = generator.report();
        assert_eq!((report.frames_sent, report.frames_received), (100, 100));
        assert_eq!(report.bytes_received, 100 * frame_len as u64);
        assert_eq!(report.latency_ns.len(), 100);
        assert!(report.latency_ns.max().abs_diff(250_000) < 250, "0.1 % of 250 us");
        assert_eq!(other.report().frames_received, 0);
    }

    #[test]
    fn sends_at_its_rate_and_knows_its_frames_again() {
        check(Protocol::UDP, IPV4, 60, 60);
        check(Protocol::UDP, IPV4, 1_514, 1_514);
        check(Protocol::UDP, IPV6, 60, 80);
        check(Protocol::TCP, IPV4, 60, 72);
        check(Protocol::TCP, IPV6, 128, 128);
    }

    #[test]
    fn what_cannot_be_sent_is_not() {
        let nothing = GeneratorConfig { rate: 0, ..config(Protocol::UDP, IPV4, 60) };
        assert_eq!(Generator::new(nothing).next_wakeup(Instant::START), None);
        let wild = GeneratorConfig {
            flows: u16::MAX,
            rate: u64::MAX,
            frame_lens: vec![usize::MAX],
            duration: Duration::MAX,
            ..config(Protocol::UDP, IPV6, 60)
        };
        let mut wild = Generator::new(wild);
        assert_eq!(wild.pull(Instant::from_ms(5)).map(|frame| frame.len()), Some(65_549));
    }

    /// Source port, target and length of each of 1,000 frames.
    fn sent(config: GeneratorConfig) -> Vec<(u16, (IpAddr, u16), usize)> {
        let config = GeneratorConfig { duration: Duration::from_secs(1), ..config };
        let mut generator = Generator::new(config);
        let frames = std::iter::from_fn(|| generator.pull(Instant::FAR_FUTURE));
        let seen: Vec<_> = frames
            .map(|frame| {
                let Body::Ip(ip) = parse(&frame).expect("a sound frame").body else {
                    panic!("an IP packet");
                };
                let tuple = ip.tuple();
                (tuple.source_port, (tuple.target, tuple.target_port), frame.len())
            })
            .collect();
        assert_eq!(seen.len(), 1_000);
        seen
    }

    fn count<T>(frames: &[T], is_meant: impl Fn(&T) -> bool) -> usize {
        frames.iter().filter(|frame| is_meant(frame)).count()
    }

    #[test]
    fn some_flows_are_more_popular() {
        let popularity = Popularity::Zipf(1.0);
        let frames = sent(GeneratorConfig { popularity, ..config(Protocol::UDP, IPV4, 60) });
        // of ten flows 1 / (1 + 1/2 + ... + 1/10) = 34 %, a tenth of that for the last
        let first = count(&frames, |frame| frame.0 == 20_000);
        let last = count(&frames, |frame| frame.0 == 20_009);
        assert!((290..390).contains(&first) && (10..70).contains(&last), "{first}, {last}");
    }

    #[test]
    fn lengths_are_mixed() {
        let frame_lens = vec![60, 60, 60, 200];
        let frames = sent(GeneratorConfig { frame_lens, ..config(Protocol::UDP, IPV4, 60) });
        let long = count(&frames, |frame| frame.2 == 200);
        assert!((200..300).contains(&long), "{long} of 1,000");
        assert_eq!(count(&frames, |frame| frame.2 == 60), 1_000 - long);
    }

    #[test]
    fn new_flows_come_at_their_rate() {
        let frames = sent(GeneratorConfig { new_flows: 250, ..config(Protocol::TCP, IPV6, 60) });
        let new: Vec<u16> = frames.iter().map(|it| it.0).filter(|port| *port >= 32_768).collect();
        assert_eq!(new, (32_768..33_018).collect::<Vec<u16>>());
        // a flood is nothing else
        let flood = sent(GeneratorConfig { new_flows: 9_999, ..config(Protocol::TCP, IPV4, 60) });
        assert_eq!(count(&flood, |frame| frame.0 < 32_768), 0);
    }

    #[test]
    fn a_sweep_goes_from_target_to_target() {
        for addresses in [IPV4, IPV6] {
            let sweep = Sweep { hosts: 3, ports: 2 };
            let config = GeneratorConfig { sweep, ..config(Protocol::TCP, addresses, 60) };
            let first = config.envelope.target;
            let frames = sent(config);
            let next = |step: u16| match first {
                IpAddr::V4(it) => Ipv4Addr::from_bits(it.to_bits() + u32::from(step)).into(),
                IpAddr::V6(it) => {
                    IpAddr::from(Ipv6Addr::from_bits(it.to_bits() + u128::from(step)))
                }
            };
            let wanted = (0..7).map(|number| (next(number / 2 % 3), 9_000 + number % 2));
            let seen: Vec<_> = frames.iter().map(|frame| frame.1).take(7).collect();
            assert_eq!(seen, wanted.collect::<Vec<_>>());
        }
    }
}
