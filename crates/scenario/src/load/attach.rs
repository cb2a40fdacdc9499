//! Which ports real machines have.

use std::collections::BTreeSet;

use ringfence_cloud::Place;

use super::topology::Topology;
use crate::diagnostic::suggestion;
use crate::file::AttachFile;
use crate::file::read::Findings;
use crate::model::{Attached, AttachedTo};

/// The longest name of a device that Linux takes.
const DEVICE_LEN_MAX: usize = 15;

/// What `attach` says, with a warning for each that the simulated world ignores.
pub(super) fn attached(
    file: &[AttachFile],
    topology: &Topology,
    findings: &mut Findings,
) -> Vec<Attached> {
    let named = topology.places_by_name();
    let mut attached: Vec<Attached> = Vec::new();
    let mut taken = BTreeSet::new();
    for AttachFile { instance, tap, interface, origin } in file {
        let name = &instance.0;
        let secondary = format!("{}/", name.value);
        let is_its = |port: &&String| **port == name.value || port.starts_with(&secondary);
        let ports: BTreeSet<&String> = named.keys().filter(is_its).collect();
        let places: Vec<Place> = ports.iter().flat_map(|port| &named[*port]).copied().collect();
        if places.is_empty() {
            let message = format!("there is no instance or host `{}`", name.value);
            let help = match suggestion(&name.value, topology.port_names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "a port is had by an instance or a host outside".to_owned(),
            };
            findings.error("RF0100", &name.origin, message, help);
            continue;
        }
        let (to, device) = match (tap, interface) {
            (Some(tap), None) => (AttachedTo::Tap(tap.value.clone()), tap),
            (None, Some(interface)) => (AttachedTo::Interface(interface.value.clone()), interface),
            (Some(_), Some(interface)) => {
                let message = "a port is a TAP device's or an interface's, not both";
                findings.error("RF0019", &interface.origin, message, "leave one of them out");
                continue;
            }
            (None, None) => {
                let message = "how is the real machine attached?";
                let help = "give `tap`, the name of a device, or `interface`";
                findings.error("RF0007", origin, message, help);
                continue;
            }
        };
        let is_name = |name: &str| {
            let is_part = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
            !name.is_empty() && name.len() <= DEVICE_LEN_MAX && name.chars().all(is_part)
        };
        if !is_name(&device.value) {
            let message = format!("`{}` is no name of a device", device.value);
            let help = format!("1 to {DEVICE_LEN_MAX} letters, digits, `-`, `_`, `.`");
            findings.error("RF0016", &device.origin, message, help);
            continue;
        }
        if !taken.insert(name.value.clone()) {
            let message = format!("`{}` is attached twice", name.value);
            findings.error("RF0019", &name.origin, message, "leave one of them out");
            continue;
        }
        let message = format!("the simulated world ignores that `{}` is attached", name.value);
        findings.warning("RF0018", origin, message, "a guest of its own answers for it there");
        let port = |place| Attached { place, to: to.clone(), origin: origin.clone() };
        attached.extend(places.into_iter().map(port));
    }
    attached
}
