//! Processes that outlive the command that starts them: this very program, at work in the background.
//!
//! **Contract.** What is started here has a session of its own, no terminal, no open pipe of ours, and the lowest
//! priority. It belongs to no run: it is only started outside of one, carries no run's mark, and stands in `/`. It is
//! bounded by itself; nobody waits for it.

use std::{
    ffi::OsString,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Capture, EnvChanges, SuperviseError, capture, capture::HELPER, root};

/// The program that is started in the background.
static PROGRAM: OnceLock<Utf8PathBuf> = OnceLock::new();
/// Those that were started and may have ended: a process of ours that runs for long collects them.
static STARTED: Mutex<Vec<Detached>> = Mutex::new(Vec::new());

/// One that was started in the background.
#[derive(Debug, Clone)]
pub struct Detached(Arc<Mutex<Child>>);

impl Detached {
    /// How it has ended; none while it lives, and where that can't be told.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).try_wait().ok().flatten()
    }
}

/// Says that this process is the program, in which nothing but this crate starts processes, and lets it be started in the
/// background, from the file `program`. Without it nothing is: a test that calls the libraries is not the program.
pub fn allow_background(program: Utf8PathBuf) {
    let _ = PROGRAM.set(program);
}

/// The program that may be started in the background.
pub fn background_program() -> Option<&'static Utf8Path> {
    PROGRAM.get().map(Utf8PathBuf::as_path)
}

/// Starts the program with `args` in the background and returns at once. None when it may not be.
///
/// # Errors
/// When it can't be started.
#[expect(clippy::disallowed_methods, reason = "this module starts processes")]
pub fn detach(args: &[OsString], env: &EnvChanges) -> Result<Option<Detached>, SuperviseError> {
    let Some(program) = background_program() else { return Ok(None) };
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not to be taken for an orphan of a run.
        .env(HELPER, "background");
    for name in &env.remove {
        command.env_remove(name);
    }
    command.envs(env.set.iter().map(|(name, value)| (name, value)));
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.retain(|child| child.ended().is_none());
    let _starting = root::starting();
    let child = command
        .spawn()
        .map_err(|source| SuperviseError::Spawn { program: program.as_str().to_owned(), source })?;
    let child = Detached(Arc::new(Mutex::new(child)));
    started.push(child.clone());
    Ok(Some(child))
}

/// Those that were started and are not known to have ended.
#[cfg(target_os = "linux")]
pub(super) fn children() -> Vec<u32> {
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.iter().map(|child| child.0.lock().unwrap_or_else(PoisonError::into_inner).id()).collect()
}

/// Becomes another program, in this very process: `command` with its arguments, in the directory `cwd` and at our terminal. It comes back
/// only with the reason why it could not.
#[expect(clippy::disallowed_methods, reason = "this module starts processes")]
pub fn become_program(command: &[String], cwd: &Utf8Path, env: &EnvChanges) -> SuperviseError {
    let program = command.first().cloned().unwrap_or_default();
    let mut other = Command::new(&program);
    other.args(command.iter().skip(1)).current_dir(cwd);
    for name in &env.remove {
        other.env_remove(name);
    }
    other.envs(env.set.iter().map(|(name, value)| (name, value)));
    SuperviseError::Spawn { source: std::os::unix::process::CommandExt::exec(&mut other), program }
}

/// Takes this process away from the terminal that it was started at: a session of its own, so that no `^C` and no closed terminal
/// reaches it.
pub fn leave_terminal() {
    // Refused to who leads a group, such as a command that was typed: it stays where it is.
    let _ = rustix::process::setsid();
}

/// Makes this process a quiet one: a session of its own, so that no `^C` and no closed terminal reaches it, and the lowest
/// priority for processor and disk, where the system has it.
pub fn be_quiet() {
    leave_terminal();
    let _ = rustix::process::nice(19);
    if cfg!(target_os = "linux") {
        let pid = std::process::id().to_string();
        let mut idle = Capture::new("ionice", ["-c", "3", "-p", pid.as_str()]);
        idle.timeout = std::time::Duration::from_secs(5);
        // A system without it has a busier disk.
        let _ = capture(&idle);
    }
}
