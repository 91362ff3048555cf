//! Whether the machine has room for one more agent.
//!
//! Pure but for [`Machine::look`]. Where the machine does not tell something, that does not hold up anybody.

use biplane_execution::machine;
use biplane_model::AgentName;
use camino::Utf8Path;

use crate::settings::{Agent, Up};

/// What the machine has to spare at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Machine {
    /// In bytes.
    pub(super) memory: Option<u64>,
    /// In bytes, on the disk of the worktrees.
    pub(super) disk: Option<u64>,
    /// Of the last minute, for each processor.
    pub(super) load: Option<f64>,
}

impl Machine {
    pub(super) fn look(worktrees: &Utf8Path) -> Self {
        // The directory may not be there yet; then it will be made on the disk of the one above it.
        let place = worktrees.ancestors().find(|dir| dir.is_dir()).unwrap_or(worktrees);
        Self { memory: machine::free_memory(), disk: machine::free_disk(place), load: machine::load() }
    }
}

/// What an agent has to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shortage {
    /// Memory or the processors: that passes when others end.
    Passing(String),
    /// The disk is full: that passes when somebody makes room.
    Disk(String),
}

/// Why one more of `agent` can't be started now; `promised` is memory that others have been started for and may not have yet.
pub(super) fn shortage(
    machine: &Machine,
    up: &Up,
    name: &AgentName,
    agent: &Agent,
    promised: u64,
) -> Option<Shortage> {
    if let Some(free) = machine.disk.filter(|free| *free < up.min_disk) {
        let (free, least) = (size(free), size(up.min_disk));
        return Some(Shortage::Disk(format!("{free} are free on the disk, and `up` leaves {least}")));
    }
    let needed = up.min_memory.saturating_add(agent.memory).saturating_add(promised);
    if let Some(free) = machine.memory.filter(|free| *free < needed) {
        let why = format!("{} of memory are free, and one more `{name}` needs {}", size(free), size(needed));
        return Some(Shortage::Passing(why));
    }
    let load = machine.load.filter(|load| up.max_load > 0.0 && *load >= up.max_load)?;
    Some(Shortage::Passing(format!("the load is {load:.1} for each processor")))
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_named() {
        let up = Up { min_memory: 100 << 20, min_disk: 1 << 30, max_load: 4.0, ..Up::default() };
        let agent = Agent { memory: 300 << 20, ..Agent::new(vec!["x".into()], None) };
        let name = "claude".parse().unwrap();
        let plenty = Machine { memory: Some(8 << 30), disk: Some(8 << 30), load: Some(0.5) };
        let of = |machine: Machine, promised| match shortage(&machine, &up, &name, &agent, promised) {
            None => String::new(),
            Some(Shortage::Passing(why) | Shortage::Disk(why)) => why,
        };
        assert_eq!(of(plenty, 0), "");
        let tight = Machine { memory: Some(500 << 20), ..plenty };
        assert_eq!(of(tight, 0), "");
        let said = "500 MiB of memory are free, and one more `claude` needs 700 MiB";
        assert_eq!(of(tight, 300 << 20), said);
        assert_eq!(of(Machine { load: Some(4.0), ..plenty }, 0), "the load is 4.0 for each processor");
        let full = Machine { disk: Some(1 << 29), ..plenty };
        assert_eq!(of(full, 0), "512 MiB are free on the disk, and `up` leaves 1.0 GiB");
        assert_eq!(of(Machine { memory: None, disk: None, load: None }, 0), "");
    }
}
