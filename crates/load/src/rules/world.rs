//! The world around a rule set: a VPC, interfaces, groups; rules without what nobody fills in.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use ringfence_cloud::{
    AccountIndex, GroupIndex, Instance, InstanceIndex, Interface, InterfaceIndex, Network, Origin,
    Vpc, VpcIndex, World,
};
use ringfence_frame::{Direction, MacAddr};
use ringfence_policy::{
    Action, Group, GroupKind, Nic, Object, PolicySet, Ports, Priority, ProtocolMatch, Rule,
    SameGroup,
};

/// The address of the interface that the rules guard.
pub(super) const OWN: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 1);

pub(super) fn vpc(world: &mut World) -> VpcIndex {
    world.accounts.push("1000".to_owned());
    let cidrs = [(10, 8), (172, 8)].map(|(first, length)| {
        IpNet::from(Ipv4Net::new_assert(Ipv4Addr::new(first, 0, 0, 0), length))
    });
    let index = VpcIndex(u32::try_from(world.vpcs.len()).expect("fewer VPCs than 2^32"));
    world.vpcs.push(Vpc {
        id: format!("vpc-{}", index.0),
        account: AccountIndex(0),
        cidrs: cidrs.to_vec(),
        origin: Origin::nowhere(),
    });
    index
}

pub(super) fn interface(
    world: &mut World,
    vpc: VpcIndex,
    primary: Ipv4Addr,
    groups: Vec<GroupIndex>,
) -> InterfaceIndex {
    let number = u32::try_from(world.interfaces.len()).expect("fewer interfaces than 2^32");
    let [a, b, c, d] = number.to_be_bytes();
    world.instances.push(Instance {
        id: format!("i-{number}"),
        account: AccountIndex(0),
        interfaces: vec![InterfaceIndex(number)],
        origin: Origin::nowhere(),
    });
    world.interfaces.push(Interface {
        name: format!("i-{number}"),
        instance: InstanceIndex(number),
        network: Network::Vpc(vpc),
        vswitch: None,
        mac: MacAddr([2, 0, a, b, c, d]),
        primary,
        secondary: Vec::new(),
        ipv6: Vec::new(),
        prefixes: Vec::new(),
        public_ip: None,
        ipv6_internet: false,
        source_dest_check: false,
        groups,
        mtu: 1500,
        origin: Origin::nowhere(),
    });
    InterfaceIndex(number)
}

/// A basic group that lets nobody in for being a member.
pub(super) fn group(policies: &mut PolicySet, mut rules: Vec<Rule>) -> GroupIndex {
    let index = GroupIndex(u32::try_from(policies.groups.len()).expect("fewer groups than 2^32"));
    let id = format!("sg-{}", index.0);
    for (place, rule) in rules.iter_mut().enumerate() {
        rule.id = format!("{id}/{}", place + 1);
    }
    policies.groups.push(Group {
        id,
        account: AccountIndex(0),
        network: Network::Vpc(VpcIndex(0)),
        kind: GroupKind::Basic,
        same_group: SameGroup::Drop,
        rules,
        origin: Origin::nowhere(),
    });
    index
}

/// An inbound rule that allows everything from `object`.
pub(super) fn rule(object: Object) -> Rule {
    Rule {
        id: String::new(),
        direction: Direction::Inbound,
        action: Action::Allow,
        priority: priority(1),
        protocol: ProtocolMatch::All,
        ports: Ports::Any,
        source_ports: Vec::new(),
        object,
        own_addresses: Vec::new(),
        nic: Nic::Intranet,
        icmp: None,
        description: String::new(),
        origin: Origin::nowhere(),
    }
}

/// 1 to 100.
pub(super) fn priority(number: u8) -> Priority {
    Priority::new(number).expect("priorities drawn are from 1 to 100")
}
