//! The `ringfence` command. Owns the way from words on a command line to an exit code.

mod cli;
mod commands;
mod files;
mod outcome;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // a closed pipe is no error, and there is nobody else to tell
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    output::choose_colour(cli.color);
    let output = Output::new(cli.output);
    let outcome = commands::dispatch(cli.command, &output);
    ExitCode::from(outcome::exit_code(outcome, &output))
}
