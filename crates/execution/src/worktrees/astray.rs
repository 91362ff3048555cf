//! Worktrees whose directory and git's entry lost each other, because one of them was moved.
//!
//! Why not `git worktree repair <path>`: it goes on to all other worktrees. Measured with git 2.47: in a copy of a
//! repository it rewrites the links of the *original's* worktrees, so that they belong to the copy from then on. Here only
//! the two link files of one worktree are written.

use std::io::Write;

use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    OwnershipFault, Place,
    owned::{Kind, kind_of, mount_in, prove, read_link_file, same_dir},
};
use crate::git::GitError;

/// How a worktree that can't be proved to be ours can be found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Astray {
    /// Git's entry and the directory `to` name each other: it was moved, and git knows.
    Moved {
        /// Where it is now.
        to: Utf8PathBuf,
    },
    /// The directory and git's entry are where they belong, but name the place where the repository was before, and
    /// nothing else claims either of them.
    Uprooted,
}

/// How the worktree at `place` can be found again; `None` when it needs no finding or there is no proof.
pub fn astray(place: &Place) -> Option<Astray> {
    let entry = place.entry_dir();
    if place.git_entry.is_empty() || !matches!(kind_of(&entry), Ok(Some(Kind::Directory))) {
        return None;
    }
    let named = named_by_entry(place)?;
    let is_elsewhere = !same_dir(&named, &place.path);
    if is_elsewhere && prove(&Place { path: named.clone(), ..place.clone() }).is_ok() {
        return Some(Astray::Moved { to: named });
    }
    is_uprooted(place, &named).then_some(Astray::Uprooted)
}

fn is_uprooted(place: &Place, named: &Utf8Path) -> bool {
    if !matches!(kind_of(&place.path), Ok(Some(Kind::Directory)))
        || !matches!(mount_in(&place.path), Ok(None))
    {
        return false;
    }
    let Ok(forward) = read_link_file(&place.path.join(".git"), Some("gitdir: ")) else { return false };
    // The directory was linked to an entry of this name, and the entry to a directory of this name.
    if forward.file_name() != Some(&place.git_entry) || named.file_name() != place.path.file_name() {
        return false;
    }
    let entry = place.entry_dir();
    let (knows_entry, knows_path) = (same_dir(&forward, &entry), same_dir(named, &place.path));
    if knows_entry && knows_path {
        return false;
    }
    // Another repository may have it: its entry would name this directory.
    let claimed = !knows_entry
        && read_link_file(&forward.join("gitdir"), None)
            .is_ok_and(|back| back.parent().is_some_and(|dir| same_dir(dir, &place.path)));
    // Another directory may have the entry.
    let taken = !knows_path
        && read_link_file(&named.join(".git"), Some("gitdir: ")).is_ok_and(|there| same_dir(&there, &entry));
    !claimed && !taken
}

/// The directory that git's entry for the worktree names, whether it is there or not.
pub fn named_by_entry(place: &Place) -> Option<Utf8PathBuf> {
    if place.git_entry.is_empty() {
        return None;
    }
    let file = read_link_file(&place.entry_dir().join("gitdir"), None).ok()?;
    file.parent().map(Utf8Path::to_owned)
}

/// Makes the directory and git's entry of an [uprooted](Astray::Uprooted) worktree name each other again. Touches no
/// other worktree. The caller holds the lock for adding.
///
/// # Errors
/// [`GitError::Io`] when it is not uprooted (any more), or the system refuses.
pub fn relink(place: &Place) -> Result<(), GitError> {
    let refused = |why: String| GitError::Io {
        path: place.path.clone(),
        action: "linked to git's entry",
        source: std::io::Error::other(why),
    };
    if astray(place) != Some(Astray::Uprooted) {
        return Err(refused("it was not left by a move of the repository".to_owned()));
    }
    let entry = place.entry_dir();
    replace(&entry.join("gitdir"), &format!("{}\n", place.path.join(".git")))?;
    replace(&place.path.join(".git"), &format!("gitdir: {entry}\n"))?;
    prove(place).map(|_| ()).map_err(|fault: OwnershipFault| refused(fault.to_string()))
}

/// Replaces a link file in one step.
fn replace(file: &Utf8Path, text: &str) -> Result<(), GitError> {
    use std::os::unix::fs::PermissionsExt;
    let io = |source| GitError::Io { path: file.to_owned(), action: "written", source };
    let dir = file.parent().unwrap_or(Utf8Path::new("/"));
    let mut fresh = tempfile::Builder::new().prefix(".git-link-").tempfile_in(dir).map_err(io)?;
    failpoint::reach("worktree's link begun");
    fresh.write_all(text.as_bytes()).map_err(io)?;
    fresh.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(io)?;
    fresh.as_file().sync_all().map_err(io)?;
    failpoint::around("worktree's link written", || fresh.persist(file)).map_err(|e| io(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use biplane_testkit::{Repo, TestEnv};

    use super::*;

    fn place(repo: &Utf8Path, name: &str) -> Place {
        Place {
            common_dir: repo.join(".git"),
            path: repo.join(".worktrees").join(name),
            git_entry: name.to_owned(),
        }
    }

    fn two(env: &TestEnv) -> Repo {
        let repo = env.repo("app");
        for name in ["x", "y"] {
            repo.git(&["worktree", "add", "-q", "-b", name, &format!(".worktrees/{name}")]);
        }
        repo
    }

    #[test]
    fn a_moved_repository_is_linked_one_worktree_at_a_time() {
        let env = TestEnv::new();
        let repo = two(&env);
        assert_eq!(astray(&place(repo.path(), "x")), None);
        let moved = env.root().join("moved");
        fs_err::rename(repo.path(), &moved).unwrap();
        let (x, y) = (place(&moved, "x"), place(&moved, "y"));
        assert_eq!((astray(&x), astray(&y)), (Some(Astray::Uprooted), Some(Astray::Uprooted)));
        relink(&x).unwrap();
        assert!(prove(&x).is_ok() && prove(&y).is_err());
        let branch =
            env.program("git").args(["-C", x.path.as_str(), "branch", "--show-current"]).run().success();
        assert_eq!(branch.stdout, "x\n");
        assert!(relink(&x).is_err());
    }

    #[test]
    fn a_copy_takes_nothing_from_the_original() {
        let env = TestEnv::new();
        let repo = two(&env);
        env.program("cp").args(["-R", "app", "copy"]).run().success();
        relink(&place(&env.root().join("copy"), "x")).unwrap();
        for name in ["x", "y"] {
            prove(&place(repo.path(), name)).unwrap();
        }
    }

    #[test]
    fn a_moved_worktree_is_found_when_git_knows() {
        let env = TestEnv::new();
        let repo = two(&env);
        let x = place(repo.path(), "x");
        fs_err::rename(&x.path, env.root().join("elsewhere")).unwrap();
        assert_eq!(astray(&x), None);
        repo.git(&["worktree", "repair", "../elsewhere"]);
        assert_eq!(astray(&x), Some(Astray::Moved { to: env.root().join("elsewhere") }));
    }

    #[test]
    fn what_another_repository_has_is_left_to_it() {
        let env = TestEnv::new();
        let (repo, other) = (two(&env), env.repo("other"));
        let x = place(repo.path(), "x");
        // The directory at the place is a worktree of another repository, with the same name.
        fs_err::rename(&x.path, env.root().join("aside")).unwrap();
        other.git(&["worktree", "add", "-q", "-b", "x", x.path.as_str()]);
        assert_eq!(astray(&x), None);
        assert!(relink(&x).is_err());
    }
}
