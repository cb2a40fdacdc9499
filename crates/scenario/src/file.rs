//! The scenario file as it is written: its records, key by key. The words are those of the
//! use-case document.
//!
//! Owns the shape alone. What the names refer to, and whether it can be so, is `load`'s.

pub(crate) mod leaves;
pub(crate) mod node;
pub(crate) mod read;
pub(crate) mod traffic;
pub(crate) mod words;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ringfence_cloud::Reach;
use ringfence_endpoints::Seen;
use ringfence_endpoints::application::Application;
use ringfence_endpoints::generator::Popularity;
use ringfence_frame::{Family, Instant, MacAddr};
use ringfence_policy::{HealthChecks, Port25, Profile, SameGroupOutbound, Text};
use ringfence_session::TcpMidstream;
use ringfence_switch::OnRuleChange;
use schemars::{Schema, SchemaGenerator, json_schema};

use self::leaves::{Bandwidth, Id, Located, Part};
use self::node::{Node, Value};
use self::read::{Entries, Findings, OneOrMany, Read, record};
use self::traffic::FrameBytes;
use self::words::{BecauseWord, NetworkWord, Speaks, StageWord, VerdictWord};

record! {
    /// A Ringfence scenario: topology, security groups, traffic, timed changes, expectations.
    struct ScenarioFile, "a scenario" {
        /// What it shows, in a line.
        title: Text,
        /// More of it, in sentences.
        description: Option<Text>,
        /// Seed of everything random; 0 if absent.
        seed: Option<Located<u64>>,
        /// What the documents leave open.
        options: Option<OptionsFile>,
        /// Account ids; what names no account belongs to the first.
        accounts: Vec<Id>,
        /// VPCs.
        vpcs: Vec<VpcFile>,
        /// Cloud Enterprise Networks, which join VPCs.
        cen: OneOrMany<CenFile>,
        /// Networks on premises, and hosts there.
        on_premises: OneOrMany<OnPremisesFile>,
        /// Cloud services: hosts inside every network.
        services: Vec<HostFile>,
        /// Hosts on the Internet.
        outside: Vec<HostFile>,
        /// Prefix lists.
        prefix_lists: Vec<PrefixListFile>,
        /// Port range lists.
        port_lists: Vec<PortListFile>,
        /// Security groups.
        security_groups: Vec<GroupFile>,
        /// Instances.
        instances: Vec<InstanceFile>,
        /// Links that differ from the rest, by port name; `default` is every other.
        links: Entries<LinkFile>,
        /// Generators.
        traffic: Vec<TrafficFile>,
        /// Ports of real machines; the simulated world ignores them.
        attach: Vec<AttachFile>,
        /// Changes at given times.
        changes: Vec<ChangeFile>,
        /// What should happen.
        expect: Vec<ExpectationFile>,
        /// What must never be reachable; not checked yet, and refused.
        never: Option<Anything>,
        /// What alone may be reachable; not checked yet, and refused.
        only: Option<Anything>,
    }
}

record! {
    /// What the documents leave open, as named options.
    struct OptionsFile, "`options`" {
        /// Whose habits hold: sets all other options and the timeouts at once.
        profile: Option<Located<Profile>>,
        /// Whether an Accept group lets its members out whatever the outbound rules say.
        same_group_outbound: Option<Located<SameGroupOutbound>>,
        /// Whether 100.64.0.0/10 comes in without a rule.
        health_checks: Option<Located<HealthChecks>>,
        /// What becomes of sessions when rules change.
        on_rule_change: Option<Located<OnRuleChange>>,
        /// What becomes of TCP without SYN and without session.
        tcp_midstream: Option<Located<TcpMidstream>>,
        /// The platform's block of outbound TCP 25 to the Internet.
        port_25: Option<Located<Port25>>,
        /// Idle timeouts of every interface.
        timeouts: Option<TimeoutsFile>,
        /// Limits of the session table and of queues.
        limits: Option<LimitsFile>,
    }
}

record! {
    /// Idle timeouts.
    struct TimeoutsFile, "`timeouts`" {
        /// TCP before both directions were seen.
        tcp_opening: Option<Located<Duration>>,
        /// TCP once both directions were seen.
        tcp_established: Option<Located<Duration>>,
        /// TCP after both FINs or a RST.
        tcp_closed_and_time_wait: Option<Located<Duration>>,
        /// UDP.
        udp: Option<Located<Duration>>,
        /// UDP seen in both directions; `udp` if absent.
        udp_stream: Option<Located<Duration>>,
        /// ICMP and ICMPv6.
        icmp: Option<Located<Duration>>,
        /// GRE and every other protocol.
        other: Option<Located<Duration>>,
    }
}

record! {
    /// Limits.
    struct LimitsFile, "`limits`" {
        /// Sessions of the whole fabric.
        sessions: Option<Located<u32>>,
        /// Sessions of one interface.
        sessions_per_interface: Option<Located<u32>>,
        /// Of these, half-open ones; a quarter if absent.
        half_open_per_interface: Option<Located<u32>>,
        /// Frames that an output queue holds.
        output_queue: Option<Located<u32>>,
    }
}

record! {
    /// A VPC.
    struct VpcFile, "a VPC" {
        /// Its id.
        id: Id,
        /// Whose it is.
        account: Option<Id>,
        /// Its range.
        cidr: Located<Ipv4Net>,
        /// More ranges.
        secondary_cidrs: Vec<Located<Ipv4Net>>,
        /// Its IPv6 range.
        ipv6_cidr: Option<Located<Ipv6Net>>,
        /// Its vSwitches.
        vswitches: Vec<VSwitchFile>,
    }
}

record! {
    /// A vSwitch.
    struct VSwitchFile, "a vSwitch" {
        /// Its id.
        id: Id,
        /// Its range, a part of the VPC's.
        cidr: Located<Ipv4Net>,
        /// Its IPv6 range, a part of the VPC's.
        ipv6_cidr: Option<Located<Ipv6Net>>,
    }
}

record! {
    /// A CEN.
    struct CenFile, "a CEN" {
        /// Its id.
        id: Id,
        /// The VPCs that it joins.
        vpcs: Vec<Id>,
    }
}

record! {
    /// A network on premises.
    struct OnPremisesFile, "a network on premises" {
        /// Its id.
        id: Id,
        /// Its ranges.
        cidrs: OneOrMany<Located<IpNet>>,
        /// The VPCs joined to it.
        vpcs: Vec<Id>,
        /// Named hosts there.
        hosts: Vec<HostFile>,
    }
}

record! {
    /// A host outside the cloud's instances.
    struct HostFile, "a host" {
        /// Its id, a port name.
        id: Id,
        /// Its address.
        ip: OneOrMany<Located<IpAddr>>,
        /// Several addresses.
        ips: Vec<Located<IpAddr>>,
        /// Its IPv6 address.
        ipv6: OneOrMany<Located<Ipv6Addr>>,
        /// What it serves.
        serves: OneOrMany<ServesFile>,
        /// Its MAC address.
        mac: Option<Located<MacAddr>>,
    }
}

record! {
    /// A prefix list.
    struct PrefixListFile, "a prefix list" {
        /// `pl-...`
        id: Id,
        /// `ipv4` or `ipv6`; that of the first entry if absent.
        family: Option<Text>,
        /// What a rule that names it costs, 1 to 200; the number of entries if absent.
        max_entries: Option<Text>,
        /// Its ranges.
        entries: Vec<Text>,
    }
}

record! {
    /// A port range list.
    struct PortListFile, "a port list" {
        /// `prl-...`
        id: Id,
        /// What a rule that names it costs, 1 to 2,000; the number of entries if absent.
        max_entries: Option<Text>,
        /// Its ranges, `80/80`.
        entries: Vec<Text>,
    }
}

record! {
    /// A security group.
    struct GroupFile, "a security group" {
        /// Its id.
        id: Id,
        /// Whose it is; its VPC's account if absent.
        account: Option<Id>,
        /// Its VPC; may be left out if there is only one.
        vpc: Option<Id>,
        /// `vpc`, or `classic` for a group of the classic network.
        network: Option<Located<NetworkWord>>,
        /// `basic` or `advanced`.
        kind = "type": Option<Text>,
        /// `accept` or `drop`: whether members reach each other whatever the inbound rules say.
        same_group: Option<Text>,
        /// Its rules.
        rules: Vec<RuleFile>,
        /// Free text.
        description: Option<Text>,
    }
}

record! {
    /// A rule, in the words of the use-case document.
    struct RuleFile, "a rule" {
        /// An id of its own; `GROUP/N` if absent.
        id: Option<Text>,
        /// `Inbound` or `Outbound`.
        direction = "direction" | "rule_direction": Text,
        /// `Allow` or `Forbid`; Allow if absent.
        action: Option<Text>,
        /// 1 to 100, the smaller wins; 1 if absent.
        priority: Option<Text>,
        /// `Custom TCP`, `Custom UDP`, `All ICMP (IPv4)`, `All ICMP (IPv6)`, `All GRE`, `All`, or a
        /// number.
        protocol = "protocol" | "protocol_type": Text,
        /// Target ports: `80/80`, `-1/-1`, or a port list.
        port_range = "port_range" | "ports": Option<Text>,
        /// Source ports of a five-tuple rule.
        source_ports = "source_ports" | "source_port_range": Option<Text>,
        /// The authorization object of an inbound rule: a range, a group, ACCOUNT/GROUP, a prefix
        /// list.
        source: Option<Text>,
        /// The authorization object of an outbound rule.
        destination = "destination" | "target": Option<Text>,
        /// The authorization object as the document's tables have it: `Source: 0.0.0.0/0`.
        authorization_object: Option<Text>,
        /// Five-tuple narrowing of an outbound rule: its own addresses.
        sources: OneOrMany<Text>,
        /// Five-tuple narrowing of an inbound rule: its own addresses.
        targets: OneOrMany<Text>,
        /// `internet` or `intranet`: the NIC of a classic instance.
        nic = "nic" | "nic_type": Option<Text>,
        /// ICMP type (aws).
        icmp_type: Option<Text>,
        /// ICMP code (aws).
        icmp_code: Option<Text>,
        /// Free text.
        description: Option<Text>,
    }
}

record! {
    /// An instance.
    struct InstanceFile, "an instance" {
        /// Its id, the port name of its primary interface.
        id: Id,
        /// Whose it is; its VPC's account if absent.
        account: Option<Id>,
        /// `vpc`, or `classic` for an instance of the classic network.
        network: Option<Located<NetworkWord>>,
        /// Its vSwitch.
        vswitch: Option<Id>,
        /// Its primary private address (in the classic network the internal one).
        ip = "ip" | "inner_ip" | "private_ip": Located<Ipv4Addr>,
        /// Its public address.
        public_ip: Option<Located<Ipv4Addr>>,
        /// Its IPv6 addresses.
        ipv6: OneOrMany<Located<Ipv6Addr>>,
        /// Secondary private addresses.
        secondary_ips: OneOrMany<Located<Ipv4Addr>>,
        /// Delegated prefixes.
        prefixes: OneOrMany<Located<IpNet>>,
        /// Its MAC address; 00:16:3e and the last three octets of `ip` if absent.
        mac: Option<Located<MacAddr>>,
        /// Its security groups.
        security_groups: OneOrMany<Id>,
        /// What it serves.
        serves: OneOrMany<ServesFile>,
        /// Whether its IPv6 addresses reach the Internet.
        ipv6_internet: Option<bool>,
        /// Whether packets must carry one of its own addresses; true if absent.
        source_dest_check: Option<bool>,
        /// Its session timeouts.
        timeouts: Option<TimeoutsFile>,
        /// Secondary interfaces.
        interfaces: Vec<InterfaceFile>,
    }
}

record! {
    /// A secondary interface.
    struct InterfaceFile, "an interface" {
        /// `eth1` and so on: `INSTANCE/eth1` is the port name.
        id: Id,
        /// Its vSwitch; the instance's if absent.
        vswitch: Option<Id>,
        /// Its primary private address.
        ip = "ip" | "private_ip": Located<Ipv4Addr>,
        /// Its public address.
        public_ip: Option<Located<Ipv4Addr>>,
        /// Its IPv6 addresses.
        ipv6: OneOrMany<Located<Ipv6Addr>>,
        /// Secondary private addresses.
        secondary_ips: OneOrMany<Located<Ipv4Addr>>,
        /// Delegated prefixes.
        prefixes: OneOrMany<Located<IpNet>>,
        /// Its MAC address.
        mac: Option<Located<MacAddr>>,
        /// Its security groups.
        security_groups: OneOrMany<Id>,
        /// What it serves; what the instance serves if absent.
        serves: Option<OneOrMany<ServesFile>>,
        /// Whether its IPv6 addresses reach the Internet; as the instance's if absent.
        ipv6_internet: Option<bool>,
        /// Whether packets must carry one of its own addresses; as the instance's if absent.
        source_dest_check: Option<bool>,
        /// Its session timeouts.
        timeouts: Option<TimeoutsFile>,
    }
}

record! {
    /// A link between a guest and its port.
    struct LinkFile, "a link" {
        /// Propagation delay, one way.
        delay: Option<Located<Duration>>,
        /// Part of frames lost.
        loss: Option<Located<Part>>,
        /// Bits a second.
        bandwidth: Option<Located<Bandwidth>>,
        /// Bytes of IP packet that it carries.
        mtu: Option<Located<u16>>,
    }
}

record! {
    /// A generator.
    struct TrafficFile, "a generator" {
        /// Name in reports.
        name: Option<Text>,
        /// Who sends.
        from: Text,
        /// Who receives.
        to: Text,
        /// Target port, over TCP (SYNs only).
        tcp: Option<Located<u16>>,
        /// Target port, over UDP.
        udp: Option<Located<u16>>,
        /// For ids: which of their addresses.
        family: Option<Located<Family>>,
        /// Number of flows; 1 if absent.
        flows: Option<Located<u16>>,
        /// How often each flow is picked: `uniform`, `zipf`, `zipf 1.2`; `uniform` if absent.
        popularity: Option<Located<Popularity>>,
        /// How many frames a second are the first of a new flow; none if absent.
        new_flows: Option<Located<u64>>,
        /// Every frame is a SYN of a new flow.
        syn_flood: Option<bool>,
        /// Targets, one after the other, from `to` and its port on.
        sweep: Option<SweepFile>,
        /// Frames a second.
        rate: Located<u64>,
        /// Frame length in bytes, 60 to 1514, a list of lengths, or `imix`; 128 if absent.
        frame_bytes: Option<Located<FrameBytes>>,
        /// First frame; 0s if absent.
        start: Option<Located<Instant>>,
        /// For how long.
        duration: Located<Duration>,
    }
}

record! {
    /// Targets of a generator, one after the other.
    struct SweepFile, "a sweep" {
        /// Addresses, from that of `to` on; 1 if absent.
        hosts: Option<Located<u32>>,
        /// Ports of each address, from the target port on; 1 if absent.
        ports: Option<Located<u16>>,
    }
}

record! {
    /// A port of a real machine.
    struct AttachFile, "an attachment" {
        /// Whose port.
        instance: Id,
        /// The TAP device.
        tap: Option<Text>,
        /// The interface of the machine.
        interface: Option<Text>,
    }
}

record! {
    /// A change at a time.
    struct ChangeFile, "a change" {
        /// When.
        at: Located<Instant>,
        /// Replaces a group's rules whole.
        set_rules: Option<SetRulesFile>,
        /// Adds rules to a group.
        add_rules: Option<SetRulesFile>,
        /// Takes rules out of a group, by id.
        remove_rules: Option<RemoveRulesFile>,
        /// Replaces an interface's groups.
        set_members: Option<SetMembersFile>,
        /// Replaces an interface's timeouts.
        set_timeouts: Option<SetTimeoutsFile>,
        /// Replaces a prefix list's entries.
        set_prefix_list: Option<SetListFile>,
        /// Replaces a port list's entries.
        set_port_list: Option<SetListFile>,
    }
}

record! {
    /// Rules for a group.
    struct SetRulesFile, "this change" {
        /// Which group.
        group: Id,
        /// The rules.
        rules: Vec<RuleFile>,
    }
}

record! {
    /// Rules to take out.
    struct RemoveRulesFile, "`remove_rules`" {
        /// Which group.
        group: Id,
        /// Their ids.
        rules: OneOrMany<Text>,
    }
}

record! {
    /// New groups of an interface.
    struct SetMembersFile, "`set_members`" {
        /// Which interface, by port name.
        interface = "interface" | "instance": Text,
        /// Its groups.
        groups = "groups" | "security_groups": OneOrMany<Id>,
    }
}

record! {
    /// New timeouts of an interface.
    struct SetTimeoutsFile, "`set_timeouts`" {
        /// Which interface, by port name.
        interface = "interface" | "instance": Text,
        /// TCP before both directions were seen.
        tcp_opening: Option<Located<Duration>>,
        /// TCP once both directions were seen.
        tcp_established: Option<Located<Duration>>,
        /// TCP after both FINs or a RST.
        tcp_closed_and_time_wait: Option<Located<Duration>>,
        /// UDP.
        udp: Option<Located<Duration>>,
        /// UDP seen in both directions.
        udp_stream: Option<Located<Duration>>,
        /// ICMP and ICMPv6.
        icmp: Option<Located<Duration>>,
        /// GRE and every other protocol.
        other: Option<Located<Duration>>,
    }
}

record! {
    /// New entries of a list.
    struct SetListFile, "this change" {
        /// Which list.
        id: Id,
        /// Its entries.
        entries: Vec<Text>,
    }
}

record! {
    /// A line of a control file: a change at a number of nanoseconds.
    struct ControlFile, "a control line" {
        /// When, in ns since the earliest frame of all inputs.
        at_ns: Located<u64>,
        /// Replaces a group's rules whole.
        set_rules: Option<SetRulesFile>,
        /// Replaces an interface's groups.
        set_members: Option<SetMembersFile>,
        /// Replaces an interface's timeouts.
        set_timeouts: Option<SetTimeoutsFile>,
        /// Replaces a prefix list's entries.
        set_prefix_list: Option<SetListFile>,
        /// Replaces a port list's entries.
        set_port_list: Option<SetListFile>,
    }
}

record! {
    /// What should happen.
    struct ExpectationFile, "an expectation" {
        /// A name for it in reports.
        name: Option<Text>,
        /// Why it is so.
        note: Option<Text>,
        /// Who sends: a port name, `ID/public`, an address, `VPC-ID:address`.
        from: Text,
        /// Who is to receive.
        to: Text,
        /// Target port, over TCP.
        tcp: Option<Located<u16>>,
        /// Target port, over UDP.
        udp: Option<Located<u16>>,
        /// An echo request, or a type and code.
        icmp: Option<IcmpFile>,
        /// An echo request over IPv6, or a type and code.
        icmpv6: Option<IcmpFile>,
        /// GRE.
        gre: Option<bool>,
        /// A protocol number.
        protocol: Option<Located<u8>>,
        /// Source port (or ICMP identifier); 40000 if absent.
        source_port: Option<Located<u16>>,
        /// For ids: which of their addresses.
        family: Option<Located<Family>>,
        /// The NIC in the classic network, the path in a VPC.
        network: Option<Located<Reach>>,
        /// When it is sent.
        at: Option<Located<Instant>>,
        /// What the client speaks; `none`: the connection alone.
        application: Option<Located<Speaks>>,
        /// Allowed or denied.
        verdict: Located<VerdictWord>,
        /// The deciding rule.
        rule: Option<Text>,
        /// Why.
        because: Option<Located<BecauseWord>>,
        /// Where the verdict falls.
        stage: Option<Located<StageWord>>,
        /// What the client sees.
        sees: Option<Located<Seen>>,
        /// What becomes of the flow if it is kept going.
        session: Option<SessionFile>,
    }
}

record! {
    /// What should become of a flow that is kept going.
    struct SessionFile, "`session`" {
        /// Whether the last round is answered.
        kept: Option<bool>,
        /// Whether the last round is not answered.
        cut: Option<bool>,
        /// Between two rounds.
        every: Located<Duration>,
        /// The last round starts no later than this.
        until: Located<Instant>,
    }
}

record! {
    /// An ICMP type and code.
    struct IcmpTypeFile, "an ICMP message" {
        /// Its type.
        kind = "type": Located<u8>,
        /// Its code; 0 if absent.
        code: Option<Located<u8>>,
    }
}

/// `true`, or a type and code.
#[derive(Clone, Debug)]
pub(crate) enum IcmpFile {
    Echo(bool),
    Message(IcmpTypeFile),
}

impl Read for IcmpFile {
    fn read(node: &Node, findings: &mut Findings) -> Option<IcmpFile> {
        match &node.value {
            Value::Map(_) => IcmpTypeFile::read(node, findings).map(IcmpFile::Message),
            _ => bool::read(node, findings).map(IcmpFile::Echo),
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (echo, message) = (bool::schema(generator), IcmpTypeFile::schema(generator));
        json_schema!({ "anyOf": [echo, message] })
    }
}

record! {
    /// An application on a port of its own.
    struct PortFile, "a served port" {
        /// The port.
        port: Located<u16>,
        /// What answers there.
        application: Located<Application>,
    }
}

/// `http`, `http: 8080`, or `{ port: 8080, application: http }`.
#[derive(Clone, Debug)]
pub(crate) struct ServesFile {
    pub port: u16,
    pub application: Application,
    pub origin: ringfence_cloud::Origin,
}

impl Read for ServesFile {
    fn read(node: &Node, findings: &mut Findings) -> Option<ServesFile> {
        let origin = node.origin.clone();
        match &node.value {
            Value::Map(entries) => match entries.as_slice() {
                [(key, value)] if !is_key_of_port(key) => {
                    let application = Located::<Application>::read(key, findings);
                    let port = Located::<u16>::read(value, findings);
                    Some(ServesFile { port: port?.value, application: application?.value, origin })
                }
                _ => {
                    let PortFile { port, application, .. } = PortFile::read(node, findings)?;
                    Some(ServesFile { port: port.value, application: application.value, origin })
                }
            },
            _ => {
                let application = Located::<Application>::read(node, findings)?.value;
                Some(ServesFile { port: application.port(), application, origin })
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let word = Located::<Application>::schema(generator);
        let port = PortFile::schema(generator);
        let words: Vec<&str> =
            <Application as leaves::Choice>::words().iter().map(|(word, _)| *word).collect();
        let number = Located::<u16>::schema(generator);
        json_schema!({ "anyOf": [word, port, {
            "type": "object",
            "propertyNames": { "enum": words },
            "additionalProperties": number,
            "minProperties": 1,
            "maxProperties": 1,
        }] })
    }
}

fn is_key_of_port(key: &Node) -> bool {
    matches!(&key.value, Value::Scalar(name) if name == "port" || name == "application")
}

/// Whatever stands there.
#[derive(Clone, Debug)]
pub(crate) struct Anything {
    pub origin: ringfence_cloud::Origin,
}

impl Read for Anything {
    fn read(node: &Node, _: &mut Findings) -> Option<Anything> {
        Some(Anything { origin: node.origin.clone() })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "not": {}, "description": "not checked yet" })
    }
}
