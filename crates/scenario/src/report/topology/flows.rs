//! The flows of a run as arrows: who to whom, and where the way ended.
//!
//! Owns which flows share an arrow. Where arrows run is decided in `layout`.

use std::collections::BTreeMap;

use super::picture::NodeIndex;
use crate::answer::Answer;
use crate::report::units;
use crate::runner::report::{ExpectationReport, RunReport, Status};

/// Arrows that are drawn; the others are counted.
const ARROWS_MAX: usize = 60;

/// Where a way ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Ending {
    /// At the receiver.
    Arrives,
    /// At the receiver, where nobody listens.
    Refused,
    /// At the sender's interface.
    AtSender,
    /// At the receiver's interface.
    AtReceiver,
    /// On the way.
    Between,
}

/// One end of an arrow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Sender,
    Receiver,
}

/// One flow of the run.
pub(super) struct Flow {
    /// The name of the node that sends.
    pub(super) from: String,
    /// The name of the node that is to receive.
    pub(super) to: String,
    ending: Ending,
    decided: End,
    failed: bool,
    words: String,
}

/// Flows between two nodes that end alike.
pub(super) struct Arrow {
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
    pub(super) ending: Ending,
    /// The end at which the verdict fell; its interface wears the label.
    pub(super) decided: End,
    /// Whether one of them was expected to end otherwise.
    pub(super) failed: bool,
    /// What flows: `tcp/80`, `icmp`.
    pub(super) words: Vec<String>,
    /// All of it in a sentence.
    pub(super) title: String,
}

impl Ending {
    /// Its class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Ending::Arrives => "allow",
            Ending::Refused => "closed",
            Ending::AtSender | Ending::AtReceiver | Ending::Between => "deny",
        }
    }

    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Ending::Arrives => "allowed",
            Ending::Refused => "allowed, and refused by a closed port (RST)",
            Ending::AtSender => "denied at the sender's interface, silently",
            Ending::AtReceiver => "denied at the receiver's interface, silently",
            Ending::Between => "not delivered",
        }
    }
}

/// The flows of a run: expectations and generators.
pub(super) fn flows(run: &RunReport) -> Vec<Flow> {
    let names = Names::of(run);
    let expected = run.expectations.iter().filter_map(|it| expected(run, &names, it));
    let generated = run.generators.iter().filter_map(|generator| {
        let answer = generator.verdict.as_ref()?;
        let (ending, decided) = ending(answer, None);
        Some(Flow {
            from: names.sender(&generator.from, answer, None),
            to: names.receiver(&generator.to, answer, None),
            ending,
            decided,
            failed: false,
            words: format!("{} load", generator.protocol),
        })
    });
    expected.chain(generated).collect()
}

fn expected(run: &RunReport, names: &Names<'_>, expectation: &ExpectationReport) -> Option<Flow> {
    let answer = expectation.frames.as_ref().or(expectation.paper.as_ref())?;
    let packet = expectation.packet.as_ref();
    let seen = expectation.guest.as_ref().and_then(|guest| guest.seen);
    let (ending, decided) = ending(answer, seen);
    let mut words = expectation.protocol.clone();
    if packet.is_some_and(|packet| packet.source.contains(':')) && words != "icmpv6" {
        words.push_str(" v6");
    }
    if expectation.to.ends_with("/public") {
        words.push_str(" public");
    }
    if !run.changes.is_empty() {
        words.push_str(&format!(" @{}", units::duration(expectation.at_ns)));
    }
    Some(Flow {
        from: names.sender(&expectation.from, answer, packet.map(|it| it.source.as_str())),
        to: names.receiver(&expectation.to, answer, packet.map(|it| it.target.as_str())),
        ending,
        decided,
        failed: expectation.status == Status::Failed,
        words,
    })
}

fn ending(answer: &Answer, seen: Option<&str>) -> (Ending, End) {
    let ending = match (answer.allowed(), answer.stage) {
        (true, _) if seen == Some("refused") => Ending::Refused,
        (true, _) => Ending::Arrives,
        (false, "outbound") => Ending::AtSender,
        (false, "inbound") => Ending::AtReceiver,
        (false, _) => Ending::Between,
    };
    let decided = match ending {
        Ending::AtSender => End::Sender,
        Ending::AtReceiver => End::Receiver,
        Ending::Between if answer.outbound.is_some() => End::Sender,
        _ if answer.inbound.is_some() => End::Receiver,
        _ if answer.outbound.is_some() => End::Sender,
        _ => End::Receiver,
    };
    (ending, decided)
}

/// Who is meant by what flows say.
struct Names<'a> {
    /// Port names by themselves and by addresses.
    ports: BTreeMap<&'a str, &'a str>,
}

impl<'a> Names<'a> {
    fn of(run: &'a RunReport) -> Names<'a> {
        let mut ports = BTreeMap::new();
        let topology = &run.topology;
        let interfaces = topology.instances.iter().flat_map(|it| &it.interfaces);
        for interface in interfaces.clone() {
            ports.insert(interface.interface.as_str(), interface.interface.as_str());
        }
        for host in &topology.outside {
            ports.insert(host.name.as_str(), host.name.as_str());
        }
        for host in &topology.outside {
            for address in &host.addresses {
                ports.entry(address).or_insert(host.name.as_str());
            }
        }
        for interface in interfaces {
            for address in interface.public_ip.iter().chain(&interface.addresses) {
                ports.entry(address).or_insert(interface.interface.as_str());
            }
        }
        Names { ports }
    }

    /// A port's name for what a flow says, an address if it has none.
    fn named(&self, said: &str, address: Option<&str>) -> String {
        let bare = said.strip_suffix("/public").or_else(|| said.strip_suffix("/private"));
        let names = std::iter::once(said).chain(bare).chain(address);
        let mut known = names.filter_map(|name| self.ports.get(name));
        known.next().map_or_else(|| address.unwrap_or(said).to_owned(), |&name| name.to_owned())
    }

    fn sender(&self, said: &str, answer: &Answer, address: Option<&str>) -> String {
        match &answer.outbound {
            Some(side) => side.interface.clone(),
            None => self.named(said, address),
        }
    }

    fn receiver(&self, said: &str, answer: &Answer, address: Option<&str>) -> String {
        let port = answer.to.as_deref().and_then(|to| self.ports.get(to));
        match (port, &answer.to) {
            (Some(&port), _) => port.to_owned(),
            // somebody at the edge of the world, known by address alone
            (None, Some(_)) => address.unwrap_or(said).to_owned(),
            (None, None) => self.named(said, address),
        }
    }
}

/// Flows gathered into arrows, in the order of their first, and what is not drawn, in words.
pub(super) fn arrows(
    flows: Vec<Flow>,
    nodes: &BTreeMap<String, NodeIndex>,
) -> (Vec<Arrow>, Option<String>) {
    let mut places: BTreeMap<(NodeIndex, NodeIndex, Ending, bool), usize> = BTreeMap::new();
    let mut arrows: Vec<(Arrow, String, String)> = Vec::new();
    let mut left_out = 0_usize;
    for Flow { from, to, ending, decided, failed, words } in flows {
        let (Some(&sender), Some(&receiver)) = (nodes.get(&from), nodes.get(&to)) else {
            left_out += 1;
            continue;
        };
        let key = (sender, receiver, ending, failed);
        let place = match places.get(&key) {
            Some(&place) => place,
            None if arrows.len() == ARROWS_MAX => {
                left_out += 1;
                continue;
            }
            None => {
                places.insert(key, arrows.len());
                let arrow = Arrow {
                    from: sender,
                    to: receiver,
                    ending,
                    decided,
                    failed,
                    words: Vec::new(),
                    title: String::new(),
                };
                arrows.push((arrow, from, to));
                arrows.len() - 1
            }
        };
        let gathered = &mut arrows[place].0.words;
        if !gathered.contains(&words) {
            gathered.push(words);
        }
    }
    let arrows = arrows.into_iter().map(|(mut arrow, from, to)| {
        let words = arrow.words.join(", ");
        let mark = if arrow.failed { "; not as expected" } else { "" };
        arrow.title = format!("{from} to {to}, {words}: {}{mark}", arrow.ending.words());
        arrow
    });
    let words = match left_out {
        0 => None,
        1 => Some("One more flow is in the table below, and not in the picture.".to_owned()),
        many => Some(format!("{many} more flows are in the table below, and not in the picture.")),
    };
    (arrows.collect(), words)
}
