//! The asking side of a guest: its tasks, their source ports, and what answers them. How a TCP task
//! goes on stands in `connect`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringfence_frame::{Family, Icmp, IcmpKind, Instant, Ip, Protocol, Quoted, Transport, build};

use super::connect::TcpClient;
use super::datagrams::Datagrams;
use super::icmp;
use super::stack::{Datagram, Stack};
use super::wire::Wire;
use crate::application::{Application, dns_query, read_dns_answer};
use crate::{KeepAlive, Progress, Seen, Task, TaskId, TaskKind};

/// Ephemeral ports, taken in turn.
const EPHEMERAL_PORTS: std::ops::RangeInclusive<u16> = 40_000..=49_999;
const PING_INTERVAL: Duration = Duration::from_secs(1);
const UDP_PAYLOAD: &[u8] = b"ringfence udp echo\n";
/// The longest payload of a raw packet: what an IP packet holds behind an IPv4 header.
const RAW_PAYLOAD_MAX: usize = 65_515;

/// The rest of the guest, as a task needs it.
pub(crate) struct Context<'a> {
    pub(crate) stack: &'a mut Stack,
    pub(crate) wire: &'a mut Wire,
    pub(crate) datagrams: &'a mut Datagrams,
    pub(crate) seed: u64,
    pub(crate) now: Instant,
}

/// A task and where it stands.
#[derive(Debug)]
struct Job {
    task: Task,
    progress: Progress,
    deadline: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Its first hop is not known yet.
    Resolving,
    Tcp(Box<TcpClient>),
    Udp(UdpClient),
    Ping(PingClient),
    Over,
}

#[derive(Debug)]
struct UdpClient {
    sent: Instant,
    is_answered: bool,
    next_round: Option<Instant>,
}

#[derive(Debug)]
struct PingClient {
    /// When each request was sent; `None` once it is answered.
    sent: Vec<Option<Instant>>,
    answered: u16,
    next: Instant,
}

/// The tasks of a guest.
#[derive(Debug)]
pub(crate) struct Clients {
    jobs: Vec<Job>,
    /// Those that are not over.
    active: BTreeSet<TaskId>,
    next_port: u16,
}

impl Clients {
    pub(crate) fn new() -> Clients {
        let next_port = *EPHEMERAL_PORTS.start();
        Clients { jobs: Vec::new(), active: BTreeSet::new(), next_port }
    }

    pub(crate) fn progress(&self, task: TaskId) -> &Progress {
        &self.jobs[task].progress
    }

    /// Notes a task; [`Clients::advance`] takes it up.
    pub(crate) fn add(&mut self, task: Task, context: &mut Context<'_>) -> TaskId {
        let now = context.now;
        let source = task.source.or_else(|| context.wire.source_for(task.target));
        let source_port = self.port_of(&task, context.datagrams);
        let progress = Progress {
            seen: None,
            started: now,
            finished: None,
            detail: String::new(),
            source_port,
            source,
            round_trips: Vec::new(),
            rounds_answered: 0,
            last_answer: None,
        };
        let deadline = now + task.timeout;
        let id = self.jobs.len();
        let families_agree = source.is_some_and(|own| own.is_ipv4() == task.target.is_ipv4());
        let mut job = Job { task, progress, deadline, stage: Stage::Resolving };
        if families_agree {
            self.active.insert(id);
        } else {
            job.progress.finish(Seen::TimedOut, "no source address of this family", now);
            job.stage = Stage::Over;
        }
        self.jobs.push(job);
        id
    }

    /// Takes every task as far as it goes now; whether the stack has new work.
    pub(crate) fn advance(&mut self, context: &mut Context<'_>) -> bool {
        let mut is_busy = false;
        let ids: Vec<TaskId> = self.active.iter().copied().collect();
        for id in ids {
            self.give_way(id, context);
            is_busy |= self.jobs[id].advance(context);
        }
        let jobs = &self.jobs;
        self.active.retain(|&id| !matches!(jobs[id].stage, Stage::Over));
        is_busy
    }

    /// When a task has something to do, if nothing comes before.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.active.iter().filter_map(|&id| self.jobs[id].next_deadline()).min()
    }

    /// Whether a datagram answers a task.
    pub(crate) fn handle_datagram(&mut self, datagram: &Datagram, now: Instant) -> bool {
        let mut active = self.active.iter();
        active.any(|&id| self.jobs[id].handle_datagram(datagram, now))
    }

    /// Takes an ICMP message that came: an echo reply, or an error about a packet of a task.
    pub(crate) fn handle_icmp(&mut self, ip: &Ip, message: Icmp, frame: &[u8], now: Instant) {
        match message.kind {
            IcmpKind::Reply => {
                let Some((identifier, sequence)) = icmp::read_echo_reply(ip, frame) else {
                    return;
                };
                for &id in &self.active {
                    if self.jobs[id].handle_echo_reply(ip, identifier, sequence, now) {
                        return;
                    }
                }
            }
            IcmpKind::Error { quoted: Some(quoted), path_mtu } => {
                let family = Family::of(ip.source);
                let name = icmp::error_name(family, message.icmp_type, message.code);
                for &id in &self.active {
                    self.jobs[id].handle_icmp_error(&quoted, path_mtu, name, now);
                }
            }
            _ => {}
        }
    }

    /// Lets a connection that only waits for its last segments make way for a new one between the
    /// same ends. One that still stands makes no way: the new task fails.
    fn give_way(&mut self, id: TaskId, context: &mut Context<'_>) {
        let Some((local, remote)) = self.jobs[id].wants_connection() else {
            return;
        };
        for &other in &self.active {
            let job = &mut self.jobs[other];
            let Stage::Tcp(client) = &mut job.stage else {
                continue;
            };
            if !client.is_between(local, remote) {
                continue;
            }
            if client.leave(context.stack) {
                job.stage = Stage::Over;
            } else {
                self.jobs[id].fail("source port in use", context.now);
            }
            return;
        }
    }

    fn port_of(&mut self, task: &Task, datagrams: &Datagrams) -> u16 {
        match task.kind {
            TaskKind::Tcp { source_port: Some(port), .. }
            | TaskKind::Udp { source_port: Some(port), .. } => port,
            TaskKind::Tcp { source_port: None, .. } | TaskKind::Udp { source_port: None, .. } => {
                self.ephemeral_port(datagrams)
            }
            TaskKind::Ping { identifier, .. } => identifier,
            TaskKind::Raw { .. } => 0,
        }
    }

    /// The next port that no task that still runs has; all being in use, one is used twice.
    fn ephemeral_port(&mut self, datagrams: &Datagrams) -> u16 {
        for _ in EPHEMERAL_PORTS {
            let port = self.take_port();
            let in_use = self.active.iter().any(|&id| self.jobs[id].progress.source_port == port);
            if !in_use && !datagrams.is_open(port) {
                return port;
            }
        }
        self.take_port()
    }

    fn take_port(&mut self) -> u16 {
        let port = self.next_port;
        let is_last = port == *EPHEMERAL_PORTS.end();
        self.next_port = if is_last { *EPHEMERAL_PORTS.start() } else { port + 1 };
        port
    }
}

impl Job {
    fn advance(&mut self, context: &mut Context<'_>) -> bool {
        let begins = matches!(self.stage, Stage::Resolving);
        if begins && !self.begin(context) {
            return false;
        }
        let is_busy = match &mut self.stage {
            Stage::Tcp(client) => {
                let is_busy = client.advance(&mut self.progress, self.deadline, context);
                if client.is_over() {
                    self.stage = Stage::Over;
                }
                is_busy
            }
            Stage::Udp(_) => self.advance_udp(context),
            Stage::Ping(_) => {
                self.advance_ping(context);
                false
            }
            Stage::Resolving | Stage::Over => false,
        };
        begins || is_busy
    }

    /// The ends of the connection that it is about to ask for.
    fn wants_connection(&self) -> Option<(SocketAddr, SocketAddr)> {
        let (Stage::Resolving, &TaskKind::Tcp { target_port, .. }) = (&self.stage, &self.task.kind)
        else {
            return None;
        };
        let local = SocketAddr::new(self.progress.source?, self.progress.source_port);
        Some((local, SocketAddr::new(self.task.target, target_port)))
    }

    /// Starts a task whose first hop is known; whether it has started.
    fn begin(&mut self, context: &mut Context<'_>) -> bool {
        let now = context.now;
        let Some(source) = self.progress.source else {
            return false;
        };
        if !context.wire.is_resolved(self.task.target, now) {
            if self.deadline <= now {
                self.progress.finish(Seen::TimedOut, unresolved(self.task.target), now);
                self.stage = Stage::Over;
            }
            return false;
        }
        let local = SocketAddr::new(source, self.progress.source_port);
        let target = self.task.target;
        match &self.task.kind {
            &TaskKind::Tcp { target_port, application, keep_alive, .. } => {
                let remote = SocketAddr::new(target, target_port);
                match TcpClient::connect(local, remote, application, keep_alive, context) {
                    Some(client) => self.stage = Stage::Tcp(Box::new(client)),
                    None => self.fail("no such port", now),
                }
            }
            TaskKind::Udp { .. } => {
                if context.datagrams.open(local.port(), context.stack) {
                    self.send_datagram(context);
                } else {
                    self.fail("no such port", now);
                }
            }
            TaskKind::Ping { .. } => {
                self.stage = Stage::Ping(PingClient { sent: Vec::new(), answered: 0, next: now });
            }
            TaskKind::Raw { protocol, payload } => {
                if payload.len() <= RAW_PAYLOAD_MAX {
                    let envelope = context.wire.envelope(source, target);
                    let frame = build::raw(&envelope, Protocol(*protocol), payload);
                    context.wire.send(frame, now);
                    self.progress.finish(Seen::Sent, "sent", now);
                    self.stage = Stage::Over;
                } else {
                    self.fail("longer than a packet", now);
                }
            }
        }
        true
    }

    /// A task that cannot be carried out: nothing is sent, so nothing comes back.
    fn fail(&mut self, detail: &str, now: Instant) {
        self.progress.finish(Seen::TimedOut, detail, now);
        self.stage = Stage::Over;
    }

    fn next_deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Resolving => Some(self.deadline),
            Stage::Tcp(client) => client.next_deadline(&self.progress, self.deadline),
            Stage::Udp(client) => {
                let outcome = self.progress.seen.is_none().then_some(self.deadline);
                outcome.into_iter().chain(client.next_round).min()
            }
            Stage::Ping(client) => {
                let TaskKind::Ping { count, .. } = self.task.kind else {
                    return None;
                };
                let more = client.sent.len() < usize::from(count);
                Some(if more { self.deadline.min(client.next) } else { self.deadline })
            }
            Stage::Over => None,
        }
    }

    fn send_datagram(&mut self, context: &mut Context<'_>) {
        let &TaskKind::Udp { target_port, application, keep_alive, .. } = &self.task.kind else {
            return;
        };
        let Some(source) = self.progress.source else {
            return;
        };
        let payload = match application {
            Some(Application::Dns) => dns_query(self.progress.source_port),
            _ => UDP_PAYLOAD.to_vec(),
        };
        let datagram = Datagram {
            local: SocketAddr::new(source, self.progress.source_port),
            remote: SocketAddr::new(self.task.target, target_port),
            payload,
        };
        context.datagrams.send(&datagram, context.stack);
        let next_round = keep_alive.map(|KeepAlive { interval, until }| {
            (context.now + interval.max(KEEP_ALIVE_MIN)).min(until)
        });
        self.stage = Stage::Udp(UdpClient { sent: context.now, is_answered: false, next_round });
    }

    fn advance_udp(&mut self, context: &mut Context<'_>) -> bool {
        let now = context.now;
        let &TaskKind::Udp { keep_alive, .. } = &self.task.kind else {
            return false;
        };
        if self.progress.seen.is_none() && self.deadline <= now {
            self.progress.finish(Seen::TimedOut, "no answer", now);
        }
        let Stage::Udp(client) = &mut self.stage else {
            return false;
        };
        let is_kept = keep_alive.filter(|keep| now < keep.until);
        if is_kept.is_none() {
            client.next_round = None;
        }
        let has_failed = matches!(self.progress.seen, Some(seen) if seen != Seen::Replied);
        let is_over = self.progress.seen.is_some() && (is_kept.is_none() || has_failed);
        if is_over {
            context.datagrams.close(self.progress.source_port, context.stack);
            self.stage = Stage::Over;
            return false;
        }
        if is_kept.is_some() && client.next_round.is_some_and(|at| at <= now) {
            self.send_datagram(context);
            return true;
        }
        false
    }

    fn handle_datagram(&mut self, datagram: &Datagram, now: Instant) -> bool {
        let &TaskKind::Udp { target_port, application, .. } = &self.task.kind else {
            return false;
        };
        let Stage::Udp(client) = &mut self.stage else {
            return false;
        };
        let is_ours = datagram.remote == SocketAddr::new(self.task.target, target_port)
            && datagram.local.port() == self.progress.source_port
            && Some(datagram.local.ip()) == self.progress.source;
        if !is_ours {
            return false;
        }
        let answer = match application {
            Some(Application::Dns) => {
                read_dns_answer(self.progress.source_port, &datagram.payload).ok()
            }
            _ => (datagram.payload == UDP_PAYLOAD).then(|| "echo".to_owned()),
        };
        let Some(detail) = answer else {
            return true;
        };
        if !client.is_answered {
            client.is_answered = true;
            self.progress.round_trips.push(now.since(client.sent));
            match self.progress.seen {
                None => self.progress.finish(Seen::Replied, &detail, now),
                Some(_) => self.progress.note_round(now),
            }
        }
        true
    }

    fn advance_ping(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let (&TaskKind::Ping { identifier, count }, Stage::Ping(client), Some(source)) =
            (&self.task.kind, &mut self.stage, self.progress.source)
        else {
            return;
        };
        while client.next <= now && client.sent.len() < usize::from(count) && now < self.deadline {
            let sequence = u16::try_from(client.sent.len()).unwrap_or(u16::MAX);
            let envelope = context.wire.envelope(source, self.task.target);
            context.wire.send(icmp::echo_request(&envelope, identifier, sequence), now);
            client.sent.push(Some(now));
            client.next += PING_INTERVAL;
        }
        let is_complete = client.answered == count;
        if is_complete || self.deadline <= now {
            let seen = if client.answered > 0 { Seen::Replied } else { Seen::TimedOut };
            let detail = format!("{} of {count} answered", client.answered);
            self.progress.finish(seen, &detail, now);
            self.stage = Stage::Over;
        }
    }

    fn handle_echo_reply(&mut self, ip: &Ip, identifier: u16, sequence: u16, now: Instant) -> bool {
        let (&TaskKind::Ping { identifier: own, .. }, Stage::Ping(client)) =
            (&self.task.kind, &mut self.stage)
        else {
            return false;
        };
        let is_ours = identifier == own
            && ip.source == self.task.target
            && Some(ip.target) == self.progress.source;
        if !is_ours {
            return false;
        }
        let sent = client.sent.get_mut(usize::from(sequence)).and_then(Option::take);
        let Some(sent) = sent else {
            return false;
        };
        client.answered += 1;
        self.progress.round_trips.push(now.since(sent));
        self.progress.note_round(now);
        true
    }

    /// An ICMP error ends a task that has no outcome yet. Word that a packet was too long does not
    /// end a TCP task, nor does any error once it is connected: TCP sees to that itself.
    fn handle_icmp_error(&mut self, quoted: &Quoted, path_mtu: bool, name: &str, now: Instant) {
        if self.progress.seen.is_some() || !self.has_sent(quoted) {
            return;
        }
        match &mut self.stage {
            Stage::Tcp(client) if path_mtu || client.is_established() => {}
            Stage::Tcp(client) => {
                client.give_up();
                self.progress.finish(Seen::IcmpError, name, now);
            }
            Stage::Udp(_) => self.progress.finish(Seen::IcmpError, name, now),
            Stage::Ping(client) if client.answered == 0 => {
                self.progress.finish(Seen::IcmpError, name, now);
                self.stage = Stage::Over;
            }
            Stage::Ping(_) | Stage::Resolving | Stage::Over => {}
        }
    }

    fn has_sent(&self, quoted: &Quoted) -> bool {
        let tuple = quoted.tuple;
        let is_v4 = self.task.target.is_ipv4();
        let (protocol, target_port) = match self.task.kind {
            TaskKind::Tcp { target_port, .. } => (Protocol::TCP, target_port),
            TaskKind::Udp { target_port, .. } => (Protocol::UDP, target_port),
            TaskKind::Ping { identifier, .. } if is_v4 => (Protocol::ICMP, identifier),
            TaskKind::Ping { identifier, .. } => (Protocol::ICMPV6, identifier),
            TaskKind::Raw { .. } => return false,
        };
        tuple.protocol == protocol
            && Some(tuple.source) == self.progress.source
            && tuple.target == self.task.target
            && tuple.source_port == self.progress.source_port
            && tuple.target_port == target_port
    }
}

/// Rounds of a kept-alive flow are at least this far apart, so that virtual time goes on.
pub(crate) const KEEP_ALIVE_MIN: Duration = Duration::from_millis(1);

impl Progress {
    /// Notes the outcome; the first one stands.
    pub(crate) fn finish(&mut self, seen: Seen, detail: &str, now: Instant) {
        if self.seen.is_none() {
            self.seen = Some(seen);
            self.finished = Some(now);
            detail.clone_into(&mut self.detail);
        }
    }

    /// Notes an answer to a round of a kept-alive flow.
    pub(crate) fn note_round(&mut self, now: Instant) {
        self.rounds_answered += 1;
        self.last_answer = Some(now);
    }
}

fn unresolved(target: IpAddr) -> &'static str {
    match target {
        IpAddr::V4(_) => "no answer to ARP",
        IpAddr::V6(_) => "no answer to neighbor solicitation",
    }
}

/// Whether a packet opens a TCP connection.
pub(crate) fn opens_connection(transport: &Transport) -> bool {
    use ringfence_frame::TcpFlags;
    match transport {
        Transport::Tcp(tcp) => {
            tcp.flags.contains(TcpFlags::SYN)
                && !tcp.flags.contains(TcpFlags::ACK)
                && !tcp.flags.contains(TcpFlags::RST)
        }
        _ => false,
    }
}
