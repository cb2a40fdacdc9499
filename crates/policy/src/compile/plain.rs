//! The rules of one direction as a sorted list, asked one after the other: what stands in where a
//! set is beyond what the compiled form numbers. Owns nothing but that walk.

use ipnet::IpNet;
use ringfence_cloud::GroupIndex;
use ringfence_frame::Direction;

use super::steps::Sides;
use crate::{
    Action, Because, Decision, IcmpMatch, Nic, Object, PolicySet, PortRange, Ports, ProtocolMatch,
    Question, Rule, RuleRef,
};

/// The rules of one direction, best first.
#[derive(Clone, Debug)]
pub(crate) struct PlainList(Vec<PlainRule>);

#[derive(Clone, Debug)]
struct PlainRule {
    reference: RuleRef,
    action: Action,
    protocol: ProtocolMatch,
    /// None: any, packets without ports included.
    ports: Option<Vec<PortRange>>,
    source_ports: Vec<PortRange>,
    object: PlainObject,
    own_addresses: Vec<IpNet>,
    icmp: Option<IcmpMatch>,
}

#[derive(Clone, Debug)]
enum PlainObject {
    Ranges(Vec<IpNet>),
    Group(GroupIndex),
}

impl PlainList {
    pub(crate) fn new(
        policies: &PolicySet,
        groups: &[GroupIndex],
        nic: Nic,
        direction: Direction,
    ) -> PlainList {
        let mut merged = Vec::new();
        for &group in groups {
            for (place, rule) in (0..).zip(&policies.group(group).rules) {
                if rule.direction == direction && rule.nic == nic {
                    let reference = RuleRef { group, rule: place };
                    let plain = PlainRule::new(policies, reference, rule);
                    merged.push((rule.priority, rule.action, plain));
                }
            }
        }
        merged.sort_by_key(|(priority, action, _)| (*priority, *action));
        PlainList(merged.into_iter().map(|(_, _, rule)| rule).collect())
    }

    pub(crate) fn decide(&self, question: &Question, sides: &Sides<'_>) -> Option<Decision> {
        let rule = self.0.iter().find(|rule| rule.matches(question, sides))?;
        let allowed = rule.action == Action::Allow;
        Some(Decision { allowed, because: Because::Rule(rule.reference) })
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let held = self.0.iter().map(|rule| {
            let ports = rule.ports.as_ref().map_or(0, Vec::capacity) + rule.source_ports.capacity();
            let ranges = match &rule.object {
                PlainObject::Ranges(ranges) => ranges.capacity(),
                PlainObject::Group(_) => 0,
            };
            ports * size_of::<PortRange>()
                + (ranges + rule.own_addresses.capacity()) * size_of::<IpNet>()
        });
        self.0.capacity() * size_of::<PlainRule>() + held.sum::<usize>()
    }
}

impl PlainRule {
    fn new(policies: &PolicySet, reference: RuleRef, rule: &Rule) -> PlainRule {
        let ports = match &rule.ports {
            Ports::Any => None,
            Ports::Range(range) => Some(vec![*range]),
            Ports::List(list) => Some(policies.port_list(*list).entries.clone()),
        };
        let object = match &rule.object {
            Object::Cidr(range) => PlainObject::Ranges(vec![*range]),
            Object::PrefixList(list) => {
                PlainObject::Ranges(policies.prefix_list(*list).entries.clone())
            }
            Object::Group(group) => PlainObject::Group(*group),
        };
        PlainRule {
            reference,
            action: rule.action,
            protocol: rule.protocol,
            ports,
            source_ports: rule.source_ports.clone(),
            object,
            own_addresses: rule.own_addresses.clone(),
            icmp: rule.icmp,
        }
    }

    fn matches(&self, question: &Question, sides: &Sides<'_>) -> bool {
        let tuple = &question.tuple;
        let within = |ranges: &[PortRange], port| {
            tuple.protocol.has_ports() && ranges.iter().any(|range| range.contains(port))
        };
        let protocol = match self.protocol {
            ProtocolMatch::All => true,
            ProtocolMatch::Is(protocol) => protocol == tuple.protocol,
        };
        protocol
            && self.ports.as_ref().is_none_or(|ports| within(ports, tuple.target_port))
            && (self.source_ports.is_empty() || within(&self.source_ports, tuple.source_port))
            && match &self.object {
                PlainObject::Ranges(ranges) => ranges.iter().any(|it| it.contains(&sides.remote)),
                PlainObject::Group(group) => sides.peer.contains(group),
            }
            && (self.own_addresses.is_empty()
                || self.own_addresses.iter().any(|it| it.contains(&sides.own)))
            && self.icmp.is_none_or(|wanted| {
                question.icmp.is_some_and(|(icmp_type, code)| {
                    wanted.icmp_type.is_none_or(|it| it == icmp_type)
                        && wanted.code.is_none_or(|it| it == code)
                })
            })
    }
}
