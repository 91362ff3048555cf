//! Texts that an agent or a repository wrote can't steer the terminal they are shown on.

use biplane_testkit::eventually;

use crate::lab::{DEADLINE, Lab, is_safe_for_a_terminal};

const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;owned\u{7}b\rc\u{9b}31md\u{202e}e";

#[test]
fn tasks_are_shown_safely() {
    let lab = Lab::new();
    let subject = format!("{HOSTILE}\nsecond line");
    let mut calls = vec![
        lab.call(&["task", "create", &subject, "--description", HOSTILE, "--gate", HOSTILE]),
        lab.call(&["task", "create", "plain"]),
        lab.call(&["task", "block", "2", "--reason", HOSTILE]),
    ];
    for args in [
        &["task", "list"][..],
        &["task", "show", "1"],
        &["task", "show", "2"],
        &["wt", "create", "w", "--task", "1"],
        &["wt", "keep", "w", "--reason", HOSTILE],
        &["run", "w", "--", "true", HOSTILE],
        &["wt", "list"],
        &["wt", "status", "w"],
        &["task", "claim", HOSTILE, "--owner", "ann"],
        &["task", "list", "--label", HOSTILE],
        &["task", "show", HOSTILE],
        &["wt", "create", "v", "--base", HOSTILE],
        &["run", "w", "--", HOSTILE],
        &["up", "--", "true"],
        &["events", "--limit", "100"],
    ] {
        calls.push(lab.call(args));
    }
    for call in calls {
        is_safe_for_a_terminal(&call.run());
    }
    for args in [&["task", "list", "--json"][..], &["events", "--json"], &["wt", "list", "--json"]] {
        assert!(!lab.call(args).run().success().stdout.contains('\u{1b}'), "JSON escapes it");
    }
    lab.is_sound();
}

#[test]
fn an_actor_with_escapes_is_shown_safely() {
    let lab = Lab::new();
    lab.call(&["task", "create", "one"]).env("BIPLANE_ACTOR", HOSTILE).env("USER", HOSTILE).run().success();
    is_safe_for_a_terminal(&lab.call(&["events"]).run().success());
}

#[test]
fn paths_in_a_worktree_are_shown_safely() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let name = format!("untracked {HOSTILE}");
    tree.write(&name, "x\n");
    tree.write(format!("staged {HOSTILE}\nline"), "x\n");
    tree.git(&["add", &format!("staged {HOSTILE}\nline")]);
    for args in
        [&["wt", "status", "w"][..], &["wt", "diff", "w", "--stat"], &["submit", "w"], &["wt", "remove", "w"]]
    {
        is_safe_for_a_terminal(&lab.call(args).run());
    }
    tree.commit(HOSTILE);
    lab.repo.write(&name, "the user's\n");
    lab.repo.commit("the user's");
    let output = lab.call(&["merge", "w", "--gate", "true"]).run().fails_with(4);
    is_safe_for_a_terminal(&output);
    is_safe_for_a_terminal(&lab.call(&["wt", "list"]).run());
    lab.is_sound();
}

#[test]
fn the_output_of_agents_and_gates_is_shown_safely() {
    let lab = Lab::new();
    let print = "printf 'a\\033[2J\\033]0;owned\\007b\\rc\\n'; printf '\\033[31merr\\n' >&2";
    lab.ok(&["task", "create", HOSTILE]);
    let agent = format!("{print}; echo a > a.txt; git add a.txt; git commit -q -m \"$(printf 'x\\033[2J')\"");
    let gate = format!("{print}; false");
    let output = lab.call(&["up", "--gate", &gate, "--", "sh", "-c", &agent]).run().fails_with(1);
    is_safe_for_a_terminal(&output);
    for args in [&["task", "list"][..], &["task", "show", "1"], &["events", "--limit", "200"]] {
        is_safe_for_a_terminal(&lab.call(args).run().success());
    }
    lab.work("w", "b.txt", "b\n");
    is_safe_for_a_terminal(&lab.call(&["merge", "w", "--gate", &gate]).run().fails_with(1));
    lab.is_sound();
}

#[test]
fn up_on_a_terminal_draws_no_escape_of_an_agent() {
    let lab = Lab::new();
    lab.ok(&["task", "create", HOSTILE]);
    // `script` gives it a terminal; what is drawn there is ours but for the agent's lines.
    let agent = "printf 'x\\033]0;owned\\007y\\n'; sleep 0.3; echo a > a.txt";
    std::fs::write(lab.env.root().join("agent.sh"), agent).unwrap();
    let inner = format!("'{}' up --no-gate -- sh '{}/agent.sh'", crate::lab::BIPLANE, lab.env.root());
    if lab.env.program("sh").args(["-c", "command -v script"]).run().code != 0 {
        return;
    }
    let call = lab.env.program("script").in_dir(lab.root()).env("TERM", "xterm").env("SHELL", "/bin/sh");
    let output = call.args(["-qec", &inner, "/dev/null"]).run().success();
    assert!(!output.stdout.contains("\u{1b}]0;owned"), "{output:?}");
    assert!(!output.stdout.contains("\u{1b}[2Jb"), "{output:?}");
}

#[test]
fn following_events_shows_them_safely() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let mut follower = lab.call(&["events", "--follow"]).spawn();
    eventually(DEADLINE, "the first is shown", || follower.stdout().contains("task.created"));
    lab.ok(&["task", "create", HOSTILE]);
    eventually(DEADLINE, "the second is shown", || follower.stdout().lines().count() == 2);
    follower.signal(biplane_testkit::Signal::INT);
    let output = follower.wait(DEADLINE);
    is_safe_for_a_terminal(&output);
}
