//! A fabric that a test brings up and that is gone when the test ends, whatever way it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The command.
pub(crate) const RINGFENCE: &str = env!("CARGO_BIN_EXE_ringfence");

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A fabric that is up.
pub(crate) struct Fabric {
    pub(crate) name: String,
    child: Child,
    file: PathBuf,
    /// What it printed when it was up.
    pub(crate) said: String,
}

impl Fabric {
    /// Brings one up from the text of a scenario; waits until it is.
    pub(crate) fn up(scenario: &str, options: &[&str]) -> Fabric {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}-{number}", std::process::id());
        let file = std::env::temp_dir().join(format!("{name}.yaml"));
        fs::write(&file, scenario).unwrap();
        let mut child = Command::new(RINGFENCE)
            .args(["up", "--name", &name, "-o", "jsonl"])
            .args(options)
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        if said.is_empty() {
            let mut error = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut error).unwrap();
            panic!("it did not come up: {error}");
        }
        Fabric { name, child, file, said }
    }

    /// Brings a shipped one up.
    pub(crate) fn shipped(path: &str, options: &[&str]) -> Fabric {
        let path = format!("{}/../../scenarios/{path}", env!("CARGO_MANIFEST_DIR"));
        Fabric::up(&fs::read_to_string(path).unwrap(), options)
    }

    /// Runs a command of some words at a guest and waits for its end.
    pub(crate) fn exec(&self, guest: &str, command: &str) -> Output {
        self.command(guest, command).output().unwrap()
    }

    /// The same, not yet begun.
    pub(crate) fn command(&self, guest: &str, command: &str) -> Command {
        let mut exec = Command::new(RINGFENCE);
        exec.args(["exec", "--fabric", &self.name, guest, "--"]).args(command.split(' '));
        exec
    }

    /// Kills it as nobody should.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself, and how.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        // ended already, or never up: each of the three may have nothing to do
        let _ = ringfence(&["down", &self.name]);
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = ringfence(&["clean", &self.name]);
        let _ = fs::remove_file(&self.file);
    }
}

/// Runs the command.
pub(crate) fn ringfence(arguments: &[&str]) -> Output {
    Command::new(RINGFENCE).args(arguments).output().unwrap()
}

/// Standard output and error of a command, as text.
pub(crate) fn text(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr];
    both.map(|part| String::from_utf8_lossy(part).into_owned()).join("")
}
