//! A scenario from its text.
//!
//! Owns the order of the checks: the shape of the file; what its names refer to; the world; the
//! rules; changes in time order; expectations. A later check runs only on what the earlier ones
//! let stand, so that one mistake is not reported twice in other words.

mod attach;
mod expectations;
mod policy;
mod settings;
mod topology;
mod traffic;

use ringfence_cloud::{Problem, ProblemKind};
use ringfence_policy::Options;
use ringfence_switch::Fabric;

use crate::file::read::{Findings, Read};
use crate::file::{ScenarioFile, node};
use crate::{Diagnostic, Scenario, Source, changes};

pub(crate) use self::expectations::SOURCE_PORT;
pub(crate) use self::policy::{diagnose, rule_drafts};
pub(crate) use self::settings::{apply_timeouts, check_timeouts};

/// Reads and checks a scenario.
///
/// # Errors
/// Everything that is wrong with it, errors and warnings, in file order.
pub fn load(source: Source) -> Result<Scenario, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let read = match node::parse(&source) {
        Ok(node) => ScenarioFile::read(&node, &mut findings),
        Err(refusal) => {
            findings.list.push(*refusal);
            None
        }
    };
    let scenario = match read {
        Some(file) if !findings.has_errors() => build(source, file, &mut findings),
        _ => None,
    };
    findings.list.sort_by(|a, b| a.origin.cmp(&b.origin));
    match scenario {
        Some(scenario) if !findings.has_errors() => {
            Ok(Scenario { warnings: findings.list, ..scenario })
        }
        _ => Err(findings.list),
    }
}

fn build(source: Source, file: ScenarioFile, findings: &mut Findings) -> Option<Scenario> {
    refuse_unsupported(&file, findings);
    let options = settings::options(file.options.as_ref());
    let mut names = topology::Names::default();
    let topology = topology::build(&file, &mut names, findings);
    let catalogue = policy::catalogue(&file, &names, findings);
    let mut ports = topology;
    settings::links(&file, &mut ports, findings);
    let attached = attach::attached(&file.attach, &ports, findings);
    let references_hold = !findings.has_errors();
    if !ports.incomplete {
        report_problems(&ports.world.check(), &ports, findings);
    }
    if !references_hold {
        return None;
    }

    ports.world.index();
    let policies = policy::validate(&ports.world, &catalogue, options.policy, findings);
    let timeouts = settings::timeouts(&file, &ports, &options, findings);
    let world_holds = !findings.has_errors();
    let fabric = Fabric {
        world: ports.world,
        policies: policies.unwrap_or_default(),
        timeouts,
        options: options.switch,
    };
    let changes = match world_holds {
        true => changes::changes(&fabric, &file.changes, catalogue.clone(), findings),
        false => Vec::new(),
    };
    let rules = expectations::RuleIds::new(&catalogue, &changes);
    let context = expectations::Context { world: &fabric.world, resolve: world_holds, rules };
    let expectations = expectations::expectations(&context, file.expect, findings);
    let traffic = traffic::traffic(&context, file.traffic, findings);
    Some(Scenario {
        title: file.title.value.trim().to_owned(),
        description: file.description.map(|text| text.value.trim().to_owned()).unwrap_or_default(),
        seed: file.seed.map_or(0, |seed| seed.value),
        source,
        serves: ports.serves,
        attached,
        links: ports.links,
        fabric,
        traffic,
        changes,
        expectations,
        warnings: Vec::new(),
    })
}

fn refuse_unsupported(file: &ScenarioFile, findings: &mut Findings) {
    for (word, value) in [("never", &file.never), ("only", &file.only)] {
        if let Some(value) = value {
            let message = format!("`{word}` is not supported yet");
            let help = "it would not be checked: leave it out, or write the cases under `expect`";
            findings.error("RF0017", &value.origin, message, help);
        }
    }
}

fn report_problems(problems: &[Problem], ports: &topology::Topology, findings: &mut Findings) {
    for problem in problems {
        let code = match problem.kind {
            ProblemKind::DuplicateId => "RF0101",
            ProblemKind::DuplicateAddress => "RF0102",
            ProblemKind::DuplicateMac => "RF0103",
            ProblemKind::AddressOutsideVSwitch => "RF0104",
            ProblemKind::ReservedAddress => "RF0105",
            ProblemKind::VSwitchOutsideVpc => "RF0106",
            ProblemKind::OverlappingRanges => "RF0107",
            ProblemKind::UnusableAddress => "RF0108",
        };
        let mut help = problem.help.clone();
        if ports.is_service_outside(&problem.origin) {
            "it is a cloud service: declare it under `services`".clone_into(&mut help);
        }
        let origin = ports.place_of(&problem.origin, &problem.message);
        let mut diagnostic = Diagnostic::error(code, problem.message.clone(), help, origin);
        if let Some(related) = &problem.related {
            let related = ports.place_of(related, &problem.message);
            diagnostic.related.push((related, "the other one".to_owned()));
        }
        findings.list.push(diagnostic);
    }
}

/// The options of a scenario, sorted by whom they concern.
pub(crate) struct AllOptions {
    pub policy: Options,
    pub switch: ringfence_switch::SwitchOptions,
    pub timeouts: ringfence_session::Timeouts,
}
