//! Which core a worker runs on.

use std::io;

/// Where workers run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// The core of each worker; `None`: wherever the system likes.
    pub cores: Vec<Option<usize>>,
    /// Cores that this process may use.
    pub allowed: usize,
}

impl Placement {
    /// A core for each of `workers`, in turn where there are fewer.
    pub(crate) fn new(workers: usize, pin: bool) -> Placement {
        let allowed = allowed();
        let count = allowed.len().max(1);
        let core = |worker: usize| allowed.get(worker % count).copied().filter(|_| pin);
        Placement { cores: (0..workers).map(core).collect(), allowed: count }
    }

    /// Whether workers have to share cores.
    pub fn is_shared(&self) -> bool {
        self.cores.len() > self.allowed
    }
}

/// Keeps this thread on one core.
#[cfg(target_os = "linux")]
pub(crate) fn pin(core: usize) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set)?;
    Ok(())
}

/// Keeps this thread on one core: nothing does here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_: usize) -> io::Result<()> {
    Ok(())
}

/// Lets this thread's timers be as exact as the machine's.
pub(crate) fn sharpen_timers() {
    #[cfg(target_os = "linux")]
    {
        // without it they are 50 µs late, which is all that is lost if this fails
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}

#[cfg(target_os = "linux")]
fn allowed() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect()
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> Vec<usize> {
    (0..std::thread::available_parallelism().map_or(1, usize::from)).collect()
}
