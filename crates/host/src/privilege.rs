//! What a live fabric needs of the system, and what is said where it is not there.

use std::fs;

use crate::HostError;

/// How this process may make namespaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privilege {
    /// As the system's administrator: named namespaces, visible to `ip netns`.
    Administrator,
}

/// The bit of CAP_NET_ADMIN and of CAP_SYS_ADMIN in a set of capabilities.
const NET_ADMIN: u32 = 12;
const SYS_ADMIN: u32 = 21;
/// Where TAP devices come from.
const TUN: &str = "/dev/net/tun";

/// Whether this process may bring a fabric up.
///
/// # Errors
/// Which capability or kernel feature is missing.
pub fn may_run() -> Result<Privilege, HostError> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = effective(&status).unwrap_or(0);
    let missing: Vec<&str> = [(NET_ADMIN, "CAP_NET_ADMIN"), (SYS_ADMIN, "CAP_SYS_ADMIN")]
        .into_iter()
        .filter(|(bit, _)| held >> bit & 1 == 0)
        .map(|(_, name)| name)
        .collect();
    if !missing.is_empty() {
        let verb = if missing.len() == 1 { "is" } else { "are" };
        let text = format!(
            "{} {verb} missing: a live fabric makes network namespaces; run it as root",
            missing.join(" and ")
        );
        return Err(HostError::Missing(text));
    }
    match fs::OpenOptions::new().read(true).write(true).open(TUN) {
        Ok(_) => Ok(Privilege::Administrator),
        Err(error) => Err(HostError::Missing(format!(
            "{TUN} cannot be opened ({error}): no TAP devices here"
        ))),
    }
}

/// The effective capabilities in `/proc/PID/status`.
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::effective;

    #[test]
    fn capabilities_are_read() {
        assert_eq!(effective("Name:\tx\nCapEff:\t0000000000201000\n"), Some(1 << 21 | 1 << 12));
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
