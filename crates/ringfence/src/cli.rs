//! The command line's words: commands, options, and what they accept. Owns no behaviour.

pub(crate) mod bench;
pub(crate) mod live;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A userspace virtual switch that enforces cloud security groups on every frame.
#[derive(Parser, Debug)]
#[command(name = "ringfence", version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// How to print data.
    #[arg(short = 'o', long = "output", global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// When to use colours (NO_COLOR and CLICOLOR_FORCE are heeded).
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, all as expected, yes; 1 a checked thing is false; 2 wrong usage or an invalid
file; 3 a failure at run time; 4 a missing privilege or kernel feature; 5 nothing was selected.";

/// Output formats, the same everywhere.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For people with a wide window: more columns.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// One JSON document a line.
    Jsonl,
}

impl Format {
    /// Whether a person reads it.
    pub(crate) fn is_for_people(self) -> bool {
        matches!(self, Format::Table | Format::Wide)
    }
}

/// When to use colours.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run scenarios in the simulated world and check every expectation.
    Run(RunArgs),
    /// The verdict on one packet, the way there and back, and why.
    Explain(ExplainArgs),
    /// Whether A reaches B: prints yes or no, exits 0 or 1.
    CanReach(CanReachArgs),
    /// Frames from captures through the switch on the virtual clock.
    Replay(ReplayArgs),
    /// Bring a scenario up with real guests: a network namespace and a TAP device for each.
    Up(live::UpArgs),
    /// Run a command in the network namespace of an instance.
    Exec(live::ExecArgs),
    /// The fabrics that are up, and their guests.
    Ps,
    /// End fabrics that are up.
    Down(live::FabricArgs),
    /// Remove what killed fabrics left behind.
    Clean(live::FabricArgs),
    /// Measure the session table, the classifier, the switch.
    Bench(bench::BenchArgs),
    /// Check scenario files.
    Validate(ValidateArgs),
    /// Format scenario files in place.
    Fmt(FmtArgs),
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
    /// Print the longer text of a diagnostic's code.
    ExplainCode(ExplainCodeArgs),
    /// Print a completion script.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man,
}

/// `run`
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Scenario files, or folders that hold some (`*.yaml`, searched to the bottom).
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Run only expectations whose name, or whose scenario's title or file, contains this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Write a JUnit report.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit_xml: Option<PathBuf>,
    /// Write a page for people: topology, expectations, the walk of each flow (`index.html`).
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Write a capture of every port, with verdict and rule as comments (pcapng).
    #[arg(long, value_name = "DIR")]
    pub(crate) pcap: Option<PathBuf>,
    /// Write what a VPC flow log would hold.
    #[arg(long, value_name = "FILE")]
    pub(crate) flow_log: Option<PathBuf>,
    /// Seed of everything random, instead of the scenario's own.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
}

/// `explain`
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The scenario file.
    pub(crate) scenario: PathBuf,
    /// The packet.
    #[command(flatten)]
    pub(crate) packet: PacketArgs,
    /// Make it a check: exit 1 unless this is the verdict (with --probes, every verdict).
    #[arg(long, value_enum, value_name = "VERDICT")]
    pub(crate) expect: Option<Expected>,
    /// Read one question a line (JSON) from this file, or from standard input (-).
    #[arg(long, value_name = "FILE", conflicts_with_all = PACKET)]
    pub(crate) probes: Option<PathBuf>,
}

/// The options that say what a packet is.
const PACKET: [&str; 14] = [
    "from",
    "to",
    "tcp",
    "udp",
    "icmp",
    "icmpv6",
    "gre",
    "protocol",
    "source_port",
    "target_port",
    "icmp_type",
    "icmp_code",
    "network",
    "family",
];

/// A verdict to expect.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    /// It passes.
    Allow,
    /// It is dropped.
    Deny,
}

/// One packet.
#[derive(Args, Debug)]
pub(crate) struct PacketArgs {
    /// Who sends: an id, or an address.
    #[arg(long, value_name = "PARTY", required_unless_present = "probes")]
    pub(crate) from: Option<String>,
    /// Who is to receive: an id, or an address.
    #[arg(long, value_name = "PARTY", required_unless_present = "probes")]
    pub(crate) to: Option<String>,
    /// The protocol.
    #[command(flatten)]
    pub(crate) protocol: ProtocolArgs,
    /// The source port, or the ICMP identifier.
    #[arg(long, value_name = "PORT", default_value_t = 40_000)]
    pub(crate) source_port: u16,
    /// The target port of a --protocol that has ports.
    #[arg(long, value_name = "PORT", requires = "protocol")]
    pub(crate) target_port: Option<u16>,
    /// The ICMP or ICMPv6 type.
    #[arg(long, value_name = "TYPE")]
    pub(crate) icmp_type: Option<u8>,
    /// The ICMP or ICMPv6 code.
    #[arg(long, value_name = "CODE")]
    pub(crate) icmp_code: Option<u8>,
    /// Which NIC in the classic network, which path in a VPC.
    #[arg(long, value_enum)]
    pub(crate) network: Option<NetworkArg>,
    /// For ids: which of their addresses.
    #[arg(long, value_enum)]
    pub(crate) family: Option<FamilyArg>,
}

/// Which protocol a packet has.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct ProtocolArgs {
    /// TCP to this port.
    #[arg(long, value_name = "PORT")]
    pub(crate) tcp: Option<u16>,
    /// UDP to this port.
    #[arg(long, value_name = "PORT")]
    pub(crate) udp: Option<u16>,
    /// ICMP (an echo request unless --icmp-type says otherwise).
    #[arg(long)]
    pub(crate) icmp: bool,
    /// ICMPv6 (an echo request unless --icmp-type says otherwise).
    #[arg(long)]
    pub(crate) icmpv6: bool,
    /// GRE.
    #[arg(long)]
    pub(crate) gre: bool,
    /// Any protocol, by its number.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) protocol: Option<u8>,
}

/// A network to pick.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NetworkArg {
    /// Over the Internet.
    Internet,
    /// Over the internal network.
    Intranet,
}

/// An address family to pick.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FamilyArg {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// `can-reach`
#[derive(Args, Debug)]
pub(crate) struct CanReachArgs {
    /// The scenario file.
    pub(crate) scenario: PathBuf,
    /// Who sends: an id, or an address.
    pub(crate) from: String,
    /// Who is to receive: an id, or an address.
    pub(crate) to: String,
    /// `tcp/3306`, `udp/53`, `icmp`, `icmpv6`, `gre`, or a protocol's number.
    pub(crate) what: String,
    /// The source port, or the ICMP identifier.
    #[arg(long, value_name = "PORT", default_value_t = 40_000)]
    pub(crate) source_port: u16,
    /// Which NIC in the classic network, which path in a VPC.
    #[arg(long, value_enum)]
    pub(crate) network: Option<NetworkArg>,
    /// For ids: which of their addresses.
    #[arg(long, value_enum)]
    pub(crate) family: Option<FamilyArg>,
}

/// `replay`
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// The scenario file.
    pub(crate) scenario: PathBuf,
    /// What came in at a port (pcap or pcapng).
    #[arg(long = "in", value_name = "PORT=FILE", required = true)]
    pub(crate) inputs: Vec<String>,
    /// Where to write `verdicts.jsonl` and a capture per port.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Changes of rules, members and timeouts at given times, one a line (JSON).
    #[arg(long, value_name = "FILE")]
    pub(crate) control: Option<PathBuf>,
}

/// `validate`
#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    /// Scenario files, or folders that hold some; `-` reads standard input.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

/// `fmt`
#[derive(Args, Debug)]
pub(crate) struct FmtArgs {
    /// Scenario files, or folders that hold some; `-` formats standard input to standard output.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Change nothing; name the files that are not formatted, and exit 1 if there are any.
    #[arg(long)]
    pub(crate) check: bool,
}

/// `explain-code`
#[derive(Args, Debug)]
pub(crate) struct ExplainCodeArgs {
    /// The code, such as RF0123; all codes are listed without one.
    pub(crate) code: Option<String>,
}

/// `completions`
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
