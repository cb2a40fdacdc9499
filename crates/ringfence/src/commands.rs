//! The commands, one file each.

mod batch;
mod bench;
mod can_reach;
mod explain;
mod format;
mod live;
mod probes;
mod replay;
mod run;
mod texts;
mod validate;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

/// Does what was asked.
pub(crate) fn dispatch(command: Command, output: &Output) -> Result<Outcome, Failure> {
    match command {
        Command::Run(args) => run::run(&args, output),
        Command::Explain(args) => explain::explain(&args, output),
        Command::CanReach(args) => can_reach::can_reach(&args, output),
        Command::Bench(args) => bench::bench(&args, output),
        Command::Validate(args) => validate::validate(&args, output),
        Command::Fmt(args) => format::fmt(&args, output),
        Command::Schema => texts::schema(output),
        Command::ExplainCode(args) => texts::explain_code(&args, output),
        Command::Completions(args) => texts::completions(&args, Cli::command(), output),
        Command::Man => texts::man(Cli::command(), output),
        Command::Up(args) => live::up(&args, output),
        Command::Exec(args) => live::exec(&args),
        Command::Ps => live::ps(output),
        Command::Down(args) => live::down(&args, output),
        Command::Clean(args) => live::clean(&args, output),
        Command::Replay(args) => replay::replay(&args, output),
    }
}
