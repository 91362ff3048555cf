//! A program at work.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdin, ChildStdout, ExitStatus},
    time::Duration,
};

use camino::Utf8PathBuf;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{Output, TestEnv, wait::poll};

/// A program that was started and not waited for. Dropping it kills it and its process group.
#[derive(Debug)]
pub struct Running {
    // Keeps the directory until the program has ended.
    _env: TestEnv,
    child: Child,
    command: String,
    stdout: Utf8PathBuf,
    stderr: Utf8PathBuf,
    status: Option<ExitStatus>,
}

impl Running {
    pub(crate) fn new(
        env: TestEnv,
        child: Child,
        command: String,
        stdout: Utf8PathBuf,
        stderr: Utf8PathBuf,
    ) -> Self {
        Self { _env: env, child, command, stdout, stderr, status: None }
    }

    /// Its standard input and output, where those are pipes.
    pub(crate) fn pipes(&mut self) -> (ChildStdin, ChildStdout) {
        let taken = self.child.stdin.take().zip(self.child.stdout.take());
        taken.expect("they were made as pipes, and are taken once")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to its standard output until now.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it has written to its standard error until now.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("it is our child");
        }
        self.status.is_none()
    }

    /// Sends it a signal: to the program alone, not to its children. Nothing happens when it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            kill_process(self.process(), signal).expect("it is our child, and not waited for");
        }
    }

    /// Sends a signal to it and to its children, as a terminal does on `^C`. Nothing happens when it has ended.
    pub fn signal_group(&mut self, signal: Signal) {
        if self.is_running() {
            kill_process_group(self.process(), signal).expect("it is our child, and not waited for");
        }
    }

    /// `kill -9`, of the program alone: its children live on, as after a crash. Waits until it is gone.
    #[track_caller]
    pub fn kill(mut self) -> Output {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(10))
    }

    /// Waits for its end. Panics, and kills its process group, when it is still running after `patience`.
    #[track_caller]
    pub fn wait(mut self, patience: Duration) -> Output {
        if !poll(patience, || !self.is_running()) {
            self.signal_group(Signal::KILL);
            let output = self.output(137);
            panic!("it was still running after {patience:?}\n{output}");
        }
        let status = self.status.expect("it has ended");
        self.output(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }

    fn output(&self, code: i32) -> Output {
        Output { code, stdout: self.stdout(), stderr: self.stderr(), command: self.command.clone() }
    }

    fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal_group(Signal::KILL);
        // Fails only when it was waited for already.
        let _ = self.child.wait();
    }
}

fn read(path: &Utf8PathBuf) -> String {
    String::from_utf8_lossy(&fs_err::read(path).expect("the file was made before the program")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn sh(env: &TestEnv, script: &str) -> Running {
        env.program("sh").args(["-c", script]).spawn()
    }

    #[test]
    fn output_is_seen_while_it_runs_and_a_signal_reaches_it() {
        let env = TestEnv::new();
        let mut running =
            sh(&env, "trap 'echo stopped; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        eventually(DEADLINE, "it is ready", || running.stdout() == "ready\n");
        running.signal(Signal::TERM);
        assert_eq!(running.wait(DEADLINE).fails_with(7).stdout, "ready\nstopped\n");
    }

    #[test]
    fn killed_means_signal_9_and_spares_the_children() {
        let env = TestEnv::new();
        let mark = env.root().join("mark");
        let running = sh(
            &env,
            &format!("(while ! [ -e {mark}.go ]; do sleep 0.01; done; touch {mark}) & echo up; wait"),
        );
        eventually(DEADLINE, "it is up", || running.stdout() == "up\n");
        running.kill().fails_with(137);
        fs_err::write(format!("{mark}.go"), "").unwrap();
        eventually(DEADLINE, "the child goes on", || mark.exists());
    }

    #[test]
    fn dropping_ends_the_children_too() {
        let env = TestEnv::new();
        let running = sh(&env, "sleep 1000 & echo $!; wait");
        eventually(DEADLINE, "it is up", || running.stdout().ends_with('\n'));
        let child = Pid::from_raw(running.stdout().trim().parse().unwrap()).unwrap();
        drop(running);
        eventually(DEADLINE, "the child is gone", || {
            // A killed process that nobody has waited for yet still answers; it does nothing any more.
            let zombie = fs_err::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero()))
                .is_ok_and(|stat| stat.contains(") Z "));
            zombie || rustix::process::test_kill_process(child).is_err()
        });
    }
}
