//! The serving side of a guest: a TCP socket for each connection, made when its SYN comes (smoltcp
//! has no backlog, and a thousand idle guests should cost nothing), and answers to datagrams.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use ringfence_frame::Instant;
use smoltcp::socket::tcp::State;

use super::GuestConfig;
use super::connection::{Connection, INPUT_MAX};
use super::stack::Stack;
use crate::application::{Application, FILE, ServerExchange, ServerStep, dns_reply};

/// Connections that a guest serves at a time; the SYN of one more is not answered, as by a full
/// backlog.
const CONNECTIONS_MAX: usize = 256;
/// How long a connection may take to be established, or to be closed.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
const CLOSING_MAX: Duration = Duration::from_secs(60);
/// Ports for passive data connections.
const PASSIVE_PORTS: std::ops::RangeInclusive<u16> = 50_000..=50_999;

type ConnectionId = u64;

/// What a connection is for.
#[derive(Debug)]
enum Role {
    /// Speaks an application.
    Exchange { exchange: ServerExchange, is_open: bool },
    /// Carries the file of an FTP connection.
    Data { control: ConnectionId, is_started: bool },
}

#[derive(Debug)]
struct Served {
    connection: Connection,
    local: SocketAddr,
    remote: SocketAddr,
    role: Role,
    opened: Instant,
    closing: Option<Instant>,
}

/// The servers of a guest.
#[derive(Debug)]
pub(crate) struct Servers {
    name: String,
    seed: u64,
    services: BTreeMap<u16, Application>,
    served: BTreeMap<ConnectionId, Served>,
    /// Data ports that wait for their connection, and whose they are.
    passive: BTreeMap<u16, ConnectionId>,
    /// FTP connections that were asked for the file.
    retrieving: BTreeSet<ConnectionId>,
    next_passive: u16,
    next_id: ConnectionId,
}

impl Servers {
    pub(crate) fn new(config: &GuestConfig) -> Servers {
        Servers {
            name: config.name.clone(),
            seed: config.seed,
            services: config.serves.iter().copied().collect(),
            served: BTreeMap::new(),
            passive: BTreeMap::new(),
            retrieving: BTreeSet::new(),
            next_passive: *PASSIVE_PORTS.start(),
            next_id: 0,
        }
    }

    /// Whether something is served over UDP on `port`.
    pub(crate) fn udp_ports(&self) -> Vec<u16> {
        self.services.iter().filter(|(_, app)| app.over_udp()).map(|(&port, _)| port).collect()
    }

    /// Makes a socket for a connection that is asked for, if its port is served. `false` if the
    /// SYN has to be ignored.
    pub(crate) fn prepare(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        stack: &mut Stack,
        now: Instant,
    ) -> bool {
        let role = match (self.passive.get(&local.port()), self.services.get(&local.port())) {
            (Some(&control), _) => Role::Data { control, is_started: false },
            (None, Some(&application)) => Role::Exchange {
                exchange: ServerExchange::new(application, &self.name, self.seed ^ self.next_id),
                is_open: false,
            },
            (None, None) => return true,
        };
        let old = self.served.iter().find(|(_, s)| s.local == local && s.remote == remote);
        if let Some((&old, served)) = old {
            // a new connection may follow a closed one (RFC 9293, 3.10.7.4); else it is a
            // retransmission
            if !matches!(served.connection.state(stack), State::TimeWait | State::Closed) {
                return true;
            }
            self.remove(old, stack);
        }
        if self.served.len() >= CONNECTIONS_MAX {
            return false;
        }
        self.passive.remove(&local.port());
        let connection = Connection::new(stack.tcp_listen(local));
        let served = Served { connection, local, remote, role, opened: now, closing: None };
        self.served.insert(self.next_id, served);
        self.next_id += 1;
        true
    }

    /// The answer to a datagram that came to `port`.
    pub(crate) fn answer(&self, port: u16, payload: &[u8]) -> Option<Vec<u8>> {
        match self.services.get(&port)? {
            Application::Dns => dns_reply(payload),
            Application::Echo => Some(payload.to_vec()),
            _ => None,
        }
    }

    /// Serves what has come; whether the stack has new work.
    pub(crate) fn advance(&mut self, stack: &mut Stack, now: Instant) -> bool {
        let mut is_busy = false;
        let ids: Vec<ConnectionId> = self.served.keys().copied().collect();
        for id in ids {
            is_busy |= self.advance_one(id, stack, now);
        }
        is_busy
    }

    /// When a connection is given up.
    pub(crate) fn next_deadline(&self, stack: &mut Stack) -> Option<Instant> {
        let deadlines = self.served.values().filter_map(|served| {
            if let Some(since) = served.closing {
                return Some(since + CLOSING_MAX);
            }
            let is_opening = served.connection.state(stack) == State::SynReceived;
            is_opening.then(|| served.opened + HANDSHAKE_MAX)
        });
        deadlines.min()
    }

    fn advance_one(&mut self, id: ConnectionId, stack: &mut Stack, now: Instant) -> bool {
        let Some(served) = self.served.get_mut(&id) else {
            return false;
        };
        match served.connection.state(stack) {
            // its SYN was not taken after all
            State::Closed | State::Listen => {
                self.remove(id, stack);
                return false;
            }
            State::SynReceived => {
                if served.opened + HANDSHAKE_MAX <= now {
                    self.remove(id, stack);
                }
                return false;
            }
            _ => {}
        }
        if served.closing.is_some_and(|since| since + CLOSING_MAX <= now) {
            self.remove(id, stack);
            return false;
        }
        let mut is_busy = served.connection.receive(stack);
        is_busy |= match served.role {
            Role::Exchange { .. } => self.advance_exchange(id, stack, now),
            Role::Data { .. } => self.advance_data(id, stack, now),
        };
        is_busy
    }

    fn advance_exchange(&mut self, id: ConnectionId, stack: &mut Stack, now: Instant) -> bool {
        let Some(served) = self.served.get_mut(&id) else {
            return false;
        };
        let Connection { input, output, .. } = &mut served.connection;
        let Role::Exchange { exchange, is_open } = &mut served.role else {
            return false;
        };
        if !*is_open {
            *is_open = true;
            exchange.open(output);
        }
        let mut wants_close = input.len() > INPUT_MAX;
        match exchange.handle(input, output) {
            ServerStep::Wait => {}
            ServerStep::Close => wants_close = true,
            ServerStep::Retrieve => {
                self.retrieving.insert(id);
            }
            ServerStep::Listen { extended } => {
                self.passive.retain(|_, control| *control != id);
                let port = next_passive(&mut self.next_passive, &self.passive, &self.services);
                if let Some(port) = port {
                    self.passive.insert(port, id);
                    exchange.listening(extended, served.local.ip(), port, output);
                }
            }
        }
        served.finish(wants_close, stack, now)
    }

    fn advance_data(&mut self, id: ConnectionId, stack: &mut Stack, now: Instant) -> bool {
        let Some(served) = self.served.get_mut(&id) else {
            return false;
        };
        served.connection.input.clear();
        let Role::Data { control, is_started } = &mut served.role else {
            return false;
        };
        let control = *control;
        let starts = !*is_started && self.retrieving.contains(&control);
        let mut is_busy = false;
        if starts {
            *is_started = true;
            served.connection.output.extend_from_slice(FILE);
        }
        let is_started = *is_started;
        is_busy |= served.finish(is_started, stack, now);
        let is_done = is_started && served.connection.is_flushed(stack);
        let Some(owner) = self.served.get_mut(&control) else {
            return is_busy;
        };
        if starts {
            owner.connection.output.extend_from_slice(b"150 Here it comes.\r\n");
        }
        if is_done && self.retrieving.remove(&control) {
            owner.connection.output.extend_from_slice(b"226 Transfer complete.\r\n");
        }
        is_busy | owner.connection.send(stack)
    }

    fn remove(&mut self, id: ConnectionId, stack: &mut Stack) {
        if let Some(served) = self.served.remove(&id) {
            stack.remove(served.connection.handle);
        }
        self.passive.retain(|_, control| *control != id);
        self.retrieving.remove(&id);
    }
}

impl Served {
    /// Sends, and closes once all is sent if it is to be closed or the other side has closed.
    fn finish(&mut self, wants_close: bool, stack: &mut Stack, now: Instant) -> bool {
        let is_busy = self.connection.send(stack);
        let is_ended = wants_close || self.connection.is_ended_by_remote(stack);
        if is_ended && self.connection.output.is_empty() && self.closing.is_none() {
            stack.tcp(self.connection.handle).close();
            self.closing = Some(now);
            return true;
        }
        is_busy
    }
}

/// The next data port that is free.
fn next_passive(
    next: &mut u16,
    passive: &BTreeMap<u16, ConnectionId>,
    services: &BTreeMap<u16, Application>,
) -> Option<u16> {
    for _ in PASSIVE_PORTS {
        let port = *next;
        *next = if port == *PASSIVE_PORTS.end() { *PASSIVE_PORTS.start() } else { port + 1 };
        if !passive.contains_key(&port) && !services.contains_key(&port) {
            return Some(port);
        }
    }
    None
}
