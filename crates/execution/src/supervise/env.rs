//! The variables of git that no child may inherit.
//!
//! A leaked `GIT_DIR` or `GIT_INDEX_FILE` makes git work on another repository than the one it stands in; it can even
//! flip the shared `core.bare`. Everything of git's is removed but what says who commits, how to reach a remote, and
//! where the settings are.

use std::ffi::{OsStr, OsString};

/// What is kept of the variables that start with `GIT_`; one that ends in `*` stands for all with that beginning.
pub const KEPT_GIT_VARIABLES: &[&str] = &[
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "GIT_TERMINAL_PROMPT",
    "GIT_EXEC_PATH",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_EDITOR",
    "GIT_PAGER",
    "GIT_LFS_SKIP_SMUDGE",
    "GIT_TRACE*",
];

/// The names among `names` (those of an environment) that must be removed from a child's.
pub fn scrubbed_git_variables<N: AsRef<OsStr>>(names: impl IntoIterator<Item = N>) -> Vec<OsString> {
    names.into_iter().filter(|name| is_scrubbed(name.as_ref())).map(|name| name.as_ref().to_owned()).collect()
}

fn is_scrubbed(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"GIT_")
        && !KEPT_GIT_VARIABLES.iter().any(|kept| match kept.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning.as_bytes()),
            None => name == kept.as_bytes(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_points_git_elsewhere_is_removed() {
        let names = [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_COMMON_DIR",
            "GIT_CONFIG_COUNT",
            "GIT_CONFIG_KEY_0",
            "GIT_CONFIG_PARAMETERS",
            "GIT_SSH_VARIANT",
            "GIT_AUTHOR_DATE",
        ];
        assert_eq!(scrubbed_git_variables(names).len(), names.len());
    }

    #[test]
    fn the_rest_is_kept() {
        let names = [
            "GIT_CONFIG_GLOBAL",
            "GIT_SSH",
            "GIT_TRACE",
            "GIT_TRACE2_EVENT",
            "PATH",
            "GITHUB_TOKEN",
            "git_dir",
        ];
        assert_eq!(scrubbed_git_variables(names), Vec::<OsString>::new());
    }
}
