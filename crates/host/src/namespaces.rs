//! Named network namespaces, kept as `ip netns` keeps them: each is bound to a file in one folder, and
//! lives as long as that.

#![allow(unsafe_code, reason = "one call that takes a thread out of its namespace")]

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, UnmountFlags, mount_bind, mount_bind_recursive, mount_change, unmount,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::HostError;

/// The namespace of the thread that reads it.
const OWN: &str = "/proc/thread-self/ns/net";

/// A folder of named network namespaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespaces {
    folder: PathBuf,
}

impl Namespaces {
    /// Those that `ip netns` knows.
    pub fn of_the_system() -> Namespaces {
        Namespaces { folder: PathBuf::from("/run/netns") }
    }

    /// Those in a folder of one's own.
    pub fn in_folder(folder: PathBuf) -> Namespaces {
        Namespaces { folder }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Their names, in order.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|it| it.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// If there is one of that name, or the system refuses.
    pub fn create(&self, name: &str) -> Result<(), HostError> {
        self.prepare_folder()?;
        let path = self.path(name);
        match fs::File::create_new(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(HostError::NamespaceExists(name.to_owned()));
            }
            Err(error) => return Err(HostError::file("cannot make", path, error)),
        }
        let bound = on_a_thread(name, || {
            // SAFETY: the thread's descriptors stay shared; only its network is another one.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(|error| {
                HostError::file("cannot make a network namespace for", &path, error)
            })?;
            mount_bind(OWN, &path).map_err(|error| {
                HostError::file("cannot bind a network namespace to", &path, error)
            })
        });
        if bound.is_err() {
            // nobody has it: what is left is an empty file
            let _ = fs::remove_file(&path);
        }
        bound?
    }

    /// Removes a namespace; the devices in it go with it, once the last process has left it.
    ///
    /// # Errors
    /// If there is none of that name, or the system refuses.
    pub fn delete(&self, name: &str) -> Result<(), HostError> {
        let path = self.path(name);
        match unmount(&path, UnmountFlags::DETACH) {
            // EINVAL: a file that nothing is bound to, which a killed run left
            Ok(()) | Err(Errno::INVAL) => {}
            Err(Errno::NOENT) => return Err(HostError::NoNamespace(name.to_owned())),
            Err(error) => return Err(HostError::file("cannot unbind", path, error)),
        }
        fs::remove_file(&path).map_err(|error| HostError::file("cannot remove", path, error))
    }

    /// Has a thread of its own do something inside a namespace.
    ///
    /// # Errors
    /// If there is no such namespace, or it cannot be entered.
    pub fn within<T: Send>(
        &self,
        name: &str,
        what: impl FnOnce() -> T + Send,
    ) -> Result<T, HostError> {
        on_a_thread(name, || self.enter(name).map(|()| what()))?
    }

    /// Takes the calling thread into a namespace, for good.
    ///
    /// # Errors
    /// If there is no such namespace, or it cannot be entered.
    pub fn enter(&self, name: &str) -> Result<(), HostError> {
        let path = self.path(name);
        let file = fs::File::open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => HostError::NoNamespace(name.to_owned()),
            _ => HostError::file("cannot open", &path, error),
        })?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| HostError::file("cannot enter", path, error))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the folder one whose mounts others see, as `ip netns add` does.
    fn prepare_folder(&self) -> Result<(), HostError> {
        let folder = &self.folder;
        fs::create_dir_all(folder)
            .map_err(|error| HostError::file("cannot make", folder, error))?;
        let share =
            || mount_change(folder, MountPropagationFlags::SHARED | MountPropagationFlags::REC);
        match share() {
            Ok(()) => Ok(()),
            // it is no mount yet
            Err(Errno::INVAL) => mount_bind_recursive(folder, folder).and_then(|()| share()),
            Err(error) => Err(error),
        }
        .map_err(|error| HostError::file("cannot share the mounts of", folder, error))
    }
}

/// From now on the calling process, and what it becomes, sees `file` in the place of `path`, and nobody
/// else does.
///
/// # Errors
/// If the system refuses.
pub fn see_instead(path: &Path, file: &Path) -> Result<(), HostError> {
    // SAFETY: descriptors stay shared; only the mounts are the process's own.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
        .map_err(|error| HostError::file("cannot make a mount namespace for", path, error))?;
    let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", downstream)
        .map_err(|error| HostError::file("cannot part the mounts of", "/", error))?;
    mount_bind(file, path).map_err(|error| HostError::file("cannot bind to", path, error))
}

/// Has a thread of its own do something, and waits for it.
fn on_a_thread<T: Send>(name: &str, what: impl FnOnce() -> T + Send) -> Result<T, HostError> {
    thread::scope(|scope| {
        scope.spawn(what).join().map_err(|_| HostError::NoAnswer(name.to_owned()))
    })
}
