//! The words of the live world: a fabric that is brought up, whom it runs, and how it goes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `up`
#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    /// The scenario file.
    pub(crate) scenario: PathBuf,
    /// Give every instance and every named host outside a network namespace with a TAP device,
    /// instead of those that the scenario attaches; the others are simulated guests.
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) attach: Option<Attach>,
    /// Leave the devices without addresses and routes, for whoever sets them.
    #[arg(long)]
    pub(crate) no_address: bool,
    /// What the fabric is called; the scenario file's name without its ending if not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Worker threads.
    #[arg(long, value_name = "NUMBER", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: u16,
}

/// How guests are attached.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attach {
    /// By TAP devices.
    Tap,
}

/// `exec`
#[derive(Args, Debug)]
pub(crate) struct ExecArgs {
    /// The instance or the host outside.
    pub(crate) instance: String,
    /// In which fabric, where several are up.
    #[arg(long, value_name = "NAME")]
    pub(crate) fabric: Option<String>,
    /// What to run there.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `down`, `clean`
#[derive(Args, Debug)]
pub(crate) struct FabricArgs {
    /// Which fabric; all of them if not given.
    pub(crate) name: Option<String>,
}
