//! Files that `run` writes beside what it prints: captures, flow log, JUnit report.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ringfence_scenario::{RunOutput, RunReport, Scenario, captures, flow_log, junit, report};

use crate::cli::RunArgs;
use crate::files;
use crate::outcome::Failure;
use crate::output::Output;

/// Whether a file is to go to standard output (`-`), which then holds nothing else.
pub(super) fn takes_standard_output(args: &RunArgs) -> Result<bool, Failure> {
    let is_meant = |path: &Option<PathBuf>| path.as_deref().is_some_and(files::is_stdin);
    match (is_meant(&args.junit_xml), is_meant(&args.flow_log)) {
        (true, true) => Err(Failure::Usage(
            "--junit-xml and --flow-log both name standard output; give one of them a file".into(),
        )),
        (junit, flow_log) => Ok(junit || flow_log),
    }
}

/// What is to be written, and what is being written.
pub(super) struct Artifacts<'a> {
    args: &'a RunArgs,
    /// Whether each scenario gets a folder of its own.
    many: bool,
    folders: BTreeSet<PathBuf>,
    flow_log: Option<(&'a Path, Box<dyn Write>)>,
}

impl<'a> Artifacts<'a> {
    pub(super) fn new(args: &'a RunArgs, scenarios: usize) -> Result<Artifacts<'a>, Failure> {
        let flow_log = match &args.flow_log {
            Some(path) => {
                let mut file = create(path)?;
                writeln!(file, "{}", flow_log::FIELDS).map_err(|it| failed(path, &it))?;
                Some((path.as_path(), file))
            }
            None => None,
        };
        Ok(Artifacts { args, many: scenarios > 1, folders: BTreeSet::new(), flow_log })
    }

    /// Writes what there is to write of one run.
    pub(super) fn take(&mut self, scenario: &Scenario, run: &RunOutput) -> Result<(), Failure> {
        if let Some((path, file)) = &mut self.flow_log {
            flow_log::write(run, file).map_err(|error| failed(path, &error))?;
        }
        if let Some(folder) = &self.args.pcap {
            let folder = match self.many {
                true => self.folder_of(folder, scenario),
                false => folder.clone(),
            };
            fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
            let open = |port: &str| {
                let name = format!("{}.pcapng", captures::file_stem(port));
                File::create(folder.join(name)).map(BufWriter::new)
            };
            captures::write(run, open).map_err(|error| failed(&folder, &error))?;
        }
        Ok(())
    }

    /// A folder in `folder` that is named after the scenario's file, and is no other's.
    fn folder_of(&mut self, folder: &Path, scenario: &Scenario) -> PathBuf {
        let name = Path::new(&*scenario.source.name);
        let stem = name.file_stem().map_or("scenario".into(), |stem| stem.to_string_lossy());
        let numbered = (2..).map(|number| folder.join(format!("{stem}-{number}")));
        let mut names = std::iter::once(folder.join(&*stem)).chain(numbered);
        let free = names.find(|name| !self.folders.contains(name));
        let free = free.unwrap_or_else(|| folder.to_owned());
        self.folders.insert(free.clone());
        free
    }

    /// Writes what needs all runs.
    pub(super) fn finish(self, reports: &[RunReport], output: &Output) -> Result<(), Failure> {
        if let Some((path, mut file)) = self.flow_log {
            file.flush().map_err(|error| failed(path, &error))?;
        }
        if let Some(path) = &self.args.junit_xml {
            let xml = junit::to_xml(reports).map_err(Failure::Runtime)?;
            let mut file = create(path)?;
            file.write_all(xml.as_bytes()).map_err(|error| failed(path, &error))?;
            file.flush().map_err(|error| failed(path, &error))?;
        }
        if let Some(folder) = &self.args.report {
            let page = report::write(folder, reports).map_err(|error| failed(folder, &error))?;
            output.say(&format!("report: {}", page.display()));
        }
        Ok(())
    }
}

/// A file to write to, its folder made if need be; `-` is standard output.
fn create(path: &Path) -> Result<Box<dyn Write>, Failure> {
    if files::is_stdin(path) {
        return Ok(Box::new(io::stdout()));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    }
    let file = File::create(path).map_err(|error| failed(path, &error))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::cannot_write(path, error)
}
