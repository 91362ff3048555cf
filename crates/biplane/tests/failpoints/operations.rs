//! The table: what is done, to what, and how one sees that it is done.

use std::fs;

use serde_json::json;

use crate::{
    bed::{Bed, GATE},
    enumerate::{Operation, enumerate},
};

/// Where the directory of a worktree lies that was removed.
const ASIDE: &str = ".worktrees/.removed-w1";

/// A repository with two commits, and nothing of ours.
pub(crate) fn nothing(_: &Bed) {}

fn a_task(bed: &Bed) {
    bed.ok(&["task", "create", "t"]);
}

fn two_tasks(bed: &Bed) {
    a_task(bed);
    bed.ok(&["task", "create", "u", "--after", "1"]);
    bed.ok(&["task", "claim", "1", "--owner", "ann"]);
}

fn a_worktree(bed: &Bed) {
    a_task(bed);
    bed.ok(&["wt", "create", "x"]);
}

fn a_bound_worktree(bed: &Bed) {
    a_task(bed);
    bed.ok(&["wt", "create", "x", "--task", "1"]);
}

/// A worktree with every kind of work in it.
pub(crate) fn all_work(bed: &Bed) {
    a_task(bed);
    let tree = bed.work("landed.txt", "a commit\n");
    bed.ok(&["wt", "bind", "x", "--task", "1"]);
    tree.write("kept.txt", "changed\n");
    tree.write("staged.txt", "staged\n");
    tree.git(&["add", "staged.txt"]);
    tree.write("staged.txt", "staged, and changed again\n");
    tree.write("dir/untracked.txt", "untracked\n");
    tree.write(".env", "SECRET=1\n");
}

/// The same, removed: all of it is in a snapshot.
fn removed_work(bed: &Bed) {
    all_work(bed);
    bed.ok(&["wt", "remove", "x", "--force"]);
}

/// A spare that is behind the target.
fn a_spare(bed: &Bed) {
    bed.repo.write("biplane.toml", "[pool]\nsize = 1\n");
    bed.repo.commit("settings");
    // Nothing is tended before there was a worktree.
    bed.ok(&["wt", "create", "y"]);
    bed.ok(&["tend"]);
    bed.repo.write("new.txt", "new\n");
    bed.repo.commit("the target moves");
}

/// A worktree with every kind of work, removed while the background was on: its directory waits to be recycled.
fn put_aside(bed: &Bed) {
    bed.repo.write("biplane.toml", "[pool]\nsize = 1\n");
    bed.repo.commit("settings");
    all_work(bed);
    bed.copy("app/.worktrees/x", "aside");
    bed.ok(&["wt", "remove", "x", "--force"]);
    fs::rename(bed.path("../aside"), bed.path(ASIDE)).expect("the bed is ours");
}

fn settings(bed: &Bed, gate: &str) {
    bed.repo.write("biplane.toml", format!("target = \"main\"\ngate = '''{gate}'''\n"));
    bed.repo.commit("settings");
}

/// A bound worktree with a commit, a gate that passes, and a target that has moved.
pub(crate) fn to_land(bed: &Bed) {
    settings(bed, GATE);
    a_task(bed);
    bed.work("work.txt", "work\n");
    bed.ok(&["wt", "bind", "x", "--task", "1"]);
    bed.repo.write("other.txt", "other\n");
    bed.repo.commit("the target moves");
}

/// The same, and a main checkout in which somebody is at work.
fn to_land_beside_work(bed: &Bed) {
    to_land(bed);
    bed.repo.write("kept.txt", "changed\n");
    bed.repo.write("staged.txt", "staged\n");
    bed.repo.git(&["add", "staged.txt"]);
    bed.repo.write("untracked.txt", "untracked\n");
}

/// Work that waits to land.
fn in_review(bed: &Bed) {
    to_land(bed);
    bed.ok(&["submit", "x"]);
}

fn to_collide(bed: &Bed) {
    settings(bed, GATE);
    bed.work("both.txt", "mine\n");
    bed.repo.write("both.txt", "theirs\n");
    bed.repo.commit("the target moves");
}

fn with_a_red_gate(bed: &Bed) {
    settings(bed, &format!("{GATE}; false"));
    bed.work("work.txt", "work\n");
}

fn with_a_gate_that_moves_the_target(bed: &Bed) {
    settings(bed, &format!("{GATE}; git update-ref refs/heads/main HEAD; false"));
    bed.work("work.txt", "work\n");
}

fn is_refused(bed: &Bed) -> bool {
    let files = bed.repo.git(&["ls-tree", "--name-only", "main"]);
    bed.has_event("submission.bounced") && !files.contains("work.txt")
}

fn to_give_to_an_agent(bed: &Bed) {
    settings(bed, GATE);
    a_task(bed);
}

/// A task that waits for the approval of its plan, and mail for its agent.
fn a_plan(bed: &Bed) {
    let agent = "grep -q '^# Plan' $BIPLANE_PROMPT_FILE && echo a plan";
    bed.repo.write("biplane.toml", format!("target = \"main\"\nagent = \"bob\"\n[agents.bob]\nplan = \"required\"\ncommand = [\"sh\", \"-c\", \"{agent}\"]\n"));
    bed.repo.commit("settings");
    a_task(bed);
    let _ = bed.call(&["up", "--no-gate"]).run().fails_with(1);
}

/// A task, mail for its agent, and what the agent is to be told.
fn mail_to_deliver(bed: &Bed) {
    let agent = "echo work > work.txt; git add --all; git commit --quiet --message work";
    bed.repo.write("biplane.toml", format!("target = \"main\"\ngate = '''{GATE}'''\nagent = \"bob\"\n[agents.bob]\ncommand = [\"sh\", \"-c\", \"{agent}\"]\n"));
    bed.repo.commit("settings");
    a_task(bed);
    bed.ok(&["mail", "send", "bob", "use tabs"]);
}

/// The mail stands in the prompt of one run that was not lost, and waits no more.
fn is_delivered_once(bed: &Bed) -> bool {
    let events = fs::read_to_string(bed.path(".worktrees/events.jsonl")).unwrap_or_default();
    let of = |kind: &str| events.matches(&format!("\"event\":\"{kind}\"")).count();
    of("mail.delivered") == of("mail.returned") + 1
        && fs::read_to_string(bed.path(".team/inbox/bob.jsonl")).is_ok_and(|text| text.is_empty())
}

/// What doctor repairs: a worktree that is gone, a branch that is not needed, a view that was damaged.
fn to_repair(bed: &Bed) {
    a_worktree(bed);
    bed.repo.git(&["worktree", "remove", ".worktrees/x"]);
    bed.ok(&["wt", "create", "y"]);
    bed.ok(&["wt", "remove", "y"]);
    bed.repo.git(&["branch", "wt/y", "main"]);
    bed.repo.write(".tasks/task_1.json", "{");
}

/// A run that is over, with a log that is to be compressed.
fn a_long_log(bed: &Bed) {
    bed.repo.write("biplane.toml", "[pool]\nsize = 0\n");
    bed.repo.commit("settings");
    a_worktree(bed);
    bed.ok(&["run", "x", "--json", "--", "sh", "-c", "yes 'a long log' | head -c 200000"]);
}

/// What agent programs are told is nothing that git sees.
fn ignoring(bed: &Bed) {
    bed.repo.write(".gitignore", ".env\n.codex/\nAGENTS.md\nbiplane.toml\n");
    bed.repo.commit("ignore");
}

/// A board as older tools write it.
fn a_board(bed: &Bed) {
    bed.repo.git(&["worktree", "add", "--quiet", "-b", "wt/x", ".worktrees/x"]);
    let path = bed.path(".worktrees/x");
    let task = json!({"id": 1, "subject": "t", "description": "", "status": "in_progress", "owner": "ann",
        "worktree": "x", "blockedBy": [], "created_at": 1_760_000_000.5, "updated_at": 1_760_000_000.5});
    let worktree = json!({"name": "x", "path": path, "branch": "wt/x", "task_id": 1, "status": "active",
        "created_at": 1_760_000_100.5});
    bed.repo.write(".tasks/task_1.json", task.to_string());
    bed.repo.write(".worktrees/index.json", json!({"worktrees": [worktree]}).to_string());
}

pub(crate) fn is_landed(bed: &Bed) -> bool {
    bed.has_event("submission.landed")
        && bed.repo.git(&["show", "main:work.txt"]) == "work"
        && bed.task("1")["status"] == "completed"
}

pub(crate) fn is_removed(bed: &Bed) -> bool {
    bed.has_event("worktree.remove.after") && !bed.path(".worktrees/x").exists()
}

fn is_restored(bed: &Bed) -> bool {
    bed.status_of_worktree() == "active"
        && bed.worktree().read(".env") == "SECRET=1\n"
        && bed.worktree().git(&["status", "--porcelain"]) == " M kept.txt\nAM staged.txt\n?? dir/"
}

fn has_spare(bed: &Bed) -> bool {
    bed.path(".worktrees/.pool/1").exists()
}

/// A row of the table: a test of that name, the state before, the command, its exit code, and how one sees that it is done.
macro_rules! operations {
    ($($name:ident: $prepare:expr, [$($arg:expr),*], $code:expr, $done:expr;)*) => {$(
        #[test]
        fn $name() {
            enumerate(&Operation {
                name: stringify!($name), prepare: $prepare, args: &[$($arg),*], code: $code, done: $done,
            });
        }
    )*};
}

operations! {
    create: nothing, ["wt", "create", "x"], 0,
        |bed| bed.status_of_worktree() == "active" && bed.path(".worktrees/x/kept.txt").exists();
    create_for_a_task: a_task, ["wt", "create", "x", "--task", "1"], 0,
        |bed| bed.status_of_worktree() == "active" && bed.task("1")["worktree"] == "x";
    bind: a_worktree, ["wt", "bind", "x", "--task", "1"], 0, |bed| bed.task("1")["worktree"] == "x";
    unbind: a_bound_worktree, ["wt", "unbind", "x"], 0, |bed| bed.task("1")["worktree"] == "";
    keep: all_work, ["wt", "keep", "x"], 0, |bed| bed.status_of_worktree() == "kept";
    remove: a_bound_worktree, ["wt", "remove", "x"], 0, is_removed;
    remove_with_work: all_work, ["wt", "remove", "x", "--force"], 0, is_removed;
    restore: removed_work, ["wt", "restore", "x"], 0, is_restored;
    create_from_a_spare: a_spare, ["wt", "create", "x"], 0, |bed| {
        bed.status_of_worktree() == "active" && bed.worktree().read("new.txt") == "new\n" && !has_spare(bed)
    };
    recycle: put_aside, ["tend"], 0, |bed| has_spare(bed) && !bed.path(ASIDE).exists();
    remove_and_complete: all_work, ["wt", "remove", "x", "--force", "--complete-task"], 0,
        |bed| is_removed(bed) && bed.task("1")["status"] == "completed";
    submit: to_land, ["submit", "x"], 0,
        |bed| bed.has_event("submission.queued") && bed.task("1")["status"] == "in_review";
    merge: to_land, ["merge", "x"], 0, |bed| is_landed(bed) && bed.path("work.txt").exists();
    merge_beside_work: to_land_beside_work, ["merge", "x"], 0, is_landed;
    merge_squashed: to_land, ["merge", "x", "--strategy", "squash"], 0, is_landed;
    merge_rebased: to_land, ["merge", "x", "--strategy", "rebase"], 0, is_landed;
    merge_with_a_conflict: to_collide, ["merge", "x"], 4, |bed| bed.has_event("submission.bounced");
    merge_with_a_gate_that_moves_the_target: with_a_gate_that_moves_the_target, ["merge", "x"], 3, is_refused;
    merge_with_a_red_gate: with_a_red_gate, ["merge", "x"], 1, |bed| bed.has_event("submission.bounced");
    run: a_bound_worktree, ["run", "x", "--", "sh", "-c", "echo made > made.txt"], 0,
        |bed| bed.has_event("worktree.run.after") && bed.path(".worktrees/x/made.txt").exists();
    up: to_give_to_an_agent,
        ["up", "--", "sh", "-c", "echo work > work.txt; git add --all; git commit --quiet --message work"], 0, is_landed;
    up_with_mail: mail_to_deliver, ["up"], 0, |bed| is_landed(bed) && is_delivered_once(bed);
    mail_send: mail_to_deliver, ["mail", "send", "bob", "and LF"], 0,
        |bed| fs::read_to_string(bed.path(".team/inbox/bob.jsonl")).is_ok_and(|text| text.contains("and LF"));
    mail_read: mail_to_deliver, ["mail", "read", "--as", "bob"], 0, is_delivered_once;
    plan_reject: a_plan, ["plan", "reject", "q1", "--feedback", "no"], 0,
        |bed| bed.has_event("plan.rejected") && bed.task("1")["status"] == "pending";
    shutdown: a_plan, ["team", "shutdown", "bob"], 0, |bed| bed.has_event("shutdown.approved");
    task_create: nothing, ["task", "create", "t"], 0, |bed| bed.task("1")["status"] == "pending";
    task_claim: a_task, ["task", "claim", "1", "--owner", "ann"], 0, |bed| bed.task("1")["owner"] == "ann";
    task_complete: two_tasks, ["task", "complete", "1"], 0,
        |bed| bed.task("1")["status"] == "completed";
    task_return: in_review, ["task", "return", "1", "--reason", "again"], 0,
        |bed| bed.has_event("submission.withdrawn") && bed.task("1")["status"] == "pending";
    pause: a_task, ["pause"], 0, |bed| bed.has_event("up.paused");
    doctor: to_repair, ["doctor", "--fix"], 0,
        |bed| bed.has_event("worktree.remove.after") && bed.task("1")["status"] == "pending";
    tend_logs: a_long_log, ["tend"], 0,
        |bed| bed.path(".worktrees/runs/r1/output.log.gz").exists() && !bed.path(".worktrees/runs/r1/output.log").exists();
    hook_up: ignoring, ["init", "--agent", "codex", "--yes"], 0,
        |bed| bed.path(".codex/config.toml").exists() && bed.path("AGENTS.md").exists();
    import: a_board, ["import"], 0,
        |bed| bed.has_event("import.done") && bed.task("1")["status"] == "in_progress";
}
