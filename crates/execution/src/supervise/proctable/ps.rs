//! The table of processes as `ps(1)` shows it, for systems without `/proc`. Coarser than Linux's: start times count
//! whole seconds, and sessions are not told.

use std::{collections::BTreeMap, ffi::OsString, io, path::Path, sync::OnceLock};

use camino::Utf8Path;

use super::{Process, is_surely_absent};
use crate::supervise::{
    Capture, capture,
    inside::{Presence, Told, part_below, real},
};

/// The id of this boot; empty when the system doesn't tell.
pub(in super::super) fn boot_id() -> String {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| output("sysctl", &["-n", "kern.bootsessionuuid"]).unwrap_or_default().trim().to_owned())
        .clone()
}

/// The process `pid`; none when there surely is none.
pub(in super::super) fn process(pid: u32) -> io::Result<Option<Process>> {
    match output("ps", &["-o", COLUMNS, "-p", &pid.to_string()]).and_then(|text| text.lines().find_map(parse))
    {
        Some(process) => Ok(Some(process)),
        None if is_surely_absent(pid) => Ok(None),
        None => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

/// All processes.
pub(in super::super) fn processes() -> Vec<Process> {
    output("ps", &["-A", "-o", COLUMNS]).unwrap_or_default().lines().filter_map(parse).collect()
}

/// What `name` seems to have been set to when those of `pids` were started that have it.
pub(in super::super) fn marks(pids: &[u32], name: &str) -> BTreeMap<u32, String> {
    let text = output("ps", &["-A", "-E", "-ww", "-o", "pid=,command="]).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let pid = words.next()?.parse().ok().filter(|pid| pids.contains(pid))?;
            let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
            Some((pid, value.to_owned()))
        })
        .collect()
}

/// Not told here.
pub(in super::super) fn lacks(_pid: u32, _name: &str) -> bool {
    false
}

/// Not told here.
pub(in super::super) fn is_within(_pid: u32, _directory: &Path) -> bool {
    false
}

/// Not told by this system.
pub(in super::super) fn named_pipe(_group: u32) -> Option<Option<String>> {
    None
}

/// Which processes have a file open: not known on this system.
pub(in super::super) fn openers(_is_it: &dyn Fn(&Path) -> bool) -> Option<Vec<u32>> {
    None
}

/// Who is in `directory`, as `lsof(8)` shows it; none where there is no such program.
pub(in super::super) fn presences(directory: &Utf8Path) -> Option<Told> {
    let directory = real(directory);
    let text = output("lsof", &["-w", "-n", "-P", "-F", "pfan"]).filter(|text| !text.is_empty())?;
    let mut told = Told::default();
    let (mut pid, mut file, mut writes) = (0, "", true);
    for line in text.lines() {
        let Some((kind, rest)) = line.split_at_checked(1) else { continue };
        match kind {
            "p" => pid = rest.parse().unwrap_or(0),
            "f" => (file, writes) = (rest, true),
            "a" => writes = rest != "r",
            "n" => {
                let Some(path) = part_below(Path::new(rest), &directory) else { continue };
                let presence = match file {
                    "cwd" => Presence::Stands,
                    "rtd" => Presence::Root,
                    "txt" => Presence::Runs,
                    _ => Presence::Holds { path, writes },
                };
                if told.residents.last().is_none_or(|(last, _)| *last != pid) {
                    told.residents.push((pid, presence));
                }
            }
            _ => {}
        }
    }
    Some(told)
}

/// The command line of `pid`; `?` when there is none.
pub(in super::super) fn command_line(pid: u32) -> String {
    let text = output("ps", &["-ww", "-o", "command=", "-p", &pid.to_string()]).unwrap_or_default();
    if text.trim().is_empty() { "?".to_owned() } else { text }
}

const COLUMNS: &str = "pid=,ppid=,pgid=,state=,lstart=";

fn parse(line: &str) -> Option<Process> {
    let mut fields = line.split_ascii_whitespace();
    let pid = fields.next()?.parse().ok()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let state = fields.next()?;
    let (ended, leaves) = (state.starts_with('Z'), state.contains('E'));
    let started: Vec<&str> = fields.collect();
    // FNV-1a of the start's text: only its being equal matters.
    let start_time = started.join(" ").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Some(Process { pid, parent, group, session: 0, start_time: start_time >> 1, ended, leaves })
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let mut spec = Capture::new(program, args.iter().map(OsString::from));
    spec.env.set.push(("LC_ALL".into(), "C".into()));
    let captured = capture(&spec).ok()?;
    Some(String::from_utf8_lossy(&captured.stdout).into_owned())
}
