//! The order in which frames are taken, and which are not.

use ringfence_cloud::{Place, World};
use ringfence_frame::capture::Record;
use ringfence_frame::{Direction, Instant};
use ringfence_switch::FrameId;

use super::Input;

/// A frame to be taken.
pub(super) struct Frame<'a> {
    /// Since the earliest frame of all inputs.
    pub(super) at: Instant,
    pub(super) port: Place,
    pub(super) port_name: &'a str,
    pub(super) bytes: &'a [u8],
}

/// All frames.
pub(super) struct Frames<'a> {
    /// In order; the first one is number 1.
    pub(super) taken: Vec<Frame<'a>>,
    pub(super) skipped: u64,
}

impl Frames<'_> {
    pub(super) fn frame(&self, id: FrameId) -> &Frame<'_> {
        let place = usize::try_from(id).unwrap_or(usize::MAX).wrapping_sub(1);
        self.taken.get(place).expect("a frame is numbered when it is taken")
    }
}

/// "Frames are taken in order of (time, port name, place in the file); time is ns since the
/// earliest frame of all inputs." Two files of one port are one, in the order in which they were
/// given.
pub(super) fn in_order<'a>(world: &'a World, inputs: &'a [Input]) -> Frames<'a> {
    let records = || inputs.iter().flat_map(|input| &input.records);
    let start = records().map(|record| record.at_ns).min().unwrap_or(0);
    let mut frames = Frames { taken: Vec::new(), skipped: 0 };
    for Input { port, records, .. } in inputs {
        let port_name = port_name(world, *port);
        for record in records {
            if is_skipped(world, record) {
                frames.skipped += 1;
                continue;
            }
            let at = Instant::from_ns(record.at_ns - start);
            frames.taken.push(Frame { at, port: *port, port_name, bytes: &record.bytes });
        }
    }
    frames.taken.sort_by(|a, b| (a.at, a.port_name).cmp(&(b.at, b.port_name)));
    frames
}

/// "Frames that a capture marks as sent TO the instance (pcapng direction, or source MAC
/// ee:ff:ff:ff:ff:ff) are skipped and counted."
pub(super) fn is_skipped(world: &World, record: &Record) -> bool {
    let from_fabric =
        record.bytes.get(6..12).is_some_and(|source| source == world.platform.gateway_mac.0);
    record.direction == Some(Direction::Inbound) || from_fabric
}

fn port_name(world: &World, port: Place) -> &str {
    match port {
        Place::Interface(index) => &world.interface(index).name,
        Place::Outside(index) => &world.outside[index.as_usize()].name,
        Place::Edge(_) => "",
    }
}
