//! Generators: who sends what to whom, and whether that can be.

use ringfence_cloud::Origin;
use ringfence_endpoints::generator::{Popularity, Sweep};
use ringfence_frame::{Family, Instant, Protocol};

use super::expectations::{Context, SOURCE_PORT, probe};
use crate::file::TrafficFile;
use crate::file::leaves::Located;
use crate::file::read::Findings;
use crate::model::Traffic;
use crate::probe::Probe;

/// Frame lengths without FCS that Ethernet carries.
const FRAME_BYTES: std::ops::RangeInclusive<u16> = 60..=1_514;
/// Frame length of a generator that says none.
const FRAME_BYTES_DEFAULT: u16 = 128;

/// Frames that one generator may send: what a run can hold.
const FRAMES_MAX: u128 = 5_000_000;

/// Flows of one generator, and what is left for them where others use the ports of new flows.
const FLOWS_MAX: u16 = 40_000;
const FLOWS_BESIDE_NEW_MAX: u16 = 12_768;

/// Targets of one sweep: each port of one address.
const TARGETS_MAX: u64 = 65_536;

pub(super) fn traffic(
    context: &Context<'_>,
    files: Vec<TrafficFile>,
    findings: &mut Findings,
) -> Vec<Traffic> {
    files.into_iter().filter_map(|file| generator(context, file, findings)).collect()
}

fn generator(context: &Context<'_>, file: TrafficFile, findings: &mut Findings) -> Option<Traffic> {
    let (protocol, target_port) = match (&file.tcp, &file.udp) {
        (Some(port), None) => (Protocol::TCP, port.value),
        (None, Some(port)) => (Protocol::UDP, port.value),
        _ => {
            let message = "a generator sends TCP or UDP";
            findings.error("RF0007", &file.origin, message, "give one of `tcp` and `udp`");
            return None;
        }
    };
    let frame_lens = frame_lens(&file, findings);
    let new_flows = new_flows(&file, protocol, findings);
    let flows = flows(&file, new_flows, findings);
    let sweep = sweep(&file, target_port, findings);
    let frames = u128::from(file.rate.value) * file.duration.value.as_nanos() / 1_000_000_000;
    if file.rate.value == 0 || frames > FRAMES_MAX {
        let message = format!("this generator would send {frames} frames");
        let help = format!("a rate is 1 or more; `rate` times `duration` at most {FRAMES_MAX}");
        findings.error("RF0010", &file.rate.origin, message, help);
    }
    let probe = probe(
        context,
        (&file.from, &file.to),
        |from, to| Probe {
            from,
            to,
            protocol,
            source_port: SOURCE_PORT,
            target_port,
            icmp: None,
            family: file.family.as_ref().map_or(Family::Ipv4, |family| family.value),
            network: None,
        },
        findings,
    )?;
    let name = match file.name {
        Some(name) => name.value,
        None => format!("{} -> {} {protocol}/{target_port}", file.from.value, file.to.value),
    };
    Some(Traffic {
        name,
        probe,
        flows,
        popularity: file.popularity.map_or(Popularity::Uniform, |popularity| popularity.value),
        new_flows,
        sweep,
        rate: file.rate.value,
        frame_lens,
        start: file.start.map_or(Instant::START, |start| start.value),
        duration: file.duration.value,
        origin: file.origin,
    })
}

fn frame_lens(file: &TrafficFile, findings: &mut Findings) -> Vec<usize> {
    let Some(Located { value, origin }) = &file.frame_bytes else {
        return vec![usize::from(FRAME_BYTES_DEFAULT)];
    };
    if let Some(bytes) = value.0.iter().find(|bytes| !FRAME_BYTES.contains(bytes)) {
        let message = format!("a frame of {bytes} bytes cannot be");
        let help = format!("write {} to {}", FRAME_BYTES.start(), FRAME_BYTES.end());
        findings.error("RF0010", origin, message, help);
    }
    value.0.iter().map(|&bytes| usize::from(bytes)).collect()
}

/// How many frames a second are the first of a new flow: all of a flood.
fn new_flows(file: &TrafficFile, protocol: Protocol, findings: &mut Findings) -> u64 {
    let rate = file.rate.value;
    if file.syn_flood != Some(true) {
        return match &file.new_flows {
            Some(Located { value, origin }) if *value > rate => {
                let message = format!("{value} new flows a second need more frames than {rate}");
                let help = "each is one frame of the `rate`: write at most that";
                findings.error("RF0010", origin, message, help);
                rate
            }
            given => given.as_ref().map_or(0, |given| given.value),
        };
    }
    if protocol != Protocol::TCP {
        let message = "a SYN flood is TCP";
        findings.error("RF0019", &file.origin, message, "write `tcp`, or `new_flows` for UDP");
    }
    let exclude = |key: &str, origin: &Origin, findings: &mut Findings| {
        let message = format!("a SYN flood has no `{key}`: each frame is a flow of its own");
        findings.error("RF0019", origin, message, format!("leave out `{key}` or `syn_flood`"));
    };
    if let Some(flows) = &file.flows {
        exclude("flows", &flows.origin, findings);
    }
    if let Some(popularity) = &file.popularity {
        exclude("popularity", &popularity.origin, findings);
    }
    if let Some(new_flows) = &file.new_flows {
        exclude("new_flows", &new_flows.origin, findings);
    }
    rate
}

fn flows(file: &TrafficFile, new_flows: u64, findings: &mut Findings) -> u16 {
    let Some(Located { value: flows, origin }) = &file.flows else { return 1 };
    let most = if new_flows > 0 { FLOWS_BESIDE_NEW_MAX } else { FLOWS_MAX };
    if !(1..=most).contains(flows) {
        let beside = if new_flows > 0 { " beside new ones" } else { "" };
        let message = format!("a generator cannot send {flows} flows{beside}");
        findings.error("RF0010", origin, message, format!("write 1 to {most}"));
    }
    *flows
}

fn sweep(file: &TrafficFile, target_port: u16, findings: &mut Findings) -> Sweep {
    let Some(given) = &file.sweep else { return Sweep::default() };
    let hosts = given.hosts.as_ref().map_or(1, |hosts| hosts.value);
    let ports = given.ports.as_ref().map_or(1, |ports| ports.value);
    let sweep = Sweep { hosts, ports };
    if hosts == 0 || ports == 0 || sweep.targets() > TARGETS_MAX || sweep.targets() == 1 {
        let message = format!("a sweep of {hosts} addresses and {ports} ports of each");
        let help = format!("`hosts` times `ports` is 2 to {TARGETS_MAX}");
        findings.error("RF0010", &given.origin, message, help);
    } else if u32::from(target_port) + u32::from(ports) - 1 > u32::from(u16::MAX) {
        let message = format!("{ports} ports from {target_port} on go beyond {}", u16::MAX);
        let help = format!("write `ports` up to {}", u16::MAX - target_port + 1);
        findings.error("RF0010", &given.origin, message, help);
    }
    let excluded = [
        ("flows", file.flows.as_ref().map(|it| &it.origin)),
        ("popularity", file.popularity.as_ref().map(|it| &it.origin)),
        ("new_flows", file.new_flows.as_ref().map(|it| &it.origin)),
        ("syn_flood", file.syn_flood.filter(|&it| it).map(|_| &file.origin)),
    ];
    for (key, origin) in excluded {
        let Some(origin) = origin else { continue };
        let message = format!("a sweep has no `{key}`: its flows are its targets");
        findings.error("RF0019", origin, message, format!("leave out `{key}` or `sweep`"));
    }
    sweep
}
