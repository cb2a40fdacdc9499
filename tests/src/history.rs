//! Random histories of a random world: conversations with their answers, resets and errors, frames that
//! nobody should send, rules and memberships that change, and time that passes in between.

use std::time::Duration;

use ringfence_cloud::{GroupIndex, InterfaceIndex, Place, World};
use ringfence_frame::batch::SLOT_LEN;
use ringfence_frame::build::{self, Envelope, IcmpError, TcpFields};
use ringfence_frame::{Protocol, TcpFlags};
use ringfence_policy::{Action, PortListIndex, PrefixListIndex, Rule, RuleRef};
use ringfence_scenario::paper;
use ringfence_scenario::probe::Resolved;
use ringfence_session::Timeouts;
use ringfence_switch::{BATCH_MAX, Change, Fabric, OnRuleChange, Ports};

use crate::dice::Dice;
use crate::hostile::Hostile;
use crate::packets::Aim;
use crate::{frames, world};

/// What happens to a switch, in its order.
pub struct History {
    /// As it was at first.
    pub fabric: Fabric,
    /// What happens then.
    pub steps: Vec<Step>,
}

/// Frames that come in together, after time has passed and something may have changed.
pub struct Step {
    /// How much time, for whoever has a clock to turn.
    pub passes: Duration,
    /// A change, made before the frames.
    pub change: Option<Change>,
    /// Which of two workers has the ports of these frames.
    pub worker: usize,
    /// The frames, each with its port.
    pub frames: Vec<(Place, Vec<u8>)>,
}

/// Workers that share the ports between them.
pub const WORKERS: usize = 2;
/// The worker that has a port.
pub fn worker_of(ports: &Ports, place: Place) -> usize {
    ports.number(place) as usize % WORKERS
}

const STEPS: usize = 40;
const TRIES: usize = 12;
const CONVERSATIONS_MAX: usize = 24;
/// Moments apart: within a millisecond, and to and past every default timeout.
const PASSES_US: [u64; 14] = [
    0,
    0,
    1,
    999,
    1_000,
    1_001,
    250_000,
    3_000_000,
    3_001_000,
    20_000_000,
    20_001_000,
    30_000_000,
    30_001_000,
    911_000_000,
];

/// Draws a history; interfaces have the timeouts that `timeouts` gives, at first and when they
/// change.
///
/// # Errors
/// Why there is no such world, in words.
pub fn draw(seed: u64, timeouts: fn(&mut Dice) -> Timeouts) -> Result<History, String> {
    let mut fabric = world::draw(seed)?;
    let mut dice = Dice::new(!seed);
    fabric.timeouts.iter_mut().for_each(|it| *it = timeouts(&mut dice));
    fabric.options.on_rule_change = dice.pick(&[
        OnRuleChange::CutIfDenied,
        OnRuleChange::CutIfDenied,
        OnRuleChange::CutIfDenied,
        OnRuleChange::Keep,
        OnRuleChange::Flush,
        OnRuleChange::FlushInbound,
    ]);
    for interface in &mut fabric.world.interfaces {
        interface.mtu = dice.pick(&[600, 1_500, 1_500]);
    }
    let first = fabric.clone();
    let ports = Ports::new(&first.world);
    let mut draft = Draft {
        aim: Aim::at(&first),
        hostile: Hostile::new(&first.world, seed),
        changes: Changes::of(&first, timeouts),
        talks: Vec::new(),
        ports,
        dice,
    };
    let steps = (0..STEPS).map(|_| draft.step()).collect();
    drop(draft);
    Ok(History { fabric: first, steps })
}

struct Draft<'a> {
    aim: Aim<'a>,
    hostile: Hostile<'a>,
    changes: Changes<'a>,
    talks: Vec<Talk>,
    ports: Ports,
    dice: Dice,
}

/// A conversation: its first packet as its sender sends it, and as it arrives, if there is a way.
struct Talk {
    sent: Resolved,
    arrives: Option<Resolved>,
    /// The next sequence number of either side.
    next: [u32; 2],
}

impl Draft<'_> {
    fn step(&mut self) -> Step {
        let passes = match self.dice.chance(40) {
            true => self.dice.pick(&PASSES_US),
            false => self.dice.between(0, 400) as u64,
        };
        let change = self.dice.chance(25).then(|| self.changes.make(&mut self.dice));
        let worker = self.dice.between(0, WORKERS - 1);
        let tries = self.dice.between(1, 2 * BATCH_MAX);
        let mut frames = Vec::new();
        for _ in 0..tries {
            let (port, frame) = self.frame();
            if worker_of(&self.ports, port) == worker && frame.len() <= SLOT_LEN {
                frames.push((port, frame));
            }
        }
        frames.truncate(BATCH_MAX);
        Step { passes: Duration::from_micros(passes), change, worker, frames }
    }

    fn frame(&mut self) -> (Place, Vec<u8>) {
        match self.dice.between(0, 99) {
            0..=14 => self.hostile.frame(),
            15..=34 => self.open(),
            _ if self.talks.is_empty() => self.open(),
            _ => {
                let talk = self.dice.between(0, self.talks.len() - 1);
                let world = &self.changes.now.world;
                self.talks[talk].frame(&mut self.dice, world)
            }
        }
    }

    /// The first packet of a new conversation, more often than not one that the rules of the moment let
    /// through.
    fn open(&mut self) -> (Place, Vec<u8>) {
        let mut sent = self.aim.packet(&mut self.dice);
        for _ in 0..if self.dice.chance(75) { TRIES } else { 0 } {
            if paper::verdict(&self.changes.now, &sent).allowed {
                break;
            }
            sent = self.aim.packet(&mut self.dice);
        }
        let world = &self.changes.now.world;
        let route = world.locate(sent.port, sent.tuple.source, sent.tuple.target);
        let arrives = route.ok().map(|route| {
            let mut tuple = sent.tuple;
            tuple.source = route.source_becomes.unwrap_or(tuple.source);
            tuple.target = route.target_becomes.unwrap_or(tuple.target);
            Resolved { port: route.to, tuple, icmp: sent.icmp }
        });
        let frame = frames::first(world, &sent);
        if self.talks.len() == CONVERSATIONS_MAX {
            self.talks.swap_remove(self.dice.between(0, CONVERSATIONS_MAX - 1));
        }
        self.talks.push(Talk { sent, arrives, next: [1, 0] });
        (sent.port, frame)
    }
}

/// Changes of what is enforced, each drawn from what there is and was.
pub struct Changes<'a> {
    first: &'a Fabric,
    now: Fabric,
    timeouts: fn(&mut Dice) -> Timeouts,
}

impl<'a> Changes<'a> {
    /// Changes that begin with `first`; an interface's timeouts become what `timeouts` gives.
    pub fn of(first: &'a Fabric, timeouts: fn(&mut Dice) -> Timeouts) -> Changes<'a> {
        Changes { first, now: first.clone(), timeouts }
    }

    /// What is enforced after the changes so far.
    pub fn now(&self) -> &Fabric {
        &self.now
    }

    /// Makes one more.
    pub fn make(&mut self, dice: &mut Dice) -> Change {
        let change = self.draw(dice);
        self.now.put(change.clone());
        change
    }

    fn draw(&self, dice: &mut Dice) -> Change {
        let Fabric { world, policies, timeouts, .. } = self.first;
        let group = dice.between(0, policies.groups.len() - 1);
        let index = GroupIndex(group as u32);
        let rules = &self.now.policies.groups[group].rules;
        let interface = InterfaceIndex(dice.between(0, timeouts.len() - 1) as u32);
        // Something is often made as it was at first, or else less and less would be let through.
        match dice.between(0, 19) {
            12..=16 => Change::Rules(index, policies.groups[group].rules.clone()),
            17..=19 => Change::Members(interface, world.interface(interface).groups.clone()),
            4..=6 if !rules.is_empty() => {
                let place = dice.between(0, rules.len() - 1);
                let rule = other_rule(dice, rules, place);
                Change::Rule(RuleRef { group: index, rule: place as u32 }, Box::new(rule))
            }
            0..=6 => Change::Rules(index, some_rules(dice, &policies.groups[group].rules)),
            7..=8 => Change::Members(interface, self.some_groups(dice, interface)),
            9 => {
                let list = dice.between(0, policies.prefix_lists.len() - 1);
                let entries = &policies.prefix_lists[list].entries;
                let some = dice.some(entries, entries.len() - 1);
                Change::PrefixList(PrefixListIndex(list as u32), some)
            }
            10 => {
                let entries = &policies.port_lists[0].entries;
                let most = dice.between(0, entries.len());
                Change::PortList(PortListIndex(0), dice.some(entries, most))
            }
            _ => Change::Timeouts(interface, (self.timeouts)(dice)),
        }
    }

    /// The groups that some interface of the same network had at first, or part of them.
    fn some_groups(&self, dice: &mut Dice, of: InterfaceIndex) -> Vec<GroupIndex> {
        let interfaces = &self.first.world.interfaces;
        let network = interfaces[of.as_usize()].network;
        let alike: Vec<usize> =
            (0..interfaces.len()).filter(|it| interfaces[*it].network == network).collect();
        let groups = &interfaces[dice.pick(&alike)].groups;
        let most = dice.between(1, groups.len());
        dice.some(groups, most)
    }
}

fn some_rules(dice: &mut Dice, rules: &[Rule]) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    match dice.between(0, 3) {
        0 => rules.clear(),
        1 => rules.reverse(),
        2 => rules.truncate(dice.between(0, rules.len())),
        _ => {}
    }
    rules
}

/// Another of the group's rules in the place of one, or the same the other way round.
fn other_rule(dice: &mut Dice, rules: &[Rule], place: usize) -> Rule {
    if dice.chance(50) {
        return rules[dice.between(0, rules.len() - 1)].clone();
    }
    let mut rule = rules[place].clone();
    rule.action = match rule.action {
        Action::Allow => Action::Forbid,
        Action::Forbid => Action::Allow,
    };
    rule
}

impl Talk {
    /// A frame of either side.
    fn frame(&mut self, dice: &mut Dice, world: &World) -> (Place, Vec<u8>) {
        match self.arrives {
            Some(arrives) if dice.chance(50) => {
                let quoted = frames::envelope(
                    world,
                    self.sent.port,
                    arrives.tuple.source,
                    arrives.tuple.target,
                );
                let (from, to) = (arrives.tuple.target, arrives.tuple.source);
                let envelope = frames::envelope(world, arrives.port, from, to);
                let frame = match dice.chance(6) {
                    true => {
                        let about = self.packet(dice, &quoted, &arrives, 0);
                        build::icmp_error(&envelope, IcmpError::TimeExceeded, &about[14..])
                    }
                    false => self.packet(dice, &envelope, &arrives, 1),
                };
                (arrives.port, frame)
            }
            _ => {
                let Resolved { port, tuple, .. } = self.sent;
                let envelope = frames::envelope(world, port, tuple.source, tuple.target);
                (port, self.packet(dice, &envelope, &self.sent.clone(), 0))
            }
        }
    }

    fn packet(
        &mut self,
        dice: &mut Dice,
        envelope: &Envelope,
        first: &Resolved,
        side: usize,
    ) -> Vec<u8> {
        let tuple = if side == 0 { first.tuple } else { first.tuple.reversed() };
        let payload = vec![0x5a; dice.pick(&[0, 0, 1, 20, 20, 900])];
        let [high, low] = first.tuple.source_port.to_be_bytes();
        match (tuple.protocol, first.icmp) {
            (Protocol::TCP, _) => {
                let fields = self.segment(dice, side, payload.len());
                let (source_port, target_port) = (tuple.source_port, tuple.target_port);
                build::tcp(envelope, &TcpFields { source_port, target_port, ..fields }, &payload)
            }
            (Protocol::UDP, _) => {
                build::udp(envelope, tuple.source_port, tuple.target_port, &payload)
            }
            (Protocol::ICMP | Protocol::ICMPV6, Some((message, code))) => {
                let message = match message {
                    8 | 128 if side == 1 => message ^ if message == 8 { 8 } else { 1 },
                    other => other,
                };
                build::icmp(envelope, message, code, [high, low, 0, 1], &payload)
            }
            (protocol, _) => build::raw(envelope, protocol, b"\0\0\x08\0payload"),
        }
    }

    fn segment(&mut self, dice: &mut Dice, side: usize, payload_len: usize) -> TcpFields {
        let ack = TcpFlags::ACK;
        let flags = match dice.between(0, 19) {
            0..=2 if side == 0 => TcpFlags::SYN,
            0..=4 if side == 1 => TcpFlags::SYN.with(ack),
            5..=6 => TcpFlags::FIN.with(ack),
            7 => TcpFlags::RST,
            8 => TcpFlags::RST.with(ack),
            _ => ack,
        };
        let is_syn = flags.contains(TcpFlags::SYN);
        let sequence = match dice.chance(90) {
            true => self.next[side].wrapping_sub(u32::from(is_syn)),
            false => dice.u64() as u32,
        };
        if is_syn {
            self.next[side] = sequence.wrapping_add(1);
        }
        let fin = u32::from(flags.contains(TcpFlags::FIN));
        self.next[side] = self.next[side].wrapping_add(payload_len as u32 + fin);
        TcpFields {
            sequence,
            acknowledgement: if flags.contains(ack) { self.next[side ^ 1] } else { 0 },
            flags,
            window: dice.pick(&[0, 64, 64_000, 64_000]),
            window_scale: if is_syn { dice.pick(&[None, Some(3)]) } else { None },
            ..TcpFields::default()
        }
    }
}
