//! Frames from captures through the switch on the virtual clock: no guests, no links.
//!
//! Owns the order in which frames, changes and deadlines meet, and what is told of each frame.
//! Captures come read and go out as bytes; files are the caller's.

mod order;
mod rules;

use std::collections::BTreeMap;
use std::io::{self, Write};

use ringfence_cloud::{Place, World};
use ringfence_frame::capture;
use ringfence_frame::{Direction, Instant};
use ringfence_switch::{Delivery, Fabric, FrameId, Silent, Switch, Verdict};
use serde::Serialize;

use crate::answer::{Answer, FORMAT_VERSION};
use crate::captures::{FABRICS_OWN, comment, file_stem};
use crate::diagnostic::suggestion;
use crate::model::TimedChange;
use crate::record::Record;
use order::{Frames, in_order};
use rules::RecentRules;

/// What came in at a port.
#[derive(Clone, Debug)]
pub struct Input {
    /// The port.
    pub port: Place,
    /// The file, as the user named it.
    pub file: String,
    /// Its records, in file order.
    pub records: Vec<capture::Record>,
}

/// Why a capture cannot be replayed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayError {
    /// A frame that is not whole.
    #[error("{file}: record {record}: the capture holds {len} bytes and not the whole frame")]
    CutOff {
        /// The file.
        file: String,
        /// Which record, counted from 1.
        record: usize,
        /// Bytes that are there.
        len: usize,
    },
    /// No such port.
    #[error("`{name}` is no port of this scenario{suggestion}")]
    UnknownPort {
        /// What was written.
        name: String,
        /// `; did you mean ...`, or empty.
        suggestion: String,
    },
}

/// What a replay came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Summary {
    /// Frames let through, or answered by the fabric.
    pub allowed: u64,
    /// Changes that came before the last frame.
    pub changes: u64,
    /// Frames dropped, by reason.
    pub denied: BTreeMap<&'static str, u64>,
    /// Version of this shape.
    pub format_version: &'static str,
    /// Frames taken.
    pub frames: u64,
    /// Frames that came out, by port.
    pub frames_out: BTreeMap<String, u64>,
    /// Halves of flows that a change has cut.
    pub sessions_cut: u64,
    /// Halves of flows that opened.
    pub sessions_opened: u64,
    /// Frames passed over because they were sent to the port, not from it.
    pub skipped: u64,
}

/// What a replay leaves.
#[derive(Debug)]
pub struct Replayed {
    /// In numbers.
    pub summary: Summary,
    /// A capture (pcapng) of what came out at each port at which anything did, by file name.
    pub captures: BTreeMap<String, Vec<u8>>,
}

/// Reads the name of a port: "instance ids (`web-1`, `web-1/eth1`; `web-1/public` for a classic
/// public NIC) and ids of outside hosts".
///
/// # Errors
/// [`ReplayError::UnknownPort`] with a suggestion.
pub fn parse_port(world: &World, name: &str) -> Result<Place, ReplayError> {
    let interface = world.interface_named(name).map(Place::Interface);
    let port = interface.or_else(|| world.outside_named(name).map(Place::Outside));
    port.ok_or_else(|| {
        let interfaces = world.interfaces.iter().map(|it| it.name.as_str());
        let outside = world.outside.iter().map(|it| it.name.as_str());
        // both addresses of an instance in a VPC are behind one port
        let instance = name.split_once('/').map(|(instance, _)| instance);
        let instance = instance.filter(|instance| world.interface_named(instance).is_some());
        let near = instance.or_else(|| suggestion(name, interfaces.chain(outside)));
        ReplayError::UnknownPort {
            name: name.to_owned(),
            suggestion: near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default(),
        }
    })
}

/// Sends the frames of all inputs through a switch: "frames are taken in order of (time, port name,
/// place in the file); time is ns since the earliest frame of all inputs". `changes`, in time
/// order, come "before the frames of that moment". A verdict a frame goes to `verdicts`, a line
/// each, in the order of the frames. `go_on` is asked before each frame; false ends the replay
/// there.
///
/// # Errors
/// What `verdicts` says. Captures that are not whole are refused by [`check`].
pub fn replay(
    fabric: &Fabric,
    inputs: &[Input],
    changes: &[TimedChange],
    verdicts: &mut impl Write,
    go_on: &mut dyn FnMut() -> bool,
) -> io::Result<Replayed> {
    let frames = in_order(&fabric.world, inputs);
    let mut replay = Replay {
        frames: &frames,
        recent: RecentRules::default(),
        switch: Switch::new(fabric.clone()),
        verdicts,
        due: 1,
        waiting: BTreeMap::new(),
        allowed: 0,
        denied: BTreeMap::new(),
        captures: BTreeMap::new(),
    };
    let mut changes = changes.iter().peekable();
    let mut taken = 0;
    let mut changed = 0;
    for (id, frame) in (1..).zip(&frames.taken) {
        if !go_on() {
            break;
        }
        while let Some(change) = changes.next_if(|change| change.at <= frame.at) {
            replay.recent.keep(replay.switch.fabric(), change.at);
            replay.switch.apply(change.change.clone(), change.at);
            changed += 1;
        }
        replay.take(id)?;
        taken = id;
    }
    replay.settle(taken)?;
    replay.finish(taken, changed)
}

/// Refuses captures that hold less than whole frames.
///
/// # Errors
/// [`ReplayError::CutOff`] for the first one.
pub fn check(world: &World, inputs: &[Input]) -> Result<(), ReplayError> {
    for Input { file, records, .. } in inputs {
        let taken = (1..).zip(records).filter(|(_, record)| !order::is_skipped(world, record));
        for (number, record) in taken {
            if record.cut_off {
                let (file, len) = (file.clone(), record.bytes.len());
                return Err(ReplayError::CutOff { file, record: number, len });
            }
        }
    }
    Ok(())
}

/// A replay on its way.
struct Replay<'a, W> {
    frames: &'a Frames<'a>,
    recent: RecentRules,
    switch: Switch,
    verdicts: &'a mut W,
    /// The frame whose verdict is written next.
    due: FrameId,
    /// Verdicts of frames behind one that is held.
    waiting: BTreeMap<FrameId, Record>,
    allowed: u64,
    denied: BTreeMap<&'static str, u64>,
    captures: BTreeMap<Place, Capture>,
}

struct Capture {
    writer: capture::Writer<Vec<u8>>,
    frames: u64,
}

impl<W: Write> Replay<'_, W> {
    /// Hands a frame to the switch, which first ends what has timed out by now.
    fn take(&mut self, id: FrameId) -> io::Result<()> {
        let frames = self.frames;
        let frame = frames.frame(id);
        self.recent.meet(frame.bytes, frame.at);
        let mut verdicts = Vec::new();
        self.switch.handle_frame(frame.port, id, frame.bytes, frame.at, &mut Silent, &mut verdicts);
        self.note(frame.at, verdicts)
    }

    /// Lets the clock run on until nothing is held any more.
    fn settle(&mut self, taken: FrameId) -> io::Result<()> {
        while self.due <= taken
            && let Some(deadline) = self.switch.next_deadline()
        {
            let mut verdicts = Vec::new();
            self.switch.expire(deadline, &mut Silent, &mut verdicts);
            self.note(deadline, verdicts)?;
        }
        Ok(())
    }

    /// Takes down what the switch has just said and let out.
    fn note(&mut self, now: Instant, verdicts: Vec<(FrameId, Verdict)>) -> io::Result<()> {
        while let Some(delivery) = self.switch.pull() {
            let verdict = delivery.frame().and_then(|sent| {
                verdicts.iter().find(|(id, _)| *id == sent).map(|(_, verdict)| verdict)
            });
            let comment = match verdict {
                Some(verdict) => comment(self.rules_of(verdict), verdict),
                None => FABRICS_OWN.to_owned(),
            };
            self.capture(now, &delivery, &comment)?;
        }
        for (id, verdict) in verdicts {
            match verdict.allowed {
                true => self.allowed += 1,
                false => *self.denied.entry(verdict.because.name()).or_default() += 1,
            }
            let frame = self.frames.frame(id);
            let answer = Answer::of(self.rules_of(&verdict), &verdict);
            let record = Record {
                at_ns: Some(frame.at.as_ns()),
                frame: Some(id),
                port: Some(frame.port_name.to_owned()),
                sessions_cut: verdict.sessions_cut.iter().map(|session| session.0).collect(),
                ..Record::from(answer)
            };
            self.waiting.insert(id, record);
        }
        while let Some(record) = self.waiting.remove(&self.due) {
            serde_json::to_writer(&mut *self.verdicts, &record)?;
            self.verdicts.write_all(b"\n")?;
            self.due += 1;
        }
        Ok(())
    }

    /// The world under the rules that gave a verdict: "all fragments of a packet share the verdict
    /// of the first one", also if rules change in between.
    fn rules_of(&self, verdict: &Verdict) -> &Fabric {
        self.recent.of(verdict).unwrap_or_else(|| self.switch.fabric())
    }

    fn capture(&mut self, now: Instant, delivery: &Delivery, comment: &str) -> io::Result<()> {
        let port = delivery.port();
        let capture = match self.captures.entry(port) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let name = self.switch.fabric().world.place_name(port);
                let writer = capture::Writer::new(Vec::new(), &name)?;
                entry.insert(Capture { writer, frames: 0 })
            }
        };
        capture.frames += 1;
        capture.writer.write(now, Direction::Inbound, delivery.bytes(), comment)
    }

    fn finish(self, taken: u64, changes: u64) -> io::Result<Replayed> {
        let counters = self.switch.counters();
        let halves = || counters.interfaces.values();
        let mut summary = Summary {
            allowed: self.allowed,
            changes,
            denied: self.denied,
            format_version: FORMAT_VERSION,
            frames: taken,
            frames_out: BTreeMap::new(),
            sessions_cut: halves().map(|it| it.sessions_cut).sum(),
            sessions_opened: halves().map(|it| it.sessions_opened).sum(),
            skipped: self.frames.skipped,
        };
        let mut captures = BTreeMap::new();
        for (port, Capture { writer, frames }) in self.captures {
            let name = self.switch.fabric().world.place_name(port);
            captures.insert(free_name(&captures, &file_stem(&name)), writer.finish()?);
            summary.frames_out.insert(name, frames);
        }
        Ok(Replayed { summary, captures })
    }
}

/// A file name that no other port has: `a/b` and `a_b` are two.
fn free_name(taken: &BTreeMap<String, Vec<u8>>, stem: &str) -> String {
    let numbered = (2..).map(|number| format!("{stem}-{number}.pcapng"));
    let mut names = std::iter::once(format!("{stem}.pcapng")).chain(numbered);
    names.find(|name| !taken.contains_key(name)).expect("there is always another number")
}
