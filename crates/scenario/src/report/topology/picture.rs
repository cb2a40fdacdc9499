//! What the picture of a world holds: regions within regions, nodes in them, arrows between nodes.
//!
//! Owns which things are shown on their own and which are counted together. Where they stand is
//! decided in `layout`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::flows::{Arrow, Flow, arrows, flows};
use crate::runner::report::{
    InterfacePlaceReport, NetworkReport, OutsideReport, RunReport, TopologyReport,
};

/// Above this many interfaces, those that no flow touches are counted together.
const INTERFACES_MAX: usize = 60;
/// Of those that flows touch, this many are shown on their own.
const TOUCHED_MAX: usize = 40;
/// Outside hosts of one region that are shown on their own.
const HOSTS_MAX: usize = 24;
/// Crowds of one vSwitch that are shown on their own.
const CROWDS_MAX: usize = 8;

/// Counts [`Picture::nodes`].
pub(super) type NodeIndex = usize;

/// Everything that is drawn.
#[derive(Default)]
pub(super) struct Picture {
    /// Regions outside the cloud.
    pub(super) outside: Vec<Region>,
    /// VPCs and the classic network.
    pub(super) networks: Vec<Region>,
    /// Nodes, in the order in which regions hold them.
    pub(super) nodes: Vec<Node>,
    /// Arrows between nodes.
    pub(super) arrows: Vec<Arrow>,
    /// What joins regions, by their ids.
    pub(super) joins: Vec<Join>,
    /// What is not drawn, in sentences.
    pub(super) left_out: Vec<String>,
}

/// What a region is; its name is a class of the style sheet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RegionKind {
    Internet,
    OnPremises,
    Nowhere,
    Vpc,
    Classic,
    VSwitch,
    Services,
    Instance,
}

/// A box that holds others.
pub(super) struct Region {
    pub(super) kind: RegionKind,
    pub(super) id: String,
    pub(super) title: String,
    pub(super) details: Vec<String>,
    pub(super) items: Vec<Item>,
}

/// What a region holds.
pub(super) enum Item {
    Region(Region),
    Node(NodeIndex),
}

/// What a node is; its name is a class of the style sheet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NodeKind {
    Host,
    Interface,
    Crowd,
}

/// A box at which arrows begin and end.
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) title: String,
    pub(super) details: Vec<String>,
    pub(super) groups: Vec<String>,
}

/// Something that joins regions.
pub(super) struct Join {
    pub(super) title: String,
    pub(super) is_cen: bool,
    /// The region on premises, for one that is no CEN.
    pub(super) site: Option<String>,
    pub(super) networks: Vec<String>,
}

impl RegionKind {
    pub(super) fn class(self) -> &'static str {
        match self {
            RegionKind::Internet => "r-internet",
            RegionKind::OnPremises => "r-site",
            RegionKind::Nowhere => "r-nowhere",
            RegionKind::Vpc => "r-vpc",
            RegionKind::Classic => "r-classic",
            RegionKind::VSwitch => "r-vswitch",
            RegionKind::Services => "r-services",
            RegionKind::Instance => "r-instance",
        }
    }
}

impl NodeKind {
    pub(super) fn class(self) -> &'static str {
        match self {
            NodeKind::Host => "n-host",
            NodeKind::Interface => "n-interface",
            NodeKind::Crowd => "n-crowd",
        }
    }
}

/// The picture of a run's world.
pub(super) fn picture(run: &RunReport) -> Picture {
    let flows = flows(run);
    let touched: BTreeSet<&str> =
        flows.iter().flat_map(|flow| [flow.from.as_str(), flow.to.as_str()]).collect();
    let mut painter = Painter {
        topology: &run.topology,
        touched,
        has_accounts: has_accounts(&run.topology),
        named: BTreeMap::new(),
        picture: Picture::default(),
    };
    painter.networks();
    painter.outside();
    painter.nowhere(&flows);
    painter.joins();
    let Painter { mut picture, named, .. } = painter;
    let (drawn, left_out) = arrows(flows, &named);
    picture.arrows = drawn;
    picture.left_out.extend(left_out);
    picture
}

fn has_accounts(topology: &TopologyReport) -> bool {
    let accounts: BTreeSet<&str> =
        topology.instances.iter().map(|instance| instance.account.as_str()).collect();
    accounts.len() > 1
}

struct Painter<'a> {
    topology: &'a TopologyReport,
    /// Names at which flows begin or end.
    touched: BTreeSet<&'a str>,
    has_accounts: bool,
    /// Nodes by the names that they stand for.
    named: BTreeMap<String, NodeIndex>,
    picture: Picture,
}

impl<'a> Painter<'a> {
    fn node(&mut self, node: Node, names: impl IntoIterator<Item = String>) -> Item {
        let index = self.picture.nodes.len();
        self.picture.nodes.push(node);
        for name in names {
            self.named.entry(name).or_insert(index);
        }
        Item::Node(index)
    }

    fn networks(&mut self) {
        let topology = self.topology;
        let interfaces = || topology.instances.iter().flat_map(|it| &it.interfaces);
        let touched = interfaces().filter(|it| self.is_touched(&it.interface)).count();
        let is_crowded = interfaces().count() > INTERFACES_MAX;
        let alone = |painter: &Painter<'_>, name: &str| {
            !is_crowded || (touched <= TOUCHED_MAX && painter.is_touched(name))
        };
        for network in &topology.networks {
            let is_classic = network.id == "classic";
            let kind = if is_classic { RegionKind::Classic } else { RegionKind::Vpc };
            let title = match is_classic {
                true => "Classic network".to_owned(),
                false => format!("VPC {}", network.id),
            };
            let mut items = Vec::new();
            for vswitch in &network.vswitches {
                let inside = self.interfaces(network, Some(&vswitch.id), &alone);
                items.push(Item::Region(Region {
                    kind: RegionKind::VSwitch,
                    id: vswitch.id.clone(),
                    title: format!("vSwitch {}", vswitch.id),
                    details: vswitch.cidrs.clone(),
                    items: inside,
                }));
            }
            items.extend(self.interfaces(network, None, &alone));
            items.extend(self.services(network));
            let mut details = network.cidrs.clone();
            details.extend(self.joined(&network.id));
            let id = network.id.clone();
            self.picture.networks.push(Region { kind, id, title, details, items });
        }
    }

    /// In words, what a network is joined to.
    fn joined(&self, network: &str) -> Vec<String> {
        let others = |vpcs: &[String]| {
            let others: Vec<&str> =
                vpcs.iter().map(String::as_str).filter(|vpc| *vpc != network).collect();
            others.join(", ")
        };
        let cens = self.topology.cens.iter().filter(|cen| cen.vpcs.iter().any(|it| it == network));
        let cens = cens.map(|cen| format!("CEN {} to {}", cen.id, others(&cen.vpcs)));
        let sites = self.topology.on_premises.iter();
        let sites = sites.filter(|site| site.vpcs.iter().any(|it| it == network));
        cens.chain(sites.map(|site| format!("joined to {}", site.id))).collect()
    }

    fn is_touched(&self, name: &str) -> bool {
        self.touched.contains(name)
    }

    /// What is attached to a vSwitch, or to a network without one.
    fn interfaces(
        &mut self,
        network: &NetworkReport,
        vswitch: Option<&str>,
        is_alone: &dyn Fn(&Painter<'_>, &str) -> bool,
    ) -> Vec<Item> {
        let mut items = Vec::new();
        let mut crowds: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        for instance in &self.topology.instances {
            let here: Vec<&InterfacePlaceReport> = instance
                .interfaces
                .iter()
                .filter(|it| is_in(it, network, vswitch))
                .filter(|it| {
                    let is_alone = is_alone(self, &it.interface);
                    if !is_alone {
                        crowds.entry(it.groups.clone()).or_default().push(it.interface.clone());
                    }
                    is_alone
                })
                .collect();
            let account = self.has_accounts.then(|| format!("account {}", instance.account));
            match here.as_slice() {
                [] => {}
                [only] => items.push(self.interface(only, account)),
                several => {
                    let inside = several.iter().map(|it| self.interface(it, None)).collect();
                    items.push(Item::Region(Region {
                        kind: RegionKind::Instance,
                        id: instance.id.clone(),
                        title: instance.id.clone(),
                        details: account.into_iter().collect(),
                        items: inside,
                    }));
                }
            }
        }
        items.extend(self.crowds(crowds));
        items
    }

    fn interface(&mut self, interface: &InterfacePlaceReport, account: Option<String>) -> Item {
        let mut details = interface.addresses.clone();
        details.extend(interface.public_ip.iter().map(|public| format!("public {public}")));
        if !interface.serves.is_empty() {
            details.push(format!("serves {}", interface.serves.join(", ")));
        }
        details.extend(account);
        let node = Node {
            kind: NodeKind::Interface,
            title: interface.interface.clone(),
            details,
            groups: interface.groups.clone(),
        };
        self.node(node, [interface.interface.clone()])
    }

    /// Interfaces of equal groups, counted.
    fn crowds(&mut self, crowds: BTreeMap<Vec<String>, Vec<String>>) -> Vec<Item> {
        let mut crowds: Vec<_> = crowds.into_iter().collect();
        crowds.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
        let rest = crowds.split_off(crowds.len().min(CROWDS_MAX));
        let mut items = Vec::new();
        for (groups, members) in crowds {
            items.push(self.crowd(groups, Vec::new(), members));
        }
        if !rest.is_empty() {
            let details = vec![format!("in {} other sets of groups", rest.len())];
            let members = rest.into_iter().flat_map(|(_, members)| members).collect();
            items.push(self.crowd(Vec::new(), details, members));
        }
        items
    }

    fn crowd(&mut self, groups: Vec<String>, details: Vec<String>, members: Vec<String>) -> Item {
        let title = match members.len() {
            1 => members[0].clone(),
            many => format!("{many} instances"),
        };
        self.node(Node { kind: NodeKind::Crowd, title, details, groups }, members)
    }

    /// Hosts inside a network that are no instances.
    fn services(&mut self, network: &NetworkReport) -> Option<Item> {
        let edges: &[String] = match network.id.as_str() {
            "classic" => &[
                "intranet of the classic network".to_owned(),
                "public side of the classic network".to_owned(),
            ],
            id => &[format!("intranet of {id}")],
        };
        let topology = self.topology;
        let hosts = topology.outside.iter().filter(|host| edges.contains(&host.edge));
        let items = self.hosts(hosts);
        let region = Region {
            kind: RegionKind::Services,
            id: format!("services of {}", network.id),
            title: "Services and others inside".to_owned(),
            details: Vec::new(),
            items,
        };
        (!region.items.is_empty()).then_some(Item::Region(region))
    }

    fn hosts(&mut self, hosts: impl Iterator<Item = &'a OutsideReport>) -> Vec<Item> {
        let mut hosts: Vec<&OutsideReport> = hosts.collect();
        hosts.sort_by_key(|host| !self.is_touched(&host.name));
        let rest = hosts.split_off(hosts.len().min(HOSTS_MAX));
        let mut items = Vec::new();
        for host in hosts {
            let mut details = host.addresses.clone();
            if !host.serves.is_empty() {
                details.push(format!("serves {}", host.serves.join(", ")));
            }
            let title = host.name.clone();
            let node = Node { kind: NodeKind::Host, title, details, groups: Vec::new() };
            items.push(self.node(node, [host.name.clone()]));
        }
        if !rest.is_empty() {
            let node = Node {
                kind: NodeKind::Crowd,
                title: format!("{} more hosts", rest.len()),
                details: Vec::new(),
                groups: Vec::new(),
            };
            items.push(self.node(node, rest.iter().map(|host| host.name.clone())));
        }
        items
    }

    fn outside(&mut self) {
        let topology = self.topology;
        let internet = self.hosts(topology.outside.iter().filter(|it| it.edge == "internet"));
        if !internet.is_empty() {
            self.picture.outside.push(Region {
                kind: RegionKind::Internet,
                id: "internet".to_owned(),
                title: "Internet".to_owned(),
                details: Vec::new(),
                items: internet,
            });
        }
        for site in &topology.on_premises {
            let edge = format!("on-premises {}", site.id);
            let items = self.hosts(topology.outside.iter().filter(|it| it.edge == edge));
            self.picture.outside.push(Region {
                kind: RegionKind::OnPremises,
                id: edge,
                title: format!("On premises {}", site.id),
                details: site.cidrs.clone(),
                items,
            });
        }
    }

    /// Ends of flows that have no name in this world: strangers, and addresses that nobody has.
    fn nowhere(&mut self, flows: &[Flow]) {
        let ends = flows.iter().flat_map(|flow| [&flow.from, &flow.to]);
        let unknown: BTreeSet<&String> =
            ends.filter(|end| !self.named.contains_key(end.as_str())).collect();
        for name in unknown {
            let (kind, id, title) = self.region_of(name);
            let node = Node {
                kind: NodeKind::Host,
                title: name.clone(),
                details: Vec::new(),
                groups: Vec::new(),
            };
            let item = self.node(node, [name.clone()]);
            let outside = &mut self.picture.outside;
            match outside.iter_mut().find(|region| region.id == id) {
                Some(region) => region.items.push(item),
                None => {
                    outside.push(Region { kind, id, title, details: Vec::new(), items: vec![item] })
                }
            }
        }
    }

    fn region_of(&self, name: &str) -> (RegionKind, String, String) {
        let address: Option<IpAddr> = name.parse().ok();
        let holds = |cidrs: &[String]| {
            let mut cidrs = cidrs.iter().filter_map(|cidr| cidr.parse::<IpNet>().ok());
            address.is_some_and(|address| cidrs.any(|cidr| cidr.contains(&address)))
        };
        if let Some(site) = self.topology.on_premises.iter().find(|site| holds(&site.cidrs)) {
            let id = format!("on-premises {}", site.id);
            return (RegionKind::OnPremises, id, format!("On premises {}", site.id));
        }
        let is_private = match address {
            Some(IpAddr::V4(v4)) => v4.is_private() || (v4.to_bits() >> 22) == 0x6440_0000 >> 22,
            Some(IpAddr::V6(v6)) => v6.is_unique_local(),
            None => name != "internet",
        };
        match is_private {
            true => (RegionKind::Nowhere, "nowhere".to_owned(), "Without a name".to_owned()),
            false => (RegionKind::Internet, "internet".to_owned(), "Internet".to_owned()),
        }
    }

    fn joins(&mut self) {
        let cens = self.topology.cens.iter().map(|cen| Join {
            title: format!("CEN {} joins {}", cen.id, cen.vpcs.join(", ")),
            is_cen: true,
            site: None,
            networks: cen.vpcs.clone(),
        });
        let sites = self.topology.on_premises.iter().map(|site| Join {
            title: format!("{} is joined to {}", site.id, site.vpcs.join(", ")),
            is_cen: false,
            site: Some(format!("on-premises {}", site.id)),
            networks: site.vpcs.clone(),
        });
        self.picture.joins = cens.chain(sites).filter(|join| !join.networks.is_empty()).collect();
    }
}

fn is_in(interface: &InterfacePlaceReport, network: &NetworkReport, vswitch: Option<&str>) -> bool {
    let here = match network.id.as_str() {
        "classic" => matches!(interface.network.as_str(), "classic" | "classic-public"),
        id => interface.network == id,
    };
    here && interface.vswitch.as_deref() == vswitch
}
