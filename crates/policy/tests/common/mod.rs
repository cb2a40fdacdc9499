//! Worlds, rules and packets for tests, written in one line each.

#![allow(clippy::unwrap_used, reason = "a broken test world is a broken test")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ringfence_cloud::{
    AccountIndex, Cen, GroupIndex, Instance, InstanceIndex, Interface, InterfaceIndex, Network,
    Origin, Reach, Vpc, VpcIndex, World,
};
use ringfence_frame::{Direction, MacAddr, Protocol, Tuple};
use ringfence_policy::{
    Because, Catalogue, GroupDraft, Options, PolicySet, PortListDraft, PrefixListDraft, Question,
    RuleDraft, Severity, Text, Violation, account, decide, validate,
};

pub const VPC_A: Network = Network::Vpc(VpcIndex(0));
pub const VPC_B: Network = Network::Vpc(VpcIndex(1));
pub const CLASSIC: Network = Network::ClassicInternal;

/// A world and what is written about it. It starts with account `1000`, `vpc-a` and `vpc-b`.
pub struct Lab {
    pub world: World,
    pub catalogue: Catalogue,
    pub options: Options,
    line: u32,
    rows: Vec<(u32, String)>,
}

/// A lab that was found valid.
pub struct Ready {
    pub world: World,
    pub policies: PolicySet,
    pub warnings: Vec<Violation>,
}

/// Where a word of a rule stands: rules take one line each, counted from 1 in the whole lab.
pub fn origin(line: u32, column: usize, len: usize) -> Origin {
    let column = u32::try_from(column).unwrap();
    Origin { file: Arc::from("lab"), line, column, start: column as usize - 1, len }
}

pub fn text(value: &str, line: u32, column: usize) -> Text {
    Text { value: value.to_owned(), origin: origin(line, column, value.len()) }
}

/// `Inbound | Allow | 1 | Custom TCP | Destination: 80/80 | Source: 0.0.0.0/0 | nic=intranet`: the
/// columns of the document's tables, then fields by name. An empty column is left out.
pub fn rule(line: u32, row: &str) -> RuleDraft {
    let mut column = 1;
    let mut words = Vec::new();
    for cell in row.split('|') {
        let blanks = cell.len() - cell.trim_start().len();
        words.push(text(cell.trim(), line, column + blanks));
        column += cell.len() + 1;
    }
    let mut words = words.into_iter();
    let direction = words.next().unwrap();
    let mut optional = || words.next().filter(|word| !word.value.is_empty());
    let (action, priority, protocol) = (optional(), optional(), optional().unwrap());
    let (port_range, object) = (optional(), optional());
    let is_outbound = ["outbound", "egress"].contains(&direction.value.to_lowercase().as_str());
    let mut draft = RuleDraft {
        id: None,
        direction,
        action,
        priority,
        protocol,
        port_range,
        source_ports: None,
        source: None,
        destination: None,
        sources: Vec::new(),
        targets: Vec::new(),
        nic: None,
        icmp_type: None,
        icmp_code: None,
        description: None,
        origin: origin(line, 1, row.len()),
    };
    match is_outbound {
        true => draft.destination = object,
        false => draft.source = object,
    }
    for word in words {
        let (field, value) = word.value.split_once('=').unwrap();
        let column = word.origin.column as usize + field.len() + 1;
        let value = text(value, line, column);
        match field {
            "id" => draft.id = Some(value),
            "source_ports" => draft.source_ports = Some(value),
            "source" => draft.source = Some(value),
            "destination" => draft.destination = Some(value),
            "sources" => draft.sources.push(value),
            "targets" => draft.targets.push(value),
            "nic" => draft.nic = Some(value),
            "icmp_type" => draft.icmp_type = Some(value),
            "icmp_code" => draft.icmp_code = Some(value),
            "description" => draft.description = Some(value),
            _ => panic!("no field {field}"),
        }
    }
    draft
}

impl Lab {
    pub fn new() -> Lab {
        let mut lab = Lab {
            world: World::default(),
            catalogue: Catalogue::default(),
            options: Options::default(),
            line: 0,
            rows: Vec::new(),
        };
        lab.world.accounts.push("1000".to_owned());
        lab.vpc("vpc-a", AccountIndex(0));
        lab.vpc("vpc-b", AccountIndex(0));
        lab
    }

    pub fn account(&mut self, id: &str) -> AccountIndex {
        self.world.accounts.push(id.to_owned());
        AccountIndex(u32::try_from(self.world.accounts.len()).unwrap() - 1)
    }

    pub fn vpc(&mut self, id: &str, account: AccountIndex) -> Network {
        let cidrs = ["172.16.0.0/12", "10.0.0.0/8", "2001:db8:a::/48"];
        let cidrs = cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect();
        self.world.vpcs.push(Vpc { id: id.to_owned(), account, cidrs, origin: Origin::nowhere() });
        Network::Vpc(VpcIndex(u32::try_from(self.world.vpcs.len()).unwrap() - 1))
    }

    /// Joins `vpc-a` and `vpc-b`.
    pub fn join(&mut self) {
        let vpcs = vec![VpcIndex(0), VpcIndex(1)];
        self.world.cens.push(Cen { id: "cen-1".to_owned(), vpcs, origin: Origin::nowhere() });
    }

    fn next_line(&mut self) -> u32 {
        self.line += 1;
        self.line
    }

    /// A violation in one line: `error CODE LINE:COLUMN`, and the words that it points at if they
    /// are a rule's.
    pub fn told(&self, violation: &Violation) -> String {
        let Origin { line, column, start, len, .. } = violation.origin;
        let severity = match violation.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let told = format!("{severity} {} {line}:{column}", violation.code);
        match self.rows.iter().find(|(row, _)| *row == line) {
            Some((_, row)) if len < row.len() => format!("{told} `{}`", &row[start..start + len]),
            Some(_) => format!("{told} rule"),
            None => told,
        }
    }

    /// A basic group of the first account in `vpc-a`.
    pub fn group(&mut self, id: &str, rows: &[&str]) -> &mut GroupDraft {
        let line = self.next_line();
        let mut rules = Vec::new();
        for row in rows {
            let line = self.next_line();
            rules.push(rule(line, row));
            self.rows.push((line, (*row).to_owned()));
        }
        self.catalogue.groups.push(GroupDraft {
            id: text(id, line, 1),
            account: AccountIndex(0),
            network: VPC_A,
            kind: None,
            same_group: None,
            rules,
            origin: origin(line, 1, id.len()),
        });
        self.catalogue.groups.last_mut().unwrap()
    }

    pub fn advanced(&mut self, id: &str, rows: &[&str]) -> &mut GroupDraft {
        let group = self.group(id, rows);
        group.kind = Some(text("advanced", group.origin.line, 20));
        group
    }

    /// A basic group whose members are isolated from each other.
    pub fn isolating(&mut self, id: &str, rows: &[&str]) -> &mut GroupDraft {
        let group = self.group(id, rows);
        group.same_group = Some(text("drop", group.origin.line, 40));
        group
    }

    pub fn classic_group(&mut self, id: &str, rows: &[&str]) -> &mut GroupDraft {
        let group = self.group(id, rows);
        group.network = CLASSIC;
        group
    }

    pub fn prefix_list(&mut self, id: &str, max: Option<&str>, entries: &[&str]) {
        let line = self.next_line();
        self.catalogue.prefix_lists.push(PrefixListDraft {
            id: text(id, line, 1),
            max_entries: max.map(|max| text(max, line, 20)),
            family: None,
            entries: (3..).zip(entries).map(|(i, entry)| text(entry, line, i * 10)).collect(),
            origin: origin(line, 1, id.len()),
        });
    }

    pub fn port_list(&mut self, id: &str, max: Option<&str>, entries: &[&str]) {
        let line = self.next_line();
        self.catalogue.port_lists.push(PortListDraft {
            id: text(id, line, 1),
            max_entries: max.map(|max| text(max, line, 20)),
            entries: (3..).zip(entries).map(|(i, entry)| text(entry, line, i * 10)).collect(),
            origin: origin(line, 1, id.len()),
        });
    }

    /// An instance with one interface in `vpc-a`: its primary address, then others of any kind.
    pub fn host(&mut self, name: &str, addresses: &[&str], groups: &[&str]) {
        self.host_in(VPC_A, name, addresses, groups);
    }

    pub fn host_in(&mut self, network: Network, name: &str, addresses: &[&str], groups: &[&str]) {
        let instance = InstanceIndex(u32::try_from(self.world.instances.len()).unwrap());
        let index = self.interface(instance, network, name, addresses, groups);
        self.world.instances.push(Instance {
            id: name.to_owned(),
            account: AccountIndex(0),
            interfaces: vec![index],
            origin: Origin::nowhere(),
        });
    }

    /// A classic instance: its internal NIC has its name, the public one `NAME/public`.
    pub fn classic_host(&mut self, name: &str, internal: &str, public: &str, groups: &[&str]) {
        self.host_in(CLASSIC, name, &[internal], groups);
        let instance = InstanceIndex(u32::try_from(self.world.instances.len()).unwrap() - 1);
        let name = format!("{name}/public");
        let nic = self.interface(instance, Network::ClassicPublic, &name, &[public], groups);
        self.world.instances.last_mut().unwrap().interfaces.push(nic);
    }

    fn interface(
        &mut self,
        instance: InstanceIndex,
        network: Network,
        name: &str,
        addresses: &[&str],
        groups: &[&str],
    ) -> InterfaceIndex {
        let index = u32::try_from(self.world.interfaces.len()).unwrap();
        let groups = groups.iter().map(|id| {
            let place = self.catalogue.groups.iter().position(|group| group.id.value == *id);
            GroupIndex(u32::try_from(place.unwrap()).unwrap())
        });
        let mut interface = Interface {
            name: name.to_owned(),
            instance,
            network,
            vswitch: None,
            mac: MacAddr([0, 0x16, 0x3e, 0, 0, 1]),
            primary: addresses[0].parse().unwrap(),
            secondary: Vec::new(),
            ipv6: Vec::new(),
            prefixes: Vec::new(),
            public_ip: None,
            ipv6_internet: true,
            source_dest_check: true,
            groups: groups.collect(),
            mtu: 1500,
            origin: origin(1000 + index, 1, name.len()),
        };
        for address in &addresses[1..] {
            if let Ok(prefix) = address.parse() {
                interface.prefixes.push(prefix);
            } else {
                match address.parse().unwrap() {
                    IpAddr::V4(v4) => interface.secondary.push(v4),
                    IpAddr::V6(v6) => interface.ipv6.push(v6),
                }
            }
        }
        self.world.interfaces.push(interface);
        InterfaceIndex(index)
    }

    pub fn validate(&mut self) -> Result<(PolicySet, Vec<Violation>), Vec<Violation>> {
        self.world.index();
        validate(&self.world, &self.catalogue, self.options)
    }

    pub fn ready(mut self) -> Ready {
        let (policies, warnings) = self.validate().unwrap();
        Ready { world: self.world, policies, warnings }
    }
}

/// `icmp 8/0 10.0.0.1 > 10.0.0.2`, `tcp 10.0.0.1:40000 > 10.0.0.2:80`, `47 10.0.0.1 > 10.0.0.2`;
/// `internet` before it if that is how it travels. A source port left out is 40000.
pub fn packet(words: &str) -> (Tuple, Option<(u8, u8)>, Reach) {
    let mut words = words.split_whitespace().peekable();
    let reach = match words.next_if_eq(&"internet") {
        Some(_) => Reach::Internet,
        None => Reach::Internal,
    };
    let protocol = match words.next().unwrap() {
        "tcp" => Protocol::TCP,
        "udp" => Protocol::UDP,
        "icmp" => Protocol::ICMP,
        "icmpv6" => Protocol::ICMPV6,
        "gre" => Protocol::GRE,
        number => Protocol(number.parse().unwrap()),
    };
    let icmp = [Protocol::ICMP, Protocol::ICMPV6].contains(&protocol).then(|| {
        let (icmp_type, code) = words.next().unwrap().split_once('/').unwrap();
        (icmp_type.parse().unwrap(), code.parse().unwrap())
    });
    let (source, source_port) = end(words.next().unwrap(), 40000);
    assert_eq!(words.next(), Some(">"));
    let (target, target_port) = end(words.next().unwrap(), 0);
    let tuple = match icmp {
        // The identifier stands where the ports stand: 80, so that taking it for a port shows.
        Some(_) => Tuple { source, target, protocol, source_port: 80, target_port: 80 },
        None => Tuple { source, target, protocol, source_port, target_port },
    };
    (tuple, icmp, reach)
}

fn end(word: &str, default_port: u16) -> (IpAddr, u16) {
    match word.parse::<SocketAddr>() {
        Ok(end) => (end.ip(), end.port()),
        Err(_) => (word.parse().unwrap(), default_port),
    }
}

impl Ready {
    pub fn question(&self, interface: &str, direction: Direction, words: &str) -> Question {
        let (tuple, icmp, reach) = packet(words);
        let interface = self.world.interface_named(interface).unwrap();
        Question { interface, direction, tuple, icmp, reach }
    }

    /// What is decided, in words: `allow rule sg-web/1`, `deny default`, `allow same-group sg-a`.
    pub fn verdict(&self, question: &Question) -> String {
        let decision = decide(&self.world, &self.policies, question);
        assert_eq!(account(&self.world, &self.policies, question).decision, decision);
        let verdict = if decision.allowed { "allow" } else { "deny" };
        match decision.because {
            Because::Rule(rule) => format!("{verdict} rule {}", self.policies.rule(rule).id),
            Because::SameGroup(group) => {
                format!("{verdict} same-group {}", self.policies.group(group).id)
            }
            Because::Default => format!("{verdict} default"),
            Because::AlwaysAllowed => format!("{verdict} always-allowed"),
            Because::Platform => format!("{verdict} platform"),
        }
    }

    #[track_caller]
    pub fn inbound(&self, interface: &str, packet: &str, expected: &str) {
        let question = self.question(interface, Direction::Inbound, packet);
        assert_eq!(self.verdict(&question), expected, "{packet} into {interface}");
    }

    #[track_caller]
    pub fn outbound(&self, interface: &str, packet: &str, expected: &str) {
        let question = self.question(interface, Direction::Outbound, packet);
        assert_eq!(self.verdict(&question), expected, "{packet} out of {interface}");
    }
}

/// Some address outside.
pub const VISITOR: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
