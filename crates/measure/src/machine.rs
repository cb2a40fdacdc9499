//! What a measurement ran on: without it a figure means nothing.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::clock::Clock;

const UNKNOWN: &str = "unknown";

/// The machine and the build. What the system does not tell is `unknown` or 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Name of the processor.
    pub processor: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Ticks a second of the clock's counter.
    pub tsc_hz: u64,
    /// Ticks that reading the clock takes.
    pub timer_overhead_clocks: u64,
    /// Caches of the first core: name (`L1d`, `L2`) and bytes.
    pub caches: Vec<(String, u64)>,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// When the kernel gives transparent huge pages: `always`, `madvise` or `never`.
    pub huge_pages: String,
    /// The kernel's version.
    pub kernel: String,
    /// Whether it is a virtual machine.
    pub is_virtual: bool,
    /// The commit that was built.
    pub commit: String,
    /// `release` or `debug`.
    pub build: &'static str,
}

impl Machine {
    /// This machine.
    pub fn read(clock: &Clock) -> Machine {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processor_text = text("/proc/cpuinfo");
        let kernel = text("/proc/sys/kernel/osrelease");
        Machine {
            processor: processor(&processor_text).unwrap_or(UNKNOWN).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            tsc_hz: clock.hz(),
            timer_overhead_clocks: clock.overhead_ticks(),
            caches: caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
            memory_bytes: memory_bytes(&text("/proc/meminfo")).unwrap_or(0),
            huge_pages: chosen(&text("/sys/kernel/mm/transparent_hugepage/enabled"))
                .unwrap_or(UNKNOWN)
                .to_owned(),
            kernel: match kernel.trim() {
                "" => UNKNOWN.to_owned(),
                kernel => kernel.to_owned(),
            },
            is_virtual: is_virtual(&processor_text),
            commit: option_env!("RINGFENCE_COMMIT").unwrap_or(UNKNOWN).to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }

    /// For the head of a result, on one line.
    pub fn sentence(&self) -> String {
        let Machine { processor, cores, kernel, huge_pages, commit, build, .. } = self;
        let kind = if self.is_virtual { "virtual, " } else { "" };
        let caches: Vec<String> = self
            .caches
            .iter()
            .map(|(name, bytes)| format!("{name} {} KiB", bytes / 1024))
            .collect();
        let caches = if caches.is_empty() { "caches unknown".to_owned() } else { caches.join(" ") };
        format!(
            "{processor}, {kind}{cores} cores, TSC {:.3} GHz (reading it {} clocks), {caches}, \
             {:.1} GiB, huge pages {huge_pages}, kernel {kernel}, {build} build, commit {commit}",
            self.tsc_hz as f64 / 1e9,
            self.timer_overhead_clocks,
            self.memory_bytes as f64 / f64::from(1 << 30),
        )
    }

    /// For documents.
    pub fn to_json(&self) -> Value {
        let Machine { processor, cores, tsc_hz, timer_overhead_clocks, caches, .. } = self;
        let caches: serde_json::Map<String, Value> =
            caches.iter().map(|(name, bytes)| (format!("{name}_bytes"), json!(bytes))).collect();
        json!({
            "build": self.build,
            "caches": caches,
            "commit": self.commit,
            "cores": cores,
            "huge_pages": self.huge_pages,
            "kernel": self.kernel,
            "memory_bytes": self.memory_bytes,
            "processor": processor,
            "timer_overhead_clocks": timer_overhead_clocks,
            "tsc_hz": tsc_hz,
            "virtual": self.is_virtual,
        })
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn processor(cpuinfo: &str) -> Option<&str> {
    field(cpuinfo, "model name")
}

fn is_virtual(cpuinfo: &str) -> bool {
    field(cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"))
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kib: u64 = field(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The word in brackets.
fn chosen(text: &str) -> Option<&str> {
    let (_, behind) = text.split_once('[')?;
    Some(behind.split_once(']')?.0)
}

/// `512K` as bytes.
fn cache_bytes(size: &str) -> Option<u64> {
    let size = size.trim();
    let (number, unit) = match size.strip_suffix('K') {
        Some(number) => (number, 1024),
        None => (size.strip_suffix('M')?, 1024 * 1024),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn caches(folder: &Path) -> Vec<(String, u64)> {
    let cache = |index: usize| {
        let read =
            |name: &str| fs::read_to_string(folder.join(format!("index{index}")).join(name)).ok();
        let (level, kind) = (read("level")?, read("type")?);
        let letter = match kind.trim() {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        Some((format!("L{}{letter}", level.trim()), cache_bytes(&read("size")?)?))
    };
    (0..8).map_while(cache).collect()
}

#[cfg(test)]
mod tests {
    use super::{Machine, cache_bytes, chosen, is_virtual, memory_bytes, processor};
    use crate::clock::Clock;

    #[test]
    fn what_the_kernel_says_is_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A CPU: fast\nflags\t\t: fpu hypervisor sse\n";
        assert_eq!(processor(cpuinfo), Some("A CPU: fast"));
        assert!(is_virtual(cpuinfo));
        assert!(!is_virtual("flags : fpu hypervisors\n"));
        assert_eq!(processor("nothing"), None);
        assert_eq!(memory_bytes("MemTotal:   2048 kB\n"), Some(2 << 20));
        assert_eq!(memory_bytes("MemTotal:   x kB\n"), None);
        assert_eq!(chosen("always [madvise] never\n"), Some("madvise"));
        assert_eq!(chosen("always"), None);
        assert_eq!(cache_bytes("512K\n"), Some(512 << 10));
        assert_eq!(cache_bytes("32M"), Some(32 << 20));
        assert_eq!(cache_bytes("32"), None);
    }

    #[test]
    fn this_machine_is_described() {
        let machine = Machine::read(&Clock::calibrate());
        assert!(machine.cores > 0);
        let sentence = machine.sentence();
        for words in [&machine.processor, &machine.kernel, "GHz", "commit"] {
            assert!(sentence.contains(words), "{words}: {sentence}");
        }
        assert_eq!(machine.to_json()["cores"], machine.cores);
    }

    #[test]
    fn a_machine_as_text() {
        let machine = Machine {
            processor: "A CPU".to_owned(),
            cores: 2,
            tsc_hz: 2_600_000_000,
            timer_overhead_clocks: 25,
            caches: vec![("L1d".to_owned(), 32 << 10), ("L2".to_owned(), 1 << 20)],
            memory_bytes: 24 << 30,
            huge_pages: "madvise".to_owned(),
            kernel: "6.1".to_owned(),
            is_virtual: true,
            commit: "abc".to_owned(),
            build: "release",
        };
        assert_eq!(
            machine.sentence(),
            "A CPU, virtual, 2 cores, TSC 2.600 GHz (reading it 25 clocks), L1d 32 KiB L2 1024 KiB, \
             24.0 GiB, huge pages madvise, kernel 6.1, release build, commit abc"
        );
    }
}
