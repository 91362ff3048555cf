//! Whether the file system that the ledger lies on does what biplane relies on.
//!
//! Tried out in a directory made for it beside the ledger, which is gone afterwards.

use std::{
    fs::{File, TryLockError},
    io,
};

use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Code, Examination, Finding};
use crate::{bounds, files};

/// What the name of the directory begins with in which things are tried out; the number of the process follows.
pub(crate) const PROBES_BY: &str = "doctor-by-";

/// Magic numbers of `statfs(2)` for file systems that may be on another machine or in another program.
#[cfg(target_os = "linux")]
const REMOTE: [(u32, &str); 9] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x5346_414F, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
];

pub(super) fn examine(examination: &mut Examination<'_>) {
    let state = examination.service.home().state_dir();
    // Before the first write it is not there yet.
    let Some(place) = state.ancestors().find(|dir| dir.is_dir()).map(Utf8Path::to_owned) else {
        examination.add(problem(&state, "there is no directory to be found there"));
        return;
    };
    examination.add(space(&place));
    examination.add(remoteness(&place));
    // What is tried out leaves no trace, the directory's time among them.
    let before = place.metadata().and_then(|m| m.modified());
    let prefix = format!("{PROBES_BY}{}-", std::process::id());
    let made = failpoint::around("probes", || tempfile::Builder::new().prefix(&prefix).tempdir_in(&place));
    match made {
        Err(error) => {
            let finding = problem(&place, format!("nothing can be written there: {error}"));
            examination.add(finding.remedy("make the directory writable, or free space"));
        }
        Ok(dir) => {
            let Some(dir) = Utf8Path::from_path(dir.path()) else {
                examination.add(problem(&place, "its path is not UTF-8, which biplane needs"));
                return;
            };
            for (what, tried) in [
                ("file locks", locks(dir)),
                ("renaming", renaming(dir)),
                ("times", times(dir)),
                ("names", names(dir)),
            ] {
                examination
                    .add(tried.unwrap_or_else(|error| problem(what, format!("could not be tried: {error}"))));
            }
        }
    }
    if let (Ok(before), Ok(dir)) = (before, File::open(&place)) {
        let _ = dir.set_modified(before);
    }
}

fn problem(subject: impl AsRef<str>, verdict: impl AsRef<str>) -> Finding {
    Finding::problem(code_of(subject.as_ref()), subject, verdict)
}

fn ok(subject: &str, verdict: &str) -> Finding {
    Finding::ok(code_of(subject), subject, verdict)
}

/// The code for each of the things that are tried.
fn code_of(subject: &str) -> Code {
    match subject {
        "free space" => Code::EnvironmentSpace,
        "the file system" => Code::EnvironmentFileSystem,
        "file locks" => Code::EnvironmentLocks,
        "renaming" => Code::EnvironmentRenaming,
        "times" => Code::EnvironmentTimes,
        "names" => Code::EnvironmentNames,
        _ => Code::EnvironmentPlace,
    }
}

fn space(place: &Utf8Path) -> Finding {
    match rustix::fs::statvfs(place.as_std_path()) {
        Err(error) => problem("free space", format!("it can't be told: {error}")),
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let words = format!("{} MiB are free", free >> 20);
            if free < bounds::LITTLE_SPACE {
                Finding::note(Code::EnvironmentSpace, "free space", words)
                    .remedy("free some: every worktree is a checkout")
            } else {
                ok("free space", &words)
            }
        }
    }
}

/// Whether the file system at `place` is known to be this machine's own, so that its times are by this machine's clock.
pub(crate) fn is_local(place: &Utf8Path) -> bool {
    matches!(remote_kind(place), Some(Ok(None)))
}

/// The kind of file system when it may be on another machine or in another program. None: it can't be told on this system.
#[cfg(target_os = "linux")]
fn remote_kind(place: &Utf8Path) -> Option<io::Result<Option<&'static str>>> {
    Some(rustix::fs::statfs(place.as_std_path()).map_err(Into::into).map(|found| {
        // The kernel's number has 32 bits, whatever the type is here.
        let magic = (found.f_type as u64 & 0xFFFF_FFFF) as u32;
        REMOTE.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
    }))
}

#[cfg(not(target_os = "linux"))]
fn remote_kind(_place: &Utf8Path) -> Option<io::Result<Option<&'static str>>> {
    None
}

fn remoteness(place: &Utf8Path) -> Finding {
    let note = |words: String| Finding::note(Code::EnvironmentFileSystem, "the file system", words);
    match remote_kind(place) {
        None => note("whether it is a local one can't be told on this system".to_owned()),
        Some(Err(error)) => problem("the file system", format!("its kind can't be told: {error}")),
        Some(Ok(None)) => ok("the file system", "it is a local one"),
        Some(Ok(Some(name))) => {
            note(format!("it is {name}: SQLite's log is made for local disks, with one machine at work"))
                .remedy("move the repository to a local disk when several machines use it")
        }
    }
}

/// A second handle must not get a lock that the first one holds.
fn locks(dir: &Utf8Path) -> io::Result<Finding> {
    let path = dir.join("lock");
    let (first, second) = (File::create(&path)?, File::create(&path)?);
    first.lock()?;
    Ok(match second.try_lock() {
        Err(TryLockError::WouldBlock) => ok("file locks", "they work"),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {
            problem("file locks", "two handles got the same lock: writers would get into each other's way")
                .remedy("move the repository to a file system with file locks")
        }
    })
}

fn renaming(dir: &Utf8Path) -> io::Result<Finding> {
    let (old, new) = (dir.join("old"), dir.join("new"));
    std::fs::write(&old, "old")?;
    std::fs::write(&new, "new")?;
    std::fs::rename(&new, &old)?;
    let replaced = std::fs::read(&old)? == b"new" && !new.try_exists()?;
    Ok(if replaced {
        ok("renaming", "a file is replaced in one step")
    } else {
        problem("renaming", "a file was not replaced").remedy("move the repository to another file system")
    })
}

/// The views' stamps are microseconds.
fn times(dir: &Utf8Path) -> io::Result<Finding> {
    let path = dir.join("time");
    let wanted = files::time_of(1_763_640_000_123_457);
    let file = File::create(&path)?;
    file.set_modified(wanted)?;
    drop(file);
    Ok(if std::fs::metadata(&path)?.modified()? == wanted {
        ok("times", "microseconds are kept")
    } else {
        problem("times", "microseconds are not kept: every command would write the views anew")
            .remedy("move the repository to a file system that keeps them")
    })
}

fn names(dir: &Utf8Path) -> io::Result<Finding> {
    let path: Utf8PathBuf = dir.join("case");
    std::fs::write(&path, "")?;
    Ok(if dir.join("CASE").try_exists()? {
        Finding::note(Code::EnvironmentNames, "names", "names that differ in case only are one name here")
    } else {
        ok("names", "case matters")
    })
}
