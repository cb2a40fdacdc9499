//! One flow's frames, as two that talk would send them, most of the time.

use ringfence_cloud::World;
use ringfence_frame::build::{self, TcpFields};
use ringfence_frame::{Instant, Protocol, TcpFlags};
use ringfence_scenario::probe::Resolved;
use ringfence_switch::{Ports, Verdict};
use ringfence_tests::dice::Dice;
use ringfence_tests::flow::Flow;
use ringfence_tests::frames;
use ringfence_tests::history::worker_of;
use ringfence_tests::segment::Segment;

/// A flow with the frame that it sends next.
pub struct Talk {
    pub flow: Flow,
    /// Who sends it.
    pub direction: usize,
    /// The moment of the last batch that had a frame of it.
    pub last: Instant,
    /// Frames since the conversation began.
    beat: u32,
    /// When the two are through.
    beats: u32,
    /// The next sequence number of either side.
    next: [u32; 2],
    /// Whether its last frame was denied.
    is_denied: bool,
}

const ACK: TcpFlags = TcpFlags::ACK;

impl Talk {
    pub fn new(flow: Flow) -> Talk {
        Talk {
            flow,
            direction: 0,
            last: Instant::START,
            beat: 0,
            beats: 8,
            next: [0; 2],
            is_denied: false,
        }
    }

    /// The worker that gets its next frame.
    pub fn worker(&self, ports: &Ports) -> usize {
        worker_of(ports, self.flow.sent[self.direction].port)
    }

    /// The frame, and what it says if it is TCP.
    pub fn frame(&mut self, dice: &mut Dice, world: &World) -> (Vec<u8>, Option<Segment>) {
        let Resolved { port, tuple, icmp } = self.flow.sent[self.direction];
        let envelope = frames::envelope(world, port, tuple.source, tuple.target);
        let len = dice.pick(&[0, 0, 4, 20, 20, 60, 700]);
        let payload = &[0x5a; 700][..len];
        match (tuple.protocol, icmp) {
            (Protocol::TCP, _) => {
                let segment = self.segment(dice, len as u32);
                let fields = TcpFields {
                    source_port: tuple.source_port,
                    target_port: tuple.target_port,
                    sequence: segment.sequence,
                    acknowledgement: segment.acknowledgement,
                    flags: segment.flags,
                    window: segment.window,
                    window_scale: segment.window_scale,
                };
                (build::tcp(&envelope, &fields, payload), Some(segment))
            }
            (Protocol::UDP, _) => {
                (build::udp(&envelope, tuple.source_port, tuple.target_port, payload), None)
            }
            (_, Some((message, code))) => {
                let [high, low] = tuple.source_port.to_be_bytes();
                (build::icmp(&envelope, message, code, [high, low, 0, 1], payload), None)
            }
            (protocol, None) => (build::raw(&envelope, protocol, b"\0\0\x08\0payload"), None),
        }
    }

    fn segment(&mut self, dice: &mut Dice, payload_len: u32) -> Segment {
        const ODD: [TcpFlags; 7] = [
            TcpFlags::SYN,
            TcpFlags::SYN.with(ACK),
            TcpFlags::FIN.with(ACK),
            TcpFlags::FIN.with(ACK),
            TcpFlags::RST,
            TcpFlags::RST.with(ACK),
            ACK,
        ];
        let own = self.direction;
        let is_odd = dice.chance(7);
        let flags = match (self.beat, own) {
            _ if is_odd => dice.pick(&ODD),
            (0, 0) => TcpFlags::SYN,
            (1, 1) => TcpFlags::SYN.with(ACK),
            (beat, _) if beat + 2 >= self.beats => TcpFlags::FIN.with(ACK),
            _ => ACK,
        };
        if flags.contains(TcpFlags::SYN) && !is_odd {
            self.next[own] = dice.u64() as u32;
        }
        let sequence = match is_odd && dice.chance(50) {
            true => self.next[own].wrapping_add(dice.pick(&[1 << 31, 70_000, u32::MAX, 8_192])),
            false => self.next[own],
        };
        let is_syn = flags.contains(TcpFlags::SYN);
        let takes = u32::from(is_syn) + u32::from(flags.contains(TcpFlags::FIN)) + payload_len;
        self.next[own] = self.next[own].wrapping_add(takes);
        Segment {
            flags,
            sequence,
            acknowledgement: if flags.contains(ACK) { self.next[own ^ 1] } else { 0 },
            window: dice.pick(&[0, 64, 8_192, 64_000]),
            window_scale: if is_syn { dice.pick(&[None, Some(3)]) } else { None },
            payload_len,
        }
    }

    /// Says who sends next, now that its frame was judged.
    pub fn goes_on(&mut self, dice: &mut Dice, told: &Verdict) {
        self.beat += 1;
        self.is_denied = !told.allowed;
        if !told.allowed && dice.chance(50) || self.beat >= self.beats {
            self.beat = 0;
            self.beats = dice.between(4, 40) as u32;
            self.direction = 0;
            return;
        }
        self.direction = match self.beat {
            1 => 1,
            2 => 0,
            beat if beat + 1 == self.beats => self.direction ^ 1,
            _ => dice.between(0, 1),
        };
    }

    /// When it sends: at once, soon, or in the last millisecond in which it lives, or the first in
    /// which it does not.
    pub fn wakes(&self, dice: &mut Dice) -> Option<Instant> {
        let some_ns = dice.between(0, 999_999) as u64;
        let later = |ms: u64| Some(Instant::from_ns(self.last.as_ns() + ms * some_ns));
        match dice.between(0, 19) {
            0..=17 if self.is_denied => later(40),
            0..=13 => None,
            14..=17 => later(4),
            _ => {
                let late = dice.between(0, 1) as u64;
                let ms = self.flow.deadline_ms()? + late;
                Some(Instant::from_ns(ms * 1_000_000 + some_ns))
            }
        }
    }
}
