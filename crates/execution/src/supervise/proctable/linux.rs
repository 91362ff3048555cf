//! The table of processes as Linux's `/proc` shows it; see `proc(5)`.

use std::{
    collections::BTreeMap,
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::OnceLock,
};

use camino::Utf8Path;

use super::{Process, is_surely_absent};
use crate::supervise::inside::{Presence, Told, part_below, real};

/// The most open files of one process that are looked at; one that has more is unknown.
const FILES: usize = 16_384;

/// The longest path that the system takes, with its end.
const PATH: usize = 4096;

/// The id of this boot and of the namespace that process numbers are counted in; empty when the system hides it.
pub(in super::super) fn boot_id() -> String {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let Ok(boot) = fs_err::read_to_string("/proc/sys/kernel/random/boot_id") else {
            return String::new();
        };
        match fs_err::metadata("/proc/self/ns/pid") {
            Ok(namespace) => format!("{}:{}", boot.trim(), namespace.ino()),
            Err(_) => boot.trim().to_owned(),
        }
    })
    .clone()
}

/// The process `pid`; none when there surely is none.
pub(in super::super) fn process(pid: u32) -> io::Result<Option<Process>> {
    match fs_err::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => parse_stat(&stat).map(Some).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)),
        Err(_) if is_surely_absent(pid) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All processes that we may see.
pub(in super::super) fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| parse_stat(&std::fs::read(format!("/proc/{pid}/stat")).ok()?))
        .collect()
}

/// What `name` was set to when those of `pids` were started that have it.
pub(in super::super) fn marks(pids: &[u32], name: &str) -> BTreeMap<u32, String> {
    let mark = |pid: &u32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let value = environ
            .split(|&byte| byte == 0)
            .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        Some((*pid, std::str::from_utf8(value).ok()?.to_owned()))
    };
    pids.iter().filter_map(mark).collect()
}

/// Whether `pid` was surely started without `name`.
pub(in super::super) fn lacks(pid: u32, name: &str) -> bool {
    let Ok(environ) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    // One that has ended shows nothing either.
    (!environ.is_empty() || matches!(process(pid), Ok(Some(process)) if !process.ended))
        && !environ
            .split(|&byte| byte == 0)
            .any(|entry| entry.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
}

/// Whether `pid` stands in `directory` or below.
pub(in super::super) fn is_within(pid: u32, directory: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
}

/// Whether a process of `group` waits for the other end of a named pipe, and where that is, if the system tells.
pub(in super::super) fn named_pipe(group: u32) -> Option<Option<String>> {
    let members = processes().into_iter().filter(|p| p.group == group && !p.ended);
    members.into_iter().find_map(|process| {
        let place = PathBuf::from(format!("/proc/{}", process.pid));
        let wait = std::fs::read_to_string(place.join("wchan")).unwrap_or_default();
        match wait.as_str() {
            "wait_for_partner" | "fifo_open" => {
                let path = opening(&place).filter(|path| is_pipe(path));
                Some(path.map(|path| biplane_model::sanitize_line(&path.to_string_lossy())))
            }
            "pipe_read" | "anon_pipe_read" => {
                // The other pipes have no path.
                let path =
                    std::fs::read_link(place.join("fd").join(arguments(&place)?[1].to_string())).ok()?;
                (path.is_absolute() && is_pipe(&path))
                    .then(|| Some(biplane_model::sanitize_line(&path.to_string_lossy())))
            }
            _ => None,
        }
    })
}

fn is_pipe(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.file_type().is_fifo())
}

/// The number of the system call that a process is in, and its arguments.
fn arguments(process: &Path) -> Option<Vec<u64>> {
    let text = std::fs::read_to_string(process.join("syscall")).ok()?;
    let number = |word: &str| match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    };
    let numbers: Vec<u64> = text.split_whitespace().map(number).collect::<Option<_>>()?;
    (numbers.len() >= 3).then_some(numbers)
}

/// The path that a process is just opening. Its memory is only looked at to name it.
fn opening(process: &Path) -> Option<PathBuf> {
    /// The number of `open`; the other calls that open have a directory before the path.
    const OPEN: Option<u64> = if cfg!(target_arch = "x86_64") { Some(2) } else { None };
    let call = arguments(process)?;
    let (dir, address) = if OPEN == Some(call[0]) { (None, call[1]) } else { (Some(call[1]), call[2]) };
    let mut bytes = vec![0; PATH];
    let count = std::fs::File::open(process.join("mem")).ok()?.read_at(&mut bytes, address).ok()?;
    let length = bytes[..count].iter().position(|byte| *byte == 0)?;
    let path = Path::new(std::ffi::OsStr::from_bytes(&bytes[..length]));
    let base = match dir.and_then(|dir| i32::try_from(dir).ok()) {
        Some(dir) => std::fs::read_link(process.join("fd").join(dir.to_string())),
        None => std::fs::read_link(process.join("cwd")),
    };
    Some(base.ok()?.join(path))
}

/// The processes of this user, but for this one, that have a file open whose path `is_it`; none when one of them can't be
/// looked at.
pub(in super::super) fn openers(is_it: &dyn Fn(&Path) -> bool) -> Option<Vec<u32>> {
    let mine = rustix::process::geteuid().as_raw();
    let mut found = Vec::new();
    for process in processes().iter().filter(|p| !p.ended && p.pid != std::process::id()) {
        let place = format!("/proc/{}", process.pid);
        // One that is gone by now has nothing open.
        let Ok(owner) = fs_err::metadata(&place) else { continue };
        let files = match std::fs::read_dir(format!("{place}/fd")) {
            Ok(files) => files,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(_) if owner.uid() != mine || is_surely_absent(process.pid) => continue,
            Err(_) => return None,
        };
        let mut opened = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        // The kernel marks a file that was deleted while it is open.
        if opened
            .any(|path| path.to_str().is_some_and(|p| is_it(Path::new(p.trim_end_matches(" (deleted)")))))
        {
            found.push(process.pid);
        }
    }
    Some(found)
}

/// Who is in `directory`, in which way.
pub(in super::super) fn presences(directory: &Utf8Path) -> Option<Told> {
    let directory = real(directory);
    let id = directory.as_std_path().metadata().ok().map(|m| (m.dev(), m.ino()));
    let us = rustix::process::geteuid().as_raw();
    let mut told = Told::default();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let look = || presence(&entry.path(), &directory, id);
        let once_more = |e: io::Error| if e.kind() == io::ErrorKind::NotFound { Err(e) } else { look() };
        match look().or_else(once_more) {
            Ok(Some(presence)) => told.residents.push((pid, presence)),
            Ok(None) => {}
            // One that has ended, or a thread of the kernel's.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            // The system's first process, where it is protected, works in no directory of ours.
            Err(_) if pid == 1 => {}
            // One that ends just now refuses too.
            Err(_) if !matches!(process(pid), Ok(Some(now)) if !now.ended) => {}
            Err(_) => match entry.metadata() {
                Ok(meta) if meta.uid() == us => told.unknown.push(pid),
                Ok(_) => told.foreign += 1,
                Err(_) => {}
            },
        }
    }
    Some(told)
}

fn presence(process: &Path, directory: &Utf8Path, id: Option<(u64, u64)>) -> io::Result<Option<Presence>> {
    let below =
        |what: &str| -> io::Result<bool> { Ok(part_below(&link(&process.join(what))?, directory).is_some()) };
    // In another namespace of mounts it may be called otherwise.
    let stands_on = || process.join("cwd").metadata().ok().map(|m| (m.dev(), m.ino()));
    // First, because a thread of the kernel's has none.
    let runs = below("exe")?;
    let mut found = None;
    if below("cwd")? || (id.is_some() && stands_on() == id) {
        found = Some(Presence::Stands);
    } else if below("root")? {
        found = Some(Presence::Root);
    } else if runs {
        found = Some(Presence::Runs);
    }
    for (count, entry) in process.join("fd").read_dir()?.enumerate() {
        if count >= FILES {
            return Err(io::Error::other("it has too many files open"));
        }
        let entry = entry?;
        let Ok(target) = link(&entry.path()) else { continue };
        let Some(path) = part_below(&target, directory) else { continue };
        if may_write(process, &entry.file_name().to_string_lossy()) {
            return Ok(Some(Presence::Holds { path, writes: true }));
        }
        found.get_or_insert(Presence::Holds { path, writes: false });
    }
    Ok(found)
}

/// What a link in `/proc` names, also when that is deleted.
fn link(path: &Path) -> io::Result<PathBuf> {
    let target = std::fs::read_link(path)?;
    let plain = target.as_os_str().as_bytes().strip_suffix(b" (deleted)");
    Ok(plain.map_or(target.clone(), |plain| PathBuf::from(std::ffi::OsStr::from_bytes(plain))))
}

/// Whether the open file may be written to; what can't be told may.
fn may_write(process: &Path, number: &str) -> bool {
    let text = std::fs::read_to_string(process.join("fdinfo").join(number)).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok()).is_none_or(|flags| flags & 3 != 0)
}

/// The command line of `pid`, words separated by spaces; its name in brackets when it has none; else `?`.
pub(in super::super) fn command_line(pid: u32) -> String {
    use std::io::Read;
    let mut line = Vec::new();
    if let Ok(file) = std::fs::File::open(format!("/proc/{pid}/cmdline")) {
        _ = file.take(4096).read_to_end(&mut line);
    }
    while line.last() == Some(&0) {
        line.pop();
    }
    if line.is_empty() {
        return match std::fs::read(format!("/proc/{pid}/comm")) {
            Ok(name) => format!("[{}]", String::from_utf8_lossy(&name).trim_end()),
            Err(_) => "?".to_owned(),
        };
    }
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// `PF_EXITING` of the kernel's `include/linux/sched.h`.
const EXITING: u32 = 4;

/// Reads a line of `/proc/PID/stat`. The second field, the name, is in parentheses and may hold anything, spaces and
/// parentheses too; so fields are counted from the last `)`.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let pid = std::str::from_utf8(&stat[..stat.iter().position(|&byte| byte == b' ')?]).ok()?.parse().ok()?;
    let rest = std::str::from_utf8(&stat[stat.iter().rposition(|&byte| byte == b')')? + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X" | "x");
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    // Fields 9, 20 and 22 of the line; the session is field 6.
    let flags: u32 = fields.nth(2)?.parse().ok()?;
    let threads: u64 = fields.nth(10)?.parse().ok()?;
    let start_time = fields.nth(1)?.parse().ok()?;
    // The flags are those of its first thread; the others may go on without that.
    let leaves = flags & EXITING != 0 && threads <= 1;
    Some(Process { pid, parent, group, session, start_time, ended, leaves })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10 184467";

    #[test]
    fn a_name_may_hold_anything() {
        for name in ["sh", "a b", ") (", ") Z 9 9 9", "((", "\u{fffd})\n("] {
            let line = format!("42 ({name}) S 7 40 39 34816 40 {REST}\n");
            let expected = Process {
                pid: 42,
                parent: 7,
                group: 40,
                session: 39,
                start_time: 987_654,
                ended: false,
                leaves: false,
            };
            assert_eq!(parse_stat(line.as_bytes()), Some(expected), "{name:?}");
        }
    }

    #[test]
    fn what_ended_is_told_apart() {
        assert!(parse_stat(format!("42 (x) Z 7 40 39 0 -1 {REST}").as_bytes()).is_some_and(|p| p.ended));
        let leaving = REST.replacen("4194560", "4194564", 1);
        assert!(
            parse_stat(format!("42 (x) R 7 40 39 0 -1 {leaving}").as_bytes())
                .is_some_and(|p| p.leaves && !p.ended)
        );
        for torn in ["", "42", "42 (x", "42 (x) S 7 40", "x (x) S 7"] {
            assert_eq!(parse_stat(torn.as_bytes()), None, "{torn:?}");
        }
    }
}
