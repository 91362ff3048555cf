//! What the command line has and the tools have.

/// How a command is faced by the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faced {
    /// By this tool.
    Tool(&'static str),
    /// By none, for this reason.
    LeftOut(&'static str),
}

use Faced::{LeftOut, Tool};

const BY_UPDATE: Faced = Tool("task_update");
const A_PERSON: &str = "a person decides that, at a terminal";
const ONCE: &str = "it is done once, by the person who sets biplane up";

/// Every command of the command line, but for those that help a shell.
pub const PARITY: &[(&str, Faced)] = &[
    ("init", LeftOut(ONCE)),
    ("import", LeftOut(ONCE)),
    ("demo", LeftOut("it is for a person to watch")),
    ("mcp", LeftOut("it is this server")),
    ("chat", LeftOut("it is a lead itself, with these tools")),
    ("doctor", LeftOut(A_PERSON)),
    (
        "up",
        LeftOut(
            "it goes on as long as agents are at work; it is started beside the server, and steered by `up_state`",
        ),
    ),
    ("stop", Tool("stop")),
    ("pause", Tool("up_state")),
    ("resume", Tool("up_state")),
    ("drain", Tool("up_state")),
    ("task create", Tool("task_create")),
    ("task list", Tool("task_list")),
    ("task show", Tool("task_get")),
    ("task prompt", Tool("task_prompt")),
    ("task update", BY_UPDATE),
    ("task claim", Tool("claim_task")),
    ("task release", Tool("release_task")),
    ("task complete", Tool("complete_task")),
    ("task fail", BY_UPDATE),
    ("task cancel", BY_UPDATE),
    ("task block", BY_UPDATE),
    ("task reopen", BY_UPDATE),
    ("task retry", Tool("task_retry")),
    ("task return", Tool("task_return")),
    ("worktree create", Tool("worktree_create")),
    ("worktree bind", Tool("task_bind_worktree")),
    ("worktree unbind", Tool("worktree_unbind")),
    ("worktree list", Tool("worktree_list")),
    ("worktree status", Tool("worktree_status")),
    ("worktree diff", Tool("worktree_diff")),
    ("worktree path", Tool("worktree_enter")),
    ("worktree setup", Tool("worktree_setup")),
    ("worktree enter", Tool("worktree_enter")),
    ("worktree keep", Tool("worktree_keep")),
    ("worktree adopt", LeftOut("it takes over what a person has made by hand")),
    ("worktree remove", Tool("worktree_remove")),
    ("worktree restore", Tool("worktree_restore")),
    ("worktree snapshots", Tool("worktree_snapshots")),
    ("setup show", LeftOut(A_PERSON)),
    ("setup approve", LeftOut(A_PERSON)),
    ("setup revoke", LeftOut(A_PERSON)),
    ("run", Tool("worktree_run")),
    ("conflicts", Tool("conflicts")),
    ("submit", Tool("submit")),
    ("merge", Tool("merge")),
    ("events", Tool("worktree_events")),
    ("log", Tool("run_output")),
    ("mail send", Tool("send_message")),
    ("mail broadcast", Tool("broadcast")),
    ("mail read", Tool("read_inbox")),
    ("mail list", Tool("mail_list")),
    ("plan list", Tool("plan_list")),
    ("plan show", Tool("plan_list")),
    ("plan submit", Tool("plan_submit")),
    ("plan approve", Tool("plan_approval")),
    ("plan reject", Tool("plan_approval")),
    ("team list", Tool("list_teammates")),
    ("team shutdown", Tool("shutdown_request")),
    ("team respond", Tool("shutdown_response")),
    ("team recall", Tool("teammate_recall")),
    ("usage", LeftOut("what agents cost is a person's business; `task_get` has it for a task")),
];

/// Options of commands that no tool has, and why.
pub const LEFT_OUT_OPTIONS: &[(&str, &str)] = &[
    (
        "--gate, --no-gate, --unexamined of submit and merge",
        "what tests the work is not for who did it to choose",
    ),
    ("--kill of worktree remove", "it would end processes of people"),
    ("--fetch of worktree create", "it reaches other machines"),
    ("--prune of worktree snapshots", "it deletes the last copy of work"),
];

/// `hint` with the names of tools instead of the commands that they stand for.
pub(crate) fn in_tools(hint: &str) -> String {
    let mut text = hint.to_owned();
    for (command, faced) in PARITY {
        let Tool(name) = faced else { continue };
        for end in ["`", " "] {
            text = text.replace(&format!("`biplane {command}{end}"), &format!("`{name}{end}"));
        }
    }
    text.replace("`biplane log --list`", "`run_list`").replace("`run_output --list`", "`run_list`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_tools() {
        for (hint, said) in [
            ("`biplane task list` shows the tasks", "`task_list` shows the tasks"),
            ("`biplane stop 7` stops it", "`stop 7` stops it"),
            ("`biplane log --list` shows the runs", "`run_list` shows the runs"),
            ("`biplane doctor` says more", "`biplane doctor` says more"),
        ] {
            assert_eq!(in_tools(hint), said);
        }
    }

    #[test]
    fn what_is_said_to_be_a_tool_is_one_and_every_tool_is_said() {
        let names: Vec<&str> = crate::tools::all().iter().map(|tool| tool.name).collect();
        // What the commands have as an option, or as a part of another one.
        let beyond = ["queue", "run_list", "worktree_closeout"];
        for (command, faced) in PARITY {
            if let Tool(name) = faced {
                assert!(names.contains(name), "{command}: there is no tool `{name}`");
            }
        }
        for name in names {
            let is_said = PARITY.iter().any(|(_, faced)| *faced == Tool(name));
            assert!(is_said || beyond.contains(&name), "no command stands for `{name}`");
        }
        assert!(LEFT_OUT_OPTIONS.iter().all(|(option, why)| !option.is_empty() && !why.is_empty()));
    }
}
