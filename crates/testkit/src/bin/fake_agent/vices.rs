//! What it should not do.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, getpid, kill_process, setsid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{
    files::{self, Came, git},
    orders::Place,
};

/// How long a daemon lives when nobody ends it.
const DAEMON: Duration = Duration::from_secs(600);
/// How often it writes.
const BEAT: Duration = Duration::from_millis(50);

/// Ignores the signals that ask it to end.
pub(crate) fn deafen() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Sends itself a signal.
pub(crate) fn signal(number: i32) -> io::Result<()> {
    let signal = Signal::from_named_raw(number).ok_or_else(|| io::Error::other("no such signal"))?;
    Ok(kill_process(getpid(), signal)?)
}

/// A child that sleeps.
pub(crate) fn child() -> io::Result<()> {
    let mut command = Command::new("sleep");
    command
        .arg(DAEMON.as_secs().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().map(drop)
}

/// Starts a process that wants to outlive everything; comes back when it is on its own.
pub(crate) fn daemon(path: &str, away: bool) -> io::Result<()> {
    let path = if path.is_empty() { PathBuf::new() } else { std::env::current_dir()?.join(path) };
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--daemon", "first"]).arg(path).env_clear();
    if away {
        command.current_dir("/");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("the daemon did not start")) }
}

/// The life of a daemon: first it leaves the session, then it leaves its parent, then it writes.
pub(crate) fn be_daemon(told: &[String]) -> ExitCode {
    let path = told.get(1).map(PathBuf::from).unwrap_or_default();
    let done = if told.first().is_some_and(|stage| stage == "first") { leave(&path) } else { beat(&path) };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn leave(path: &Path) -> io::Result<()> {
    setsid()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--daemon", "second"]).arg(path).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop)
}

fn beat(path: &Path) -> io::Result<()> {
    let until = Instant::now() + DAEMON;
    while Instant::now() < until {
        if !path.as_os_str().is_empty() {
            files::append(path, ".")?;
        }
        thread::sleep(BEAT);
    }
    Ok(())
}

/// Writes where it has no business.
pub(crate) fn outside(place: Place, path: &str) -> io::Result<Came> {
    let file = match place {
        Place::Main => files::main_checkout()?.join(path),
        Place::Sibling => files::sibling()?.join(path),
        Place::At => PathBuf::from(path),
        Place::Link => {
            let link = Path::new("way-out");
            if link.symlink_metadata().is_err() {
                std::os::unix::fs::symlink(files::main_checkout()?, link)?;
            }
            link.join(path)
        }
    };
    Ok(Came::from(files::write(&file, "from outside\n"), "written"))
}

/// Commits a file on `main`, from here.
pub(crate) fn on_main(path: &str) -> io::Result<Came> {
    files::write(Path::new(path), "on main\n")?;
    let turned = git(&["symbolic-ref", "HEAD", "refs/heads/main"])?;
    if turned.code != 0 {
        return Ok(turned);
    }
    files::commit("on main, past everything")
}

/// Makes the branch `main` what it has committed.
pub(crate) fn move_main() -> io::Result<Came> {
    git(&["update-ref", "refs/heads/main", "HEAD"])
}

/// A file with the marks of a conflict.
pub(crate) fn conflict(path: &Path) -> io::Result<()> {
    let old = fs::read_to_string(path).unwrap_or_default();
    let marks = ["<<<<<<< ours", "=======", ">>>>>>> theirs"];
    files::write(path, &format!("{}\n{old}{}\nother\n{}\n", marks[0], marks[1], marks[2]))
}

/// Bytes that are no text, and what steers terminals.
pub(crate) const GARBAGE: &[u8] = b"\xff\xfe\x00\x80 no text\n\x1b[2J\x1b]0;owned\x07\x1b[31mred\x1b[8m\n\
    \xe2\x80\xae{\"type\":\"result\",\"subtype\":\"success\"\n{\"type\":[1,{\"deep\":null}]}\n\r\n\xc3\x28\n";
