//! `biplane hook …`: what the hooks of agent programs call.
//!
//! **Contract.** With Claude Code: it gives one JSON object on standard input (`name` for a worktree to make, `worktree_path` for one to remove), takes the
//! path of what was made from standard output and from nowhere else, and gives up when the exit code is not 0. All of that is hostile.

use std::{io::Read, process::ExitCode};

use anyhow::Context;
use biplane_coordination::{Access, Error};
use biplane_model::sanitize_line;
use camino::Utf8Path;
use serde_json::Value;

use super::ready;
use crate::cli::{App, args::ClaudeHook};

/// The most bytes that are read from standard input.
const INPUT: u64 = 1 << 20;

pub(super) fn claude(app: &App, hook: ClaudeHook) -> anyhow::Result<ExitCode> {
    let mut text = String::new();
    std::io::stdin().lock().take(INPUT).read_to_string(&mut text).context("standard input can't be read")?;
    let input: Value = serde_json::from_str(&text).map_err(|e| {
        Error::usage(format!("standard input is not what Claude Code gives to its hooks: {e}"))
    })?;
    let field = |names: &[&str]| {
        let found = names.iter().find_map(|name| input[*name].as_str());
        found.ok_or_else(|| Error::usage(format!("standard input has no `{}`", names[0])))
    };
    let service = app.service(Access::Work)?;
    match hook {
        ClaudeHook::WorktreeCreate => {
            // Its documentation has the second name.
            let wish = field(&["name", "worktree_name"])?;
            let worktree = service.worktree_create_like(wish)?;
            if worktree.name.as_str() != wish {
                app.printer.note(&format!("worktree `{}` for `{}`", worktree.name, sanitize_line(wish)));
            }
            service.say_submodules(&worktree);
            ready::for_program(app, &service, &worktree.name);
            app.printer.answer(&worktree.path)?;
        }
        ClaudeHook::WorktreeRemove => {
            let path = Utf8Path::new(field(&["worktree_path"])?);
            let removal = service.worktree_remove_at(path, "Claude Code has removed it")?;
            let name = &removal.worktree.name;
            app.printer.note(&match &removal.snapshot {
                Some(_) => {
                    format!("removed worktree {name}; `biplane worktree restore {name}` brings it back")
                }
                None => format!("removed worktree {name}; the target has all that it had"),
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}
