//! The first exchange of each application that guests serve and use: which there are and what they
//! are called. How each speaks stands in a file of its own; `exchange` puts them behind one face.

mod database;
mod dns;
mod exchange;
mod ftp;
mod http;
mod rdp;
mod redis;
mod ssh;
mod tls;

pub(crate) use dns::{query as dns_query, read_answer as read_dns_answer, reply as dns_reply};
pub(crate) use exchange::{ClientExchange, ClientStep, ServerExchange, ServerStep};
pub(crate) use ftp::FILE;

/// The other side does not speak the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wrong;

/// A message at the front of what was received and how many bytes it takes; `None` while it is
/// not complete.
pub(crate) type Parsed<T> = Result<Option<(T, usize)>, Wrong>;

/// An application protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Application {
    /// HTTP/1.1 GET and its answer.
    Http,
    /// TLS ClientHello and ServerHello.
    Https,
    /// SSH identification strings.
    Ssh,
    /// RDP connection request and confirm (X.224).
    Rdp,
    /// FTP: banner, login, EPSV/PASV and a passive data connection.
    Ftp,
    /// UDP (and TCP) echo.
    Echo,
    /// DNS query and answer.
    Dns,
    /// MySQL: the server's greeting first.
    MySql,
    /// Oracle TNS connect and accept.
    Oracle,
    /// SQL Server TDS prelogin.
    SqlServer,
    /// PostgreSQL SSLRequest or startup, and the answer.
    PostgreSql,
    /// Redis PING and PONG.
    Redis,
}

impl Application {
    /// All of them.
    pub const ALL: [Application; 12] = [
        Application::Http,
        Application::Https,
        Application::Ssh,
        Application::Rdp,
        Application::Ftp,
        Application::Echo,
        Application::Dns,
        Application::MySql,
        Application::Oracle,
        Application::SqlServer,
        Application::PostgreSql,
        Application::Redis,
    ];

    /// The word for it in a scenario: `http`, `mysql`, `sql-server`, ...
    pub fn name(self) -> &'static str {
        match self {
            Application::Http => "http",
            Application::Https => "https",
            Application::Ssh => "ssh",
            Application::Rdp => "rdp",
            Application::Ftp => "ftp",
            Application::Echo => "echo",
            Application::Dns => "dns",
            Application::MySql => "mysql",
            Application::Oracle => "oracle",
            Application::SqlServer => "sql-server",
            Application::PostgreSql => "postgresql",
            Application::Redis => "redis",
        }
    }

    /// Its usual port.
    pub fn port(self) -> u16 {
        match self {
            Application::Http => 80,
            Application::Https => 443,
            Application::Ssh => 22,
            Application::Rdp => 3389,
            Application::Ftp => 21,
            Application::Echo => 7,
            Application::Dns => 53,
            Application::MySql => 3306,
            Application::Oracle => 1521,
            Application::SqlServer => 1433,
            Application::PostgreSql => 5432,
            Application::Redis => 6379,
        }
    }

    /// Whether it is served over UDP (DNS and echo are served over both).
    pub fn over_udp(self) -> bool {
        matches!(self, Application::Dns | Application::Echo)
    }
}
