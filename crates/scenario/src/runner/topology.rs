//! The world, the groups and the counters of a run, by their names.

use std::collections::BTreeMap;

use ringfence_cloud::{Interface, Network, Place, World};
use ringfence_endpoints::application::Application;
use ringfence_policy::{Nic, PolicySet, Rule, SameGroup};
use ringfence_switch::{Counters, Fabric, InterfaceCounters, PortCounters};

use super::report::{
    CountersReport, GroupReport, InstanceReport, InterfacePlaceReport, InterfaceReport, JoinReport,
    NetworkReport, OutsideReport, PortReport, RuleCountReport, RuleReport, TopologyReport,
    VSwitchReport,
};
use crate::answer::action_name;
use crate::explain::{object_words, ports_words, protocol_words, range_words};
use crate::words;

type Serves = BTreeMap<Place, Vec<(u16, Application)>>;

/// Who is where, and which groups there are.
pub(super) fn topology(fabric: &Fabric, serves: &Serves) -> TopologyReport {
    let world = &fabric.world;
    let vpc_ids = |vpcs: &[ringfence_cloud::VpcIndex]| {
        vpcs.iter().map(|vpc| world.vpcs[vpc.as_usize()].id.clone()).collect()
    };
    let cens = world.cens.iter().map(|cen| JoinReport {
        cidrs: Vec::new(),
        id: cen.id.clone(),
        vpcs: vpc_ids(&cen.vpcs),
    });
    let on_premises = world.on_premises.iter().map(|site| JoinReport {
        cidrs: strings(&site.cidrs),
        id: site.id.clone(),
        vpcs: vpc_ids(&site.vpcs),
    });
    TopologyReport {
        cens: cens.collect(),
        groups: groups(fabric),
        instances: instances(fabric, serves),
        networks: networks(world),
        on_premises: on_premises.collect(),
        outside: outside(world, serves),
    }
}

fn strings<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn network_name(world: &World, network: Network) -> String {
    match network {
        Network::Vpc(vpc) => world.vpcs[vpc.as_usize()].id.clone(),
        Network::ClassicInternal => "classic".to_owned(),
        Network::ClassicPublic => "classic-public".to_owned(),
    }
}

fn networks(world: &World) -> Vec<NetworkReport> {
    let vpcs = (0..).zip(&world.vpcs).map(|(index, vpc)| {
        let index = ringfence_cloud::VpcIndex(index);
        let inside = world.vswitches.iter().filter(|vswitch| vswitch.vpc == index);
        let vswitches = inside.map(|vswitch| {
            let ipv6 = vswitch.ipv6_cidr.map(|cidr| cidr.to_string());
            VSwitchReport {
                cidrs: std::iter::once(vswitch.cidr.to_string()).chain(ipv6).collect(),
                id: vswitch.id.clone(),
            }
        });
        NetworkReport {
            cidrs: strings(&vpc.cidrs),
            id: vpc.id.clone(),
            vswitches: vswitches.collect(),
        }
    });
    let has_classic = world.interfaces.iter().any(|it| !matches!(it.network, Network::Vpc(_)));
    let classic = has_classic.then(|| NetworkReport {
        cidrs: Vec::new(),
        id: "classic".to_owned(),
        vswitches: Vec::new(),
    });
    vpcs.chain(classic).collect()
}

fn serves_words(serves: &Serves, place: Place) -> Vec<String> {
    let listeners = serves.get(&place).map_or(&[][..], |listeners| listeners);
    listeners.iter().map(|(port, application)| format!("{} {port}", application.name())).collect()
}

fn instances(fabric: &Fabric, serves: &Serves) -> Vec<InstanceReport> {
    let world = &fabric.world;
    let instances = world.instances.iter().map(|instance| InstanceReport {
        account: world.accounts[instance.account.as_usize()].clone(),
        id: instance.id.clone(),
        interfaces: instance
            .interfaces
            .iter()
            .map(|&index| {
                interface_place(fabric, world.interface(index), {
                    serves_words(serves, Place::Interface(index))
                })
            })
            .collect(),
    });
    instances.collect()
}

fn interface_place(
    fabric: &Fabric,
    interface: &Interface,
    serves: Vec<String>,
) -> InterfacePlaceReport {
    let world = &fabric.world;
    let own = std::iter::once(interface.primary.to_string())
        .chain(strings(&interface.secondary))
        .chain(strings(&interface.ipv6))
        .chain(strings(&interface.prefixes));
    let groups = interface.groups.iter().map(|&group| fabric.policies.group(group).id.clone());
    InterfacePlaceReport {
        addresses: own.collect(),
        groups: groups.collect(),
        interface: interface.name.clone(),
        mac: interface.mac.to_string(),
        network: network_name(world, interface.network),
        public_ip: interface.public_ip.map(|public| public.to_string()),
        serves,
        vswitch: interface.vswitch.map(|index| world.vswitches[index.as_usize()].id.clone()),
    }
}

fn outside(world: &World, serves: &Serves) -> Vec<OutsideReport> {
    let hosts = (0..).zip(&world.outside).map(|(index, host)| OutsideReport {
        addresses: strings(&host.addresses),
        edge: world.place_name(Place::Edge(host.edge)),
        name: host.name.clone(),
        serves: serves_words(serves, Place::Outside(ringfence_cloud::OutsideIndex(index))),
    });
    hosts.collect()
}

fn groups(fabric: &Fabric) -> Vec<GroupReport> {
    let policies = &fabric.policies;
    let groups = (0..).zip(&policies.groups).map(|(index, group)| GroupReport {
        account: fabric.world.accounts[group.account.as_usize()].clone(),
        id: group.id.clone(),
        kind: words::group_kind(policies, ringfence_cloud::GroupIndex(index)),
        network: network_name(&fabric.world, group.network),
        origin: group.origin.to_string(),
        rules: group.rules.iter().map(|rule| rule_report(policies, rule)).collect(),
        same_group: match group.same_group {
            SameGroup::Accept => "accept",
            SameGroup::Drop => "drop",
        },
    });
    groups.collect()
}

fn rule_report(policies: &PolicySet, rule: &Rule) -> RuleReport {
    RuleReport {
        action: action_name(rule.action),
        description: rule.description.clone(),
        direction: rule.direction.name(),
        id: rule.id.clone(),
        nic: match rule.nic {
            Nic::Internet => "internet",
            Nic::Intranet => "intranet",
        },
        object: object_words(policies, rule.object),
        origin: rule.origin.to_string(),
        own_addresses: strings(&rule.own_addresses),
        ports: ports_words(policies, &rule.ports),
        priority: rule.priority.get(),
        protocol: protocol_words(rule.protocol),
        source_ports: rule.source_ports.iter().map(|range| range_words(*range)).collect(),
    }
}

/// Everything counted, by name.
pub(super) fn counters(fabric: &Fabric, counters: &Counters) -> CountersReport {
    let Counters { ports, interfaces, rules, rule_traffic: _ } = counters;
    let world = &fabric.world;
    let ports = ports.iter().map(|(&place, counters)| {
        let PortCounters {
            frames_in,
            bytes_in,
            frames_out,
            bytes_out,
            dropped,
            answered,
            icmp_errors,
        } = counters;
        PortReport {
            answered: answered.clone(),
            bytes_in: *bytes_in,
            bytes_out: *bytes_out,
            dropped: dropped.clone(),
            frames_in: *frames_in,
            frames_out: *frames_out,
            icmp_errors: *icmp_errors,
            port: world.place_name(place),
        }
    });
    let interfaces = interfaces.iter().map(|(&index, counters)| {
        let InterfaceCounters { sessions_opened, sessions_cut, session_hits, implicit } = counters;
        InterfaceReport {
            implicit: implicit.clone(),
            interface: world.interface(index).name.clone(),
            session_hits: *session_hits,
            sessions_cut: *sessions_cut,
            sessions_opened: *sessions_opened,
        }
    });
    let rules = rules.iter().map(|(&reference, &decisions)| RuleCountReport {
        decisions,
        group: fabric.policies.group(reference.group).id.clone(),
        id: fabric.policies.rule(reference).id.clone(),
    });
    CountersReport {
        interfaces: interfaces.collect(),
        ports: ports.collect(),
        rules: rules.collect(),
    }
}
