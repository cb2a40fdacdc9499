//! Rules, memberships, lists and timeouts that change while frames flow: the four behaviours of
//! `on_rule_change`, each half on its own.

use std::time::Duration;

use ringfence_cloud::GroupIndex;
use ringfence_policy::{Action, PortListIndex, PortRange, PrefixListIndex, RuleRef};
use ringfence_session::Timeouts;
use ringfence_switch::{Change, Controller, Counters, Incoming, Layout, OnRuleChange, Silent};

use crate::lab::{ACK, Lab, SYN, SYN_ACK, fabric};
use crate::touched::Nowhere;

const HTTP: &str = "in allow 1 tcp 80/80 0.0.0.0/0";
const OPENED: &str = "allow inbound sg-web/1, out allow default #1, in allow sg-web/1 #2";
const LIVES: &str = "allow inbound session, out allow session #1, in allow session #2";
const REPLY_LIVES: &str = "allow inbound session, out allow session #2, in allow session #1";

/// An established connection from app to web.
fn lab(on_rule_change: OnRuleChange) -> Lab {
    let mut fabric = fabric(&[&format!("sg-web {HTTP}")]);
    fabric.options.on_rule_change = on_rule_change;
    let mut lab = Lab::of(fabric);
    let syn = lab.tcp("app", "172.16.1.10", (40_000, 80), SYN);
    lab.check("app", &syn, OPENED);
    let reply = lab.tcp("web", "172.16.1.11", (80, 40_000), SYN_ACK);
    lab.check("web", &reply, REPLY_LIVES);
    lab
}

fn data(lab: &Lab) -> Vec<u8> {
    lab.tcp("app", "172.16.1.10", (40_000, 80), ACK)
}

fn answer(lab: &Lab) -> Vec<u8> {
    lab.tcp("web", "172.16.1.11", (80, 40_000), ACK)
}

/// Vector 21: "rule replaced by an equivalent one: sessions survive".
#[test]
fn an_equivalent_rule_keeps_the_session() {
    let mut lab = lab(OnRuleChange::CutIfDenied);
    lab.set_rules("sg-web", &["in allow 5 all -1/-1 172.16.1.11/32"]);
    let data = data(&lab);
    lab.check("app", &data, LIVES);
    lab.check("app", &data, LIVES);
    // decided again once, for the one change
    assert_eq!(
        lab.counters(),
        "web: in 1 (54 B) out 3 (162 B) errors 0\n\
         app: in 3 (162 B) out 1 (54 B) errors 0\n\
         web sessions: opened 1 cut 0 hits 3\n\
         app sessions: opened 1 cut 0 hits 3 default-allow=1\n\
         sg-web/1: 1\n"
    );
}

/// Vector 22: "allow removed: session dropped".
#[test]
fn a_removed_rule_cuts_the_session() {
    let mut lab = lab(OnRuleChange::CutIfDenied);
    lab.set_rules("sg-web", &[]);
    assert_eq!(lab.switch.session_count(), 2);
    let data = data(&lab);
    let denied = "deny inbound default, out allow session #1, in deny default";
    lab.check("app", &data, &format!("{denied}, cut #2"));
    lab.check("app", &data, denied);
    assert_eq!(lab.switch.session_count(), 1);
    assert_eq!(
        lab.counters(),
        "web: in 1 (54 B) out 1 (54 B) errors 0\n\
         app: in 3 (162 B) out 1 (54 B) errors 0 default=2\n\
         web sessions: opened 1 cut 1 hits 1 default-deny=3\n\
         app sessions: opened 1 cut 0 hits 3 default-allow=1\n"
    );
}

/// "Each half of a flow is a session of its own: a rule change may cut one and keep the other; the
/// next packet is then decided by rules where the half is gone."
#[test]
fn the_answer_of_a_cut_session_is_decided_by_the_rules_there() {
    let mut lab = lab(OnRuleChange::CutIfDenied);
    lab.set_rules("sg-web", &[]);
    let answer = answer(&lab);
    let expected = "allow inbound session, out allow default #3, in allow session #1, cut #2";
    lab.check("web", &answer, expected);
    let data = data(&lab);
    lab.check("app", &data, "allow inbound session, out allow session #1, in allow session #3");
}

/// "the session's first packet": the answer alone would be denied, too, and is not asked about.
#[test]
fn it_is_the_first_packet_that_is_decided_again() {
    let mut lab = lab(OnRuleChange::CutIfDenied);
    lab.set_rules("sg-web", &[HTTP, "out forbid 1 all -1/-1 0.0.0.0/0"]);
    let answer = answer(&lab);
    lab.check("web", &answer, REPLY_LIVES);
}

/// "changes in between leave no trace"
#[test]
fn rules_taken_away_and_given_back() {
    let mut lab = lab(OnRuleChange::CutIfDenied);
    lab.set_rules("sg-web", &[]);
    lab.set_rules("sg-web", &[HTTP]);
    let data = data(&lab);
    lab.check("app", &data, LIVES);
}

#[test]
fn the_senders_half_is_cut_as_well() {
    let mut lab = lab(OnRuleChange::CutIfDenied);
    lab.set_rules("sg-app", &["out forbid 1 tcp 80/80 172.16.1.10/32"]);
    let data = data(&lab);
    lab.check("app", &data, "deny outbound sg-app/1, out deny sg-app/1, cut #1");
    // The receiver's half lives, and a packet towards the sender is new to the sender.
    let answer = answer(&lab);
    lab.check("web", &answer, "deny inbound default, out allow session #2, in deny default");
}

/// A cut half is opened anew if another rule takes the packet at hand.
#[test]
fn a_cut_half_may_be_picked_up_again() {
    let mut lab = lab(OnRuleChange::Flush);
    lab.set_rules("sg-web", &[HTTP]);
    let data = data(&lab);
    let expected = "allow inbound sg-web/1, out allow session #1, in allow sg-web/1 #3, cut #2";
    lab.check("app", &data, expected);
}

#[test]
fn keep() {
    let mut lab = lab(OnRuleChange::Keep);
    lab.set_rules("sg-web", &[]);
    lab.set_rules("sg-app", &["out forbid 1 all -1/-1 0.0.0.0/0"]);
    let data = data(&lab);
    lab.check("app", &data, LIVES);
    let other = lab.tcp("app", "172.16.1.10", (40_001, 80), SYN);
    lab.check("app", &other, "deny outbound sg-app/1, out deny sg-app/1");
}

#[test]
fn flush() {
    let mut lab = lab(OnRuleChange::Flush);
    lab.set_rules("sg-app", &[]);
    lab.set_rules("sg-web", &[]);
    let data = data(&lab);
    let expected = "deny inbound default, out allow default, in deny default, cut #1, cut #2";
    lab.check("app", &data, expected);
    assert_eq!(lab.switch.session_count(), 0);
}

#[test]
fn flush_inbound() {
    let mut lab = lab(OnRuleChange::FlushInbound);
    lab.set_rules("sg-app", &["out forbid 1 all -1/-1 0.0.0.0/0"]);
    let data = data(&lab);
    lab.check("app", &data, LIVES);
    lab.set_rules("sg-web", &[]);
    let expected = "deny inbound default, out allow session #1, in deny default, cut #2";
    lab.check("app", &data, expected);
}

/// Which interfaces a change changes, seen by whose session a flush ends: `#1` is app's, `#2`
/// web's.
#[test]
fn a_changed_interface() {
    let check = |rules: &[&str], change: &dyn Fn(&mut Lab), expected: &str| {
        let mut fabric = fabric(rules);
        fabric.options.on_rule_change = OnRuleChange::Flush;
        let mut lab = Lab::of(fabric);
        lab.set_members("web", &["sg-web", "sg-peers"]);
        let frame = lab.udp("app", "172.16.1.10", (5_000, 80), b"");
        let verdicts = lab.send("app", &frame);
        assert!(verdicts[0].1.allowed, "{}", lab.tell(&verdicts[0].1));
        change(&mut lab);
        let verdicts = lab.send("app", &frame);
        let cut: Vec<u64> = verdicts[0].1.sessions_cut.iter().map(|session| session.0).collect();
        assert_eq!(format!("{cut:?}"), expected);
    };
    let open = "sg-web in allow 1 udp -1/-1 0.0.0.0/0";
    let set_list = |lab: &mut Lab| {
        let entries = vec!["198.51.100.0/24".parse().unwrap()];
        lab.switch.apply(Change::PrefixList(PrefixListIndex(0), entries), lab.now);
    };
    let set_ports = |lab: &mut Lab| {
        let entries = vec![PortRange::new(81, 81).unwrap()];
        lab.switch.apply(Change::PortList(PortListIndex(0), entries), lab.now);
    };
    check(&[open], &|_| {}, "[]");
    check(&[open], &|lab| lab.set_rules("sg-web", &[]), "[2]");
    check(&[open], &|lab| lab.set_rules("sg-app", &[]), "[1]");
    check(&[open], &|lab| lab.set_rules("sg-peers", &[]), "[2]");
    check(&[open], &|lab| lab.set_rules("sg-db", &[]), "[]");
    check(&[open], &|lab| lab.set_members("web", &["sg-web"]), "[2]");
    check(&[open], &|lab| lab.set_members("app", &["sg-app", "sg-db"]), "[1]");
    // same-group Accept goes by members
    check(&[open], &|lab| lab.set_members("app", &["sg-app", "sg-peers"]), "[1, 2]");
    check(&[open], &|lab| lab.set_members("db", &["sg-peers"]), "[2]");
    check(&[open], &|lab| lab.set_members("db", &["sg-app"]), "[]");
    check(&[open], &|lab| lab.set_members("web", &["sg-peers", "sg-web"]), "[]");
    // group objects
    let by_group = [open, "sg-app in allow 1 tcp 1/1 sg-db"];
    check(&by_group, &|lab| lab.set_members("pc", &["sg-db"]), "[1]");
    check(&by_group, &|lab| lab.set_members("db", &["sg-web"]), "[1]");
    check(&by_group, &|lab| lab.set_members("pc", &["sg-web"]), "[]");
    check(&by_group, &|lab| lab.set_rules("sg-db", &[]), "[]");
    // lists
    check(&[open], &set_list, "[]");
    check(&[open, "sg-web in allow 1 udp -1/-1 pl"], &set_list, "[2]");
    check(&[open, "sg-app out allow 1 udp prl 0.0.0.0/0"], &set_ports, "[1]");
    check(&[open, "sg-web in allow 1 udp -1/-1 pl"], &set_ports, "[]");
    let set_both_as_they_are = |lab: &mut Lab| {
        let entries = vec!["203.0.113.0/24".parse().unwrap()];
        lab.switch.apply(Change::PrefixList(PrefixListIndex(0), entries), lab.now);
        let entries = vec![PortRange::new(80, 80).unwrap()];
        lab.switch.apply(Change::PortList(PortListIndex(0), entries), lab.now);
    };
    check(&["sg-web in allow 1 udp prl 0.0.0.0/0", open], &set_both_as_they_are, "[]");
    check(&["sg-web in allow 1 udp -1/-1 pl", open], &set_both_as_they_are, "[]");
    let set_timeouts = |lab: &mut Lab| {
        let web = lab.interface("web");
        lab.switch.apply(Change::Timeouts(web, Timeouts::default()), lab.now);
    };
    check(&[open], &set_timeouts, "[]");
}

/// A list changes while no rule names it, and is named again: what counts are its entries then.
#[test]
fn a_list_that_changed_while_nobody_named_it() {
    const NAMED: &[&str] = &["in allow 1 udp -1/-1 pl"];
    let set_list = |lab: &mut Lab, range: &str| {
        let change = Change::PrefixList(PrefixListIndex(0), vec![range.parse().unwrap()]);
        lab.switch.apply(change, lab.now);
    };
    let visit = |lab: &mut Lab, port| {
        let frame = lab.udp("visitor", "47.96.10.1", (port, 53), b"");
        lab.send("visitor", &frame)[0].1.allowed
    };
    let mut lab = Lab::new(&[]);
    lab.set_rules("sg-web", NAMED);
    assert!(visit(&mut lab, 1));
    for (port, range, expected) in [(2, "198.51.100.0/24", false), (3, "203.0.113.0/24", true)] {
        lab.set_rules("sg-web", &[]);
        set_list(&mut lab, range);
        lab.set_rules("sg-web", NAMED);
        assert_eq!(visit(&mut lab, port), expected, "{range}");
    }
}

#[test]
fn the_rules_of_a_classic_group_are_its_members_on_their_nic() {
    let mut fabric = fabric(&[
        "sg-old in allow 1 udp -1/-1 0.0.0.0/0",
        "sg-old in allow 1 udp -1/-1 pl internet",
    ]);
    fabric.options.on_rule_change = OnRuleChange::Flush;
    let mut lab = Lab::of(fabric);
    lab.set_members("old/public", &["sg-old"]);
    let inside = lab.udp("cold", "10.200.0.5", (1, 2), b"");
    lab.check(
        "cold",
        &inside,
        "allow inbound sg-old/1, out allow default #1, in allow sg-old/1 #2",
    );
    let visit = lab.udp("visitor", "47.96.20.5", (1, 2), b"");
    lab.check("visitor", &visit, "allow inbound sg-old/2, in allow sg-old/2 #3");
    let entries = vec!["203.0.113.7/32".parse().unwrap()];
    lab.switch.apply(Change::PrefixList(PrefixListIndex(0), entries), lab.now);
    lab.check("cold", &inside, LIVES);
    lab.check("visitor", &visit, "allow inbound sg-old/2, in allow sg-old/2 #4, cut #3");
}

#[test]
fn a_member_leaves_and_its_session_is_cut() {
    let mut lab = Lab::new(&["sg-web in allow 1 udp -1/-1 sg-peers"]);
    lab.set_members("app", &["sg-peers"]);
    let frame = lab.udp("app", "172.16.1.10", (5_000, 53), b"");
    lab.check("app", &frame, OPENED);
    lab.set_members("app", &["sg-app"]);
    let denied = "deny inbound default, out allow session #1, in deny default, cut #2";
    lab.check("app", &frame, denied);
}

/// Vector 20: "change TcpEstablishedTimeout 910->60: existing session keeps 910".
#[test]
fn a_timeout_touches_new_sessions_only() {
    let mut lab = lab(OnRuleChange::CutIfDenied);
    let short = Timeouts { tcp_established: Duration::from_secs(60), ..Timeouts::default() };
    for interface in ["web", "app"] {
        let change = Change::Timeouts(lab.interface(interface), short);
        lab.switch.apply(change, lab.now);
    }
    let syn = lab.tcp("app", "172.16.1.10", (40_001, 80), SYN);
    lab.check("app", &syn, "allow inbound sg-web/1, out allow default #3, in allow sg-web/1 #4");
    let reply = lab.tcp("web", "172.16.1.11", (80, 40_001), SYN_ACK);
    lab.check("web", &reply, "allow inbound session, out allow session #4, in allow session #3");
    lab.wait_ms(910_000);
    let old = data(&lab);
    lab.check("app", &old, LIVES);
    let new = lab.tcp("app", "172.16.1.10", (40_001, 80), ACK);
    lab.check("app", &new, "allow inbound sg-web/1, out allow default #5, in allow sg-web/1 #6");
}

/// Sets that no interface has any more are kept for whoever comes back, until a change makes them stale:
/// then all but the last are forgotten, and compiled when they are needed.
#[test]
fn idle_sets_are_not_compiled_again() {
    let lab = Lab::of(fabric(&[
        "sg-web in allow 1 udp -1/-1 0.0.0.0/0",
        "sg-app in allow 1 udp -1/-1 pl",
    ]));
    let mut controller = Controller::new(lab.switch.fabric().clone(), Layout::default());
    let [web, app, db] = ["sg-web", "sg-app", "sg-db"].map(|id| lab.group(id));
    let interface = lab.interface("web");
    let sets = controller.compiled_sets();
    let joins = |controller: &mut Controller, groups: &[GroupIndex], more: usize| {
        controller.apply(Change::Members(interface, groups.to_vec()));
        assert_eq!(controller.compiled_sets(), sets + more, "{groups:?}");
    };
    joins(&mut controller, &[web, app], 1);
    joins(&mut controller, &[web, db], 2);
    joins(&mut controller, &[web, app], 2);
    joins(&mut controller, &[web], 2);

    // One rule of a group that two idle sets have, then a list that the rule of another one names.
    let mut rule = controller.fabric().policies.group(web).rules[0].clone();
    rule.action = Action::Forbid;
    controller.apply(Change::Rule(RuleRef { group: web, rule: 0 }, Box::new(rule)));
    assert_eq!(controller.compiled_sets(), sets + 1);
    joins(&mut controller, &[app, db], 2);
    joins(&mut controller, &[web], 2);
    let entries = vec!["172.16.0.0/16".parse().unwrap()];
    controller.apply(Change::PrefixList(PrefixListIndex(0), entries));
    assert_eq!(controller.compiled_sets(), sets + 1);

    // Who comes back has the rules of the moment, to a set that was forgotten and to one that was not.
    joins(&mut controller, &[web, app], 2);
    joins(&mut controller, &[app, db], 2);
    let mut worker = controller.worker().unwrap();
    let mut bytes = lab.udp("app", "172.16.1.10", (5_000, 53), b"");
    let port = controller.plane().ports().number(lab.port("app"));
    let frame = Incoming { port, id: 0, slot: 0, bytes: &mut bytes };
    worker.handle_batch(&mut [frame], lab.now, &mut Nowhere, &mut Silent);
    let mut counters = Counters::default();
    worker.add_counters(&mut counters);
    assert_eq!(counters.rules.get(&RuleRef { group: app, rule: 0 }), Some(&1));
}
