//! What a VPC flow log would hold of a run: a record for each flow, network interface, direction
//! and action in a capture window.
//!
//! Owns the fields and their order (specification, part 10). Times count from the start of the run.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use ringfence_cloud::{InterfaceIndex, Network, Reach, World};
use ringfence_frame::{Body, Direction, Family, Instant, Transport, Tuple, parse};
use ringfence_runtime::simulated::{CapturedFrame, LoggedVerdict};
use ringfence_switch::{FrameId, Side};

use crate::paper;
use crate::runner::RunOutput;

/// The fields, in their order.
pub const FIELDS: &str = "version vswitch-id vm-id vpc-id account-id eni-id region srcaddr \
                          srcport dstaddr dstport protocol direction packets bytes start end \
                          log-status action tcp-flags traffic_path";

/// Length of a capture window.
const WINDOW_MS: u64 = 60_000;
const ETHERNET_LEN: usize = 14;
/// What has no value.
const NONE: &str = "-";

/// What makes a record of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    window: u64,
    interface: InterfaceIndex,
    direction: Direction,
    tuple: Tuple,
    accepted: bool,
    over_internet: bool,
}

/// What is counted under it.
#[derive(Clone, Copy, Debug)]
struct Record {
    packets: u64,
    bytes: u64,
    first: Instant,
    last: Instant,
    tcp_flags: u8,
}

/// Writes the records of a run, a line each, in the order of their windows and interfaces. TCP
/// flags are known only if the run kept its frames.
///
/// # Errors
/// What the stream says.
pub fn write(output: &RunOutput, to: &mut impl Write) -> io::Result<()> {
    for (key, record) in records(output) {
        let world = &output.fabric_at(record.first).world;
        line(world, &key, &record, to)?;
    }
    Ok(())
}

fn records(output: &RunOutput) -> BTreeMap<Key, Record> {
    let flags = tcp_flags(&output.frames);
    let mut records = BTreeMap::new();
    for logged in &output.verdicts {
        let Some(tuple) = logged.verdict.tuple else { continue };
        let world = &output.fabric_at(logged.at).world;
        let route = world.locate(logged.port, tuple.source, tuple.target);
        let over_internet = route.as_ref().is_ok_and(|route| route.reach == Reach::Internet);
        let arrived = paper::as_it_arrives(&route, tuple);
        let flags = flags.get(&logged.frame).copied().unwrap_or(0);
        let sides = [
            (logged.verdict.outbound, Direction::Outbound, tuple),
            (logged.verdict.inbound, Direction::Inbound, arrived),
        ];
        for (side, direction, tuple) in sides {
            let Some(Side { interface, allowed, .. }) = side else { continue };
            let window = logged.at.as_ms() / WINDOW_MS;
            let key = Key { window, interface, direction, tuple, accepted: allowed, over_internet };
            note(records.entry(key), logged, flags);
        }
    }
    records
}

fn note(
    entry: std::collections::btree_map::Entry<'_, Key, Record>,
    logged: &LoggedVerdict,
    flags: u8,
) {
    let record = entry.or_insert(Record {
        packets: 0,
        bytes: 0,
        first: logged.at,
        last: logged.at,
        tcp_flags: 0,
    });
    record.packets += 1;
    record.bytes += logged.len.saturating_sub(ETHERNET_LEN) as u64;
    record.last = logged.at;
    record.tcp_flags |= flags;
}

/// The TCP flags of each frame that came in, to be looked up only.
fn tcp_flags(frames: &[CapturedFrame]) -> HashMap<FrameId, u8> {
    let taken_in = frames.iter().filter(|frame| frame.direction == Direction::Outbound);
    let flags = taken_in.filter_map(|frame| {
        let Body::Ip(ip) = parse(&frame.bytes).ok()?.body else { return None };
        match ip.transport {
            Transport::Tcp(tcp) => Some((frame.frame?, tcp.flags.0)),
            _ => None,
        }
    });
    flags.collect()
}

fn line(world: &World, key: &Key, record: &Record, to: &mut impl Write) -> io::Result<()> {
    let Key { interface, direction, tuple, accepted, over_internet, window: _ } = *key;
    let eni = world.interface(interface);
    let instance = &world.instances[eni.instance.as_usize()];
    let vswitch = eni.vswitch.map_or(NONE, |index| &world.vswitches[index.as_usize()].id);
    let vpc = match eni.network {
        Network::Vpc(vpc) => &world.vpcs[vpc.as_usize()].id,
        Network::ClassicInternal | Network::ClassicPublic => NONE,
    };
    let (source_port, target_port) = match tuple.protocol.has_ports() {
        true => (tuple.source_port, tuple.target_port),
        false => (0, 0),
    };
    let direction = match direction {
        Direction::Inbound => "in",
        Direction::Outbound => "out",
    };
    let path = match (over_internet, tuple.family()) {
        (true, Family::Ipv4) => "ipv4Gateway",
        (true, Family::Ipv6) | (false, _) => NONE,
    };
    writeln!(
        to,
        "1 {vswitch} {} {vpc} {} {} {NONE} {} {source_port} {} {target_port} {} {direction} {} \
         {} {} {} OK {} {} {path}",
        instance.id,
        world.accounts[instance.account.as_usize()],
        eni.name,
        tuple.source,
        tuple.target,
        tuple.protocol.0,
        record.packets,
        record.bytes,
        record.first.as_ms() / 1_000,
        record.last.as_ms() / 1_000,
        if accepted { "ACCEPT" } else { "REJECT" },
        record.tcp_flags,
    )
}
