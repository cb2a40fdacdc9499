//! What a run has to tell, as a value: for JSON, JUnit, the terminal and the HTML report alike.
//!
//! Owns the fields; they stand in the order of their names, so that JSON comes out sorted. Times
//! are virtual, in ns since the start of the run.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::answer::{Answer, TupleAnswer};

/// A run of one scenario.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunReport {
    /// What changed while frames flowed, in time order.
    pub changes: Vec<ChangeReport>,
    /// Everything counted.
    pub counters: CountersReport,
    /// The scenario's description; may be empty.
    pub description: String,
    /// How long the run took on the virtual clock.
    pub duration_ns: u64,
    /// The expectations that were selected, in file order.
    pub expectations: Vec<ExpectationReport>,
    /// How many of them failed.
    pub failed: usize,
    /// The scenario file, as it was named.
    pub file: String,
    /// Version of this shape.
    pub format_version: &'static str,
    /// What generators sent and what arrived of it.
    pub generators: Vec<GeneratorReport>,
    /// How many expectations came true.
    pub passed: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// How many were not looked at because the run was stopped.
    pub skipped: usize,
    /// The scenario's title.
    pub title: String,
    /// Who is where, and which groups there are, as they were at the start.
    pub topology: TopologyReport,
}

/// A change at a time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChangeReport {
    /// When.
    pub at_ns: u64,
    /// File, line, column.
    pub origin: String,
    /// What, in a few words.
    pub summary: String,
}

/// Whether an expectation came true.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It did.
    Passed,
    /// It did not.
    Failed,
    /// The run was stopped before.
    Skipped,
}

/// One expectation: what was expected, what paper says, what frames did, what the guest saw.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ExpectationReport {
    /// Whether frames and paper say the same about it.
    pub agrees: bool,
    /// When the first packet was due.
    pub at_ns: u64,
    /// What was expected.
    pub expected: Expected,
    /// What did not come true, in sentences; empty if all did.
    pub failures: Vec<String>,
    /// What became of the first frame.
    pub frames: Option<Answer>,
    /// Who sent, by name.
    pub from: String,
    /// What the guest at `from` saw.
    pub guest: Option<GuestReport>,
    /// Its name.
    pub name: String,
    /// Why it is so, for learners; may be empty.
    pub note: String,
    /// File, line, column.
    pub origin: String,
    /// In two words, what happened: `denied (silence)`, `allowed, closed (RST)`.
    pub outcome: String,
    /// The first packet's key as it comes in.
    pub packet: Option<TupleAnswer>,
    /// What the reference says, under the rules of that moment.
    pub paper: Option<Answer>,
    /// `tcp/80`, `icmp`, `gre`, ...
    pub protocol: String,
    /// Why the verdict fell so, in a sentence.
    pub reason: String,
    /// What became of a flow that was kept going.
    pub session: Option<SessionReport>,
    /// Whether it came true.
    pub status: Status,
    /// Who was to receive, by name.
    pub to: String,
    /// The journey of the first frame, step by step.
    pub walk: Vec<String>,
    /// The journey of its answer, step by step; empty if there was none.
    pub walk_back: Vec<String>,
}

/// What was expected.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Expected {
    /// Why, if that was said.
    pub because: Option<String>,
    /// Which rule decides, if that was said.
    pub rule: Option<String>,
    /// What the guest sees, if that was said.
    pub sees: Option<&'static str>,
    /// Whether the session is kept, if that was said.
    pub session: Option<ExpectedSession>,
    /// The stage at which the verdict falls, if that was said.
    pub stage: Option<String>,
    /// `allow` or `deny`.
    pub verdict: &'static str,
}

/// What should become of a flow that is kept going.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExpectedSession {
    /// Between two rounds.
    pub every_ns: u64,
    /// Whether the last round is answered.
    pub kept: bool,
    /// The last round starts no later than this.
    pub until_ns: u64,
}

/// What became of a flow that was kept going.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SessionReport {
    /// Whether the last round was answered.
    pub kept: bool,
    /// Whether it should have been, on paper.
    pub kept_on_paper: bool,
    /// When the last round was answered.
    pub last_answer_at_ns: Option<u64>,
    /// Why, in a sentence.
    pub reason: String,
    /// Rounds that were answered.
    pub rounds_answered: u32,
}

/// What a guest saw.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GuestReport {
    /// What it spoke, if anything.
    pub application: Option<&'static str>,
    /// What was exchanged, in a few words.
    pub detail: String,
    /// When the outcome was known.
    pub finished_at_ns: Option<u64>,
    /// Modelled round trips (links and queues), in order.
    pub round_trips_ns: Vec<u64>,
    /// `connected`, `replied`, `refused`, `reset`, `timed out`, `icmp error`, `sent`.
    pub seen: Option<&'static str>,
    /// What it should see if the scenario does not say, judged by who listens there.
    pub seen_by_default: &'static str,
    /// When it started.
    pub started_at_ns: u64,
}

/// A generator's sending and what arrived of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GeneratorReport {
    /// Bytes that arrived.
    pub bytes_received: u64,
    /// For how long it sent.
    pub duration_ns: u64,
    /// Frames that arrived.
    pub frames_received: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Who sent.
    pub from: String,
    /// From scheduled time to arrival; none if nothing arrived.
    pub latency_ns: Option<LatencyReport>,
    /// Its name.
    pub name: String,
    /// Frames a second that were to be sent.
    pub offered_pps: u64,
    /// What each frame is: `udp/7`.
    pub protocol: String,
    /// Bits a second that arrived.
    pub received_bps: u64,
    /// Frames a second that arrived.
    pub received_pps: u64,
    /// Who was to receive.
    pub to: String,
    /// How many targets a sweep has, and how many of them are reached, on paper; none for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<TargetsReport>,
    /// What becomes of its first frame, on paper.
    pub verdict: Option<Answer>,
}

/// The targets of a sweep, as the rules are when it starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct TargetsReport {
    /// Those that its frames reach.
    pub allowed: u64,
    /// All.
    pub total: u64,
}

/// Latencies in ns.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LatencyReport {
    /// How many frames took so long: buckets without a gap, the first and the last not empty.
    pub histogram: Vec<LatencyBucket>,
    /// The longest.
    pub max: u64,
    /// The mean.
    pub mean: u64,
    /// The shortest.
    pub min: u64,
    /// Half took no longer.
    pub p50: u64,
    /// 90 % took no longer.
    pub p90: u64,
    /// 99 % took no longer.
    pub p99: u64,
    /// 99.9 % took no longer.
    pub p999: u64,
}

/// Frames of like latency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct LatencyBucket {
    /// How many.
    pub frames: u64,
    /// They took longer than the bucket before, and no longer than this.
    pub up_to_ns: u64,
}

/// Everything counted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct CountersReport {
    /// Decisions, by interface.
    pub interfaces: Vec<InterfaceReport>,
    /// Frames and bytes, by port.
    pub ports: Vec<PortReport>,
    /// Decisions of each custom rule, as rules are at the end.
    pub rules: Vec<RuleCountReport>,
}

/// Decisions at one interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InterfaceReport {
    /// Decisions by the implicit rules, by name.
    pub implicit: BTreeMap<&'static str, u64>,
    /// Whose.
    pub interface: String,
    /// Frames that a live session let cross.
    pub session_hits: u64,
    /// Sessions cut by a rule change.
    pub sessions_cut: u64,
    /// Sessions opened.
    pub sessions_opened: u64,
}

/// Frames and bytes of one port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PortReport {
    /// Frames answered by the fabric itself, by what they were.
    pub answered: BTreeMap<&'static str, u64>,
    /// Bytes taken in.
    pub bytes_in: u64,
    /// Bytes put out.
    pub bytes_out: u64,
    /// Frames that came in here and were dropped, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Frames taken in.
    pub frames_in: u64,
    /// Frames put out.
    pub frames_out: u64,
    /// ICMP errors that the fabric sent here.
    pub icmp_errors: u64,
    /// Which port.
    pub port: String,
}

/// Decisions of one rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RuleCountReport {
    /// How many.
    pub decisions: u64,
    /// Its group.
    pub group: String,
    /// Its id.
    pub id: String,
}

/// Who is where, and which groups there are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct TopologyReport {
    /// CENs and the VPCs that they join.
    pub cens: Vec<JoinReport>,
    /// Security groups with their rules.
    pub groups: Vec<GroupReport>,
    /// Instances with their interfaces.
    pub instances: Vec<InstanceReport>,
    /// VPCs, and the classic network if something is attached to it.
    pub networks: Vec<NetworkReport>,
    /// Networks on premises, with the VPCs joined to them.
    pub on_premises: Vec<JoinReport>,
    /// Named hosts outside.
    pub outside: Vec<OutsideReport>,
}

/// Something that joins VPCs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct JoinReport {
    /// Its ranges; empty for a CEN.
    pub cidrs: Vec<String>,
    /// Its id.
    pub id: String,
    /// The VPCs.
    pub vpcs: Vec<String>,
}

/// A VPC or the classic network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NetworkReport {
    /// Its ranges.
    pub cidrs: Vec<String>,
    /// Its id; `classic` for the classic network.
    pub id: String,
    /// Its vSwitches.
    pub vswitches: Vec<VSwitchReport>,
}

/// A vSwitch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct VSwitchReport {
    /// Its ranges, IPv4 first.
    pub cidrs: Vec<String>,
    /// Its id.
    pub id: String,
}

/// An instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InstanceReport {
    /// Whose.
    pub account: String,
    /// Its id.
    pub id: String,
    /// Its interfaces, the primary one first.
    pub interfaces: Vec<InterfacePlaceReport>,
}

/// An interface and where it is attached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InterfacePlaceReport {
    /// Its own addresses, the primary one first.
    pub addresses: Vec<String>,
    /// Its groups, in order.
    pub groups: Vec<String>,
    /// Its port name.
    pub interface: String,
    /// Its MAC address.
    pub mac: String,
    /// The VPC's id, `classic` or `classic-public`.
    pub network: String,
    /// The public address mapped to the primary one.
    pub public_ip: Option<String>,
    /// What listens there: `http 80`.
    pub serves: Vec<String>,
    /// Its vSwitch, in a VPC.
    pub vswitch: Option<String>,
}

/// A named host outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OutsideReport {
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Where it lives: `internet`, `on-premises ID`, `intranet of VPC-ID`.
    pub edge: String,
    /// Its name.
    pub name: String,
    /// What listens there.
    pub serves: Vec<String>,
}

/// A security group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GroupReport {
    /// Whose.
    pub account: String,
    /// Its id.
    pub id: String,
    /// `basic` or `advanced`.
    pub kind: &'static str,
    /// The VPC's id, or `classic`.
    pub network: String,
    /// File, line, column.
    pub origin: String,
    /// Its rules, in their order.
    pub rules: Vec<RuleReport>,
    /// `accept` or `drop`.
    pub same_group: &'static str,
}

/// A rule, in the words of the document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RuleReport {
    /// `allow` or `forbid`.
    pub action: &'static str,
    /// Free text.
    pub description: String,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// Its id.
    pub id: String,
    /// `internet` or `intranet`: which NIC of a classic instance it guards; `intranet` in a VPC.
    pub nic: &'static str,
    /// The authorization object.
    pub object: String,
    /// File, line, column.
    pub origin: String,
    /// Of a five-tuple rule: the other end's addresses; any if empty.
    pub own_addresses: Vec<String>,
    /// Target ports.
    pub ports: String,
    /// Its priority.
    pub priority: u8,
    /// Its protocol.
    pub protocol: String,
    /// Of a five-tuple rule: source ports; any if empty.
    pub source_ports: Vec<String>,
}
