//! A scenario that has been read and checked.

use std::collections::BTreeMap;
use std::time::Duration;

use ringfence_cloud::{Origin, Place};
use ringfence_endpoints::Seen;
use ringfence_endpoints::application::Application;
use ringfence_endpoints::generator::{Popularity, Sweep};
use ringfence_frame::Instant;
use ringfence_runtime::LinkConfig;
use ringfence_switch::{Change, Fabric};

use crate::diagnostic::{Diagnostic, Source};
use crate::probe::Probe;

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it shows, in a line.
    pub title: String,
    /// More of it, in sentences; may be empty.
    pub description: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The text it was read from.
    pub source: Source,
    /// World, policy, options.
    pub fabric: Fabric,
    /// What listens where: the guests of the simulated world. Every interface and named outside
    /// host has a guest, with an empty list if it serves nothing.
    pub serves: BTreeMap<Place, Vec<(u16, Application)>>,
    /// Who lives on a real machine, in file order.
    pub attached: Vec<Attached>,
    /// Links that differ from the default.
    pub links: BTreeMap<Place, LinkConfig>,
    /// Generators.
    pub traffic: Vec<Traffic>,
    /// Changes, in time order.
    pub changes: Vec<TimedChange>,
    /// Expectations, in file order.
    pub expectations: Vec<Expectation>,
    /// Warnings found on the way.
    pub warnings: Vec<Diagnostic>,
}

/// A port that a real machine has.
#[derive(Clone, PartialEq, Debug)]
pub struct Attached {
    /// The port.
    pub place: Place,
    /// By what.
    pub to: AttachedTo,
    /// Where it was said.
    pub origin: Origin,
}

/// How a real machine has a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AttachedTo {
    /// A TAP device of this name in a network namespace of its own.
    Tap(String),
    /// An interface of the machine.
    Interface(String),
}

/// A generator's order.
#[derive(Clone, PartialEq, Debug)]
pub struct Traffic {
    /// Name in reports.
    pub name: String,
    /// What each frame is (from, to, protocol, target port).
    pub probe: Probe,
    /// Number of flows.
    pub flows: u16,
    /// How often each flow is picked.
    pub popularity: Popularity,
    /// How many frames a second are the first of a new flow; as many as there are: a SYN flood.
    pub new_flows: u64,
    /// Targets, one after the other.
    pub sweep: Sweep,
    /// Frames a second.
    pub rate: u64,
    /// Frame lengths in bytes, each as often as the others.
    pub frame_lens: Vec<usize>,
    /// First frame.
    pub start: Instant,
    /// For how long.
    pub duration: Duration,
    /// Where it was said.
    pub origin: Origin,
}

/// A change at a time. Validated under the rules of that moment.
#[derive(Clone, Debug)]
pub struct TimedChange {
    /// When.
    pub at: Instant,
    /// What.
    pub change: Change,
    /// In a few words, for reports: `rules of sg-web`, `members of web-1`.
    pub summary: String,
    /// Where it was said.
    pub origin: Origin,
}

/// What should happen.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// A name for it in reports; `from -> to tcp/80` if the file gives none.
    pub name: String,
    /// Why it is so, in a sentence, for learners; may be empty.
    pub note: String,
    /// The first packet.
    pub probe: Probe,
    /// When it is sent; the runner chooses if absent.
    pub at: Option<Instant>,
    /// What the guests speak; `None`: what the target serves on that port, or a bare connection.
    pub application: Option<Application>,
    /// The connection alone, whatever the target serves (`application: none`).
    pub bare: bool,
    /// Allowed or denied.
    pub allowed: bool,
    /// The deciding rule, by id (`sg-web/1`).
    pub rule: Option<String>,
    /// Why, by the stable name (`rule`, `default`, `same-group`, ...).
    pub because: Option<String>,
    /// The stage at which the verdict falls, by its stable name.
    pub stage: Option<String>,
    /// What the guest at `from` sees.
    pub sees: Option<Seen>,
    /// Keeps the flow alive until then, a round every `keep_alive`, and says what became of it.
    pub session: Option<SessionExpectation>,
    /// Where it was said.
    pub origin: Origin,
}

/// What should become of a flow that is kept going.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpectation {
    /// Between two rounds.
    pub interval: Duration,
    /// The last round starts no later than this.
    pub until: Instant,
    /// Whether the last round is answered (kept) or not (cut).
    pub kept: bool,
}

impl Scenario {
    /// How many errors there are in `warnings` besides warnings: none, by construction.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }
}
