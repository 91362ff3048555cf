//! Named pipes where git keeps a file: an ordinary opening of one lasts for ever.

use std::time::Duration;

use biplane_testkit::Output;

use crate::lab::{Lab, sh};

/// Far below the time limit of a git command.
const SOON: Duration = Duration::from_secs(60);

fn soon(lab: &Lab, args: &[&str]) -> Output {
    lab.call(args).spawn().wait(SOON)
}

/// One agent that runs `script`; the output of `up`.
fn one(lab: &Lab, script: &str) -> Output {
    lab.ok(&["task", "create", "do it"]);
    let args = ["up", "--no-gate", "--"].into_iter().chain(sh(script)).collect::<Vec<_>>();
    soon(lab, &args)
}

#[test]
fn an_agent_that_makes_a_named_pipe_of_the_ignored_files_is_found() {
    let lab = Lab::new();
    let said = one(&lab, "echo work > own.txt; git add own.txt; git commit -qm work; mkfifo .gitignore");
    let task = lab.json(&["task", "show", "1"]);
    println!("{said}\n{task:#}");
    let create = soon(&lab, &["wt", "create", "other"]);
    println!("{create}");
    let doctor = soon(&lab, &["doctor"]);
    println!("{doctor}");
    assert_eq!(task["status"], "blocked", "{task:#}");
    assert!(task["reason"].as_str().unwrap().contains(".gitignore"), "{task:#}");
    create.success();
}

#[test]
fn an_agent_that_makes_a_named_pipe_of_its_head_is_found() {
    let lab = Lab::new();
    let said = one(&lab, "head=$(echo $BIPLANE_ROOT/.git/worktrees/1*/HEAD); rm $head; mkfifo $head");
    let task = soon(&lab, &["task", "show", "1", "--json"]);
    println!("{said}\n{task}");
    let create = soon(&lab, &["wt", "create", "other"]);
    println!("{create}");
    let doctor = soon(&lab, &["doctor"]);
    println!("{doctor}");
    assert!(task.stdout.contains("worktrees/1-do-it/HEAD"), "{task}");
    assert!(create.code == 0 || create.stderr.contains("worktrees/1-do-it/HEAD"), "{create}");
    assert!(doctor.stdout.contains("worktrees/1-do-it/HEAD"), "{doctor}");
}
