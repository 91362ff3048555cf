//! Answers that can be read from git's files without asking git, which takes milliseconds to start.
//!
//! **Contract.** Only the plain case is answered: a `.git` directory, or the `.git` file of a linked worktree, ours by owner,
//! with refs in files. Everything else is `None`: git is asked then. An answer is the one that git would give.

use std::{io::Read, os::unix::fs::MetadataExt};

use biplane_model::CommitId;
use camino::{Utf8Path, Utf8PathBuf};

use super::Git;

/// The most bytes of one of git's small files.
const SMALL: u64 = 64 * 1024;
/// The most bytes of the file of packed refs; git is asked about more.
const PACKED: u64 = 16 << 20;

/// The directory that is shared by all checkouts, as seen from `place`.
pub(super) fn common_dir(place: &Utf8Path) -> Option<Utf8PathBuf> {
    let place = place.canonicalize_utf8().ok()?;
    let device = place.metadata().ok()?.dev();
    for dir in place.ancestors() {
        if dir.metadata().ok()?.dev() != device {
            return None;
        }
        let git = dir.join(".git");
        match git.as_std_path().symlink_metadata() {
            Ok(meta) if meta.is_dir() => return is_plain(dir, &git).then_some(git),
            Ok(meta) if meta.is_file() => return linked_to(dir, &git),
            Ok(_) => return None,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => return None,
        }
        // Somewhere inside a git directory, perhaps.
        if dir.join("HEAD").as_std_path().symlink_metadata().is_ok() {
            return None;
        }
    }
    None
}

/// Whether `git` is the git directory of the checkout around it, and both are ours: git refuses others', with reasons.
fn is_plain(dir: &Utf8Path, git: &Utf8Path) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    let is_ours = |path: &Utf8Path| path.as_std_path().symlink_metadata().is_ok_and(|m| m.uid() == ours);
    let is_real_dir = |name: &str| git.join(name).as_std_path().symlink_metadata().is_ok_and(|m| m.is_dir());
    let head = small(&git.join("HEAD"));
    let is_head = head
        .is_some_and(|text| text.starts_with("ref: refs/") || text.trim_end().parse::<CommitId>().is_ok());
    let is_linked = git.join("commondir").as_std_path().symlink_metadata().is_ok();
    is_ours(dir)
        && is_ours(git)
        && is_head
        && is_real_dir("objects")
        && is_real_dir("refs")
        && small(&git.join("config")).is_some()
        && !is_linked
}

/// The shared directory of the linked worktree in `dir`, when both name each other.
fn linked_to(dir: &Utf8Path, link: &Utf8Path) -> Option<Utf8PathBuf> {
    let ours = rustix::process::geteuid().as_raw();
    let is_ours = |path: &Utf8Path| path.as_std_path().symlink_metadata().is_ok_and(|m| m.uid() == ours);
    let text = small(link)?;
    let entry = Utf8Path::new(text.strip_prefix("gitdir: ")?.strip_suffix('\n')?);
    let entries = entry.parent().filter(|dir| dir.file_name() == Some("worktrees"))?;
    let git = entries.parent().filter(|git| git.file_name() == Some(".git"))?;
    let is_real = entry.is_absolute() && entry.canonicalize_utf8().ok()? == entry;
    let is_shared = small(&entry.join("commondir"))?.trim_end() == "../..";
    let is_back = small(&entry.join("gitdir"))?.strip_suffix('\n')? == link.as_str();
    let is_known = is_real && is_shared && is_back && is_ours(dir) && is_ours(link) && is_ours(entry);
    (is_known && is_plain(git.parent()?, git)).then(|| git.to_owned())
}

impl Git {
    /// The branch of the head, without `refs/heads/`, and the commit that it is at.
    pub(super) fn head_in_files(&self) -> Option<(Option<String>, CommitId)> {
        self.has_refs_in_files()?;
        let head = small(&self.git_dir.join("HEAD"))?;
        let head = head.strip_suffix('\n')?;
        let Some(name) = head.strip_prefix("ref: ") else { return Some((None, head.parse().ok()?)) };
        let branch = name.strip_prefix("refs/heads/")?;
        if branch.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return None;
        }
        let loose = self.common_dir.join(name);
        let commit = match loose.as_std_path().symlink_metadata() {
            Ok(meta) if meta.is_file() => small(&loose)?.strip_suffix('\n')?.parse().ok(),
            Ok(_) => None,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let packed = self.packed_refs()?;
                packed.into_iter().find(|(_, known)| known == name).and_then(|(id, _)| id.parse().ok())
            }
            Err(_) => None,
        };
        Some((Some(branch.to_owned()), commit?))
    }

    /// The branches in the directory `dir` and a branch of that very name, without `refs/heads/`.
    pub(super) fn branches_in_files(&self, dir: &str) -> Option<Vec<String>> {
        self.has_refs_in_files()?;
        let heads = self.common_dir.join("refs/heads");
        let mut names = Vec::new();
        let mut open = vec![dir.to_owned()];
        while let Some(name) = open.pop() {
            let path = heads.join(&name);
            match path.as_std_path().symlink_metadata() {
                Ok(meta) if meta.is_dir() => {
                    for entry in path.read_dir_utf8().ok()? {
                        open.push(format!("{name}/{}", entry.ok()?.file_name()));
                    }
                }
                Ok(_) => names.push(name),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
        }
        let packed = self.packed_refs()?.into_iter().filter_map(|(_, name)| {
            let name = name.strip_prefix("refs/heads/")?;
            let rest = name.strip_prefix(dir)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| name.to_owned())
        });
        names.extend(packed);
        Some(names)
    }

    /// Whether refs are kept in files, the only form that is read here.
    pub(super) fn has_refs_in_files(&self) -> Option<()> {
        let config = small(&self.common_dir.join("config"))?.to_lowercase();
        let is_plain = !config.contains("refstorage") && !config.contains("[include");
        let has_table = self.common_dir.join("reftable").as_std_path().symlink_metadata().is_ok();
        (is_plain && !has_table).then_some(())
    }

    pub(super) fn packed_refs(&self) -> Option<Vec<(String, String)>> {
        let path = self.common_dir.join("packed-refs");
        let text = match path.as_std_path().symlink_metadata() {
            Ok(meta) if meta.is_file() && meta.len() <= PACKED => {
                String::from_utf8(crate::files::read(&path, PACKED).ok()?).ok()?
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            _ => return None,
        };
        let lines = text.lines().filter(|line| !line.starts_with(['#', '^']));
        lines.map(|line| line.split_once(' ').map(|(id, name)| (id.to_owned(), name.to_owned()))).collect()
    }
}

/// The text of a small real file.
pub(super) fn small(path: &Utf8Path) -> Option<String> {
    path.as_std_path().symlink_metadata().ok().filter(|meta| meta.is_file() && meta.len() <= SMALL)?;
    let mut text = String::new();
    crate::files::open(path).ok()?.take(SMALL).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Repository;

    fn repository(dir: &tempfile::TempDir) -> Repository {
        let dir = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let made = Repository::create(&dir, "main", ("Somebody", "somebody@example.com")).unwrap();
        fs_err::write(dir.join("a"), "a").unwrap();
        made.main_checkout().unwrap().commit_all("first\n").unwrap();
        made
    }

    #[test]
    fn the_plain_case_is_answered_as_by_git() {
        let dir = tempfile::tempdir().unwrap();
        let repository = repository(&dir);
        let git = repository.git();
        fs_err::create_dir_all(repository.root.join("deep/er")).unwrap();
        for place in ["", "deep/er"] {
            assert_eq!(common_dir(&repository.root.join(place)).as_ref(), Some(&repository.common_dir));
        }
        let head = git.find_commit("HEAD").unwrap();
        assert_eq!(git.head_in_files().map(|(_, at)| at), head);
        for name in ["wt/a", "wt/b/c", "wtf"] {
            git.call(["branch", name]).bytes().unwrap();
        }
        let names = || {
            let mut names = git.branches_in_files("wt").unwrap();
            names.sort_unstable();
            names
        };
        assert_eq!(names(), ["wt/a", "wt/b/c"]);
        git.call(["pack-refs", "--all"]).bytes().unwrap();
        assert_eq!(
            (names(), git.head_in_files().map(|(_, at)| at)),
            (vec!["wt/a".to_owned(), "wt/b/c".to_owned()], head)
        );
        let linked = repository.root.join("linked");
        git.call(["worktree", "add", "--quiet", "-b", "x", linked.as_str()]).bytes().unwrap();
        assert_eq!(common_dir(&linked).as_ref(), Some(&repository.common_dir));
    }

    #[test]
    fn what_is_unusual_is_left_to_git() {
        let dir = tempfile::tempdir().unwrap();
        let repository = repository(&dir);
        assert_eq!(common_dir(&repository.common_dir), None, "inside the git directory");
        let linked = repository.root.join("linked");
        repository.git().call(["worktree", "add", "--quiet", "-b", "x", linked.as_str()]).bytes().unwrap();
        fs_err::write(linked.join(".git"), format!("gitdir: {}\n", repository.common_dir)).unwrap();
        assert_eq!(common_dir(&linked), None, "the entry does not name it");
        let config = repository.common_dir.join("config");
        let text = fs_err::read_to_string(&config).unwrap();
        fs_err::write(&config, format!("{text}[extensions]\n\trefStorage = reftable\n")).unwrap();
        assert_eq!(
            (repository.git().head_in_files(), repository.git().branches_in_files("wt")),
            (None, None)
        );
        let elsewhere = tempfile::tempdir().unwrap();
        assert_eq!(common_dir(Utf8Path::from_path(elsewhere.path()).unwrap()), None);
    }
}
