//! Who a process is, and whether it is dead for certain.
//!
//! A number alone says nothing: it is handed out again after the process ended, and means another process after a
//! reboot or in a container. On Linux the boot id therefore also names the namespace that numbers are counted in
//! (`<boot id>:<namespace>`): a supervisor in another container is *unknown*, never *dead*.

use biplane_model::{ProcessIdentity, clip, sanitize_line};

use super::{bounds, proctable};

/// What is known of a process's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It runs.
    Alive,
    /// It does not, for certain; one that ended and only waits to be collected counts as dead.
    Dead,
    /// It can't be told: treat it as alive.
    Unknown,
}

/// The identity of the process that has the number `pid` now; none when there is no such process.
pub fn of(pid: u32) -> Option<ProcessIdentity> {
    let process = proctable::process(pid).ok()??;
    Some(ProcessIdentity { boot_id: proctable::boot_id(), pid, start_time: process.start_time })
}

/// Our own identity. Where the system doesn't tell the start time, it is 0.
pub fn current() -> ProcessIdentity {
    let pid = std::process::id();
    of(pid).unwrap_or_else(|| ProcessIdentity { boot_id: proctable::boot_id(), pid, start_time: 0 })
}

/// Whether the process lives; says *dead* only with proof.
pub fn liveness(process: &ProcessIdentity) -> Liveness {
    let here = proctable::boot_id();
    let (boot, namespace) = split(&process.boot_id);
    let (our_boot, our_namespace) = split(&here);
    if boot != our_boot {
        return if boot.is_empty() || our_boot.is_empty() { Liveness::Unknown } else { Liveness::Dead };
    }
    if namespace != our_namespace {
        return Liveness::Unknown;
    }
    match proctable::process(process.pid) {
        Ok(Some(found)) if found.start_time != process.start_time => Liveness::Dead,
        Ok(Some(found)) if found.ended || found.leaves => Liveness::Dead,
        Ok(Some(_)) => Liveness::Alive,
        Ok(None) => Liveness::Dead,
        Err(_) => Liveness::Unknown,
    }
}

/// The command line of the process that has the number `pid` now, fit to be shown, at most
/// [`bounds::DESCRIPTION`] characters; its name in brackets when it has none; `?` when there is no such process.
pub fn describe(pid: u32) -> String {
    clip(sanitize_line(&proctable::command_line(pid)).trim(), bounds::DESCRIPTION)
}

fn split(boot_id: &str) -> (&str, &str) {
    boot_id.split_once(':').unwrap_or((boot_id, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_alive_and_our_number_in_other_times_is_not_us() {
        let us = current();
        assert_eq!(liveness(&us), Liveness::Alive);
        assert_eq!(of(us.pid), Some(us.clone()));
        let reused = ProcessIdentity { start_time: us.start_time + 1, ..us.clone() };
        assert_eq!(liveness(&reused), Liveness::Dead);
        let nobody = ProcessIdentity { pid: u32::MAX, ..us.clone() };
        assert_eq!(liveness(&nobody), Liveness::Dead);
        let before_reboot = ProcessIdentity { boot_id: "another".to_owned(), ..us };
        assert_eq!(liveness(&before_reboot), Liveness::Dead);
        assert_eq!(of(u32::MAX), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn another_container_is_not_proof_of_death() {
        let us = current();
        let boot = split(&us.boot_id).0.to_owned();
        let elsewhere = ProcessIdentity { boot_id: format!("{boot}:1"), pid: u32::MAX, ..us };
        assert_eq!(liveness(&elsewhere), Liveness::Unknown);
        let nowhere = ProcessIdentity { boot_id: String::new(), ..elsewhere };
        assert_eq!(liveness(&nowhere), Liveness::Unknown);
    }

    #[test]
    fn a_description_is_short_and_never_empty() {
        let text = describe(std::process::id());
        assert!(!text.is_empty() && text != "?" && text.chars().count() <= bounds::DESCRIPTION, "{text}");
        assert_eq!(describe(u32::MAX), "?");
    }
}
