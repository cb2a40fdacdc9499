//! Fabrics with real guests: network namespaces, TAP devices, real programs. What the machine cannot do
//! is skipped, which is printed with its reason and counted; where `RINGFENCE_SKIPS` names a file, a
//! skip fails unless that has a line `NAME: REASON` for it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

#[cfg(target_os = "linux")]
mod fabric;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod teardown;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// A check, and what of the machine it needs.
struct Check {
    name: &'static str,
    needs: &'static [Need],
    run: fn() -> Result<(), Failed>,
}

/// Something that a machine may not have.
#[derive(Clone, Copy)]
enum Need {
    /// To be root, and TAP devices of the kernel's.
    Root,
    /// A program, and the Debian package that has it.
    Program(&'static str, &'static str),
}

/// `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`.
const CAPABILITIES: u64 = 1 << 12 | 1 << 21;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = checks().into_iter().map(trial).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[cfg(target_os = "linux")]
fn checks() -> Vec<Check> {
    let mut checks = programs::checks();
    checks.extend(teardown::checks());
    checks
}

#[cfg(not(target_os = "linux"))]
fn checks() -> Vec<Check> {
    Vec::new()
}

fn trial(Check { name, needs, run }: Check) -> Trial {
    let Some(reason) = needs.iter().find_map(|need| need.missing()) else {
        return Trial::test(name, run);
    };
    if is_allowed(name, &reason) {
        println!("skipped {name}: {reason}");
        return Trial::test(name, run).with_ignored_flag(true).with_kind(reason);
    }
    Trial::test(name, move || {
        Err(format!("skipped, and not in the list of what may be: {name}: {reason}").into())
    })
}

/// Whether a skip is no failure here.
fn is_allowed(name: &str, reason: &str) -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the runner of the tests says what may be skipped"
    )]
    let Some(list) = std::env::var_os("RINGFENCE_SKIPS") else { return true };
    let list = std::fs::read_to_string(list).unwrap_or_default();
    list.lines().any(|line| line == format!("{name}: {reason}"))
}

impl Need {
    /// Why it is not there, if it is not.
    fn missing(self) -> Option<String> {
        match self {
            Need::Root => {
                let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
                let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
                let held = held.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(0);
                let has_tun = std::path::Path::new("/dev/net/tun").exists();
                if held & CAPABILITIES != CAPABILITIES {
                    return Some("CAP_NET_ADMIN and CAP_SYS_ADMIN are not both there".to_owned());
                }
                (!has_tun).then(|| "no /dev/net/tun".to_owned())
            }
            Need::Program(program, package) => {
                let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
                let is_there = folders
                    .iter()
                    .any(|folder| std::path::Path::new(folder).join(program).exists());
                (!is_there).then(|| format!("no {program} (Debian: {package})"))
            }
        }
    }
}
