//! Which fabrics run on this machine: one folder for each, with a file that says who it is. A fabric is
//! known to run by the process that it names, at the moment at which that was started, so that a number
//! that was given again to another process means nothing.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::{HostError, Namespaces};

/// The file in a fabric's folder.
const FILE: &str = "fabric.json";
/// Version of what is in it.
const FORMAT_VERSION: u32 = 1;

/// A fabric that runs, or did when it wrote this.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Version of this form.
    pub format_version: u32,
    /// Its name.
    pub name: String,
    /// The scenario's file.
    pub scenario: PathBuf,
    /// What the scenario shows.
    pub title: String,
    /// Its process.
    pub process: u32,
    /// When that was started, in ticks since the machine was.
    pub started_ticks: u64,
    /// Who is attached, by port name.
    pub attached: Vec<Attached>,
}

/// A guest with a network namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// The instance or outside host.
    pub guest: String,
    /// Its network namespace.
    pub namespace: String,
    /// Its ports, with the device and the addresses of each.
    pub cards: Vec<Card>,
}

/// A network card of a guest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Name of the port.
    pub port: String,
    /// Name of the device in the guest's namespace.
    pub device: String,
    /// Addresses, as text.
    pub addresses: Vec<String>,
}

/// Where fabrics say that they run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateFolder {
    folder: PathBuf,
}

/// A name that is this process's until it is dropped.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
}

impl StateFolder {
    /// The machine's.
    pub fn of_the_system() -> StateFolder {
        StateFolder { folder: PathBuf::from("/run/ringfence") }
    }

    /// A folder of one's own.
    pub fn at(folder: PathBuf) -> StateFolder {
        StateFolder { folder }
    }

    /// The folder of a fabric.
    pub fn folder_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All that are there, whether or not they still run, by name.
    pub fn all(&self) -> Vec<Running> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut all: Vec<Running> =
            entries.flatten().filter_map(|entry| read(&entry.path().join(FILE))).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The one of a name, whether or not it still runs.
    pub fn find(&self, name: &str) -> Option<Running> {
        read(&self.folder.join(name).join(FILE))
    }

    /// Takes a name for a fabric of this process and says what it is. What a killed run of that name
    /// left is an error: its namespaces may be there.
    ///
    /// # Errors
    /// If one of that name runs or was killed, or the folder cannot be written.
    pub fn claim(&self, running: &Running) -> Result<Claim, HostError> {
        let folder = self.folder.join(&running.name);
        fs::create_dir_all(&self.folder)
            .map_err(|error| HostError::file("cannot make", &self.folder, error))?;
        if let Err(error) = fs::create_dir(&folder) {
            return Err(match (error.kind(), self.find(&running.name)) {
                (std::io::ErrorKind::AlreadyExists, Some(other)) if other.is_alive() => {
                    HostError::Taken(other.name, other.process)
                }
                (std::io::ErrorKind::AlreadyExists, _) => HostError::file(
                    "a killed run left (`ringfence clean` removes it)",
                    folder,
                    error,
                ),
                _ => HostError::file("cannot make", folder, error),
            });
        }
        let claim = Claim { folder };
        claim.say(running)?;
        Ok(claim)
    }

    /// Removes what a fabric left that does not run any more: its namespaces, then its folder. Returns
    /// what was removed.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn clean(&self, left: &Running, namespaces: &Namespaces) -> Result<Vec<String>, HostError> {
        let mut removed = Vec::new();
        for Attached { namespace, .. } in &left.attached {
            match namespaces.delete(namespace) {
                Ok(()) => removed.push(namespace.clone()),
                Err(HostError::NoNamespace(_)) => {}
                Err(error) => return Err(error),
            }
        }
        remove(&self.folder.join(&left.name))?;
        Ok(removed)
    }
}

impl Claim {
    /// Says what the fabric is now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn say(&self, running: &Running) -> Result<(), HostError> {
        let path = self.folder.join(FILE);
        let text = serde_json::to_string_pretty(running).expect("it has a form in JSON");
        // whole or not at all: others read it at any moment
        let part = self.folder.join("fabric.json.part");
        fs::write(&part, text + "\n")
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|error| HostError::file("cannot write", path, error))
    }

    /// The fabric's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Claim {
    /// Nothing is left of a fabric that has ended.
    fn drop(&mut self) {
        // whoever looks finds a fabric that does not run, and `clean` removes it
        let _ = remove(&self.folder);
    }
}

impl Running {
    /// A fabric of this process, with nobody attached yet.
    pub fn of_this_process(name: &str, scenario: &Path, title: &str) -> Running {
        let process = std::process::id();
        Running {
            format_version: FORMAT_VERSION,
            name: name.to_owned(),
            scenario: scenario.to_owned(),
            title: title.to_owned(),
            process,
            started_ticks: started_ticks(process).unwrap_or(0),
            attached: Vec::new(),
        }
    }

    /// Whether its process lives.
    pub fn is_alive(&self) -> bool {
        started_ticks(self.process) == Some(self.started_ticks)
    }

    /// Asks its process to end.
    ///
    /// # Errors
    /// If this process may not.
    pub fn ask_to_end(&self) -> Result<(), HostError> {
        let Some(pid) = i32::try_from(self.process).ok().and_then(Pid::from_raw) else {
            return Ok(());
        };
        match kill_process(pid, Signal::TERM) {
            // it has ended by itself
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => {
                Err(HostError::file("cannot end the process of", self.name.clone(), error))
            }
        }
    }
}

fn read(path: &Path) -> Option<Running> {
    let running: Running = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    (running.format_version == FORMAT_VERSION).then_some(running)
}

fn remove(folder: &Path) -> Result<(), HostError> {
    fs::remove_dir_all(folder).map_err(|error| HostError::file("cannot remove", folder, error))
}

/// When a process was started; `None` if there is none of that number, or it is only waited for.
fn started_ticks(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // what stands in brackets is the program's name, and may hold anything
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    if state == "Z" {
        return None;
    }
    // field 22 of the file, the 20th behind the name
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Attached, Card, Running, StateFolder};
    use crate::HostError;

    fn state(name: &str) -> StateFolder {
        let folder =
            std::env::temp_dir().join(format!("ringfence-test-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        StateFolder::at(folder)
    }

    fn running(name: &str) -> Running {
        Running::of_this_process(name, "x.yaml".as_ref(), "A title")
    }

    #[test]
    fn a_claim_is_seen_and_goes() {
        let state = state("claim");
        let mut shop = running("shop");
        let claim = state.claim(&shop).unwrap();
        assert!(matches!(state.claim(&shop), Err(HostError::Taken(name, _)) if name == "shop"));
        let card = Card {
            port: "web-1".into(),
            device: "eth0".into(),
            addresses: vec!["10.0.0.1/24".into()],
        };
        shop.attached.push(Attached {
            guest: "web-1".into(),
            namespace: "rf-shop-web-1".into(),
            cards: vec![card],
        });
        claim.say(&shop).unwrap();
        let other = state.claim(&running("office")).unwrap();
        let names: Vec<String> = state.all().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["office", "shop"]);
        assert_eq!(state.find("shop"), Some(shop));
        assert!(state.find("shop").unwrap().is_alive());
        drop((claim, other));
        assert!(state.all().is_empty() && state.find("shop").is_none());
    }

    #[test]
    fn who_was_killed_is_not_alive_and_keeps_its_name() {
        let state = state("killed");
        let mut left = running("shop");
        left.started_ticks -= 1;
        std::mem::forget(state.claim(&left).unwrap());
        assert!(!state.find("shop").unwrap().is_alive());
        let error = state.claim(&running("shop")).unwrap_err().to_string();
        assert!(error.contains("ringfence clean"), "{error}");
        let namespaces = crate::Namespaces::in_folder(state.folder.join("none"));
        assert_eq!(state.clean(&left, &namespaces).unwrap(), Vec::<String>::new());
        assert!(state.claim(&running("shop")).is_ok());
    }
}
