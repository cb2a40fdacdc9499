//! An instance that really talks: a smoltcp stack with servers and clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_frame::{Instant, MacAddr};

use crate::application::Application;
use crate::{Endpoint, Progress, Task, TaskId};

/// An address with the length of its subnet's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuestAddress {
    /// Address.
    pub address: IpAddr,
    /// Prefix length of its subnet.
    pub prefix_len: u8,
}

/// How a guest is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestConfig {
    /// Port name, for reports and server banners.
    pub name: String,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its addresses.
    pub addresses: Vec<GuestAddress>,
    /// Default gateway, IPv4 (any address: the fabric answers ARP for all).
    pub gateway_ipv4: Option<Ipv4Addr>,
    /// Default gateway, IPv6.
    pub gateway_ipv6: Option<Ipv6Addr>,
    /// Bytes of IP packet.
    pub mtu: usize,
    /// What listens on which port.
    pub serves: Vec<(u16, Application)>,
    /// Seed of everything random in it.
    pub seed: u64,
}

/// A guest.
pub struct Guest {
    config: GuestConfig,
}

impl Guest {
    /// Starts a guest; its servers listen from now on.
    pub fn new(config: GuestConfig, now: Instant) -> Guest {
        let _ = now;
        Guest { config }
    }

    /// How it was set up.
    pub fn config(&self) -> &GuestConfig {
        &self.config
    }

    /// Starts a task.
    pub fn start(&mut self, task: Task, now: Instant) -> TaskId {
        let _ = (task, now);
        unimplemented!()
    }

    /// How far a task is.
    pub fn progress(&self, task: TaskId) -> &Progress {
        let _ = task;
        unimplemented!()
    }
}

impl Endpoint for Guest {
    fn handle_frame(&mut self, bytes: &[u8], now: Instant) {
        let _ = (bytes, now);
        unimplemented!()
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
