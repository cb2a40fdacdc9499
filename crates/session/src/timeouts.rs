//! How long an idle session lives.

use std::time::Duration;

use ringfence_frame::Protocol;

/// Idle timeouts of one interface. A session keeps the values that held when it opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timeouts {
    /// TCP before both directions were seen.
    pub tcp_opening: Duration,
    /// TCP once both directions were seen.
    pub tcp_established: Duration,
    /// TCP after both FINs or a RST; runs once.
    pub tcp_closed_and_time_wait: Duration,
    /// UDP seen in one direction only.
    pub udp: Duration,
    /// UDP seen in both directions (equal to `udp` but for the aws profile).
    pub udp_stream: Duration,
    /// ICMP and ICMPv6.
    pub icmp: Duration,
    /// GRE and every other protocol.
    pub other: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            tcp_opening: Duration::from_secs(20),
            tcp_established: Duration::from_secs(910),
            tcp_closed_and_time_wait: Duration::from_secs(3),
            udp: Duration::from_secs(30),
            udp_stream: Duration::from_secs(30),
            icmp: Duration::from_secs(30),
            other: Duration::from_secs(60),
        }
    }
}

/// A timeout that the platform does not offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TimeoutError {
    /// "TcpEstablishedTimeout one of 30,60,80,100,200,300,500,700,910"
    #[error("tcp_established must be one of 30, 60, 80, 100, 200, 300, 500, 700, 910 s")]
    TcpEstablished,
    /// "TcpClosedAndTimeWaitTimeout 3..15"
    #[error("tcp_closed_and_time_wait must be 3 to 15 s")]
    TcpClosedAndTimeWait,
    /// "UdpTimeout one of 10,20,30,60,80,100"
    #[error("udp must be one of 10, 20, 30, 60, 80, 100 s")]
    Udp,
}

const ESTABLISHED_SECS: [u64; 9] = [30, 60, 80, 100, 200, 300, 500, 700, 910];
const UDP_SECS: [u64; 6] = [10, 20, 30, 60, 80, 100];

impl Timeouts {
    /// Checks the values that the platform restricts; it takes whole seconds only.
    ///
    /// # Errors
    /// The first value that Alibaba Cloud would refuse.
    pub fn check_platform(&self) -> Result<(), TimeoutError> {
        let one_of = |offered: &[u64], timeout: Duration| {
            offered.iter().any(|secs| Duration::from_secs(*secs) == timeout)
        };
        if !one_of(&ESTABLISHED_SECS, self.tcp_established) {
            return Err(TimeoutError::TcpEstablished);
        }
        let closed = self.tcp_closed_and_time_wait;
        if closed.subsec_nanos() != 0 || !(3..=15).contains(&closed.as_secs()) {
            return Err(TimeoutError::TcpClosedAndTimeWait);
        }
        if !one_of(&UDP_SECS, self.udp) {
            return Err(TimeoutError::Udp);
        }
        Ok(())
    }

    /// The values that a session of `protocol` keeps.
    pub(crate) fn kept_by(&self, protocol: Protocol) -> Kept {
        let (one_way, both_ways) = match protocol {
            Protocol::TCP => (self.tcp_opening, self.tcp_established),
            Protocol::UDP => (self.udp, self.udp_stream),
            Protocol::ICMP | Protocol::ICMPV6 => (self.icmp, self.icmp),
            _ => (self.other, self.other),
        };
        Kept {
            one_way_ms: whole_ms(one_way),
            both_ways_ms: whole_ms(both_ways),
            closing_ms: whole_ms(self.tcp_closed_and_time_wait),
        }
    }
}

/// "Session time counts whole milliseconds."
fn whole_ms(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
}

/// The timeouts of one session, as they were when it opened: "A change of a timeout touches new
/// sessions only."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    /// While one direction has been seen.
    pub(crate) one_way_ms: u64,
    /// Once both have.
    pub(crate) both_ways_ms: u64,
    /// Once it closes (TCP).
    pub(crate) closing_ms: u64,
}
