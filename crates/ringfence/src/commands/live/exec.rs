//! `exec`: a program in the network namespace of a guest. The process becomes that program.

use std::os::unix::process::CommandExt;
use std::process::Command;

use ringfence_host::{Attached, Namespaces, Running, StateFolder, see_instead};

use super::up::HOSTS;
use crate::cli::live::ExecArgs;
use crate::outcome::{Failure, Outcome};

/// `exec`
pub(crate) fn exec(args: &ExecArgs) -> Result<Outcome, Failure> {
    let state = StateFolder::of_the_system();
    let (running, attached) = find(args, state.all())?;
    Namespaces::of_the_system().enter(&attached.namespace)?;
    let hosts = state.folder_of(&running.name).join(HOSTS);
    see_instead("/etc/hosts".as_ref(), &hosts)?;
    let (program, rest) = args.command.split_first().expect("clap asks for a command");
    let error = Command::new(program).args(rest).env("RINGFENCE_INSTANCE", &attached.guest).exec();
    // it returns only if it failed
    Err(Failure::Usage(format!("cannot run {program}: {error}")))
}

fn find(args: &ExecArgs, all: Vec<Running>) -> Result<(Running, Attached), Failure> {
    let is_meant = |it: &Running| args.fabric.as_ref().is_none_or(|name| *name == it.name);
    let up: Vec<Running> = all.into_iter().filter(|it| it.is_alive() && is_meant(it)).collect();
    let mut found = Vec::new();
    for running in &up {
        let guest = running.attached.iter().find(|it| it.guest == args.instance);
        found.extend(guest.map(|guest| (running.clone(), guest.clone())));
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 if up.is_empty() => Err(Failure::Nothing("no such fabric is up".to_owned())),
        0 => {
            let names: Vec<&str> = up
                .iter()
                .flat_map(|running| running.attached.iter().map(|it| it.guest.as_str()))
                .collect();
            Err(Failure::Usage(format!(
                "`{}` has no network namespace; these have: {}",
                args.instance,
                names.join(", ")
            )))
        }
        _ => {
            let names: Vec<&str> = found.iter().map(|(it, _)| it.name.as_str()).collect();
            Err(Failure::Usage(format!(
                "`{}` is in several fabrics ({}): say which by --fabric",
                args.instance,
                names.join(", ")
            )))
        }
    }
}
