//! What the machine has to spare now.
//!
//! Sources: `proc(5)` (`/proc/meminfo`, `/proc/loadavg`), `cgroups(7)` (version 2: `memory.max`, `memory.current`), `statvfs(3)`. Where the
//! system does not tell, there is no answer: the caller decides without.

use camino::Utf8Path;

/// The most bytes that are read of a file of the system.
const MOST: u64 = 64 << 10;

/// Memory that a new process could use, in bytes: what the system has available, or what is left to our control group if
/// that is less.
pub fn free_memory() -> Option<u64> {
    let available = available(&read("/proc/meminfo")?)?;
    Some(left_to_group().map_or(available, |left| left.min(available)))
}

/// The load of the last minute for each processor.
pub fn load() -> Option<f64> {
    let load: f64 = read("/proc/loadavg")?.split_whitespace().next()?.parse().ok()?;
    let processors = std::thread::available_parallelism().ok()?;
    Some(load / processors.get() as f64)
}

/// How many threads run or wait for a processor at this moment, this one among them.
pub fn running() -> Option<usize> {
    let loads = read("/proc/loadavg")?;
    loads.split_whitespace().nth(3)?.split_once('/')?.0.parse().ok()
}

/// Free space for us on the disk that `place` is on, in bytes.
pub fn free_disk(place: &Utf8Path) -> Option<u64> {
    let found = rustix::fs::statvfs(place.as_std_path()).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn left_to_group() -> Option<u64> {
    let groups = read("/proc/self/cgroup")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let dir = Utf8Path::new("/sys/fs/cgroup").join(own);
    let number = |name: &str| read(dir.join(name).as_str())?.trim().parse::<u64>().ok();
    // A group without a limit says `max`, which is no number.
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

fn read(path: &str) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MOST).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_found_among_the_rest() {
        let text = "MemTotal:       24000000 kB\nMemFree:  1 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(available(text), Some(2 << 20));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells() {
        assert!(free_memory().is_some_and(|bytes| bytes > 0));
        assert!(load().is_some_and(|load| load >= 0.0));
        assert!(free_disk(Utf8Path::new("/")).is_some());
        assert_eq!(free_disk(Utf8Path::new("/no such place")), None);
    }
}
