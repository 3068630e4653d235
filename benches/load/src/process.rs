//! What a process takes of the machine, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// `USER_HZ` is 100 on every Linux that has these programs (proc(5), stat).
const TICK: Duration = Duration::from_millis(10);

/// Of all threads of a process since its start, and its memory now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// In its own code.
    pub(crate) user: Duration,
    /// In the kernel on its behalf. What the kernel does with a packet that it sends is in here too, as far as that
    /// happens at once: on a virtual cable the other end's routing.
    pub(crate) system: Duration,
    /// Resident memory.
    pub(crate) memory_kb: u64,
    /// What its maps take in the kernel.
    pub(crate) kernel_kb: u64,
}

impl Usage {
    /// Of a process; `None` if there is none of that number.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::read(&pid.to_string())
    }

    /// Of this program.
    pub(crate) fn ours() -> Self {
        Self::read("self").unwrap_or_default()
    }

    /// Processor time of both kinds.
    pub(crate) fn cpu(self) -> Duration {
        self.user + self.system
    }

    /// Since an earlier look; memory as it is now.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            ..self
        }
    }

    fn read(process: &str) -> Option<Self> {
        let (user, system) = ticks(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let memory_kb = memory.split_whitespace().next()?.parse().ok()?;
        Some(Self { user: TICK * user, system: TICK * system, memory_kb, kernel_kb: maps_kb(process) })
    }
}

/// Memory of the maps (BPF) that a process has open, each once; 0 where one may not look.
fn maps_kb(process: &str) -> u64 {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fdinfo")) else { return 0 };
    let texts = descriptors.flatten().filter_map(|descriptor| fs::read_to_string(descriptor.path()).ok());
    let maps: BTreeMap<u64, u64> = texts.filter_map(|text| map_octets(&text)).collect();
    maps.into_values().sum::<u64>() / 1024
}

/// Number and memory of a map, from the words about its descriptor.
fn map_octets(text: &str) -> Option<(u64, u64)> {
    let number = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some((number("map_id:")?, number("memlock:")?))
}

/// Fields 14 and 15; the second one is a name in parentheses that may hold anything.
fn ticks(stat: &str) -> Option<(u32, u32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The machine in a line.
pub(crate) fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model);
    format!("Linux {}, {cores} cores, {model}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_maps_is_told_from_that_of_programs() {
        let map = "pos:\t0\nmap_type:\t1\nmax_entries:\t32\nmemlock:\t4096\nmap_id:\t7\nfrozen:\t0\n";
        assert_eq!(map_octets(map), Some((7, 4096)));
        assert_eq!(map_octets("pos:\t0\nprog_type:\t3\nmemlock:\t4096\nprog_id:\t9\n"), None);
    }

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 6 0";
        assert_eq!(ticks(stat), Some((250, 50)));
        assert_eq!(ticks("nonsense"), None);
    }
}
