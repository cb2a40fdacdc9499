//! An instance that really talks: a smoltcp stack with servers and clients. Here: how it is set up,
//! and how a frame or a moment is worked off. What it serves stands in `server`, what it asks in
//! `client` and `connect`, how its packets find their neighbour in `wire`.

mod client;
mod connect;
mod connection;
mod datagrams;
mod icmp;
mod server;
mod stack;
mod wire;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ringfence_frame::{Body, Instant, MacAddr, Transport, parse};

use client::{Clients, Context, opens_connection};
use datagrams::Datagrams;
use server::Servers;
use stack::{Datagram, Stack};
use wire::Wire;

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

/// Turns between sockets and applications that one moment may take.
const TURNS_MAX: usize = 64;
/// What is still due after all turns of a moment waits for this long.
const BREATHER: Duration = Duration::from_millis(1);

/// A guest.
pub struct Guest {
    config: GuestConfig,
    wire: Wire,
    stack: Stack,
    datagrams: Datagrams,
    servers: Servers,
    clients: Clients,
    /// When it next has something to do of its own accord.
    due: Option<Instant>,
}

impl Guest {
    /// Starts a guest; its servers listen from now on.
    pub fn new(config: GuestConfig, now: Instant) -> Guest {
        let mut stack = Stack::new(config.mtu, config.seed, now);
        let servers = Servers::new(&config);
        let mut datagrams = Datagrams::default();
        for port in servers.udp_ports() {
            datagrams.open(port, &mut stack);
        }
        let wire = Wire::new(&config);
        let clients = Clients::new();
        Guest { config, wire, stack, datagrams, servers, clients, due: None }
    }

    /// How it was set up.
    pub fn config(&self) -> &GuestConfig {
        &self.config
    }

    /// Starts a task. Its first frame waits to be pulled when this returns, or else the question
    /// for its first hop does.
    pub fn start(&mut self, task: Task, now: Instant) -> TaskId {
        // what was received at this moment or became due comes before what is started
        self.work(now);
        let id = self.with_clients(now, |clients, context| clients.add(task, context));
        self.work(now);
        id
    }

    /// How far a task is.
    ///
    /// # Panics
    /// If `task` was not returned by this guest's [`Guest::start`].
    pub fn progress(&self, task: TaskId) -> &Progress {
        self.clients.progress(task)
    }

    /// Works off everything that is due now.
    fn work(&mut self, now: Instant) {
        self.wire.poll(now);
        for _ in 0..TURNS_MAX {
            self.stack.poll(now);
            let mut is_busy = self.answer_datagrams(now);
            is_busy |= self.servers.advance(&mut self.stack, now);
            is_busy |= self.with_clients(now, |clients, context| clients.advance(context));
            while let Some(frame) = self.stack.pull() {
                self.wire.send(frame, now);
            }
            while let Some(frame) = self.wire.pull_looped() {
                self.receive(&frame, now);
                is_busy = true;
            }
            if !is_busy {
                break;
            }
        }
        let due = [
            self.stack.next_deadline(now),
            self.wire.next_deadline(),
            self.servers.next_deadline(&mut self.stack),
            self.clients.next_deadline(),
        ];
        let due = due.into_iter().flatten().min();
        self.due = due.map(|due| if due <= now { now + BREATHER } else { due });
    }

    /// Hands a frame to whoever it concerns, without working it off.
    fn receive(&mut self, bytes: &[u8], now: Instant) {
        let Ok(frame) = parse(bytes) else {
            return;
        };
        if !self.wire.handle(&frame) {
            return;
        }
        let Body::Ip(ip) = frame.body else {
            return;
        };
        if let Transport::Icmp(message) = ip.transport {
            self.clients.handle_icmp(&ip, message, bytes, now);
        }
        if let Transport::Tcp(tcp) = ip.transport
            && opens_connection(&ip.transport)
        {
            let local = SocketAddr::new(ip.target, tcp.target_port);
            let remote = SocketAddr::new(ip.source, tcp.source_port);
            if !self.servers.prepare(local, remote, &mut self.stack, now) {
                return;
            }
        }
        self.stack.handle_packet(&bytes[ip.ip_offset..ip.end]);
    }

    fn answer_datagrams(&mut self, now: Instant) -> bool {
        let mut is_busy = false;
        while let Some(datagram) = self.datagrams.receive(&mut self.stack) {
            is_busy = true;
            if self.clients.handle_datagram(&datagram, now) {
                continue;
            }
            let Datagram { local, remote, payload } = datagram;
            if let Some(payload) = self.servers.answer(local.port(), &payload) {
                self.datagrams.send(&Datagram { local, remote, payload }, &mut self.stack);
            }
        }
        is_busy
    }

    fn with_clients<T>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Clients, &mut Context<'_>) -> T,
    ) -> T {
        let mut context = Context {
            stack: &mut self.stack,
            wire: &mut self.wire,
            datagrams: &mut self.datagrams,
            seed: self.config.seed,
            now,
        };
        act(&mut self.clients, &mut context)
    }
}

impl Endpoint for Guest {
    fn handle_frame(&mut self, bytes: &[u8], now: Instant) {
        self.receive(bytes, now);
        self.work(now);
    }

    fn pull(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.due.is_some_and(|due| due <= now) {
            self.work(now);
        }
        self.wire.pull()
    }

    fn next_wakeup(&mut self, now: Instant) -> Option<Instant> {
        match self.wire.has_outgoing() {
            true => Some(now),
            false => self.due,
        }
    }
}
