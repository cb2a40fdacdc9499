//! A TCP task: connect, the application's first exchange, FTP's data connection, rounds that keep
//! the flow going, and the end.

use std::net::SocketAddr;
use std::time::Duration;

use ringfence_frame::Instant;
use smoltcp::socket::tcp::State;

use super::client::{Context, KEEP_ALIVE_MIN};
use super::connection::{Connection, INPUT_MAX};
use super::stack::Stack;
use crate::application::{Application, ClientExchange, ClientStep, FILE};
use crate::{KeepAlive, Progress, Seen};

/// How long a connection that is being closed is waited for.
const CLOSING_MAX: Duration = Duration::from_secs(60);
/// What keeps a flow going where there is no request to repeat; servers ignore it.
const IDLE_BYTE: u8 = b'\n';

/// A TCP task under way.
#[derive(Debug)]
pub(crate) struct TcpClient {
    connection: Connection,
    local: SocketAddr,
    remote: SocketAddr,
    connecting: Instant,
    established: Option<Instant>,
    exchange: Option<ClientExchange>,
    data: Option<Data>,
    keep_alive: Option<KeepAlive>,
    round: Round,
    end: End,
}

/// FTP's data connection.
#[derive(Debug)]
struct Data {
    connection: Connection,
    is_established: bool,
}

/// Where a kept-alive flow stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Round {
    /// The next one is due then.
    Due(Instant),
    /// One was sent then and is not answered.
    Sent(Instant),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// Not yet.
    Open,
    /// The outcome is known: to be dropped without a word (nothing stands yet).
    Drop,
    /// The outcome is known and the connection of no use: to be reset.
    Abort,
    /// Closed in order since then; the last segments are still waited for.
    Closing(Instant),
    /// Nothing is left.
    Over,
}

impl TcpClient {
    /// Sends the SYN; `None` if a port is 0.
    pub(crate) fn connect(
        local: SocketAddr,
        remote: SocketAddr,
        application: Option<Application>,
        keep_alive: Option<KeepAlive>,
        context: &mut Context<'_>,
    ) -> Option<TcpClient> {
        let handle = context.stack.tcp_connect(local, remote)?;
        let seed = context.seed ^ u64::from(local.port());
        Some(TcpClient {
            connection: Connection::new(handle),
            local,
            remote,
            connecting: context.now,
            established: None,
            exchange: application.map(|app| ClientExchange::new(app, remote.ip(), seed)),
            data: None,
            keep_alive,
            round: Round::Due(Instant::FAR_FUTURE),
            end: End::Open,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.end == End::Over
    }

    pub(crate) fn is_established(&self) -> bool {
        self.established.is_some()
    }

    pub(crate) fn is_between(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.local == local && self.remote == remote
    }

    /// Forgets a connection that has been closed; whether it was one.
    pub(crate) fn leave(&mut self, stack: &mut Stack) -> bool {
        if !matches!(self.end, End::Closing(_)) {
            return self.is_over();
        }
        self.end = End::Drop;
        self.tear_down(stack)
    }

    /// Nothing more is wanted of a connection that never stood.
    pub(crate) fn give_up(&mut self) {
        self.end = End::Drop;
    }

    /// Goes as far as it can now; whether the stack has new work.
    pub(crate) fn advance(
        &mut self,
        progress: &mut Progress,
        deadline: Instant,
        context: &mut Context<'_>,
    ) -> bool {
        let now = context.now;
        match self.end {
            End::Open => {}
            End::Over => return false,
            End::Drop | End::Abort => return self.tear_down(context.stack),
            End::Closing(since) => return self.await_close(since, context),
        }
        if self.established.is_none() && !self.has_connected(progress, context) {
            if self.end == End::Open && progress.seen.is_none() && deadline <= now {
                progress.finish(Seen::TimedOut, "no answer", now);
                self.end = End::Drop;
            }
            return self.end == End::Drop && self.tear_down(context.stack);
        }
        let mut is_busy = self.connection.receive(context.stack);
        if progress.seen.is_none() {
            is_busy |= self.advance_exchange(progress, deadline, context);
        } else {
            is_busy |= self.advance_rounds(progress, context);
        }
        is_busy | self.connection.send(context.stack)
    }

    /// When it has something to do, if nothing comes before.
    pub(crate) fn next_deadline(&self, progress: &Progress, deadline: Instant) -> Option<Instant> {
        match self.end {
            End::Open if progress.seen.is_none() => Some(deadline),
            End::Open => {
                let keep_alive = self.keep_alive?;
                match self.round {
                    Round::Due(at) => Some(at.min(keep_alive.until)),
                    Round::Sent(_) => Some(keep_alive.until),
                }
            }
            End::Closing(since) => Some(since + CLOSING_MAX),
            End::Drop | End::Abort => Some(Instant::START),
            End::Over => None,
        }
    }

    /// Looks whether the handshake has come to an end.
    fn has_connected(&mut self, progress: &mut Progress, context: &mut Context<'_>) -> bool {
        let now = context.now;
        match self.connection.state(context.stack) {
            State::SynSent | State::SynReceived => return false,
            // no timeout is set: only a RST closes a socket that connects
            State::Closed => {
                progress.finish(Seen::Refused, "connection refused", now);
                self.end = End::Drop;
                return false;
            }
            _ => {}
        }
        self.established = Some(now);
        progress.round_trips.push(now.since(self.connecting));
        match &mut self.exchange {
            Some(exchange) => exchange.open(&mut self.connection.output),
            None => self.succeed(progress, Seen::Connected, "connected", context),
        }
        true
    }

    fn advance_exchange(
        &mut self,
        progress: &mut Progress,
        deadline: Instant,
        context: &mut Context<'_>,
    ) -> bool {
        let now = context.now;
        let Some(exchange) = &mut self.exchange else {
            return false;
        };
        let application = exchange.application();
        let Connection { input, output, .. } = &mut self.connection;
        let step = exchange.handle(input, output);
        let is_too_long = input.len() > INPUT_MAX;
        match step {
            ClientStep::Answered(detail) => {
                self.note_exchange(progress, now);
                self.succeed(progress, Seen::Replied, &detail, context);
                return true;
            }
            ClientStep::OpenData(port) => self.open_data(port, context),
            ClientStep::Wrong => {
                return self.fail(progress, Seen::Reset, &not_spoken(application), context);
            }
            ClientStep::Wait if is_too_long => {
                return self.fail(progress, Seen::Reset, &not_spoken(application), context);
            }
            ClientStep::Wait => {}
        }
        if self.data.is_some() && self.advance_data(progress, context) {
            return true;
        }
        if self.connection.state(context.stack) == State::Closed {
            return self.fail(progress, Seen::Reset, "reset by the other side", context);
        }
        if self.connection.is_ended_by_remote(context.stack) {
            return self.fail(progress, Seen::Reset, "closed by the other side", context);
        }
        if deadline <= now {
            let detail = match &self.data {
                Some(data) if !data.is_established => "control connection ok, data timed out",
                Some(_) => "control connection ok, data connection stalled",
                None => "connected, then no answer",
            };
            return self.fail(progress, Seen::TimedOut, detail, context);
        }
        false
    }

    fn open_data(&mut self, port: u16, context: &mut Context<'_>) {
        // the neighbour of the port that the control connection uses; any free port would do
        let local_port = self.local.port().wrapping_add(10_000).max(1_024);
        let local = SocketAddr::new(self.local.ip(), local_port);
        let remote = SocketAddr::new(self.remote.ip(), port);
        if let Some(handle) = context.stack.tcp_connect(local, remote) {
            self.data = Some(Data { connection: Connection::new(handle), is_established: false });
        }
    }

    /// Fetches the file; whether the outcome is known.
    fn advance_data(&mut self, progress: &mut Progress, context: &mut Context<'_>) -> bool {
        let now = context.now;
        let (Some(data), Some(exchange)) = (&mut self.data, &mut self.exchange) else {
            return false;
        };
        let state = data.connection.state(context.stack);
        if !data.is_established {
            match state {
                State::SynSent | State::SynReceived => return false,
                State::Closed => {
                    let detail = "control connection ok, data refused";
                    return self.fail(progress, Seen::Refused, detail, context);
                }
                _ => data.is_established = true,
            }
            exchange.data_connected(&mut self.connection.output);
        }
        data.connection.receive(context.stack);
        let is_ended = data.connection.is_ended_by_remote(context.stack);
        if data.connection.input == FILE && is_ended && exchange.is_transferred() {
            let detail = format!("{} bytes over a data connection", FILE.len());
            context.stack.tcp(data.connection.handle).close();
            self.note_exchange(progress, now);
            self.succeed(progress, Seen::Replied, &detail, context);
            return true;
        }
        if is_ended && data.connection.input != FILE || state == State::Closed {
            let detail = "control connection ok, data cut off";
            return self.fail(progress, Seen::Reset, detail, context);
        }
        false
    }

    fn advance_rounds(&mut self, progress: &mut Progress, context: &mut Context<'_>) -> bool {
        let now = context.now;
        let Some(keep_alive) = self.keep_alive else {
            return self.close(context);
        };
        if matches!(self.connection.state(context.stack), State::Closed) {
            self.end = End::Drop;
            return true;
        }
        if let Round::Sent(sent) = self.round
            && self.is_round_answered(context.stack)
        {
            progress.round_trips.push(now.since(sent));
            progress.note_round(now);
            let next = sent + keep_alive.interval.max(KEEP_ALIVE_MIN);
            self.round = Round::Due(next.max(now));
        }
        if keep_alive.until <= now || self.connection.is_ended_by_remote(context.stack) {
            return self.close(context);
        }
        if let Round::Due(at) = self.round
            && at <= now
        {
            match &mut self.exchange {
                Some(exchange) if exchange.application() == Application::Http => {
                    exchange.open(&mut self.connection.output);
                }
                _ => self.connection.output.push(IDLE_BYTE),
            }
            self.round = Round::Sent(now);
            return true;
        }
        false
    }

    /// A request repeated is answered by its answer, a single byte by its acknowledgement.
    fn is_round_answered(&mut self, stack: &mut Stack) -> bool {
        let Connection { input, output, .. } = &mut self.connection;
        match &mut self.exchange {
            Some(exchange) if exchange.application() == Application::Http => {
                matches!(exchange.handle(input, output), ClientStep::Answered(_))
            }
            _ => {
                input.clear();
                self.connection.is_flushed(stack)
            }
        }
    }

    fn note_exchange(&self, progress: &mut Progress, now: Instant) {
        if let Some(established) = self.established {
            progress.round_trips.push(now.since(established));
        }
    }

    fn succeed(
        &mut self,
        progress: &mut Progress,
        seen: Seen,
        detail: &str,
        context: &mut Context<'_>,
    ) {
        progress.finish(seen, detail, context.now);
        match self.keep_alive {
            Some(keep_alive) => {
                let first = context.now + keep_alive.interval.max(KEEP_ALIVE_MIN);
                self.round = Round::Due(first);
            }
            None => {
                self.close(context);
            }
        }
    }

    fn fail(
        &mut self,
        progress: &mut Progress,
        seen: Seen,
        detail: &str,
        context: &mut Context<'_>,
    ) -> bool {
        progress.finish(seen, detail, context.now);
        self.end = End::Abort;
        self.tear_down(context.stack)
    }

    fn close(&mut self, context: &mut Context<'_>) -> bool {
        self.connection.send(context.stack);
        context.stack.tcp(self.connection.handle).close();
        self.end = End::Closing(context.now);
        true
    }

    /// Takes leave at once: with a RST of what stands, without a word of what does not.
    fn tear_down(&mut self, stack: &mut Stack) -> bool {
        let data = self.data.take().map(|data| data.connection);
        for connection in data.iter().chain([&self.connection]) {
            let state = stack.tcp(connection.handle).state();
            if self.end == End::Abort && !matches!(state, State::SynSent | State::Closed) {
                stack.tcp_reset(connection.handle);
            } else {
                stack.remove(connection.handle);
            }
        }
        self.end = End::Over;
        true
    }

    fn await_close(&mut self, since: Instant, context: &mut Context<'_>) -> bool {
        self.connection.receive(context.stack);
        self.connection.input.clear();
        let is_late = since + CLOSING_MAX <= context.now;
        let data = self.data.as_ref().map(|data| data.connection.state(context.stack));
        let is_closed = self.connection.state(context.stack) == State::Closed;
        if is_late || (is_closed && data.is_none_or(|state| state == State::Closed)) {
            self.end = End::Drop;
            return self.tear_down(context.stack);
        }
        false
    }
}

fn not_spoken(application: Application) -> String {
    format!("the answer is not {}", application.name())
}
