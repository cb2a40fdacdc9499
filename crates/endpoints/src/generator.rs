//! Synthetic traffic on the virtual clock: UDP flows at a given rate, open loop, measured at the
//! receiver against the scheduled time.

use std::time::Duration;

use hdrhistogram::Histogram;
use ringfence_frame::build::Envelope;
use ringfence_frame::{Instant, Protocol};

use crate::Endpoint;

/// What to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GeneratorConfig {
    /// Addresses of every frame.
    pub envelope: Envelope,
    /// TCP (SYNs only) or UDP.
    pub protocol: Protocol,
    /// Target port.
    pub target_port: u16,
    /// Number of flows (source ports from 20000 on, picked from the seed).
    pub flows: u16,
    /// Frames a second.
    pub rate: u64,
    /// Frame length in bytes, without FCS, at least 60.
    pub frame_len: usize,
    /// First frame.
    pub start: Instant,
    /// For how long.
    pub duration: Duration,
    /// Seed.
    pub seed: u64,
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

/// A generator. The receiver's side hands arrivals to [`Generator::note_arrival`].
pub struct Generator {
    config: GeneratorConfig,
    report: GeneratorReport,
}

impl Generator {
    /// A generator that starts as its configuration says.
    pub fn new(config: GeneratorConfig) -> Generator {
        let latency_ns = Histogram::new(3).expect("3 significant digits are allowed");
        let report =
            GeneratorReport { frames_sent: 0, frames_received: 0, bytes_received: 0, latency_ns };
        Generator { config, report }
    }

    /// What it sends.
    pub fn config(&self) -> &GeneratorConfig {
        &self.config
    }

    /// Notes a frame that was delivered somewhere; ignored unless this generator sent it (its
    /// payload carries a mark, the sequence number and the scheduled time).
    pub fn note_arrival(&mut self, bytes: &[u8], now: Instant) {
        let _ = (bytes, now);
        unimplemented!()
    }

    /// What was sent and what arrived so far.
    pub fn report(&self) -> &GeneratorReport {
        &self.report
    }
}

impl Endpoint for Generator {
    fn handle_frame(&mut self, bytes: &[u8], now: Instant) {
        let _ = (bytes, now);
    }

    fn pull(&mut self, now: Instant) -> Option<Vec<u8>> {
        let _ = now;
        unimplemented!()
    }

    fn next_wakeup(&mut self, now: Instant) -> Option<Instant> {
        let _ = now;
        unimplemented!()
    }
}
