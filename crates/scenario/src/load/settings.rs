//! Options, timeouts, limits and links.

use std::time::Duration;

use ringfence_cloud::{Origin, Place};
use ringfence_policy::{Options, Profile, Text};
use ringfence_runtime::LinkConfig;
use ringfence_session::{Limits, TimeoutError, Timeouts};
use ringfence_switch::{OnRuleChange, SwitchOptions};

use super::AllOptions;
use super::topology::Topology;
use crate::diagnostic::suggestion;
use crate::file::leaves::Located;
use crate::file::read::Findings;
use crate::file::{LimitsFile, LinkFile, OptionsFile, ScenarioFile, TimeoutsFile};

/// Frames that an output queue holds where a scenario says nothing.
const OUTPUT_QUEUE_MAX: usize = 1_024;

/// "Profiles set all of the above and the timeouts at once; a scenario may then override one."
pub(super) fn options(file: Option<&OptionsFile>) -> AllOptions {
    let profile = file.and_then(|file| file.profile.as_ref()).map_or_else(Profile::default, value);
    let mut all = AllOptions {
        policy: Options::of(profile),
        switch: SwitchOptions {
            on_rule_change: match profile {
                Profile::Alibaba | Profile::Neutron => OnRuleChange::CutIfDenied,
                Profile::Aws => OnRuleChange::Keep,
            },
            output_queue_max: OUTPUT_QUEUE_MAX,
            ..SwitchOptions::default()
        },
        timeouts: timeouts_of(profile),
    };
    let Some(file) = file else {
        return all;
    };
    let OptionsFile {
        profile: _,
        same_group_outbound,
        health_checks,
        on_rule_change,
        tcp_midstream,
        port_25,
        timeouts,
        limits,
        origin: _,
    } = file;
    override_with(&mut all.policy.same_group_outbound, same_group_outbound);
    override_with(&mut all.policy.health_checks, health_checks);
    override_with(&mut all.policy.port_25, port_25);
    override_with(&mut all.switch.on_rule_change, on_rule_change);
    override_with(&mut all.switch.tcp_midstream, tcp_midstream);
    if let Some(timeouts) = timeouts {
        apply_timeouts(&mut all.timeouts, timeouts);
    }
    if let Some(limits) = limits {
        apply_limits(&mut all.switch, limits);
    }
    all
}

fn value<T: Copy>(located: &Located<T>) -> T {
    located.value
}

fn override_with<T: Copy>(target: &mut T, source: &Option<Located<T>>) {
    if let Some(located) = source {
        *target = located.value;
    }
}

/// "aws: ... TCP 432,000 s, UDP 30/180 s", and 600 s for other protocols.
fn timeouts_of(profile: Profile) -> Timeouts {
    match profile {
        Profile::Alibaba | Profile::Neutron => Timeouts::default(),
        Profile::Aws => Timeouts {
            tcp_established: Duration::from_secs(432_000),
            udp: Duration::from_secs(30),
            udp_stream: Duration::from_secs(180),
            other: Duration::from_secs(600),
            ..Timeouts::default()
        },
    }
}

/// Overrides those timeouts that are given; `udp` alone sets both kinds of UDP.
pub(crate) fn apply_timeouts(timeouts: &mut Timeouts, file: &TimeoutsFile) {
    let TimeoutsFile {
        tcp_opening,
        tcp_established,
        tcp_closed_and_time_wait,
        udp,
        udp_stream,
        icmp,
        other,
        origin: _,
    } = file;
    override_with(&mut timeouts.tcp_opening, tcp_opening);
    override_with(&mut timeouts.tcp_established, tcp_established);
    override_with(&mut timeouts.tcp_closed_and_time_wait, tcp_closed_and_time_wait);
    override_with(&mut timeouts.udp, udp);
    override_with(&mut timeouts.udp_stream, udp);
    override_with(&mut timeouts.udp_stream, udp_stream);
    override_with(&mut timeouts.icmp, icmp);
    override_with(&mut timeouts.other, other);
}

/// Under the alibaba profile the platform offers some values only.
pub(crate) fn check_timeouts(
    profile: Profile,
    timeouts: &Timeouts,
    file: &TimeoutsFile,
    findings: &mut Findings,
) {
    if profile != Profile::Alibaba {
        return;
    }
    if let Some(stream) = file.udp_stream.as_ref().filter(|_| timeouts.udp != timeouts.udp_stream) {
        let message = "the platform has one timeout for UDP";
        findings.error("RF0310", &stream.origin, message, "leave `udp_stream` out, or take `aws`");
    }
    let Err(error) = timeouts.check_platform() else {
        return;
    };
    let place = |field: &Option<Located<Duration>>| -> Origin {
        field.as_ref().map_or_else(|| file.origin.clone(), |it| it.origin.clone())
    };
    let origin = match error {
        TimeoutError::TcpEstablished => place(&file.tcp_established),
        TimeoutError::TcpClosedAndTimeWait => place(&file.tcp_closed_and_time_wait),
        TimeoutError::Udp => place(&file.udp),
    };
    let message = "the platform does not offer this timeout";
    findings.error("RF0310", &origin, message, error.to_string());
}

/// The timeouts of each interface, in their order.
pub(super) fn timeouts(
    file: &ScenarioFile,
    topology: &Topology,
    options: &AllOptions,
    findings: &mut Findings,
) -> Vec<Timeouts> {
    let profile = options.policy.profile;
    if let Some(general) = file.options.as_ref().and_then(|file| file.timeouts.as_ref()) {
        check_timeouts(profile, &options.timeouts, general, findings);
    }
    let own = topology.timeouts.iter().map(|own| {
        let mut timeouts = options.timeouts;
        if let Some(own) = own {
            apply_timeouts(&mut timeouts, own);
            check_timeouts(profile, &timeouts, own, findings);
        }
        timeouts
    });
    own.collect()
}

fn apply_limits(switch: &mut SwitchOptions, file: &LimitsFile) {
    let LimitsFile {
        sessions,
        sessions_per_interface,
        half_open_per_interface,
        output_queue,
        origin: _,
    } = file;
    let number = |located: &Option<Located<u32>>| {
        located.as_ref().map(|it| usize::try_from(it.value).unwrap_or(usize::MAX))
    };
    let default = Limits::default();
    let per_interface =
        number(sessions_per_interface).unwrap_or(default.sessions_per_interface_max);
    switch.limits = Limits {
        sessions_max: number(sessions).unwrap_or(default.sessions_max),
        sessions_per_interface_max: per_interface,
        half_open_per_interface_max: number(half_open_per_interface).unwrap_or(per_interface / 4),
    };
    switch.output_queue_max = number(output_queue).unwrap_or(switch.output_queue_max);
}

/// Links by port name; `default` is every other port.
pub(super) fn links(file: &ScenarioFile, topology: &mut Topology, findings: &mut Findings) {
    let is_default = |name: &Text| name.value == "default";
    let (general, own): (Vec<_>, Vec<_>) =
        file.links.0.iter().partition(|(name, _)| is_default(name));
    for (_, link) in general {
        for place in topology.places() {
            set_link(topology, place, link, findings);
        }
    }
    let named = topology.places_by_name();
    for (name, link) in own {
        let places = named.get(&name.value).map_or(&[][..], Vec::as_slice);
        if places.is_empty() {
            let message = format!("there is no port `{}`", name.value);
            let help = match suggestion(&name.value, topology.port_names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "a port is an instance, `INSTANCE/eth1`, or a host outside".to_owned(),
            };
            findings.error("RF0100", &name.origin, message, help);
        }
        for &place in places {
            set_link(topology, place, link, findings);
        }
    }
}

/// The smallest packet that every IPv4 link carries, and the largest that an IPv4 packet can be.
const MTU: std::ops::RangeInclusive<u16> = 576..=9_000;

fn set_link(topology: &mut Topology, place: Place, file: &LinkFile, findings: &mut Findings) {
    let LinkFile { delay, loss, bandwidth, mtu, origin: _ } = file;
    let mut link = topology.links.get(&place).copied().unwrap_or_default();
    override_with(&mut link.delay, delay);
    if let Some(loss) = loss {
        link.loss = loss.value.0;
    }
    if let Some(bandwidth) = bandwidth {
        link.bandwidth_bps = Some(bandwidth.value.0);
    }
    match link == LinkConfig::default() {
        true => topology.links.remove(&place),
        false => topology.links.insert(place, link),
    };
    let Some(mtu) = mtu else {
        return;
    };
    if !MTU.contains(&mtu.value) {
        let message = format!("an MTU of {} bytes cannot be", mtu.value);
        let help = format!("write {} to {}", MTU.start(), MTU.end());
        if findings.list.iter().all(|finding| finding.origin != mtu.origin) {
            findings.error("RF0010", &mtu.origin, message, help);
        }
        return;
    }
    match place {
        Place::Interface(index) => {
            topology.world.interfaces[index.as_usize()].mtu = usize::from(mtu.value);
        }
        Place::Outside(index) => {
            topology.world.outside[index.as_usize()].mtu = usize::from(mtu.value);
        }
        Place::Edge(_) => {}
    }
}
