//! Bringing ignored files into a worktree: its bounds, and what is left when it is stopped.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use biplane_execution::{
    git::{Git, Repository},
    worktrees::{
        self, AddSpec, Place,
        ready::{self, Bound, ReadyError},
    },
};
use biplane_testkit::{Repo, TestEnv};

const ENOUGH: Bound = Bound { entries: 1000, bytes: 1 << 20 };

/// A repository with a worktree, and ignored files below `dir/`.
fn lab() -> (Repo, Git, Place) {
    let repo = TestEnv::new().repo("app");
    repo.write(".gitignore", "dir/\n");
    repo.commit("ignore");
    for n in 0..5 {
        repo.write(format!("dir/{n}/file"), "ten bytes\n");
    }
    let repository = Repository::discover(repo.path()).unwrap();
    std::fs::create_dir_all(repository.common_dir.join("biplane")).unwrap();
    let (base, path) = (repo.head().parse().unwrap(), repo.path().join("../w"));
    let spec = AddSpec { path: &path, branch: None, base: &base };
    let place = worktrees::add(&repository.git(), &spec).unwrap().place;
    place.git().fill().unwrap();
    let main = repository.main_checkout().unwrap();
    (repo, main, place)
}

/// The files below `dir` in the worktree, and whether anything is left half done.
fn left(place: &Place) -> (usize, bool) {
    let count = |dir| place.path.join(dir).read_dir_utf8().map_or(0, |entries| entries.flatten().count());
    (count("dir"), place.path.join(ready::UNFINISHED).exists())
}

#[test]
fn a_copy_ends_at_its_bound_and_says_what_it_left_out() {
    let (_repo, main, place) = lab();
    for (bound, copied) in
        [(Bound { entries: 2, ..ENOUGH }, 2), (Bound { bytes: 29, ..ENOUGH }, 2), (ENOUGH, 1)]
    {
        let brought = ready::copy(&main, &place, "file\n", &[], bound, &mut || true).unwrap();
        assert_eq!(brought.entries, copied);
        assert!(brought.notes.iter().all(|note| note.ends_with("is more than may be copied; left out")));
    }
    let brought = ready::copy(&main, &place, "file\n", &[], ENOUGH, &mut || true).unwrap();
    assert_eq!((brought.entries, left(&place)), (0, (5, false)));
}

#[test]
fn what_is_left_out_is_neither_copied_nor_told_of() {
    let (_repo, main, place) = lab();
    let leave = ["dir/1".to_owned(), "dir/2".to_owned()];
    let brought = ready::copy(&main, &place, "file\n", &leave, ENOUGH, &mut || true).unwrap();
    assert_eq!((brought.entries, brought.notes.len(), left(&place).0), (3, 0, 3));
}

#[test]
fn a_clone_is_whole_or_not_there() {
    let (_repo, main, place) = lab();
    let bound = Bound { entries: 9, ..ENOUGH };
    let brought = ready::clone(&main, &place, "dir", bound, &mut || true).unwrap();
    assert_eq!(brought.notes, ["`dir` is more than 9 files or 1 MiB, or too deep; left out"]);
    assert_eq!(left(&place), (0, false));
    let mut more = 7;
    let stopped = ready::clone(&main, &place, "dir", ENOUGH, &mut || {
        more -= 1;
        more > 0
    });
    assert!(matches!(stopped, Err(ReadyError::Stopped)));
    assert_eq!(left(&place), (0, false));
    let brought = ready::clone(&main, &place, "dir", ENOUGH, &mut || true).unwrap();
    assert_eq!((brought.entries, left(&place)), (10, (5, false)));
}
