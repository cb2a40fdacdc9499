//! Every word of the scenario file does what it says.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::time::Duration;

use ringfence_cloud::{Edge, Network, Place, Reach, VpcIndex};
use ringfence_endpoints::Seen;
use ringfence_endpoints::application::Application;
use ringfence_endpoints::generator::{Popularity, Sweep};
use ringfence_frame::{Family, Instant, Protocol};
use ringfence_policy::{HealthChecks, Port25, Profile, SameGroup, SameGroupOutbound};
use ringfence_runtime::LinkConfig;
use ringfence_scenario::probe::{Party, resolve};
use ringfence_scenario::schema::json_schema;
use ringfence_scenario::{Scenario, Source, load};
use ringfence_session::{Limits, TcpMidstream, Timeouts};
use ringfence_switch::{Change, OnRuleChange};

fn words() -> Scenario {
    let source = Source::new("words.yaml", include_str!("words.yaml"));
    load(source.clone()).unwrap_or_else(|findings| {
        let said: Vec<_> = findings.iter().map(|it| it.render(&source, false)).collect();
        panic!("{}", said.join("\n"))
    })
}

fn port(scenario: &Scenario, name: &str) -> Place {
    let world = &scenario.fabric.world;
    match (world.interface_named(name), world.outside_named(name)) {
        (Some(interface), None) => Place::Interface(interface),
        (None, Some(host)) => Place::Outside(host),
        other => panic!("{name}: {other:?}"),
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn headings() {
    let scenario = words();
    assert_eq!(scenario.title, "Every word");
    assert_eq!(scenario.description, "A text over two lines.");
    assert_eq!(scenario.seed, 42);
    let said: Vec<_> = scenario.warnings.iter().map(|it| (it.code, it.origin.line)).collect();
    assert_eq!(said, [("RF0018", 108)]);
}

#[test]
fn options() {
    let fabric = words().fabric;
    let policy = fabric.policies.options;
    assert_eq!(policy.profile, Profile::Alibaba);
    assert_eq!(policy.same_group_outbound, SameGroupOutbound::AcceptAlways);
    assert_eq!(policy.health_checks, HealthChecks::NeedARule);
    assert_eq!(policy.port_25, Port25::Open);
    assert_eq!(fabric.options.on_rule_change, OnRuleChange::FlushInbound);
    assert_eq!(fabric.options.tcp_midstream, TcpMidstream::Drop);
    assert_eq!(fabric.options.output_queue_max, 64);
    let limits = Limits {
        sessions_max: 1000,
        sessions_per_interface_max: 100,
        half_open_per_interface_max: 10,
    };
    assert_eq!(fabric.options.limits, limits);
}

#[test]
fn profiles_set_options_and_timeouts() {
    let of = |profile: &str| {
        let text = format!("title: t\noptions: {{ profile: {profile} }}\n");
        load(Source::new("t.yaml", &text)).unwrap().fabric
    };
    let aws = of("aws");
    assert_eq!(aws.options.on_rule_change, OnRuleChange::Keep);
    assert_eq!(aws.policies.options.port_25, Port25::Open);
    assert_eq!(aws.policies.options.health_checks, HealthChecks::NeedARule);
    assert_eq!(of("neutron").options.on_rule_change, OnRuleChange::CutIfDenied);
    let alibaba = of("Alibaba");
    assert_eq!(alibaba.options.on_rule_change, OnRuleChange::CutIfDenied);
    assert_eq!(alibaba.policies.options.health_checks, HealthChecks::AlwaysAllowed);
    assert_eq!(alibaba.options.output_queue_max, 1_024);
    assert_eq!(alibaba.options.limits, Limits::default());

    let text = "title: t\noptions: { profile: aws }\nvpcs: [ { id: v, cidr: 10.0.0.0/16, vswitches: \
                [ { id: s, cidr: 10.0.1.0/24 } ] } ]\nsecurity_groups: [ { id: g } ]\ninstances: [ \
                { id: i, vswitch: s, ip: 10.0.1.9, security_groups: [g] } ]\n";
    let aws = load(Source::new("t.yaml", text)).unwrap().fabric;
    let expected = Timeouts {
        tcp_established: secs(432_000),
        udp: secs(30),
        udp_stream: secs(180),
        other: secs(600),
        ..Timeouts::default()
    };
    assert_eq!(aws.timeouts, [expected]);
}

#[test]
fn timeouts_are_the_options_then_the_interfaces_own() {
    let fabric = words().fabric;
    let general = Timeouts {
        tcp_opening: secs(10),
        tcp_established: secs(300),
        tcp_closed_and_time_wait: secs(5),
        udp: secs(20),
        udp_stream: secs(20),
        icmp: secs(1),
        other: secs(2),
    };
    let web =
        Timeouts { tcp_established: secs(60), udp: secs(10), udp_stream: secs(10), ..general };
    let eth1 = Timeouts { udp: secs(100), udp_stream: secs(100), ..general };
    // web-1, web-1/eth1, web-1/eth2, lab-1, old-1, old-1/public
    assert_eq!(fabric.timeouts, [web, eth1, general, general, general, general]);
}

#[test]
fn topology() {
    let scenario = words();
    let world = &scenario.fabric.world;
    assert_eq!(world.accounts, ["1609982529920001", "9223372036854775809123"]);
    let cidrs: Vec<String> = world.vpcs[0].cidrs.iter().map(ToString::to_string).collect();
    assert_eq!(cidrs, ["172.16.0.0/16", "192.168.0.0/16", "2408:4005:1::/56"]);
    assert_eq!((world.vpcs[0].account.0, world.vpcs[1].account.0), (1, 0));
    assert_eq!(world.cens[0].vpcs, [VpcIndex(0), VpcIndex(1)]);
    assert_eq!(world.on_premises[0].vpcs, [VpcIndex(0)]);
    let names: Vec<&str> = world.interfaces.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["web-1", "web-1/eth1", "web-1/eth2", "lab-1", "old-1", "old-1/public"]);
    let hosts: Vec<(&str, Edge)> =
        world.outside.iter().map(|it| (it.name.as_str(), it.edge)).collect();
    let vpc = |index| Edge::Intranet(Network::Vpc(VpcIndex(index)));
    assert_eq!(
        hosts,
        [
            ("desk", Edge::OnPremises(ringfence_cloud::OnPremisesIndex(0))),
            ("visitor", Edge::Internet),
            ("farm", Edge::Internet),
            ("dns@vpc-a", vpc(0)),
            ("dns@vpc-b", vpc(1)),
            ("dns@classic", Edge::Intranet(Network::ClassicInternal)),
        ]
    );
    assert_eq!(world.outside[2].addresses.len(), 2);
    assert_eq!(world.outside[2].mac.to_string(), "02:00:00:00:00:09");
    assert_eq!(world.outside[1].mac.to_string(), "02:00:cb:00:71:07");
}

#[test]
fn interfaces() {
    let scenario = words();
    let world = &scenario.fabric.world;
    let web = world.interface(world.interface_named("web-1").unwrap());
    assert_eq!(web.public_ip.unwrap().to_string(), "47.96.10.1");
    assert_eq!(web.ipv6.len(), 2);
    assert_eq!(web.secondary.len(), 1);
    assert_eq!(web.prefixes[0].to_string(), "172.16.1.64/28");
    assert_eq!(web.mac.to_string(), "00:16:3e:00:00:01");
    assert_eq!((web.ipv6_internet, web.source_dest_check, web.mtu), (true, false, 1400));
    let eth1 = world.interface(world.interface_named("web-1/eth1").unwrap());
    assert_eq!((eth1.ipv6_internet, eth1.source_dest_check, eth1.mtu), (true, false, 1500));
    assert_eq!(eth1.mac.to_string(), "00:16:3e:a8:01:0a");
    let eth2 = world.interface(world.interface_named("web-1/eth2").unwrap());
    assert!(eth2.source_dest_check);
    let public = world.interface(world.interface_named("old-1/public").unwrap());
    assert_eq!(public.network, Network::ClassicPublic);
    assert_eq!(public.primary.to_string(), "47.98.1.10");
    assert_eq!(public.groups, world.interface(world.interface_named("old-1").unwrap()).groups);
    assert_eq!(world.instances[0].interfaces.len(), 3);
    assert_eq!(world.instances[0].account.0, 0);
    assert_eq!(world.instances[1].account.0, 0);
}

#[test]
fn what_is_served() {
    let scenario = words();
    let serves = |name: &str| scenario.serves[&port(&scenario, name)].clone();
    let web = [(80, Application::Http), (8443, Application::Https), (2222, Application::Ssh)];
    assert_eq!(serves("web-1"), web);
    assert_eq!(serves("web-1/eth1"), [(6379, Application::Redis)]);
    assert_eq!(serves("web-1/eth2"), web);
    assert_eq!(serves("old-1/public"), [(22, Application::Ssh)]);
    assert_eq!(serves("farm"), [(8080, Application::Http)]);
    assert_eq!(serves("dns@classic"), [(53, Application::Dns)]);
    assert_eq!(serves("visitor"), []);
    let world = &scenario.fabric.world;
    assert_eq!(scenario.serves.len(), world.interfaces.len() + world.outside.len());
}

#[test]
fn groups_rules_and_lists() {
    let scenario = words();
    let policies = &scenario.fabric.policies;
    let group = &policies.groups[0];
    assert_eq!(group.same_group, SameGroup::Drop);
    assert_eq!(group.account.0, 0);
    let ids: Vec<&str> = group.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["sg-a/1", "sg-a/2", "rule-five", "sg-a/4", "sg-a/5"]);
    let lines: Vec<u32> = group.rules.iter().map(|rule| rule.origin.line).collect();
    assert_eq!(lines, [63, 64, 65, 66, 67]);
    assert_eq!(group.rules[2].own_addresses.len(), 1);
    assert_eq!(group.rules[2].source_ports.len(), 1);
    assert_eq!(policies.groups[1].account.0, 0);
    assert_eq!(policies.prefix_lists[0].max_entries, 5);
    assert_eq!(policies.port_lists[0].max_entries, 3);
}

#[test]
fn links() {
    let scenario = words();
    let link = |name: &str| scenario.links[&port(&scenario, name)];
    let default = LinkConfig { delay: Duration::from_millis(1), ..LinkConfig::default() };
    assert_eq!(link("visitor"), default);
    assert_eq!(link("web-1/eth1"), default);
    let own =
        LinkConfig { delay: Duration::from_millis(2), loss: 0.01, bandwidth_bps: Some(10_000_000) };
    assert_eq!(link("web-1"), own);
    for name in ["dns@vpc-a", "dns@vpc-b", "dns@classic"] {
        assert_eq!(scenario.links.get(&port(&scenario, name)), None, "{name} is as by default");
    }
}

#[test]
fn generators() {
    let traffic = words().traffic;
    let [load, farm, mix, sweep, flood] = traffic.as_slice() else { panic!("{traffic:?}") };
    assert_eq!((load.name.as_str(), load.flows, load.rate), ("load", 16, 1000));
    assert_eq!(
        (&load.frame_lens[..], load.start, load.duration),
        (&[256][..], Instant::from_ms(1000), secs(10))
    );
    assert_eq!((load.probe.protocol, load.probe.target_port), (Protocol::UDP, 7));
    assert_eq!((farm.name.as_str(), farm.flows), ("farm -> web-1 tcp/80", 1));
    assert_eq!((&farm.frame_lens[..], farm.start), (&[128][..], Instant::START));
    assert_eq!((farm.popularity, farm.new_flows), (Popularity::Uniform, 0));
    assert_eq!(farm.sweep.targets(), 1);
    assert_eq!((mix.popularity, mix.new_flows), (Popularity::Zipf(1.2), 50));
    assert_eq!(mix.frame_lens, [vec![60; 7], vec![566; 4], vec![1_514]].concat());
    assert_eq!(
        (sweep.sweep, &sweep.frame_lens[..]),
        (Sweep { hosts: 2, ports: 10 }, &[60, 90][..])
    );
    assert_eq!((flood.new_flows, flood.rate, flood.flows), (300, 300, 1));
}

#[test]
fn changes_come_in_time_order_each_under_the_rules_of_its_moment() {
    let scenario = words();
    let changes: Vec<String> = scenario
        .changes
        .iter()
        .map(|it| {
            let what = match &it.change {
                Change::Rules(_, rules) => {
                    let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
                    ids.join(" ")
                }
                Change::Rule(_, rule) => rule.id.clone(),
                Change::Members(interface, groups) => format!("{interface:?} {groups:?}"),
                Change::PrefixList(_, entries) => format!("{entries:?}"),
                Change::PortList(_, entries) => format!("{entries:?}"),
                Change::Timeouts(_, timeouts) => format!("{:?} {:?}", timeouts.udp, timeouts.icmp),
            };
            format!("{} {}: {what}", it.at.as_ms(), it.summary)
        })
        .collect();
    assert_eq!(
        changes,
        [
            "10000 rules of sg-a: sg-a/1 sg-a/2",
            "20000 timeouts of web-1: 60s 1s",
            "30000 rules of sg-a: sg-a/1 sg-a/2 sg-a/3",
            "40000 rules of sg-a: sg-a/2 sg-a/3",
            "50000 members: old-1: InterfaceIndex(4) [GroupIndex(2)]",
            "50000 members: old-1: InterfaceIndex(5) [GroupIndex(2)]",
            "60000 entries of pl-offices: [203.0.113.0/25]",
            "60000 entries of prl-web: [PortRange { first: 8080, last: 8080 }]",
        ]
    );
}

#[test]
fn expectations() {
    let scenario = words();
    let first = &scenario.expectations[0];
    assert_eq!((first.name.as_str(), first.note.as_str()), ("everything", "A note."));
    assert_eq!((first.application, first.bare, first.allowed), (None, true, true));
    assert_eq!(first.rule.as_deref(), Some("sg-a/1"));
    assert_eq!(first.because.as_deref(), Some("rule"));
    assert_eq!(first.stage.as_deref(), Some("inbound"));
    assert_eq!(first.sees, Some(Seen::Connected));
    assert_eq!(first.at, Some(Instant::from_ms(1000)));
    let session = first.session.unwrap();
    assert_eq!((session.kept, session.interval), (true, secs(1)));
    assert_eq!(session.until, Instant::from_ms(9000));
    assert_eq!((first.probe.source_port, first.probe.network), (1234, Some(Reach::Internet)));
    let second = &scenario.expectations[1];
    assert_eq!(second.name, "web-1 -> visitor udp/53");
    assert_eq!((second.application, second.bare), (Some(Application::Dns), false));
    assert!(!second.session.unwrap().kept);
    let packets: Vec<String> = scenario
        .expectations
        .iter()
        .map(|it| {
            let packet = resolve(&scenario.fabric.world, &it.probe).unwrap();
            let port = scenario.fabric.world.place_name(packet.port);
            match packet.icmp {
                Some((kind, code)) => format!("{port}: {} {kind}/{code}", packet.tuple),
                None => format!("{port}: {}", packet.tuple),
            }
        })
        .collect();
    assert_eq!(
        packets,
        [
            "visitor: tcp 203.0.113.7:1234 > 47.96.10.1:80",
            "web-1: udp 172.16.1.10:40000 > 203.0.113.7:53",
            "visitor: icmp 203.0.113.7 > 47.96.10.1 8/0",
            "visitor: icmp 203.0.113.7 > 47.96.10.1 13/0",
            "visitor: icmpv6 2001:db8:7::7 > 2408:4005:1::10 128/0",
            "visitor: tcp [2001:db8:7::7]:40000 > [2408:4005:1::10]:80",
            "desk: gre 10.50.0.5 > 172.16.1.10",
            "intranet of vpc-a: protocol 50 172.16.1.99 > 172.16.1.10",
            "web-1/eth1: tcp 192.168.1.10:40000 > 172.17.1.10:22",
            "dns@vpc-b: udp 100.100.2.136:40000 > 172.17.1.10:53",
            "old-1: udp 10.1.0.10:40000 > 100.100.2.136:53",
            "visitor: tcp 203.0.113.7:40000 > 47.98.1.10:22",
        ]
    );
    let Party::Address { address, network } = &scenario.expectations[7].probe.from else {
        panic!("{:?}", scenario.expectations[7].probe)
    };
    assert_eq!(*address, "172.16.1.99".parse::<IpAddr>().unwrap());
    assert_eq!(*network, Some(Network::Vpc(VpcIndex(0))));
    assert_eq!(scenario.expectations[5].probe.family, Family::Ipv6);
}

#[test]
fn json_is_yaml() {
    let text = r#"{"title": "As JSON", "vpcs": [{"id": "v", "cidr": "10.0.0.0/16"}]}"#;
    let scenario = load(Source::new("t.json", text)).unwrap();
    assert_eq!((scenario.title.as_str(), scenario.fabric.world.vpcs.len()), ("As JSON", 1));
}

/// Reads YAML as the schema's users do.
fn as_json(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_schema_takes_what_the_reader_takes_and_refuses_what_it_refuses() {
    let schema = json_schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let check = |text: &str| {
        let errors: Vec<String> =
            validator.iter_errors(&as_json(text)).map(|error| error.to_string()).collect();
        errors.join("; ")
    };
    assert_eq!(check(include_str!("words.yaml")), "");
    let mut shipped = 0;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios");
    for folder in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(check(&std::fs::read_to_string(&path).unwrap()), "", "{}", path.display());
            shipped += 1;
        }
    }
    assert!(shipped >= 20, "{shipped}");
    for wrong in ["{}", "title: a\nvpc: []", "title: a\nexpect: [ { from: a, to: b } ]"] {
        assert_ne!(check(wrong), "", "{wrong}");
    }
}
