//! The world of a scenario: what its names refer to, and what is implied.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use ringfence_cloud::{
    AccountIndex, Cen, Edge, GroupIndex, Instance, InstanceIndex, Interface, InterfaceIndex,
    Network, OnPremises, OnPremisesIndex, Origin, OutsideHost, OutsideIndex, Place, VSwitch,
    VSwitchIndex, Vpc, VpcIndex, World,
};
use ringfence_endpoints::application::Application;
use ringfence_frame::MacAddr;
use ringfence_policy::Text;
use ringfence_runtime::LinkConfig;

use crate::diagnostic::suggestion;
use crate::file::leaves::{Id, Located};
use crate::file::read::Findings;
use crate::file::words::NetworkWord;
use crate::file::{
    HostFile, InstanceFile, InterfaceFile, ScenarioFile, ServesFile, TimeoutsFile, VpcFile,
};

/// Bytes of IP packet that a link carries where nothing else is said.
const MTU: usize = 1_500;

/// The account of a scenario that names none.
const ONLY_ACCOUNT: &str = "1000000000000001";

/// What the names of a file refer to.
#[derive(Default)]
pub(super) struct Names {
    accounts: Table<AccountIndex>,
    vpcs: Table<VpcIndex>,
    vswitches: Table<VSwitchIndex>,
    groups: Table<GroupIndex>,
    /// The account of each VPC.
    vpc_accounts: Vec<AccountIndex>,
}

/// Names of one kind of thing, in file order.
struct Table<T> {
    by_name: HashMap<String, T>,
    names: Vec<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { by_name: HashMap::new(), names: Vec::new() }
    }
}

impl<T: Copy + Eq + Hash> Table<T> {
    /// Of two things with one name the first keeps it.
    fn add(&mut self, name: &str, value: T) {
        self.names.push(name.to_owned());
        self.by_name.entry(name.to_owned()).or_insert(value);
    }

    /// What `id` refers to, or a finding.
    fn find(&self, what: &str, id: &Id, findings: &mut Findings) -> Option<T> {
        let Id(Text { value, origin }) = id;
        let found = self.by_name.get(value).copied();
        if found.is_none() {
            let message = format!("there is no {what} `{value}`");
            let help = match suggestion(value, self.names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None if self.names.is_empty() => format!("the scenario declares no {what}"),
                None => format!("the scenario has {}", listed(&self.names)),
            };
            findings.error("RF0100", origin, message, help);
        }
        found
    }
}

/// The first few of some names.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>();
    match names.len() > SHOWN {
        true => format!("{} and {} more", shown.join(", "), names.len() - SHOWN),
        false => shown.join(", "),
    }
}

impl Names {
    pub(super) fn account(
        &self,
        id: Option<&Id>,
        default: AccountIndex,
        findings: &mut Findings,
    ) -> AccountIndex {
        match id {
            Some(id) => self.accounts.find("account", id, findings).unwrap_or(default),
            None => default,
        }
    }

    pub(super) fn account_of_vpc(&self, vpc: VpcIndex) -> AccountIndex {
        self.vpc_accounts.get(vpc.as_usize()).copied().unwrap_or(AccountIndex(0))
    }

    pub(super) fn vpc(&self, id: &Id, findings: &mut Findings) -> Option<VpcIndex> {
        self.vpcs.find("VPC", id, findings)
    }

    /// The VPC, if there is but one.
    pub(super) fn only_vpc(&self) -> Option<VpcIndex> {
        (self.vpcs.names.len() == 1).then_some(VpcIndex(0))
    }

    fn groups(&self, ids: &[Id], findings: &mut Findings) -> Vec<GroupIndex> {
        let found = ids.iter().filter_map(|id| self.groups.find("security group", id, findings));
        found.collect()
    }
}

/// The world, and what belongs to its ports.
#[derive(Default)]
pub(super) struct Topology {
    pub world: World,
    pub serves: BTreeMap<Place, Vec<(u16, Application)>>,
    pub links: BTreeMap<Place, LinkConfig>,
    /// The timeouts of each interface that has its own.
    pub timeouts: Vec<Option<TimeoutsFile>>,
    /// Where each address of something stands, by the place of the thing.
    addresses: HashMap<Origin, Vec<(String, Origin)>>,
    /// Whether an interface is not where it should be, since its vSwitch could not be found.
    pub incomplete: bool,
    /// Hosts that are said to be on the Internet and have a cloud service's address.
    services_outside: Vec<Origin>,
}

impl Topology {
    /// Every interface and named host.
    pub(super) fn places(&self) -> Vec<Place> {
        let interfaces = (0..).zip(&self.world.interfaces);
        let interfaces = interfaces.map(|(i, _)| Place::Interface(InterfaceIndex(i)));
        let outside = (0..).zip(&self.world.outside);
        interfaces.chain(outside.map(|(i, _)| Place::Outside(OutsideIndex(i)))).collect()
    }

    pub(super) fn port_names(&self) -> impl Iterator<Item = &str> {
        let interfaces = self.world.interfaces.iter().map(|it| it.name.as_str());
        interfaces.chain(self.world.outside.iter().map(|it| it.name.as_str()))
    }

    /// The ports called so; the name of a cloud service is that of its port in every network.
    pub(super) fn places_by_name(&self) -> HashMap<String, Vec<Place>> {
        let mut named: HashMap<String, Vec<Place>> = HashMap::new();
        for (place, name) in self.places().into_iter().zip(self.port_names()) {
            named.entry(name.to_owned()).or_default().push(place);
            if let Some((service, _)) = name.split_once('@') {
                named.entry(service.to_owned()).or_default().push(place);
            }
        }
        named
    }

    /// Where the address that a problem speaks of stands, or where its owner does.
    pub(super) fn place_of(&self, owner: &Origin, message: &str) -> Origin {
        let mentions = |address: &str| {
            message
                .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/')))
                .any(|word| word == address)
        };
        let addresses = self.addresses.get(owner).map_or(&[][..], Vec::as_slice);
        let found = addresses.iter().find(|(address, _)| mentions(address));
        found.map_or_else(|| owner.clone(), |(_, origin)| origin.clone())
    }

    pub(super) fn is_service_outside(&self, origin: &Origin) -> bool {
        self.services_outside.contains(origin)
    }

    fn note<T: ToString>(&mut self, owner: &Origin, address: &Located<T>) {
        let entry = (address.value.to_string(), address.origin.clone());
        self.addresses.entry(owner.clone()).or_default().push(entry);
    }
}

/// Builds the world as far as its references hold; findings for those that do not.
pub(super) fn build(file: &ScenarioFile, names: &mut Names, findings: &mut Findings) -> Topology {
    let mut topology = Topology::default();
    add_accounts(file, names, &mut topology, findings);
    for vpc in &file.vpcs {
        add_vpc(vpc, names, &mut topology, findings);
    }
    for cen in &file.cen.0 {
        let vpcs = cen.vpcs.iter().filter_map(|id| names.vpc(id, findings)).collect();
        let Text { value: id, origin } = cen.id.0.clone();
        topology.world.cens.push(Cen { id, vpcs, origin });
    }
    for (group, index) in file.security_groups.iter().zip(0..) {
        names.groups.add(&group.id.0.value, GroupIndex(index));
    }
    for instance in &file.instances {
        add_instance(instance, names, &mut topology, findings);
    }
    for (site, index) in file.on_premises.0.iter().zip(0..) {
        let vpcs = site.vpcs.iter().filter_map(|id| names.vpc(id, findings)).collect();
        let Text { value: id, origin } = site.id.0.clone();
        for cidr in &site.cidrs.0 {
            topology.note(&origin, cidr);
        }
        let cidrs = site.cidrs.0.iter().map(|cidr| cidr.value).collect();
        topology.world.on_premises.push(OnPremises { id, cidrs, vpcs, origin });
        for host in &site.hosts {
            let edge = Edge::OnPremises(OnPremisesIndex(index));
            add_host(host, host.id.0.value.clone(), edge, &mut topology, findings);
        }
    }
    for host in &file.outside {
        add_host(host, host.id.0.value.clone(), Edge::Internet, &mut topology, findings);
    }
    add_services(file, &mut topology, findings);
    topology
}

fn add_accounts(
    file: &ScenarioFile,
    names: &mut Names,
    topology: &mut Topology,
    findings: &mut Findings,
) {
    for (Id(account), index) in file.accounts.iter().zip(0..) {
        if names.accounts.by_name.contains_key(&account.value) {
            let message = format!("the account `{}` stands here twice", account.value);
            findings.error("RF0101", &account.origin, message, "leave one of them out");
        }
        names.accounts.add(&account.value, AccountIndex(index));
        topology.world.accounts.push(account.value.clone());
    }
    if file.accounts.is_empty() {
        topology.world.accounts.push(ONLY_ACCOUNT.to_owned());
    }
}

fn add_vpc(file: &VpcFile, names: &mut Names, topology: &mut Topology, findings: &mut Findings) {
    let VpcFile { id: Id(id), account, cidr, secondary_cidrs, ipv6_cidr, vswitches, .. } = file;
    let account = names.account(account.as_ref(), AccountIndex(0), findings);
    let index = VpcIndex(count(&topology.world.vpcs));
    names.vpcs.add(&id.value, index);
    names.vpc_accounts.push(account);
    let ipv4 = std::iter::once(cidr).chain(secondary_cidrs);
    let mut cidrs: Vec<IpNet> = Vec::new();
    for cidr in ipv4 {
        topology.note(&id.origin, cidr);
        cidrs.push(cidr.value.into());
    }
    if let Some(cidr) = ipv6_cidr {
        topology.note(&id.origin, cidr);
        cidrs.push(cidr.value.into());
    }
    let (name, origin) = (id.value.clone(), id.origin.clone());
    topology.world.vpcs.push(Vpc { id: name, account, cidrs, origin });
    for vswitch in vswitches {
        let Id(Text { value: id, origin }) = vswitch.id.clone();
        let place = VSwitchIndex(count(&topology.world.vswitches));
        names.vswitches.add(&id, place);
        topology.note(&origin, &vswitch.cidr);
        if let Some(cidr) = &vswitch.ipv6_cidr {
            topology.note(&origin, cidr);
        }
        topology.world.vswitches.push(VSwitch {
            id,
            vpc: index,
            cidr: vswitch.cidr.value,
            ipv6_cidr: vswitch.ipv6_cidr.as_ref().map(|cidr| cidr.value),
            origin,
        });
    }
}

fn count<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).expect("a file of FILE_BYTES_MAX bytes has fewer things")
}

fn add_instance(
    file: &InstanceFile,
    names: &Names,
    topology: &mut Topology,
    findings: &mut Findings,
) {
    let classic = file.network.as_ref().is_some_and(|it| it.value == NetworkWord::Classic);
    let index = InstanceIndex(count(&topology.world.instances));
    let first = count(&topology.world.interfaces);
    let vswitch = match (&file.vswitch, classic) {
        (Some(id), false) => names.vswitches.find("vSwitch", id, findings),
        (None, false) => {
            let message = format!("`{}` has no vSwitch", file.id.0.value);
            let help = "add `vswitch: ...`, or `network: classic`";
            findings.error("RF0007", &file.id.0.origin, message, help);
            None
        }
        (Some(id), true) => {
            let message = "the classic network has no vSwitches";
            findings.error("RF0019", &id.0.origin, message, "leave `vswitch` out");
            None
        }
        (None, true) => None,
    };
    let vpc = vswitch.map(|index| topology.world.vswitches[index.as_usize()].vpc);
    let default = vpc.map_or(AccountIndex(0), |vpc| names.account_of_vpc(vpc));
    let account = names.account(file.account.as_ref(), default, findings);
    let network = match (vpc, classic) {
        (Some(vpc), _) => Network::Vpc(vpc),
        (None, true) => Network::ClassicInternal,
        (None, false) => {
            topology.incomplete = true;
            Network::ClassicInternal
        }
    };
    let served = served(&file.serves.0, findings);
    add_primary(file, index, network, vswitch, &served, names, topology, findings);
    for secondary in &file.interfaces {
        if classic {
            let message = "a classic instance has no secondary interfaces";
            findings.error("RF0019", &secondary.origin, message, "leave `interfaces` out");
            continue;
        }
        add_secondary(file, secondary, index, network, vswitch, &served, names, topology, findings);
    }
    let interfaces = (first..count(&topology.world.interfaces)).map(InterfaceIndex).collect();
    let Text { value: id, origin } = file.id.0.clone();
    topology.world.instances.push(Instance { id, account, interfaces, origin });
}

/// "An instance without a `mac` gets 00:16:3e and the last three octets of its primary IPv4
/// address."
fn default_mac(primary: Ipv4Addr) -> MacAddr {
    let [_, b, c, d] = primary.octets();
    MacAddr([0x00, 0x16, 0x3e, b, c, d])
}

fn served(list: &[ServesFile], findings: &mut Findings) -> Vec<(u16, Application)> {
    let mut served: Vec<(u16, Application)> = Vec::new();
    for ServesFile { port, application, origin } in list {
        if *port == 0 {
            let message = "nobody can listen on port 0";
            findings.error("RF0010", origin, message, "write 1 to 65535");
        } else if served.iter().any(|(other, _)| other == port) {
            let message = format!("port {port} is served twice");
            findings.error("RF0019", origin, message, "leave one of them out");
        } else {
            served.push((*port, *application));
        }
    }
    served
}

/// The primary interface; in the classic network the public NIC too.
#[allow(clippy::too_many_arguments)] // what an interface is made of
fn add_primary(
    file: &InstanceFile,
    instance: InstanceIndex,
    network: Network,
    vswitch: Option<VSwitchIndex>,
    served: &[(u16, Application)],
    names: &Names,
    topology: &mut Topology,
    findings: &mut Findings,
) {
    let Text { value: id, origin } = &file.id.0;
    let groups = names.groups(&file.security_groups.0, findings);
    note_addresses(topology, origin, file);
    let classic = network == Network::ClassicInternal;
    let public = file.public_ip.as_ref().map(|ip| ip.value);
    let interface = Interface {
        name: id.clone(),
        instance,
        network,
        vswitch,
        mac: file.mac.as_ref().map_or_else(|| default_mac(file.ip.value), |mac| mac.value),
        primary: file.ip.value,
        secondary: values(&file.secondary_ips.0),
        ipv6: values(&file.ipv6.0),
        prefixes: values(&file.prefixes.0),
        public_ip: public.filter(|_| !classic),
        ipv6_internet: file.ipv6_internet.unwrap_or(false),
        source_dest_check: file.source_dest_check.unwrap_or(true),
        groups: groups.clone(),
        mtu: MTU,
        origin: origin.clone(),
    };
    topology.add_interface(interface, served.to_vec(), file.timeouts.clone());
    if let (true, Some(public)) = (classic, public) {
        let interface = Interface {
            name: format!("{id}/public"),
            instance,
            network: Network::ClassicPublic,
            vswitch: None,
            mac: default_mac(public),
            primary: public,
            secondary: Vec::new(),
            ipv6: Vec::new(),
            prefixes: Vec::new(),
            public_ip: None,
            ipv6_internet: false,
            source_dest_check: file.source_dest_check.unwrap_or(true),
            groups,
            mtu: MTU,
            origin: origin.clone(),
        };
        topology.add_interface(interface, served.to_vec(), file.timeouts.clone());
    }
}

fn note_addresses(topology: &mut Topology, origin: &Origin, file: &InstanceFile) {
    topology.note(origin, &file.ip);
    if let Some(ip) = &file.public_ip {
        topology.note(origin, ip);
    }
    file.ipv6.0.iter().for_each(|ip| topology.note(origin, ip));
    file.secondary_ips.0.iter().for_each(|ip| topology.note(origin, ip));
    file.prefixes.0.iter().for_each(|prefix| topology.note(origin, prefix));
    if let Some(mac) = &file.mac {
        topology.note(origin, mac);
    }
}

fn values<T: Copy>(list: &[Located<T>]) -> Vec<T> {
    list.iter().map(|located| located.value).collect()
}

#[allow(clippy::too_many_arguments)] // what an interface is made of
fn add_secondary(
    instance: &InstanceFile,
    file: &InterfaceFile,
    index: InstanceIndex,
    network: Network,
    vswitch: Option<VSwitchIndex>,
    served_by_instance: &[(u16, Application)],
    names: &Names,
    topology: &mut Topology,
    findings: &mut Findings,
) {
    let Text { value: id, origin } = &file.id.0;
    if matches!(id.as_str(), "public" | "private") {
        let message = format!("an interface cannot be called `{id}`");
        let help = "`ID/public` and `ID/private` are addresses: call it `eth1`";
        findings.error("RF0016", origin, message, help);
    }
    let vswitch = match &file.vswitch {
        Some(id) => names.vswitches.find("vSwitch", id, findings),
        None => vswitch,
    };
    let Some(vswitch) = vswitch else {
        return;
    };
    let vpc = topology.world.vswitches[vswitch.as_usize()].vpc;
    if network != Network::Vpc(vpc) {
        let message = format!("`{id}` is in another VPC than its instance");
        let help = "all interfaces of an instance are in one VPC: take a vSwitch of that";
        findings.error("RF0205", origin, message, help);
    }
    let addresses = [&file.ip].into_iter().chain(&file.public_ip).chain(&file.secondary_ips.0);
    addresses.for_each(|ip| topology.note(origin, ip));
    file.ipv6.0.iter().for_each(|ip| topology.note(origin, ip));
    file.prefixes.0.iter().for_each(|prefix| topology.note(origin, prefix));
    let served = match &file.serves {
        Some(own) => served(&own.0, findings),
        None => served_by_instance.to_vec(),
    };
    let or_instances = |own: Option<bool>, instances: Option<bool>| own.or(instances);
    let interface = Interface {
        name: format!("{}/{id}", instance.id.0.value),
        instance: index,
        network: Network::Vpc(vpc),
        vswitch: Some(vswitch),
        mac: file.mac.as_ref().map_or_else(|| default_mac(file.ip.value), |mac| mac.value),
        primary: file.ip.value,
        secondary: values(&file.secondary_ips.0),
        ipv6: values(&file.ipv6.0),
        prefixes: values(&file.prefixes.0),
        public_ip: file.public_ip.as_ref().map(|ip| ip.value),
        ipv6_internet: or_instances(file.ipv6_internet, instance.ipv6_internet).unwrap_or(false),
        source_dest_check: or_instances(file.source_dest_check, instance.source_dest_check)
            .unwrap_or(true),
        groups: names.groups(&file.security_groups.0, findings),
        mtu: MTU,
        origin: origin.clone(),
    };
    topology.add_interface(interface, served, file.timeouts.clone());
}

impl Topology {
    fn add_interface(
        &mut self,
        interface: Interface,
        served: Vec<(u16, Application)>,
        timeouts: Option<TimeoutsFile>,
    ) {
        let index = InterfaceIndex(count(&self.world.interfaces));
        self.serves.insert(Place::Interface(index), served);
        self.world.interfaces.push(interface);
        self.timeouts.push(timeouts);
    }
}

fn add_host(
    file: &HostFile,
    name: String,
    edge: Edge,
    topology: &mut Topology,
    findings: &mut Findings,
) {
    let origin = &file.id.0.origin;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in file.ip.0.iter().chain(&file.ips) {
        topology.note(origin, address);
        addresses.push(address.value);
    }
    for address in &file.ipv6.0 {
        topology.note(origin, address);
        addresses.push(address.value.into());
    }
    let Some(&first) = addresses.first() else {
        let message = format!("`{name}` has no address");
        findings.error("RF0007", origin, message, "add `ip: ...`");
        return;
    };
    let platform = &topology.world.platform;
    let is_service = |address: &IpAddr| {
        *address == IpAddr::V4(platform.metadata_server)
            || platform.service_ranges.iter().any(|range| range.contains(address))
    };
    if edge == Edge::Internet && addresses.iter().any(is_service) {
        topology.services_outside.push(origin.clone());
    }
    let index = OutsideIndex(count(&topology.world.outside));
    let served = served(&file.serves.0, findings);
    topology.serves.insert(Place::Outside(index), served);
    topology.world.outside.push(OutsideHost {
        name,
        edge,
        addresses,
        mac: file.mac.as_ref().map_or_else(|| mac_outside(first), |mac| mac.value),
        mtu: MTU,
        origin: origin.clone(),
    });
}

/// A locally administered MAC address made of the host's address.
fn mac_outside(address: IpAddr) -> MacAddr {
    let [a, b, c, d] = match address {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            [octets[12], octets[13], octets[14], octets[15]]
        }
    };
    MacAddr([0x02, 0x00, a, b, c, d])
}

/// "Cloud services ... are outside hosts that every VPC reaches": one host in each network that
/// exists. Where there is one network only, the port has the service's own name.
fn add_services(file: &ScenarioFile, topology: &mut Topology, findings: &mut Findings) {
    let is_classic = |network: &Option<Located<NetworkWord>>| {
        network.as_ref().is_some_and(|it| it.value == NetworkWord::Classic)
    };
    let classic = file.instances.iter().any(|it| is_classic(&it.network))
        || file.security_groups.iter().any(|it| is_classic(&it.network));
    let vpcs = (0..).zip(&file.vpcs);
    let mut networks: Vec<(Network, &str)> =
        vpcs.map(|(i, vpc)| (Network::Vpc(VpcIndex(i)), vpc.id.0.value.as_str())).collect();
    if classic {
        networks.push((Network::ClassicInternal, "classic"));
    }
    for service in &file.services {
        let id = &service.id.0.value;
        for &(network, network_name) in &networks {
            let name = match networks.len() {
                1 => id.clone(),
                _ => format!("{id}@{network_name}"),
            };
            add_host(service, name, Edge::Intranet(network), topology, findings);
        }
    }
}
