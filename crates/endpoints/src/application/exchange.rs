//! Both roles of every application behind one face: bytes in, bytes out, and what to do next. No
//! socket here, no clock.

use std::net::IpAddr;

use super::{Application, Parsed, database, dns, ftp, http, rdp, redis, ssh, tls};

const ECHO: &[u8] = b"ringfence echo\n";

/// What follows for a client from what it has received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ClientStep {
    /// More has to come.
    Wait,
    /// The exchange is complete; this was answered.
    Answered(String),
    /// FTP: a data connection to this port has to be opened.
    OpenData(u16),
    /// The other side speaks something else, or said no.
    Wrong,
}

/// A client's side of an exchange.
#[derive(Debug)]
pub(crate) struct ClientExchange {
    application: Application,
    target: IpAddr,
    seed: u64,
    /// PostgreSQL: the start-up message has been sent.
    started_up: bool,
    ftp: ftp::Stage,
}

impl ClientExchange {
    /// An exchange with the server at `target`; `seed` gives identifiers and random fields.
    pub(crate) fn new(application: Application, target: IpAddr, seed: u64) -> ClientExchange {
        ClientExchange { application, target, seed, started_up: false, ftp: ftp::Stage::Banner }
    }

    /// Which application is spoken.
    pub(crate) fn application(&self) -> Application {
        self.application
    }

    /// Writes what the client says of its own accord, first or again: nothing where the server
    /// speaks first.
    pub(crate) fn open(&mut self, output: &mut Vec<u8>) {
        match self.application {
            Application::Http => output.extend(http::request(self.target)),
            Application::Https => output.extend(tls::client_hello(self.seed)),
            Application::Ssh => output.extend_from_slice(ssh::IDENTIFICATION),
            Application::Rdp => output.extend(rdp::connection_request()),
            Application::Echo => output.extend_from_slice(ECHO),
            Application::Dns => output.extend(dns::with_length(&dns::query(self.identifier()))),
            Application::Oracle => output.extend(database::oracle::connect()),
            Application::SqlServer => output.extend(database::sql_server::prelogin()),
            Application::PostgreSql => {
                output.extend_from_slice(database::postgresql::SSL_REQUEST);
            }
            Application::Redis => output.extend_from_slice(redis::PING),
            Application::Ftp | Application::MySql => {}
        }
    }

    /// Takes what was received off the front of `input`.
    pub(crate) fn handle(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> ClientStep {
        let answer = match self.application {
            Application::Http => http::read_response(input),
            Application::Https => tls::read_server_hello(input),
            Application::Ssh => ssh::read_identification(input),
            Application::Rdp => say(rdp::read_connection_confirm(input), "connection confirmed"),
            Application::Echo => say(read_echo(input), "echo"),
            Application::Dns => self.read_dns(input),
            Application::MySql => database::mysql::read_greeting(input),
            Application::Oracle => say(database::oracle::read_accept(input), "TNS accept"),
            Application::SqlServer => {
                say(database::sql_server::read_response(input), "prelogin response")
            }
            Application::PostgreSql => return self.handle_postgresql(input, output),
            Application::Redis => say(redis::read_pong(input), "PONG"),
            Application::Ftp => return self.handle_ftp(input, output),
        };
        answered(answer, input)
    }

    /// FTP: the data connection stands.
    pub(crate) fn data_connected(&mut self, output: &mut Vec<u8>) {
        output.extend_from_slice(ftp::RETRIEVE);
        self.ftp = ftp::Stage::Retrieve;
    }

    /// FTP: whether the server has said that the file was sent whole.
    pub(crate) fn is_transferred(&self) -> bool {
        self.ftp == ftp::Stage::Done
    }

    fn identifier(&self) -> u16 {
        // the low bits are as good an identifier as any
        (self.seed & 0xffff) as u16
    }

    fn read_dns(&self, input: &[u8]) -> Parsed<String> {
        let Some((message, len)) = dns::without_length(input)? else {
            return Ok(None);
        };
        dns::read_answer(self.identifier(), message).map(|answer| Some((answer, len)))
    }

    fn handle_postgresql(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> ClientStep {
        if !self.started_up {
            match database::postgresql::read_ssl_answer(input) {
                Ok(None) => return ClientStep::Wait,
                Ok(Some(((), len))) => {
                    input.drain(..len);
                    output.extend(database::postgresql::start_up());
                    self.started_up = true;
                }
                Err(_) => return ClientStep::Wrong,
            }
        }
        let answer = database::postgresql::read_authentication(input);
        answered(say(answer, "AuthenticationOk"), input)
    }

    fn handle_ftp(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> ClientStep {
        loop {
            let (code, text, len) = match ftp::read_reply(input) {
                Ok(None) => return ClientStep::Wait,
                Ok(Some(((code, text), len))) => (code, text, len),
                Err(_) => return ClientStep::Wrong,
            };
            input.drain(..len);
            match ftp::next(self.ftp, code, &text, self.target) {
                Ok(ftp::Next::Send(command, stage)) => {
                    output.extend_from_slice(command);
                    self.ftp = stage;
                }
                Ok(ftp::Next::Wait(stage)) => self.ftp = stage,
                Ok(ftp::Next::Open(port)) => {
                    self.ftp = ftp::Stage::Connecting;
                    return ClientStep::OpenData(port);
                }
                Err(_) => return ClientStep::Wrong,
            }
        }
    }
}

/// What follows for a server from what it has received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServerStep {
    /// More may come.
    Wait,
    /// The connection is to be closed once everything is sent.
    Close,
    /// FTP: a data port has to be opened, and answered with [`ServerExchange::listening`].
    Listen {
        /// Asked for by EPSV rather than PASV.
        extended: bool,
    },
    /// FTP: the file has to be sent over the data connection.
    Retrieve,
}

/// A server's side of an exchange.
#[derive(Debug)]
pub(crate) struct ServerExchange {
    application: Application,
    name: String,
    seed: u64,
    /// The exchange is complete, and what follows is ignored.
    is_complete: bool,
}

impl ServerExchange {
    /// The side of the server called `name`.
    pub(crate) fn new(application: Application, name: &str, seed: u64) -> ServerExchange {
        ServerExchange { application, name: name.to_owned(), seed, is_complete: false }
    }

    /// Writes what the server says before it hears anything.
    pub(crate) fn open(&mut self, output: &mut Vec<u8>) {
        match self.application {
            Application::Ssh => output.extend_from_slice(ssh::IDENTIFICATION),
            Application::Ftp => output.extend(ftp::banner(&self.name)),
            Application::MySql => {
                output.extend(database::mysql::greeting());
                self.is_complete = true;
            }
            _ => {}
        }
    }

    /// Takes what was received off the front of `input`; says one thing to do at a time.
    pub(crate) fn handle(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> ServerStep {
        if self.application == Application::Echo {
            output.append(input);
            return ServerStep::Wait;
        }
        loop {
            // no first message begins with a line feed: what keeps a connection busy is ignored
            let idle = input.iter().take_while(|&&byte| byte == b'\n').count();
            input.drain(..idle);
            if self.is_complete {
                input.clear();
            }
            if input.is_empty() {
                return ServerStep::Wait;
            }
            let before = input.len();
            let step = self.handle_message(input, output);
            if step != ServerStep::Wait || input.len() == before {
                return step;
            }
        }
    }

    /// FTP: the data port that was opened.
    pub(crate) fn listening(&self, extended: bool, local: IpAddr, port: u16, output: &mut Vec<u8>) {
        match extended {
            true => output.extend(ftp::extended_passive(port)),
            false => output.extend(ftp::passive(local, port)),
        }
    }

    fn handle_message(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> ServerStep {
        let taken = match self.application {
            Application::Http => {
                let request = http::read_request(input);
                if request.is_err() {
                    output.extend(http::bad_request());
                }
                reply(request, |is_get| output.extend(http::response(&self.name, is_get)))
            }
            Application::Https => reply(tls::read_client_hello(input), |session_id| {
                output.extend(tls::server_hello(&session_id, self.seed));
                self.is_complete = true;
            }),
            Application::Ssh => reply(ssh::read_identification(input), |_| self.is_complete = true),
            Application::Rdp => reply(rdp::read_connection_request(input), |()| {
                output.extend(rdp::connection_confirm());
                self.is_complete = true;
            }),
            Application::Dns => match dns::without_length(input) {
                Ok(Some((message, len))) => match dns::reply(message) {
                    Some(answer) => {
                        output.extend(dns::with_length(&answer));
                        Some(len)
                    }
                    None => None,
                },
                Ok(None) => Some(0),
                Err(_) => None,
            },
            Application::Oracle => reply(database::oracle::read_connect(input), |()| {
                output.extend(database::oracle::accept());
                self.is_complete = true;
            }),
            Application::SqlServer => reply(database::sql_server::read_prelogin(input), |()| {
                output.extend(database::sql_server::response());
                self.is_complete = true;
            }),
            Application::PostgreSql => self.reply_postgresql(input, output),
            Application::Redis => reply(redis::read_request(input), |is_ping| {
                output.extend_from_slice(match is_ping {
                    true => redis::PONG,
                    false => redis::UNKNOWN_COMMAND,
                });
            }),
            Application::Ftp => return handle_ftp_command(input, output),
            // complete before anything is heard, or handled above
            Application::MySql | Application::Echo => Some(input.len()),
        };
        match taken {
            Some(len) => {
                input.drain(..len);
                ServerStep::Wait
            }
            None => ServerStep::Close,
        }
    }

    fn reply_postgresql(&mut self, input: &[u8], output: &mut Vec<u8>) -> Option<usize> {
        use database::postgresql::{AUTHENTICATION_OK, First, NO_SSL, read_first};
        reply(read_first(input), |first| match first {
            First::SslRequest => output.push(NO_SSL),
            First::StartUp => {
                output.extend_from_slice(AUTHENTICATION_OK);
                self.is_complete = true;
            }
        })
    }
}

fn handle_ftp_command(input: &mut Vec<u8>, output: &mut Vec<u8>) -> ServerStep {
    let (command, len) = match ftp::read_command(input) {
        Ok(None) => return ServerStep::Wait,
        Ok(Some(command)) => command,
        Err(_) => return ServerStep::Close,
    };
    input.drain(..len);
    match command {
        ftp::Command::Reply(text) => {
            output.extend_from_slice(text);
            ServerStep::Wait
        }
        ftp::Command::Nothing => ServerStep::Wait,
        ftp::Command::ExtendedPassive => ServerStep::Listen { extended: true },
        ftp::Command::Passive => ServerStep::Listen { extended: false },
        ftp::Command::Retrieve => ServerStep::Retrieve,
        ftp::Command::Quit => {
            output.extend_from_slice(b"221 Goodbye.\r\n");
            ServerStep::Close
        }
    }
}

/// Lets `act` answer a complete message; the bytes that it takes, or `None` if it is not one.
fn reply<T>(message: Parsed<T>, act: impl FnOnce(T)) -> Option<usize> {
    match message {
        Ok(None) => Some(0),
        Ok(Some((message, len))) => {
            act(message);
            Some(len)
        }
        Err(_) => None,
    }
}

fn say(message: Parsed<()>, text: &str) -> Parsed<String> {
    message.map(|message| message.map(|((), len)| (text.to_owned(), len)))
}

fn answered(answer: Parsed<String>, input: &mut Vec<u8>) -> ClientStep {
    match answer {
        Ok(None) => ClientStep::Wait,
        Ok(Some((detail, len))) => {
            input.drain(..len);
            ClientStep::Answered(detail)
        }
        Err(_) => ClientStep::Wrong,
    }
}

fn read_echo(input: &[u8]) -> Parsed<()> {
    let seen = input.len().min(ECHO.len());
    match input[..seen] == ECHO[..seen] {
        true => Ok((seen == ECHO.len()).then_some(((), seen))),
        false => Err(super::Wrong),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::{Rng, RngExt, SeedableRng};
    use rand_pcg::Pcg32;

    use super::*;

    const TARGET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 16, 1, 10));

    /// Both sides of an exchange, `chunk` bytes at a time; what the client ends with. FTP's data
    /// connection is imagined.
    fn talk(application: Application, chunk: usize) -> Option<String> {
        let mut client = ClientExchange::new(application, TARGET, 9);
        let mut server = ServerExchange::new(application, "web-1", 9);
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        let (mut client_input, mut server_input) = (Vec::new(), Vec::new());
        client.open(&mut to_server);
        server.open(&mut to_client);
        for _ in 0..10_000 {
            let len = chunk.min(to_server.len());
            server_input.extend(to_server.drain(..len));
            match server.handle(&mut server_input, &mut to_client) {
                ServerStep::Wait => {}
                ServerStep::Close => return None,
                ServerStep::Listen { extended } => {
                    assert!(extended);
                    server.listening(extended, TARGET, 50_000, &mut to_client);
                }
                ServerStep::Retrieve => to_client.extend(b"150 Here.\r\n226 Done.\r\n"),
            }
            let len = chunk.min(to_client.len());
            client_input.extend(to_client.drain(..len));
            match client.handle(&mut client_input, &mut to_server) {
                ClientStep::Wait if client.is_transferred() => return Some("file".to_owned()),
                ClientStep::Wait => {}
                ClientStep::Answered(detail) => return Some(detail),
                ClientStep::OpenData(port) => {
                    assert_eq!(port, 50_000);
                    client.data_connected(&mut to_server);
                }
                ClientStep::Wrong => return None,
            }
        }
        None
    }

    #[test]
    fn messages_may_come_in_any_pieces() {
        for application in Application::ALL {
            for chunk in [1, 2, 7, 10_000] {
                let detail = talk(application, chunk);
                assert!(detail.is_some(), "{application:?}, {chunk} bytes at a time");
            }
        }
    }

    #[test]
    fn what_keeps_a_flow_busy_is_ignored_before_and_after() {
        for application in Application::ALL {
            if application == Application::Echo {
                continue;
            }
            let mut server = ServerExchange::new(application, "web-1", 9);
            let mut output = Vec::new();
            server.open(&mut output);
            output.clear();
            let mut input = b"\n\n".to_vec();
            assert_eq!(server.handle(&mut input, &mut output), ServerStep::Wait);
            assert_eq!((input.as_slice(), output.as_slice()), (&[][..], &[][..]));
            ClientExchange::new(application, TARGET, 9).open(&mut input);
            assert_eq!(server.handle(&mut input, &mut output), ServerStep::Wait);
            output.clear();
            input.push(b'\n');
            assert_eq!(server.handle(&mut input, &mut output), ServerStep::Wait);
            assert!(output.is_empty(), "{application:?}");
        }
    }

    #[test]
    fn no_bytes_make_either_side_panic() {
        const SEED: u64 = 11;
        println!("seed {SEED}");
        let mut random = Pcg32::seed_from_u64(SEED);
        for round in 0..60_000 {
            let application = Application::ALL[round % 12];
            let mut sound = Vec::new();
            match round % 3 {
                0 => ClientExchange::new(application, TARGET, 9).open(&mut sound),
                1 => ServerExchange::new(application, "web-1", 9).open(&mut sound),
                _ => {
                    let mut server = ServerExchange::new(application, "web-1", 9);
                    let mut request = Vec::new();
                    ClientExchange::new(application, TARGET, 9).open(&mut request);
                    server.handle(&mut request, &mut sound);
                }
            }
            for _ in 0..random.random_range(0..4) {
                let len = sound.len();
                if len > 0 {
                    sound[random.random_range(0..len)] = random.random();
                }
            }
            let mut tail = vec![0; random.random_range(0..40)];
            random.fill_bytes(&mut tail);
            sound.extend(tail);
            sound.truncate(random.random_range(0..=sound.len()));
            let mut output = Vec::new();
            let mut client = ClientExchange::new(application, TARGET, 9);
            client.handle(&mut sound.clone(), &mut output);
            ServerExchange::new(application, "web-1", 9).handle(&mut sound, &mut output);
        }
    }
}
