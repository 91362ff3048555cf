//! Worktrees for programs that ask for one in words of their own: Claude Code, through its hooks.
//!
//! **Contract.** The name and the path that are asked for are hostile. Nothing is removed that is none of our worktrees, and nothing is lost.

use biplane_model::{InvalidName, WorktreeName, WorktreeStatus, sanitize_line, view::WorktreeView};
use camino::Utf8Path;

use super::{Closing, CreateWorktree, Processes, Removal, RemoveRequest, Service, Start};
use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
};

impl Service {
    /// Creates a worktree with a name like `wish`, with a number behind it when that is taken.
    ///
    /// # Errors
    /// As [`Service::worktree_create`].
    pub fn worktree_create_like(&self, wish: &str) -> Result<WorktreeView> {
        let mut last = None;
        for number in 1..=bounds::NAMES_TRIED {
            let name = name_like(wish, number)?;
            let wish = CreateWorktree { name, task: None, base: None, start: Start::No, owner: None };
            match self.worktree_create(&wish) {
                Err(error) if error.kind == ErrorKind::Conflict => last = Some(error),
                made => return made,
            }
        }
        Err(last.unwrap_or_else(|| Error::failed("no name was tried")))
    }

    /// Removes the worktree at `path`. What the target does not have is in a snapshot first; one that belongs to a task or is kept
    /// for review goes only when it has no such work.
    ///
    /// # Errors
    /// When none of our worktrees is there, or as [`Service::worktree_remove`].
    pub fn worktree_remove_at(&self, path: &Utf8Path, reason: &str) -> Result<Removal> {
        let real = |path: &Utf8Path| path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
        let wanted = real(path);
        let found = self.worktree_list(false)?.into_iter().find(|w| real(w.path.as_str().into()) == wanted);
        let Some(worktree) = found else {
            let shown = biplane_model::clip(&sanitize_line(path.as_str()), 300);
            return Err(Error::not_found(format!("no worktree of biplane is at `{shown}`"))
                .hint("`biplane worktree list` shows them"));
        };
        let is_kept = worktree.status == WorktreeStatus::Kept;
        self.worktree_remove(&RemoveRequest {
            name: worktree.name,
            force: worktree.task_id.is_none() && !is_kept,
            processes: Processes::Refuse,
            closing: Closing::LeaveTask,
            reason: reason.to_owned(),
            dry_run: false,
        })
    }
}

/// A legal name that is as near to `wish` as it can be; numbers from 2 stand behind it.
fn name_like(wish: &str, number: u32) -> Result<WorktreeName> {
    let mut name = String::new();
    for c in wish.chars().take(200) {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        if !(matches!(c, '.' | '-') && name.ends_with(['.', '-'])) {
            name.push(c);
        }
    }
    let behind = if number > 1 { format!("-{number}") } else { String::new() };
    let name: String = name.trim_matches(['.', '-']).chars().take(64 - behind.len()).collect();
    let name = name.trim_end_matches(['.', '-']);
    format!("{name}{behind}").parse().or_else(|_| {
        // What is reserved, ends as a lock does, or has nothing left.
        let name: String = name.replace('.', "-").chars().take(50).collect();
        let apart = if name.is_empty() { "" } else { "-" };
        format!("agent{apart}{name}{behind}")
            .parse()
            .map_err(|fault: InvalidName| Error::usage(fault.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_wish_is_a_name() {
        let like = |wish: &str, number| name_like(wish, number).expect("a name").to_string();
        for (wish, name) in [
            ("feature/foo", "feature-foo"),
            ("agent-a1b2", "agent-a1b2"),
            ("../../etc/passwd", "etc-passwd"),
            ("", "agent"),
            ("a..b", "a.b"),
            ("x.lock", "agent-x-lock"),
            ("HEAD", "agent-HEAD"),
            ("-rf $(id)\n;'\"", "rf-id"),
            ("\u{202e}ü", "agent"),
        ] {
            assert_eq!(like(wish, 1), name, "{wish:?}");
        }
        assert_eq!(like("foo", 2), "foo-2");
        let long = like(&"a.".repeat(500), 12);
        assert!(long.len() <= 64 && long.ends_with("-12"), "{long}");
    }
}
