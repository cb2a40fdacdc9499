//! How long an idle session lives.

use std::time::Duration;

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

impl Timeouts {
    /// Checks the values that the platform restricts.
    ///
    /// # Errors
    /// The first value that Alibaba Cloud would refuse.
    pub fn check_platform(&self) -> Result<(), TimeoutError> {
        unimplemented!()
    }
}
