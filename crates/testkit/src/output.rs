//! What came of a program.

use std::fmt;

use serde_json::Value;

/// The end of a program: its exit code and all it has written.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; 128 and the signal's number when a signal ended it, as a shell says it.
    pub code: i32,
    /// What it wrote to its standard output. Bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote to its standard error. Bytes that are not UTF-8 are replaced.
    pub stderr: String,
    /// The command line and the directory, for messages.
    pub(crate) command: String,
}

impl Output {
    /// Panics unless it exited with 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.exits_with(0)
    }

    /// Panics unless it exited with `code`, which is not 0.
    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        assert_ne!(code, 0, "a failure has another exit code than 0");
        self.exits_with(code)
    }

    #[track_caller]
    fn exits_with(self, code: i32) -> Self {
        assert!(self.code == code, "expected exit code {code}\n{self}");
        self
    }

    /// The standard output as one JSON value. Panics when it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("standard output is not JSON: {e}\n{self}"))
    }

    /// The standard output as JSON values, one a line. Panics when a line is none.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |(at, line): (usize, &str)| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("line {} is not JSON: {e}\n{self}", at + 1))
        };
        self.stdout.lines().enumerate().map(parse).collect()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr, command } = self;
        write!(f, "{command}\nexit code {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

#[cfg(test)]
mod tests {
    use crate::TestEnv;

    fn sh(script: &str) -> super::Output {
        TestEnv::new().program("sh").args(["-c", script]).run()
    }

    #[test]
    #[should_panic(expected = "--- stderr\nwhy it failed")]
    fn an_unexpected_failure_shows_everything() {
        sh("echo why it failed >&2; exit 3").success();
    }

    #[test]
    #[should_panic(expected = "expected exit code 2")]
    fn another_failure_is_not_the_expected_one() {
        sh("exit 3").fails_with(2);
    }

    #[test]
    fn json_is_read() {
        assert_eq!(sh("echo '{\"a\": [1]}'").success().json()["a"][0], 1);
        assert_eq!(sh("echo 1; echo 2").success().json_lines(), [1, 2]);
    }

    #[test]
    #[should_panic(expected = "line 2 is not JSON")]
    fn a_line_that_is_not_json_is_named() {
        sh("echo 1; echo nonsense").json_lines();
    }
}
