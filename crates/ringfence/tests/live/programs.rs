//! Real programs through real groups: what is allowed works, what is not does not.

use std::time::Duration;

use libtest_mimic::Failed;

use crate::fabric::{Fabric, text};
use crate::{Check, Need};

pub(crate) fn checks() -> Vec<Check> {
    const PING: Need = Need::Program("ping", "iputils-ping");
    const CURL: Need = Need::Program("curl", "curl");
    const NC: Need = Need::Program("nc", "netcat-openbsd");
    vec![
        Check { name: "ping", needs: &[Need::Root, PING], run: ping },
        Check { name: "curl_to_a_simulated_guest", needs: &[Need::Root, CURL], run: curl },
        Check { name: "a_change_cuts_a_conversation", needs: &[Need::Root, NC], run: change },
    ]
}

/// Whether a command at a guest succeeds.
fn check(fabric: &Fabric, guest: &str, command: &str, succeeds: bool) -> Result<(), Failed> {
    let output = fabric.exec(guest, command);
    match output.status.success() == succeeds {
        true => Ok(()),
        false => Err(format!("{guest}: {command}: {}\n{}", output.status, text(&output)).into()),
    }
}

/// As the expectations of the scenario have it; ping's exit code says whether there was an answer.
fn ping() -> Result<(), Failed> {
    let fabric = Fabric::shipped("use-cases/ping.yaml", &["--attach", "tap"]);
    check(&fabric, "client", "ping -c 3 -i 0.1 -W 2 47.96.50.1", true)?;
    check(&fabric, "client", "ping -c 3 -i 0.1 -W 2 2408:4005:3::10", true)?;
    check(&fabric, "client", "ping -c 1 -W 2 47.96.50.2", true)?;
    check(&fabric, "client", "ping -c 1 -W 1 2408:4005:3::11", false)?;
    // by name, from one instance to the other, in the vSwitch
    check(&fabric, "pinged-ipv4", "ping -4 -c 1 -W 2 pinged", true)?;
    // what the link carries, and no more
    check(&fabric, "client", "ping -c 1 -W 2 -M do -s 1472 47.96.50.1", true)
}

/// One real guest among simulated ones.
fn curl() -> Result<(), Failed> {
    let scenario = "
title: A real visitor of a simulated website
vpcs:
  - { id: vpc, cidr: 172.16.0.0/16, vswitches: [ { id: vsw, cidr: 172.16.1.0/24 } ] }
security_groups:
  - id: sg-web
    vpc: vpc
    rules:
      - { direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 80/80, source: 0.0.0.0/0 }
instances:
  - { id: web, vswitch: vsw, ip: 172.16.1.10, public_ip: 47.96.10.1, security_groups: [sg-web], serves: [http, { http: 8080 }] }
outside:
  - { id: visitor, ip: 203.0.113.7 }
attach:
  - { instance: visitor, tap: wan0 }
";
    let fabric = Fabric::up(scenario, &[]);
    if !fabric.said.contains("\"device\":\"wan0\"") || fabric.said.contains("\"guest\":\"web\"") {
        return Err(format!("another one is real: {}", fabric.said).into());
    }
    check(&fabric, "visitor", "curl -sS -m 5 -o /dev/null -f http://47.96.10.1/", true)?;
    check(&fabric, "visitor", "curl -sS -m 1 -o /dev/null -f http://47.96.10.1:8080/", false)
}

/// A rule is taken away while a connection is open, and given back.
fn change() -> Result<(), Failed> {
    let scenario = "
title: A rule goes while a connection is open
vpcs:
  - { id: vpc, cidr: 172.16.0.0/16, vswitches: [ { id: vsw, cidr: 172.16.1.0/24 } ] }
security_groups:
  - id: sg
    vpc: vpc
    rules:
      - { id: open, direction: inbound, action: allow, priority: 1, protocol: Custom TCP, port_range: 7000/7000, source: 0.0.0.0/0 }
instances:
  - { id: server, vswitch: vsw, ip: 172.16.1.10, public_ip: 47.96.10.1, security_groups: [sg] }
outside:
  - { id: client, ip: 203.0.113.7 }
options: { on_rule_change: cut-if-denied }
changes:
  - { at: 3s, remove_rules: { group: sg, rules: [open] } }
";
    let fabric = Fabric::up(scenario, &["--attach", "tap"]);
    let mut server = fabric.command("server", "nc -lk 7000").spawn()?;
    let reached =
        (0..20).any(|_| fabric.exec("client", "nc -z -w 1 47.96.10.1 7000").status.success());
    // the change is at three seconds after the start: until then it is reached, and later not
    let is_shut = (0..60).any(|_| {
        #[expect(clippy::disallowed_methods, reason = "the fabric keeps the machine's time")]
        std::thread::sleep(Duration::from_millis(100));
        !fabric.exec("client", "nc -z -w 1 47.96.10.1 7000").status.success()
    });
    server.kill()?;
    server.wait()?;
    match (reached, is_shut) {
        (true, true) => Ok(()),
        _ => Err(format!("reached before: {reached}, shut after: {is_shut}").into()),
    }
}
