//! A link between an endpoint and its port: delay, chance, and the time that bits take.

use std::collections::VecDeque;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use ringfence_frame::Instant;

/// Frames that wait to be put on a link of limited bandwidth at the endpoint's end.
const WAITING_MAX: usize = 1_000;

/// How a link behaves, the same both ways.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LinkConfig {
    /// Propagation delay, one way.
    pub delay: Duration,
    /// Part of frames lost, 0.0 to 1.0.
    pub loss: f64,
    /// Bits a second; absent: frames take no time.
    pub bandwidth_bps: Option<u64>,
}

impl Default for LinkConfig {
    /// 50 µs, no loss, no limit of bandwidth.
    fn default() -> LinkConfig {
        LinkConfig { delay: Duration::from_micros(50), loss: 0.0, bandwidth_bps: None }
    }
}

/// One direction of a link.
#[derive(Debug)]
pub(crate) struct Lane {
    config: LinkConfig,
    random: Pcg64,
    /// When the last frame's last bit will have left.
    free_at: Instant,
    /// When those frames leave that have not left yet.
    departures: VecDeque<Instant>,
}

impl Lane {
    pub(crate) fn new(config: LinkConfig, seed: u64) -> Lane {
        let random = Pcg64::seed_from_u64(seed);
        Lane { config, random, free_at: Instant::START, departures: VecDeque::new() }
    }

    /// When the next frame can be put on it.
    pub(crate) fn free_at(&self) -> Instant {
        self.free_at
    }

    /// When a frame of `len` bytes that is put on it now arrives; `None` if it is lost, by chance
    /// or because too many wait.
    pub(crate) fn send(&mut self, len: usize, now: Instant) -> Option<Instant> {
        let departure = match self.config.bandwidth_bps {
            None => now,
            Some(bandwidth_bps) => self.serialise(len, bandwidth_bps, now)?,
        };
        let is_lost = self.config.loss > 0.0 && self.random.random::<f64>() < self.config.loss;
        (!is_lost).then(|| departure + self.config.delay)
    }

    fn serialise(&mut self, len: usize, bandwidth_bps: u64, now: Instant) -> Option<Instant> {
        while self.departures.pop_front_if(|departure| *departure <= now).is_some() {}
        if self.departures.len() >= WAITING_MAX {
            return None;
        }
        let bits = len as u128 * 8;
        let ns = (bits * 1_000_000_000).div_ceil(u128::from(bandwidth_bps.max(1)));
        let taken = Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX));
        self.free_at = self.free_at.max(now) + taken;
        self.departures.push_back(self.free_at);
        Some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_us(us: u64) -> Instant {
        Instant::from_ns(us * 1_000)
    }

    #[test]
    fn a_frame_takes_its_bits_and_then_the_delay() {
        let config = LinkConfig {
            delay: Duration::from_micros(100),
            bandwidth_bps: Some(8_000_000),
            ..LinkConfig::default()
        };
        let mut lane = Lane::new(config, 0);
        // 8 Mbit/s is one byte a microsecond
        assert_eq!(lane.send(1_000, at_us(0)), Some(at_us(1_100)));
        assert_eq!(lane.send(500, at_us(200)), Some(at_us(1_600)));
        assert_eq!(lane.free_at(), at_us(1_500));
        assert_eq!(lane.send(60, at_us(5_000)), Some(at_us(5_160)));
    }

    #[test]
    fn a_queue_that_is_full_loses() {
        let config = LinkConfig { bandwidth_bps: Some(8_000), ..LinkConfig::default() };
        let mut lane = Lane::new(config, 0);
        let arrived = (0..1_010).filter(|_| lane.send(100, at_us(0)).is_some()).count();
        assert_eq!(arrived, 1_000);
        // ten frames later there is room for ten
        let arrived = (0..20).filter(|_| lane.send(100, at_us(1_000_000)).is_some()).count();
        assert_eq!(arrived, 10);
    }

    #[test]
    fn loss_comes_from_the_seed_and_at_the_rate_given() {
        let arrivals = |loss, seed| -> Vec<bool> {
            let mut lane = Lane::new(LinkConfig { loss, ..LinkConfig::default() }, seed);
            (0..10_000).map(|_| lane.send(100, at_us(0)).is_some()).collect()
        };
        assert_eq!(arrivals(0.1, 1), arrivals(0.1, 1));
        assert_ne!(arrivals(0.1, 1), arrivals(0.1, 2));
        let lost = arrivals(0.1, 1).iter().filter(|arrived| !**arrived).count();
        assert!((900..1_100).contains(&lost), "{lost} of 10,000 lost at 10 %");
        assert!(arrivals(0.0, 1).iter().all(|arrived| *arrived));
        assert!(arrivals(1.0, 1).iter().all(|arrived| !*arrived));
    }
}
