//! A program to be started.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use camino::Utf8PathBuf;

use crate::{Conversation, Output, Running, TestEnv};

/// How long [`Call::run`] waits unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program with its arguments, environment and directory.
///
/// Output goes to files, not to pipes: a grandchild that outlives the program can't keep the test waiting.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing before `run` or `spawn`"]
pub struct Call {
    env: TestEnv,
    program: PathBuf,
    args: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    dir: PathBuf,
    stdin: Option<Vec<u8>>,
    patience: Duration,
}

impl Call {
    pub(crate) fn new(env: TestEnv, program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            args: Vec::new(),
            variables: env.variables(),
            dir: env.root().into(),
            stdin: None,
            patience: PATIENCE,
            env,
        }
    }

    /// Starts it in `dir`.
    pub fn in_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = dir.as_ref().to_owned();
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self = self.env_remove(name.as_ref());
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Takes an environment variable away.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.variables.retain(|(n, _)| n != name.as_ref());
        self
    }

    /// Gives it something to read; without this it reads nothing.
    pub fn stdin(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stdin = Some(text.as_ref().to_owned());
        self
    }

    /// How long [`Call::run`] waits before it kills the program and fails the test; 60 s unless set.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it to its end.
    #[must_use = "say what is expected: `.success()` or `.fails_with(code)`"]
    #[track_caller]
    pub fn run(self) -> Output {
        let patience = self.patience;
        self.spawn().wait(patience)
    }

    /// Starts it.
    #[must_use = "dropping it kills the program"]
    #[track_caller]
    pub fn spawn(self) -> Running {
        let stem = self.env.next_output();
        let [stdin, stdout] = ["stdin", "stdout"].map(|kind| stem.with_extension(kind));
        let input = match &self.stdin {
            None => Stdio::null(),
            Some(text) => {
                fs_err::write(&stdin, text).expect("the environment is ours");
                fs_err::File::open(&stdin).expect("it was just written").into_file().into()
            }
        };
        self.start(input, create(&stdout).into(), &stem)
    }

    /// Starts it to be talked with through pipes; what [`Call::stdin`] gave is not used.
    #[must_use = "dropping it kills the program"]
    #[track_caller]
    pub fn converse(self) -> Conversation {
        let stem = self.env.next_output();
        drop(create(&stem.with_extension("stdout")));
        let mut running = self.start(Stdio::piped(), Stdio::piped(), &stem);
        let (input, output) = running.pipes();
        Conversation::new(running, input, output)
    }

    #[track_caller]
    fn start(self, input: Stdio, output: Stdio, stem: &Utf8PathBuf) -> Running {
        let shown = self.to_string();
        let [stdout, stderr] = ["stdout", "stderr"].map(|kind| stem.with_extension(kind));
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.variables.iter().map(|(n, v)| (n, v)))
            .current_dir(&self.dir)
            .stdin(input)
            .stdout(output)
            .stderr(create(&stderr))
            // A group of its own, so that all of it can be ended together.
            .process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("can't start {shown}: {e}"));
        Running::new(self.env, child, shown, stdout, stderr)
    }
}

fn create(path: &Utf8PathBuf) -> std::fs::File {
    fs_err::File::create(path).expect("the environment is ours").into_file()
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}", self.program.display())?;
        for arg in &self.args {
            write!(f, " {}", arg.display())?;
        }
        write!(f, "` in {}", self.dir.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_environment_directory_and_input_arrive() {
        let env = TestEnv::new();
        let output = env
            .program("sh")
            .args(["-c", "echo \"$1 $A ${TZ-none}\"; pwd; cat", "sh"])
            .arg("one two")
            .env("A", "old")
            .env("A", "new")
            .env_remove("TZ")
            .in_dir(env.dir("there"))
            .stdin("read me")
            .run()
            .success();
        assert_eq!(output.stdout, format!("one two new none\n{}/there\nread me", env.root()));
    }

    #[test]
    #[should_panic(expected = "was still running after 50ms")]
    fn patience_ends() {
        let env = TestEnv::new();
        let _ = env.program("sleep").arg("60").patience(Duration::from_millis(50)).run();
    }

    #[test]
    #[should_panic(expected = "can't start `/nowhere/at/all`")]
    fn a_missing_program_is_named() {
        let _ = TestEnv::new().program("/nowhere/at/all").run();
    }
}
