//! The words of a scenario that have a meaning here. Those of rules are `policy`'s.

use ringfence_cloud::Reach;
use ringfence_endpoints::Seen;
use ringfence_endpoints::application::Application;
use ringfence_frame::Family;
use ringfence_policy::{HealthChecks, Port25, Profile, SameGroupOutbound};
use ringfence_session::TcpMidstream;
use ringfence_switch::OnRuleChange;

use super::leaves::Choice;

macro_rules! choice {
    ($type:ty, $what:literal, $($word:literal => $value:expr),* $(,)?) => {
        impl Choice for $type {
            const WHAT: &'static str = $what;

            fn words() -> Vec<(&'static str, $type)> {
                vec![$(($word, $value)),*]
            }
        }
    };
}

choice!(Profile, "a profile",
    "alibaba" => Profile::Alibaba, "aws" => Profile::Aws, "neutron" => Profile::Neutron);

choice!(SameGroupOutbound, "a value of `same_group_outbound`",
    "custom-rules-first" => SameGroupOutbound::CustomRulesFirst,
    "accept-always" => SameGroupOutbound::AcceptAlways);

choice!(HealthChecks, "a value of `health_checks`",
    "always-allowed" => HealthChecks::AlwaysAllowed,
    "need-a-rule" => HealthChecks::NeedARule);

choice!(OnRuleChange, "a value of `on_rule_change`",
    "cut-if-denied" => OnRuleChange::CutIfDenied,
    "keep" => OnRuleChange::Keep,
    "flush" => OnRuleChange::Flush,
    "flush-inbound" => OnRuleChange::FlushInbound);

choice!(TcpMidstream, "a value of `tcp_midstream`",
    "pick-up" => TcpMidstream::PickUp, "drop" => TcpMidstream::Drop);

choice!(Port25, "a value of `port_25`",
    "blocked" => Port25::Blocked, "open" => Port25::Open);

choice!(Family, "an address family",
    "ipv4" => Family::Ipv4, "ipv6" => Family::Ipv6);

choice!(Reach, "a side of the network",
    "internet" => Reach::Internet, "intranet" => Reach::Internal);

choice!(Seen, "something that a guest can see",
    "connected" => Seen::Connected,
    "replied" => Seen::Replied,
    "refused" => Seen::Refused,
    "reset" => Seen::Reset,
    "timed out" => Seen::TimedOut,
    "icmp error" => Seen::IcmpError,
    "sent" => Seen::Sent);

choice!(Application, "an application",
    "http" => Application::Http,
    "https" => Application::Https,
    "ssh" => Application::Ssh,
    "rdp" => Application::Rdp,
    "ftp" => Application::Ftp,
    "echo" => Application::Echo,
    "dns" => Application::Dns,
    "mysql" => Application::MySql,
    "oracle" => Application::Oracle,
    "sql-server" => Application::SqlServer,
    "postgresql" => Application::PostgreSql,
    "redis" => Application::Redis);

/// What a client speaks, if anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speaks {
    /// The connection alone.
    Nothing,
    Application(Application),
}

impl Choice for Speaks {
    const WHAT: &'static str = "an application, or `none`";

    fn words() -> Vec<(&'static str, Speaks)> {
        let applications = Application::words().into_iter();
        let applications = applications.map(|(word, it)| (word, Speaks::Application(it)));
        [("none", Speaks::Nothing)].into_iter().chain(applications).collect()
    }
}

/// `verdict`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VerdictWord {
    Allow,
    Deny,
}

choice!(VerdictWord, "a verdict",
    "allow" => VerdictWord::Allow, "deny" => VerdictWord::Deny);

/// Where an instance or a group lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NetworkWord {
    Vpc,
    Classic,
}

choice!(NetworkWord, "a network",
    "vpc" => NetworkWord::Vpc, "classic" => NetworkWord::Classic);

/// `because`, by its stable name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BecauseWord(pub &'static str);

impl Choice for BecauseWord {
    const WHAT: &'static str = "a reason of a verdict";

    fn words() -> Vec<(&'static str, BecauseWord)> {
        const REASONS: [&str; 19] = [
            "rule",
            "same-group",
            "default",
            "always-allowed",
            "platform",
            "session",
            "midstream",
            "spoofed",
            "not-forwarded",
            "unreachable",
            "ttl-exceeded",
            "too-big",
            "queue-full",
            "malformed",
            "fragment-timeout",
            "fragment-overlap",
            "fragment-limit",
            "session-limit",
            "half-open-limit",
        ];
        REASONS.into_iter().map(|word| (word, BecauseWord(word))).collect()
    }
}

/// `stage`, by its stable name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StageWord(pub &'static str);

impl Choice for StageWord {
    const WHAT: &'static str = "a stage";

    fn words() -> Vec<(&'static str, StageWord)> {
        const STAGES: [&str; 6] = ["parse", "admit", "outbound", "route", "inbound", "deliver"];
        STAGES.into_iter().map(|word| (word, StageWord(word))).collect()
    }
}
