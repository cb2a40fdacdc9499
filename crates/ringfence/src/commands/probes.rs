//! Questions from the words of a command line.

use ringfence_cloud::{Reach, World};
use ringfence_frame::{Family, Protocol};
use ringfence_scenario::probe::{Party, Probe, ProbeError, Resolved, parse_parties, resolve};
use ringfence_scenario::probes::protocol_named;

use crate::cli::{CanReachArgs, FamilyArg, NetworkArg, PacketArgs};
use crate::outcome::Failure;

/// The protocol of a packet, with what belongs to it.
struct Kind {
    protocol: Protocol,
    target_port: Option<u16>,
    icmp: Option<(u8, u8)>,
}

/// The packet of `explain`.
pub(crate) fn from_packet(world: &World, args: &PacketArgs) -> Result<Resolved, Failure> {
    let kind = kind(args)?;
    let (Some(from), Some(to)) = (&args.from, &args.to) else {
        return Err(Failure::Usage("--from and --to are needed".to_owned()));
    };
    let picks = Picks {
        source_port: args.source_port,
        network: args.network.map(reach),
        family: args.family.map(family),
    };
    concrete(world, (from, to), kind, picks)
}

/// The packet of `can-reach`.
pub(crate) fn from_can_reach(world: &World, args: &CanReachArgs) -> Result<Resolved, Failure> {
    let kind = kind_in_words(&args.what)?;
    let picks = Picks {
        source_port: args.source_port,
        network: args.network.map(reach),
        family: args.family.map(family),
    };
    concrete(world, (&args.from, &args.to), kind, picks)
}

struct Picks {
    source_port: u16,
    network: Option<Reach>,
    family: Option<Family>,
}

fn concrete(
    world: &World,
    (from, to): (&str, &str),
    kind: Kind,
    picks: Picks,
) -> Result<Resolved, Failure> {
    let Kind { protocol, target_port, icmp } = kind;
    if protocol.has_ports() && target_port.is_none() {
        return Err(ProbeError::NoTargetPort(protocol).into());
    }
    if !protocol.has_ports() && target_port.is_some() {
        return Err(Failure::Usage(format!("{protocol} has no ports")));
    }
    let (from, to) = parse_parties(world, from, to);
    let (from, to) = (from?, to?);
    let implied = match protocol {
        Protocol::ICMPV6 => Family::Ipv6,
        _ => written_family(&from).or(written_family(&to)).unwrap_or(Family::Ipv4),
    };
    let probe = Probe {
        from,
        to,
        protocol,
        source_port: picks.source_port,
        target_port: target_port.unwrap_or(0),
        icmp,
        family: picks.family.unwrap_or(implied),
        network: picks.network,
    };
    Ok(resolve(world, &probe)?)
}

/// The family of a party that was written as an address.
fn written_family(party: &Party) -> Option<Family> {
    match party {
        Party::Address { address, .. } => Some(Family::of(*address)),
        Party::Interface { .. } | Party::Outside(_) => None,
    }
}

fn kind(args: &PacketArgs) -> Result<Kind, Failure> {
    let words = &args.protocol;
    let (protocol, target_port) = match (words.tcp, words.udp, words.protocol) {
        (Some(port), _, _) => (Protocol::TCP, Some(port)),
        (_, Some(port), _) => (Protocol::UDP, Some(port)),
        (_, _, Some(number)) => (Protocol(number), args.target_port),
        _ if words.icmp => (Protocol::ICMP, None),
        _ if words.icmpv6 => (Protocol::ICMPV6, None),
        _ if words.gre => (Protocol::GRE, None),
        _ => {
            let choices = "--tcp, --udp, --icmp, --icmpv6, --gre or --protocol";
            return Err(Failure::Usage(format!("say which packet: {choices}")));
        }
    };
    let icmp = icmp_of(protocol).map(|(icmp_type, code)| {
        (args.icmp_type.unwrap_or(icmp_type), args.icmp_code.unwrap_or(code))
    });
    if icmp.is_none() && (args.icmp_type.is_some() || args.icmp_code.is_some()) {
        let advice = "--icmp-type and --icmp-code go with --icmp or --icmpv6";
        return Err(Failure::Usage(advice.to_owned()));
    }
    Ok(Kind { protocol, target_port, icmp })
}

/// `tcp/3306`, `icmp`, `gre`, `47`
fn kind_in_words(words: &str) -> Result<Kind, Failure> {
    let wrong = || {
        let examples = "tcp/3306, udp/53, icmp, icmpv6, gre or a protocol's number";
        Failure::Usage(format!("`{words}` is none of {examples}"))
    };
    let (name, port) = match words.split_once('/') {
        Some((name, port)) => (name, Some(port.parse::<u16>().map_err(|_| wrong())?)),
        None => (words, None),
    };
    let protocol = protocol_named(name).ok_or_else(wrong)?;
    match protocol.has_ports() == port.is_some() {
        true => Ok(Kind { protocol, target_port: port, icmp: icmp_of(protocol) }),
        false => Err(wrong()),
    }
}

/// "8 and 0 if left out, 128 and 0 for ICMPv6"
fn icmp_of(protocol: Protocol) -> Option<(u8, u8)> {
    match protocol {
        Protocol::ICMP => Some((8, 0)),
        Protocol::ICMPV6 => Some((128, 0)),
        _ => None,
    }
}

fn reach(network: NetworkArg) -> Reach {
    match network {
        NetworkArg::Internet => Reach::Internet,
        NetworkArg::Intranet => Reach::Internal,
    }
}

fn family(family: FamilyArg) -> Family {
    match family {
        FamilyArg::Ipv4 => Family::Ipv4,
        FamilyArg::Ipv6 => Family::Ipv6,
    }
}
