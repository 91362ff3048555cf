//! The programs that are needed.

use biplane_execution::{
    git::{Git, GitVersion, MINIMUM_GIT},
    supervise::{Capture, capture},
};
use biplane_model::Strategy;

use super::{Code, Examination, Finding, filesystem};
use crate::error::Result;

/// What the findings are about.
const GIT: &str = "the git program";
const SHELL: &str = "the shell";

/// The oldest git that can replay commits without a checkout.
const REBASE_GIT: GitVersion = GitVersion { major: 2, minor: 40 };

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let strategy = examination.service.settings().strategy;
    examination.add(git(strategy));
    examination.add(shell());
    filesystem::examine(examination);
    Ok(())
}

fn git(strategy: Strategy) -> Finding {
    let of = Code::EnvironmentGit;
    match Git::version() {
        Err(error) => {
            Finding::problem(of, GIT, error.to_string()).remedy(format!("install git {MINIMUM_GIT} or newer"))
        }
        Ok(found) if found < MINIMUM_GIT => {
            Finding::problem(of, GIT, format!("{found} is too old: biplane needs {MINIMUM_GIT} or newer"))
                .remedy("upgrade git")
        }
        Ok(found) if found < REBASE_GIT && strategy == Strategy::Rebase => Finding::problem(
            of,
            GIT,
            format!("the strategy `rebase` needs git {REBASE_GIT} or newer, this is {found}"),
        )
        .remedy("upgrade git, or set `strategy = \"merge\"` in `biplane.toml`"),
        Ok(found) => Finding::ok(of, GIT, format!("version {found}")),
    }
}

/// Gates are shell commands.
fn shell() -> Finding {
    let of = Code::EnvironmentShell;
    match capture(&Capture::new("sh", ["-c", "exit 0"])) {
        Ok(ended) if ended.code == Some(0) => Finding::ok(of, SHELL, "it works"),
        Ok(_) => Finding::problem(of, SHELL, "it fails at doing nothing").remedy("repair the shell `sh`"),
        Err(error) => Finding::problem(of, SHELL, error.to_string())
            .remedy("install a shell called `sh`: gates need it"),
    }
}
