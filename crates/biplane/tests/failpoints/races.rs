//! Others that are at work on the target while something lands.

use std::{fs, time::Duration};

use biplane_testkit::eventually;

use crate::{
    bed::{Bed, GATE, lines},
    operations,
};

/// How often a candidate is made anew.
const TRIES: usize = 5;

/// A gate during which somebody else commits to the target, the first `times` times.
fn gate_that_moves_the_target(times: usize) -> String {
    let moves = "git update-ref refs/heads/main $(git commit-tree -p main -m other main^{tree})";
    format!("{GATE}; test $(wc -l < \"$BIPLANE_ROOT/../tested\") -gt {times} || {moves}")
}

fn to_land(bed: &Bed) {
    bed.work("work.txt", "work\n");
    // Off the target, so that nobody has it checked out.
    bed.repo.git(&["switch", "--quiet", "--create", "side"]);
    bed.repo.write("biplane.toml", "target = \"main\"\n");
}

#[test]
fn a_target_that_moves_after_the_gate_is_tested_anew() {
    for times in 1..TRIES {
        let bed = Bed::new();
        to_land(&bed);
        bed.ok(&["merge", "x", "--gate", &gate_that_moves_the_target(times)]);
        assert_eq!(bed.tested().len(), times + 1);
        assert_eq!(bed.repo.git(&["rev-parse", "main"]), bed.tested()[times], "main is what was tested last");
        let others = bed.repo.git(&["log", "--format=%s", "--grep=^other$", "main"]);
        assert_eq!(lines(&others).len(), times, "nothing of the others is lost");
    }
}

#[test]
fn a_target_that_never_rests_is_left_to_the_others() {
    let bed = Bed::new();
    to_land(&bed);
    let before = bed.repo.git(&["rev-parse", "main"]);
    let merge = bed.call(&["merge", "x", "--gate", &gate_that_moves_the_target(TRIES)]).run().fails_with(6);
    assert!(merge.stderr.contains(&format!("moved {TRIES} times")), "{merge}");
    assert_eq!(bed.repo.git(&["rev-list", "--count", &format!("{before}..main")]), TRIES.to_string());
    assert_eq!(
        bed.repo.git(&["log", "--format=%s", &format!("{before}..main")]),
        ["other"; TRIES].join("\n")
    );
    bed.ok(&["merge", "x", "--gate", GATE]);
}

/// At each place of a landing somebody begins to work in the main checkout, on a file that the landing changes too.
#[test]
fn work_that_begins_in_the_main_checkout_while_something_lands() {
    let bed = Bed::new();
    bed.work("both.txt", "1\n2\nwork\n");
    bed.remember();
    let log = bed.log();
    bed.call(&["merge", "x", "--gate", GATE]).env("FAILPOINT_LOG", &log).run().success();
    let places = lines(&fs::read_to_string(&log).expect("it has places")).len();
    let mut followed = 0;
    for place in 1..=places {
        bed.put_back();
        let go = bed.path("../go");
        for file in [go.clone(), format!("{go}.reached").into()] {
            let _ = fs::remove_file(file);
        }
        let merge =
            bed.call(&["merge", "x", "--gate", GATE]).env("FAILPOINT_PAUSE", format!("{place}:{go}")).spawn();
        eventually(Duration::from_secs(60), "it is there", || bed.path("../go.reached").exists());
        let is_behind = bed.repo.read("both.txt") == "1\n2\n3\n";
        if is_behind {
            bed.repo.write("both.txt", "mine\n2\n3\n");
        }
        fs::write(&go, "").expect("the bed is ours");
        let merge = merge.wait(Duration::from_secs(60)).success();
        let story = format!("at place {place}\n{merge}");
        let landed = bed.repo.git(&["show", "main:both.txt"]);
        assert_eq!(landed, "1\n2\nwork", "{story}");
        assert!(bed.tested().contains(&bed.repo.git(&["rev-parse", "main"])), "{story}");
        if is_behind {
            assert_eq!(bed.repo.read("both.txt"), "mine\n2\n3\n", "{story}");
            let branch = bed.repo.git(&["branch", "--show-current"]);
            assert_eq!(branch, "", "its next commit would undo what has landed\n{story}");
            assert_eq!(bed.repo.git(&["status", "--porcelain"]), " M both.txt", "{story}");
            bed.ok(&["doctor", "--fix"]);
        } else {
            followed += 1;
        }
    }
    assert!(followed > 0 && followed < places, "{followed} of {places}");
}

#[test]
fn a_landing_whose_git_was_killed_beside_work_goes_on() {
    let bed = Bed::new();
    operations::to_land(&bed);
    bed.repo.write("kept.txt", "mine\n");
    bed.kill_with_git(&["merge", "x"], " biplane: land ", ":");
    bed.ok(&["merge", "x"]);
    assert_eq!(bed.repo.read("kept.txt"), "mine\n");
    assert!(operations::is_landed(&bed));
}
