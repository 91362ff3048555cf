//! Many processes at once.

use std::collections::{BTreeSet, HashMap};

use crate::lab::{Lab, all_at_once};

#[test]
fn worktrees_created_by_64_processes_at_once_are_all_there() {
    let lab = Lab::new();
    for number in 0..200 {
        lab.repo
            .write(format!("src/part_{}/file_{number}.rs", number % 10), format!("// {number}\n").repeat(20));
    }
    lab.repo.commit("many files");
    let outputs = all_at_once((0..64).map(|n| lab.call(&["wt", "create", &format!("w{n}")])));
    let failed: Vec<_> = outputs.iter().filter(|o| o.code != 0).map(ToString::to_string).collect();
    assert_eq!(failed, [""; 0]);
    assert_eq!((lab.directories().len(), lab.linked(), lab.branches().len()), (64, 64, 64));
    for n in 0..64 {
        assert_eq!(lab.worktree(&format!("w{n}")).git(&["status", "--porcelain"]), "", "w{n}");
    }
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.is_sound();
}

#[test]
fn one_name_wanted_by_16_processes_goes_to_one_of_them() {
    let lab = Lab::new();
    let outputs = all_at_once((0..16).map(|_| lab.call(&["wt", "create", "same"])));
    let codes: Vec<_> = outputs.iter().map(|o| o.code).collect();
    assert_eq!(codes.iter().filter(|c| **c == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|c| **c == 4).count(), 15, "{codes:?}");
    assert_eq!((lab.linked(), lab.branches().len()), (1, 1));
    lab.is_sound();
}

#[test]
fn worktrees_removed_and_created_at_once_do_not_disturb_each_other() {
    let lab = Lab::new();
    for n in 0..12 {
        lab.create(&format!("old{n}"));
    }
    let removals = (0..12).map(|n| lab.call(&["wt", "remove", &format!("old{n}")]));
    let creations = (0..12).map(|n| lab.call(&["wt", "create", &format!("new{n}")]));
    let outputs = all_at_once(removals.zip(creations).flat_map(|(r, c)| [r, c]));
    let failed: Vec<_> = outputs.iter().filter(|o| o.code != 0).map(ToString::to_string).collect();
    assert_eq!(failed, [""; 0]);
    assert_eq!((lab.directories().len(), lab.linked(), lab.branches().len()), (12, 12, 12));
    lab.is_sound();
}

#[test]
fn branches_merged_by_8_processes_at_once_all_land() {
    let lab = Lab::new();
    for n in 0..8 {
        lab.work(&format!("w{n}"), &format!("f{n}"), "x\n");
    }
    let outputs = all_at_once((0..8).map(|n| lab.call(&["merge", &format!("w{n}"), "--no-gate"])));
    let failed: Vec<_> = outputs.iter().filter(|o| o.code != 0).map(ToString::to_string).collect();
    assert_eq!(failed, [""; 0]);
    let files = lab.repo.git(&["ls-tree", "--name-only", "main"]);
    assert!((0..8).all(|n| files.lines().any(|f| f == format!("f{n}"))), "{files}");
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.is_sound();
}

#[test]
fn tasks_created_by_8_processes_have_ids_of_their_own() {
    create_tasks(8, 10);
}

#[test]
#[ignore = "needs minutes"]
fn tasks_created_by_32_processes_have_ids_of_their_own() {
    create_tasks(32, 25);
}

fn create_tasks(processes: usize, each: usize) {
    let lab = Lab::new();
    let script = format!(
        "i=0; while [ $i -lt {each} ]; do \"$0\" task create \"p$1 $i\" --json || exit 1; i=$((i+1)); done"
    );
    let outputs = all_at_once((0..processes).map(|n| {
        lab.env.program("sh").in_dir(lab.root()).args(["-c", &script, crate::lab::BIPLANE, &n.to_string()])
    }));
    let mut ids = BTreeSet::new();
    for output in outputs {
        ids.extend(output.success().json_lines().iter().map(|t| t["id"].as_u64().unwrap()));
    }
    let expected = processes * each;
    assert_eq!(ids, (1..=expected as u64).collect());
    let records = lab.records();
    assert_eq!((records.tasks().len(), records.events().len()), (expected, expected));
    lab.is_sound();
}

#[test]
fn tasks_claimed_by_8_processes_are_claimed_once() {
    claim_tasks(8, 40);
}

#[test]
#[ignore = "needs minutes"]
fn tasks_claimed_by_32_processes_are_claimed_once() {
    claim_tasks(32, 200);
}

fn claim_tasks(processes: usize, tasks: usize) {
    let lab = Lab::new();
    for n in 0..tasks {
        lab.ok(&["task", "create", &format!("t{n}")]);
    }
    let script = "while \"$0\" task claim --owner \"p$1\"; do :; done; \"$0\" task claim --owner \"p$1\"";
    let outputs = all_at_once((0..processes).map(|n| {
        lab.env.program("sh").in_dir(lab.root()).args(["-c", script, crate::lab::BIPLANE, &n.to_string()])
    }));
    for output in outputs {
        output.fails_with(5);
    }
    let mut claims: HashMap<String, usize> = HashMap::new();
    for event in lab.records().events().iter().filter(|e| e["event"] == "task.claimed") {
        *claims.entry(event["task"]["id"].to_string()).or_default() += 1;
    }
    assert_eq!(claims.len(), tasks);
    assert!(claims.values().all(|n| *n == 1), "{claims:?}");
    lab.is_sound();
}
