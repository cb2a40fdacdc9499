//! A link between an endpoint and its port.

use std::time::Duration;

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
