//! What the documents leave open, as named options (specification, part 12).

/// Which cloud's habits hold. Sets all options at once; a scenario may then override one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Profile {
    /// Alibaba Cloud ECS.
    #[default]
    Alibaba,
    /// AWS security groups.
    Aws,
    /// OpenStack Neutron.
    Neutron,
}

/// Option `same_group_outbound` (CONFLICT 1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SameGroupOutbound {
    /// S2's ordered table: outbound, custom rules come first.
    #[default]
    CustomRulesFirst,
    /// Accept groups allow outbound traffic to their members whatever the rules say.
    AcceptAlways,
}

/// Option `health_checks` (CONFLICT 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum HealthChecks {
    /// 100.64.0.0/10 inbound is always allowed.
    #[default]
    AlwaysAllowed,
    /// It needs a rule.
    NeedARule,
}

/// Option `port_25`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Port25 {
    /// "Outbound TCP 25 to the Internet is blocked by the platform".
    #[default]
    Blocked,
    /// The block was lifted on request.
    Open,
}

/// The options that decide verdicts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Options {
    /// The profile that the others come from.
    pub profile: Profile,
    /// See [`SameGroupOutbound`].
    pub same_group_outbound: SameGroupOutbound,
    /// See [`HealthChecks`].
    pub health_checks: HealthChecks,
    /// See [`Port25`].
    pub port_25: Port25,
}

impl Options {
    /// What a profile sets. The port 25 block and the allowance for 100.64.0.0/10 are Alibaba
    /// Cloud's own; neither AWS nor OpenStack has them.
    pub fn of(profile: Profile) -> Options {
        let same_group_outbound = SameGroupOutbound::CustomRulesFirst;
        let (health_checks, port_25) = match profile {
            Profile::Alibaba => (HealthChecks::AlwaysAllowed, Port25::Blocked),
            Profile::Aws | Profile::Neutron => (HealthChecks::NeedARule, Port25::Open),
        };
        Options { profile, same_group_outbound, health_checks, port_25 }
    }
}
