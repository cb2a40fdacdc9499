//! Nothing is left of a fabric that has ended, and nothing of one that was killed once it is cleaned.

use std::process::Command;

use libtest_mimic::Failed;

use crate::fabric::{Fabric, RINGFENCE, ringfence, text};
use crate::{Check, Need};

pub(crate) fn checks() -> Vec<Check> {
    const SETPRIV: Need = Need::Program("setpriv", "util-linux");
    vec![
        Check { name: "down_leaves_nothing", needs: &[Need::Root], run: down },
        Check { name: "clean_after_a_kill", needs: &[Need::Root], run: killed },
        Check {
            name: "a_missing_right_is_named",
            needs: &[Need::Root, SETPRIV],
            run: unprivileged,
        },
        Check { name: "nobody_attached", needs: &[], run: nobody },
    ]
}

const SCENARIO: &str = "
title: Two of a vSwitch
vpcs:
  - { id: vpc, cidr: 172.16.0.0/16, vswitches: [ { id: vsw, cidr: 172.16.1.0/24 } ] }
security_groups:
  - { id: sg, vpc: vpc, rules: [] }
instances:
  - { id: a, vswitch: vsw, ip: 172.16.1.10, security_groups: [sg] }
  - { id: b, vswitch: vsw, ip: 172.16.1.11, security_groups: [sg] }
";

/// Whether anything of a fabric is there.
fn is_there(name: &str) -> [bool; 2] {
    let namespaces = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let prefix = format!("rf-{name}-");
    let mut names = namespaces.filter_map(|it| it.file_name().into_string().ok());
    [
        names.any(|it| it.starts_with(&prefix)),
        std::path::Path::new("/run/ringfence").join(name).exists(),
    ]
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Result<(), Failed> {
    match is == should {
        true => Ok(()),
        false => Err(format!("{what}: {is:?} instead of {should:?}").into()),
    }
}

fn down() -> Result<(), Failed> {
    let mut fabric = Fabric::up(SCENARIO, &["--attach", "tap"]);
    let name = fabric.name.clone();
    expect("up", is_there(&name), [true, true])?;
    let listed = text(&ringfence(&["ps"]));
    expect("listed by ps", listed.contains(&format!("{name} (process ")), true)?;
    let taken = ringfence(&["up", "--name", &name, "--attach", "tap", "/dev/null"]);
    expect("an empty file", taken.status.code(), Some(2))?;
    expect("down", ringfence(&["down", &name]).status.code(), Some(0))?;
    expect("exit code of up", fabric.wait(), Some(0))?;
    expect("gone", is_there(&name), [false, false])?;
    expect("down twice", ringfence(&["down", &name]).status.code(), Some(2))
}

fn killed() -> Result<(), Failed> {
    let mut fabric = Fabric::up(SCENARIO, &["--attach", "tap"]);
    let name = fabric.name.clone();
    expect("clean of one that is up", ringfence(&["clean", &name]).status.code(), Some(2))?;
    fabric.kill();
    expect("left behind", is_there(&name), [true, true])?;
    let listed = text(&ringfence(&["ps"]));
    expect("said by ps", listed.contains(&format!("{name} (killed")), true)?;
    expect("exec there", fabric.exec("a", "true").status.code(), Some(5))?;
    let cleaned = ringfence(&["clean", &name]);
    expect("clean", text(&cleaned), format!("{name}: 2 network namespaces removed\n"))?;
    expect("gone", is_there(&name), [false, false])
}

fn unprivileged() -> Result<(), Failed> {
    let file =
        std::env::temp_dir().join(format!("ringfence-unprivileged-{}.yaml", std::process::id()));
    std::fs::write(&file, SCENARIO)?;
    let output = Command::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all", "--", RINGFENCE, "up", "--attach", "tap"])
        .arg(&file)
        .output();
    std::fs::remove_file(&file)?;
    let output = output?;
    expect("exit code", output.status.code(), Some(4))?;
    let says = text(&output).contains("CAP_NET_ADMIN and CAP_SYS_ADMIN are missing");
    expect("named", says, true).map_err(|error| format!("{error:?}: {}", text(&output)).into())
}

fn nobody() -> Result<(), Failed> {
    let file = format!("{}/../../scenarios/use-cases/ping.yaml", env!("CARGO_MANIFEST_DIR"));
    let output = ringfence(&["up", &file]);
    expect("exit code", output.status.code(), Some(5))?;
    let unknown = ringfence(&["down", "no-such-fabric"]);
    expect("an unknown name", unknown.status.code(), Some(2))
}
