//! Others that are at work on the target while something lands.

use std::{fs, time::Duration};

use biplane_testkit::{Call, Output, eventually};
use camino::Utf8PathBuf;

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
        let mut is_behind = false;
        let meanwhile = || {
            is_behind = bed.repo.read("both.txt") == "1\n2\n3\n";
            if is_behind {
                bed.repo.write("both.txt", "mine\n2\n3\n");
            }
        };
        let merge = at_place(&bed, bed.call(&["merge", "x", "--gate", GATE]), place, meanwhile);
        let merge = merge.expect("there is such a place").success();
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

/// Runs `call` up to its place `place`, does `meanwhile`, and lets it go on. None when there is no such place.
fn at_place(bed: &Bed, call: Call, place: usize, meanwhile: impl FnOnce()) -> Option<Output> {
    let go = bed.path("../go");
    let reached = Utf8PathBuf::from(format!("{go}.reached"));
    for file in [&go, &reached] {
        let _ = fs::remove_file(file);
    }
    let mut running = call.env("FAILPOINT_PAUSE", format!("{place}:{go}")).spawn();
    eventually(Duration::from_secs(60), "it is there", || reached.exists() || !running.is_running());
    if !reached.exists() {
        return None;
    }
    meanwhile();
    fs::write(&go, "").expect("the bed is ours");
    Some(running.wait(Duration::from_secs(60)))
}

/// At each place of a removal somebody writes into the worktree by its name: what was written is in the worktree, or in a
/// directory that nothing deletes. Or nobody could write.
#[test]
fn work_that_is_written_while_a_worktree_is_removed() {
    let bed = Bed::new();
    bed.repo.write("biplane.toml", "[pool]\nsize = 0\n");
    bed.ok(&["wt", "create", "x"]);
    bed.remember();
    let [mut refused, mut late, mut gone] = [0; 3];
    // What was put back are other files; when git has not been told so, it is asked, before and after the rename.
    for (is_told, place) in [true, false].into_iter().flat_map(|told| (1..50).map(move |place| (told, place)))
    {
        bed.rest();
        bed.put_back();
        if is_told {
            bed.repo.git(&["-C", ".worktrees/x", "update-index", "-q", "--refresh"]);
        }
        let (tracked, new) = (bed.path(".worktrees/x/kept.txt"), bed.path(".worktrees/x/new.txt"));
        let mut wrote = false;
        let meanwhile = || {
            wrote =
                tracked.exists() && fs::write(&tracked, "mine\n").is_ok() && fs::write(&new, "new\n").is_ok();
        };
        let call = bed.call(&["wt", "remove", "x"]).env("BIPLANE_BACKGROUND", "1");
        let Some(output) = at_place(&bed, call, place, meanwhile) else { continue };
        let kept = bed.path(".worktrees/.late-w1");
        if !wrote {
            assert_eq!(output.code, 0, "at place {place}\n{output}");
            gone += 1;
        } else if output.code == 0 {
            // Whoever tends is at work by now, or is asked to be.
            bed.ok(&["tend"]);
            eventually(Duration::from_secs(60), "it is put where nothing deletes it", || kept.exists());
            assert_eq!(fs::read_to_string(kept.join("kept.txt")).expect("it is there"), "mine\n");
            assert_eq!(fs::read_to_string(kept.join("new.txt")).expect("it is there"), "new\n");
            late += 1;
        } else {
            assert_eq!(output.code, 3, "at place {place}\n{output}");
            assert_eq!(fs::read_to_string(&tracked).expect("it is there"), "mine\n", "{output}");
            assert_eq!(fs::read_to_string(&new).expect("it is there"), "new\n", "{output}");
            refused += 1;
        }
    }
    assert!(refused > 0 && late > 0 && gone > 0, "refused {refused}, late {late}, gone {gone}");
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
