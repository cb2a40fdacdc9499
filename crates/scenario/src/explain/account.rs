//! What one interface considered: every group and rule, why it won or lost, and the rule that came
//! nearest to allowing. Owns the words of it; the facts are `policy::account`'s.

use ringfence_cloud::GroupIndex;
use ringfence_frame::{Direction, Tuple};
use ringfence_policy::{
    Account, Action, Considered, GroupKind, Miss, Object, PolicySet, PortRange, Ports,
    ProtocolMatch, Question, Rule, RuleRef, SameGroup, account,
};
use ringfence_switch::{Because, Fabric, Side};
use serde::Serialize;

use crate::answer::{action_name, verdict_name};
use crate::words;

/// What an interface considered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SideAccount {
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// Its groups, in the order in which they are attached.
    pub groups: Vec<GroupAccount>,
    /// Whose.
    pub interface: String,
    /// For a denial: the rule that came nearest to allowing.
    pub nearest: Option<Nearest>,
    /// What else a learner should know here, in sentences.
    pub notes: Vec<String>,
    /// Why it decided so, in a sentence.
    pub reason: String,
    /// The rules of all groups, in the order in which they are tried.
    pub rules: Vec<RuleAccount>,
    /// `allow` or `deny`.
    pub verdict: &'static str,
}

/// A group of the interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GroupAccount {
    /// Its id.
    pub group: String,
    /// `basic` or `advanced`.
    pub kind: &'static str,
    /// How many rules it has for this direction and NIC.
    pub rules_considered: usize,
    /// How many rules it has in all.
    pub rules_total: usize,
    /// `accept` or `drop`: whether its members reach each other.
    pub same_group: &'static str,
}

/// A rule that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RuleAccount {
    /// `allow` or `forbid`.
    pub action: &'static str,
    /// Whether it is the one that decided.
    pub decides: bool,
    /// Its group.
    pub group: String,
    /// Its id.
    pub id: String,
    /// Whether the packet matches it.
    pub matches: bool,
    /// The authorization object.
    pub object: String,
    /// File, line and column.
    pub origin: String,
    /// Target ports.
    pub ports: String,
    /// Its priority.
    pub priority: u8,
    /// Its protocol.
    pub protocol: String,
    /// Why it won or lost, in a sentence.
    pub why: String,
}

/// The rule that came nearest to allowing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Nearest {
    /// Its group.
    pub group: String,
    /// Its id.
    pub id: String,
    /// What stands in its way, in sentences; it matches if a Forbid rule won over it.
    pub lacks: Vec<String>,
    /// File, line and column.
    pub origin: String,
}

impl SideAccount {
    /// What was considered to answer `question`, whose answer was `side`.
    pub(crate) fn of(fabric: &Fabric, question: &Question, side: &Side) -> SideAccount {
        let told = account(&fabric.world, &fabric.policies, question);
        let telling = Telling { fabric, question, told: &told };
        SideAccount {
            direction: question.direction.name(),
            groups: telling.groups(),
            interface: fabric.world.interface(question.interface).name.clone(),
            nearest: told.nearest.as_ref().map(|nearest| telling.nearest(nearest)),
            notes: telling.notes(),
            reason: words::reason(
                fabric,
                Some((question.interface, question.direction)),
                side.because,
            ),
            rules: telling.rules(),
            verdict: verdict_name(side.allowed),
        }
    }
}

/// An account on its way into words.
struct Telling<'a> {
    fabric: &'a Fabric,
    question: &'a Question,
    told: &'a Account,
}

impl Telling<'_> {
    fn policies(&self) -> &PolicySet {
        &self.fabric.policies
    }

    fn because(&self) -> Because {
        self.told.decision.because.into()
    }

    fn attached(&self) -> &[GroupIndex] {
        &self.fabric.world.interface(self.question.interface).groups
    }

    fn groups(&self) -> Vec<GroupAccount> {
        let considered = |index: GroupIndex| {
            self.told.considered.iter().filter(|considered| considered.rule.group == index).count()
        };
        let groups = self.attached().iter().map(|&index| {
            let group = self.policies().group(index);
            GroupAccount {
                group: group.id.clone(),
                kind: words::group_kind(self.policies(), index),
                rules_considered: considered(index),
                rules_total: group.rules.len(),
                same_group: match group.same_group {
                    SameGroup::Accept => "accept",
                    SameGroup::Drop => "drop",
                },
            }
        });
        groups.collect()
    }

    fn rules(&self) -> Vec<RuleAccount> {
        let mut winner = None;
        let mut rules = Vec::new();
        for considered in &self.told.considered {
            let reference = considered.rule;
            let rule = self.policies().rule(reference);
            let decides = self.because() == Because::Rule(reference);
            let matches = considered.misses.is_empty();
            rules.push(RuleAccount {
                action: action_name(rule.action),
                decides,
                group: self.policies().group(reference.group).id.clone(),
                id: rule.id.clone(),
                matches,
                object: object_words(self.policies(), rule.object),
                origin: rule.origin.to_string(),
                ports: ports_words(self.policies(), &rule.ports),
                priority: rule.priority.get(),
                protocol: protocol_words(rule.protocol),
                why: self.why(considered, winner),
            });
            if matches && winner.is_none() {
                winner = Some(reference);
            }
        }
        rules
    }

    /// Why a rule won or lost; `winner` is the first that matched before it.
    fn why(&self, considered: &Considered, winner: Option<RuleRef>) -> String {
        if !considered.misses.is_empty() {
            return self.misses_words(considered).join("; ");
        }
        let rule = self.policies().rule(considered.rule);
        match (self.because(), winner) {
            (Because::Rule(deciding), _) if deciding == considered.rule => {
                "matches first, and decides".to_owned()
            }
            (Because::Rule(_), Some(winner)) => self.beaten_by(rule, self.policies().rule(winner)),
            (because, _) => {
                let at = Some((self.question.interface, self.question.direction));
                let reason = words::reason(self.fabric, at, because);
                format!("would match, but was not asked: decided before all rules, {reason}")
            }
        }
    }

    fn beaten_by(&self, rule: &Rule, winner: &Rule) -> String {
        let (mine, its) = (rule.priority.get(), winner.priority.get());
        let id = &winner.id;
        if mine != its {
            format!("matches too, but {id} comes first: its priority {its} is a smaller number")
        } else if rule.action != winner.action {
            format!("matches too, but {id} of the same priority forbids, and Forbid wins a tie")
        } else {
            format!("matches too, after {id} of the same priority and action")
        }
    }

    fn nearest(&self, nearest: &Considered) -> Nearest {
        let rule = self.policies().rule(nearest.rule);
        let mut lacks = self.misses_words(nearest);
        if let (true, Because::Rule(winner)) = (lacks.is_empty(), self.because()) {
            lacks.push(self.beaten_by(rule, self.policies().rule(winner)));
        }
        Nearest {
            group: self.policies().group(nearest.rule.group).id.clone(),
            id: rule.id.clone(),
            lacks,
            origin: rule.origin.to_string(),
        }
    }

    fn misses_words(&self, considered: &Considered) -> Vec<String> {
        let rule = self.policies().rule(considered.rule);
        considered.misses.iter().map(|&miss| self.miss_words(rule, miss)).collect()
    }

    fn miss_words(&self, rule: &Rule, miss: Miss) -> String {
        let Tuple { source, target, protocol, source_port, target_port } = self.question.tuple;
        let (peer, own) = match self.question.direction {
            Direction::Inbound => (source, target),
            Direction::Outbound => (target, source),
        };
        let object = || object_words(self.policies(), rule.object);
        match miss {
            Miss::Protocol => {
                format!("it is for {}, the packet is {protocol}", protocol_words(rule.protocol))
            }
            Miss::TargetPort => {
                let ports = ports_words(self.policies(), &rule.ports);
                match protocol.has_ports() {
                    true => format!("target port {target_port} is not in {ports}"),
                    false => format!("it names target ports {ports}, the packet has none"),
                }
            }
            Miss::SourcePort => {
                let ranges: Vec<String> =
                    rule.source_ports.iter().map(|range| range_words(*range)).collect();
                match protocol.has_ports() {
                    true => format!("source port {source_port} is not in {}", ranges.join(", ")),
                    false => "it names source ports, the packet has none".to_owned(),
                }
            }
            Miss::Object => match rule.object {
                Object::Group(_) => format!("{peer} is no internal address of {}", object()),
                Object::Cidr(_) | Object::PrefixList(_) => format!("{peer} is not in {}", object()),
            },
            Miss::Family => {
                format!("{peer} is of the other address family than {}", object())
            }
            Miss::NotInternal => format!(
                "{} matches internal traffic only, and this goes over the Internet",
                object()
            ),
            Miss::OwnAddress => {
                let own_addresses: Vec<String> =
                    rule.own_addresses.iter().map(ToString::to_string).collect();
                format!("{own} is not in {}", own_addresses.join(", "))
            }
            Miss::Icmp => match self.question.icmp {
                Some((icmp_type, code)) => {
                    format!("it is for another ICMP type or code than {icmp_type}/{code}")
                }
                None => "it is for ICMP messages".to_owned(),
            },
        }
    }

    /// The implicit rules that hold here, by name, and what surprises beginners.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Because::SameGroup(group) = self.because() {
            let group = self.policies().group(group);
            notes.push(format!(
                "same-group Accept of {}: both interfaces are members, and a basic group lets its \
                 members in before any rule is asked",
                group.id
            ));
            if group.rules.is_empty() {
                notes.push(format!(
                    "\"Security groups that contain no rules deny all inbound access\" is said of \
                     {} too, but its same-group Accept stands beside it",
                    group.id
                ));
            }
        }
        if self.because() == Because::Default {
            let name =
                words::default_name(self.fabric, self.question.interface, self.question.direction);
            notes.push(format!("no rule matches: {name}"));
            notes.extend(self.no_rules_note());
        }
        notes.extend(self.no_same_group_outbound_note());
        notes
    }

    /// "Security groups that contain no rules deny all inbound access."
    fn no_rules_note(&self) -> Option<String> {
        let empty = |&&index: &&GroupIndex| self.policies().group(index).rules.is_empty();
        let group = self.policies().group(*self.attached().iter().find(empty)?);
        (self.question.direction == Direction::Inbound).then(|| {
            let but = match group.same_group {
                SameGroup::Accept => "; only its members would be let in, by its same-group Accept",
                SameGroup::Drop => "",
            };
            format!("{} contains no rules, and so denies all inbound access{but}", group.id)
        })
    }

    /// Outbound, custom rules come before the same-group Accept.
    fn no_same_group_outbound_note(&self) -> Option<String> {
        let Because::Rule(rule) = self.because() else { return None };
        let forbidden = self.policies().rule(rule).action == Action::Forbid;
        let is_accepting = |&&index: &&GroupIndex| {
            let group = self.policies().group(index);
            group.kind == GroupKind::Basic && group.same_group == SameGroup::Accept
        };
        let peer = self.fabric.world.owner(
            self.fabric.world.interface(self.question.interface).network,
            self.question.tuple.target,
        )?;
        let shared = self
            .attached()
            .iter()
            .filter(is_accepting)
            .find(|group| self.fabric.world.interface(peer).groups.contains(group))?;
        (forbidden && self.question.direction == Direction::Outbound).then(|| {
            format!(
                "both are members of {}, whose same-group Accept lets in, but out of the sender \
                 custom rules come first (same_group_outbound: custom-rules-first)",
                self.policies().group(*shared).id
            )
        })
    }
}

/// A protocol as the document words it.
pub(crate) fn protocol_words(protocol: ProtocolMatch) -> String {
    match protocol {
        ProtocolMatch::All => "All".to_owned(),
        ProtocolMatch::Is(protocol) => match protocol {
            ringfence_frame::Protocol::TCP => "Custom TCP".to_owned(),
            ringfence_frame::Protocol::UDP => "Custom UDP".to_owned(),
            ringfence_frame::Protocol::ICMP => "All ICMP (IPv4)".to_owned(),
            ringfence_frame::Protocol::ICMPV6 => "All ICMP (IPv6)".to_owned(),
            ringfence_frame::Protocol::GRE => "GRE".to_owned(),
            ringfence_frame::Protocol(number) => format!("protocol {number}"),
        },
    }
}

/// Target ports as the document words them.
pub(crate) fn ports_words(policies: &PolicySet, ports: &Ports) -> String {
    match ports {
        Ports::Any => "-1/-1".to_owned(),
        Ports::Range(range) => range_words(*range),
        Ports::List(list) => policies.port_list(*list).id.clone(),
    }
}

/// `80/80`
pub(crate) fn range_words(range: PortRange) -> String {
    format!("{}/{}", range.first(), range.last())
}

/// An authorization object as the document words it.
pub(crate) fn object_words(policies: &PolicySet, object: Object) -> String {
    match object {
        Object::Cidr(cidr) => cidr.to_string(),
        Object::Group(group) => policies.group(group).id.clone(),
        Object::PrefixList(list) => policies.prefix_list(list).id.clone(),
    }
}
