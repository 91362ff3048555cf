//! What in the shared configuration of the repository is dangerous to many checkouts. Only told of.

use biplane_model::sanitize_line;

use super::{Code, Examination, Finding, word};
use crate::error::Result;

/// The file, for messages.
const SUBJECT: &str = "the shared configuration";

/// The extensions that are known not to change what biplane relies on.
const EXTENSIONS: [&str; 8] = [
    "noop",
    "preciousobjects",
    "partialclone",
    "worktreeconfig",
    "objectformat",
    "compatobjectformat",
    "refstorage",
    "relativeworktrees",
];

/// The most filters that are named one by one.
const FILTERS_NAMED: usize = 20;

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let repository = examination.service.home().repository()?;
    let file = repository.common_dir.join("config");
    let bytes = repository.git().call(["config", "--file", file.as_str(), "--list", "-z"]).bytes()?;
    let text = String::from_utf8_lossy(&bytes);
    let entries: Vec<(&str, &str)> =
        text.split_terminator('\0').map(|e| e.split_once('\n').unwrap_or((e, "true"))).collect();
    // A submodule's own `core.worktree` is how git finds its checkout.
    let is_plain = repository.common_dir.file_name() == Some(".git");
    let root = &repository.root;
    let mut filters = 0;
    for (key, value) in entries {
        let value = sanitize_line(value);
        let finding = match key {
            "core.worktree" if is_plain && repository.common_dir.join(&value) != *root => {
                let verdict = format!(
                    "`core.worktree` names `{value}`: every git without a directory of its own works there"
                );
                Finding::problem(Code::ConfigWorktree, SUBJECT, verdict)
                    .remedy("`git config --unset core.worktree`")
            }
            "core.hookspath" if value != "/dev/null" => {
                let verdict = format!(
                    "`core.hooksPath` is `{value}`: what lies there runs in every checkout; biplane's own git runs no hooks"
                );
                Finding::note(Code::ConfigHooks, SUBJECT, verdict)
                    .remedy("`git config --unset core.hooksPath` when nobody has set it on purpose")
            }
            "core.fsmonitor" if !is_switch(&value) => {
                let verdict = format!(
                    "`core.fsmonitor` is `{value}`: git runs it whenever it looks for changes; biplane's own git does not"
                );
                Finding::note(Code::ConfigHooks, SUBJECT, verdict)
                    .remedy("`git config --unset core.fsmonitor` when nobody has set it on purpose")
            }
            "gc.worktreepruneexpire" if ["now", "all", "0"].contains(&value.as_str()) => {
                let verdict = format!(
                    "`gc.worktreePruneExpire` is `{value}`: git forgets a worktree as soon as its directory is moved or unmounted"
                );
                Finding::note(Code::ConfigPrune, SUBJECT, verdict)
                    .remedy("`git config --unset gc.worktreePruneExpire`")
            }
            _ if is_filter(key) => {
                filters += 1;
                if filters > FILTERS_NAMED {
                    continue;
                }
                let verdict =
                    format!("`{}` runs `{value}` when files are written or staged", sanitize_line(key));
                let remedy = format!("`git config --unset {}` when nobody has set it on purpose", word(key));
                Finding::note(Code::ConfigFilter, SUBJECT, verdict).remedy(remedy)
            }
            _ => match key.strip_prefix("extensions.") {
                Some(name) if !EXTENSIONS.contains(&name) => {
                    let verdict = format!("biplane does not know the extension `{}`", sanitize_line(name));
                    Finding::note(Code::ConfigExtension, SUBJECT, verdict)
                        .remedy("see what it changes before agents work here")
                }
                _ => continue,
            },
        };
        examination.add(finding);
    }
    Ok(())
}

/// Whether git takes the value for yes or no, and not for a command.
fn is_switch(value: &str) -> bool {
    ["true", "yes", "on", "1", "false", "no", "off", "0", ""]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether the key names a command that git runs on contents.
fn is_filter(key: &str) -> bool {
    let is_command = |last: &str| matches!(last, "clean" | "smudge" | "process");
    key.strip_prefix("filter.").and_then(|rest| rest.rsplit_once('.')).is_some_and(|(name, last)| {
        // Git LFS writes these itself.
        is_command(last) && name != "lfs"
    })
}
