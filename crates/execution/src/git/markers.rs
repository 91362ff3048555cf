//! Conflict markers that somebody has left in files.
//!
//! **Contract.** A file has such a mark where a line that begins with `<<<<<<< ` is followed by one that begins with `>>>>>>> `.
//! Only files are told of that have more of them than they had before: a repository may well have files about conflicts. A
//! file whose attribute `conflict-marker-size` names another size is looked at with that. Looked at are at most
//! [`MOST_FILES`] files of at most [`MOST_BYTES`] each, and no binary ones.

use std::{collections::BTreeMap, io::Read, os::unix::ffi::OsStrExt};

use biplane_model::CommitId;
use rustix::fs::{Mode, OFlags};

use super::{CheckoutState, Git, GitError};

/// The most files that are looked at.
const MOST_FILES: usize = 2_000;
/// The largest file that is looked at, in bytes.
const MOST_BYTES: u64 = 1 << 20;
/// The most that is looked at of all files together, in bytes.
const MOST_OF_ALL: u64 = 64 << 20;
/// The most files that are told of.
const MOST_TOLD: usize = 20;
/// How many signs a marker has unless an attribute says otherwise.
const USUAL_SIZE: usize = 7;
/// The most signs that an attribute may ask for.
const MOST_SIGNS: usize = 1_000;
/// How much of a file is looked at for a zero, which makes it a binary one; as git does.
const BINARY_WITHIN: usize = 8_000;

/// A file that was changed between two commits.
struct Changed {
    old: Option<String>,
    new: String,
    path: String,
}

impl Git {
    /// The files with new conflict markers in the commits between `base` and `head`, and among the uncommitted files of the
    /// checkout, whose state is `state`. Their paths are not made safe to show.
    ///
    /// # Errors
    /// When git can't tell what was changed.
    pub fn conflict_markers(
        &self,
        base: &CommitId,
        head: &CommitId,
        state: &CheckoutState,
    ) -> Result<Vec<String>, GitError> {
        let changed = self.changed_files(base, head)?;
        let mut suspects: BTreeMap<String, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
        for (file, [old, new]) in changed.iter().zip(self.contents_of(&changed)?) {
            if count(&new, USUAL_SIZE) > count(&old, USUAL_SIZE) {
                suspects.insert(file.path.clone(), (old, new));
            }
        }
        for path in self.uncommitted(state) {
            let Some(new) = self.read_uncommitted(&path) else { continue };
            if count(&new, USUAL_SIZE) > 0 {
                let old = self.call(["cat-file", "blob", &format!("{base}:{path}")]).output()?;
                suspects.insert(path, (old.stdout, new));
            } else {
                // What the checkout has now counts, not what was committed on the way.
                suspects.remove(&path);
            }
        }
        let sizes = self.marker_sizes(suspects.keys())?;
        let is_marked = |(path, (old, new)): &(String, (Vec<u8>, Vec<u8>))| {
            let size = sizes.get(path).copied().unwrap_or(USUAL_SIZE);
            count(new, size) > count(old, size)
        };
        Ok(suspects.into_iter().filter(is_marked).map(|(path, _)| path).take(MOST_TOLD).collect())
    }

    /// The files, and no links, that `head` has and `base` has not, or otherwise.
    fn changed_files(&self, base: &CommitId, head: &CommitId) -> Result<Vec<Changed>, GitError> {
        let args =
            ["diff-tree", "-r", "-z", "--no-renames", "--diff-filter=AMT", base.as_str(), head.as_str()];
        let bytes = self.call(args).bytes()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut fields = text.split('\0');
        let mut files = Vec::new();
        while let (Some(meta), Some(path)) = (fields.next(), fields.next()) {
            let words: Vec<&str> = meta.trim_start_matches(':').split(' ').collect();
            let [old_mode, new_mode, old, new, ..] = words[..] else { continue };
            if new_mode.starts_with("100") && files.len() < MOST_FILES {
                let old = old_mode.starts_with("100").then(|| old.to_owned());
                files.push(Changed { old, new: new.to_owned(), path: path.to_owned() });
            }
        }
        Ok(files)
    }

    /// What the files held before and after; empty for what is not looked at.
    fn contents_of(&self, files: &[Changed]) -> Result<Vec<[Vec<u8>; 2]>, GitError> {
        let mut wanted: Vec<&str> = files.iter().map(|file| file.new.as_str()).collect();
        wanted.extend(files.iter().filter_map(|file| file.old.as_deref()));
        wanted.sort_unstable();
        wanted.dedup();
        let small = self.small_among(&wanted)?;
        let contents = self.blobs(&small)?;
        let content = |id: &str| contents.get(id).cloned().unwrap_or_default();
        Ok(files
            .iter()
            .map(|f| [f.old.as_deref().map(content).unwrap_or_default(), content(&f.new)])
            .collect())
    }

    /// Those of the objects that are not too large, as long as all of them are not.
    fn small_among<'a>(&self, ids: &[&'a str]) -> Result<Vec<&'a str>, GitError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list: String = ids.iter().flat_map(|id| [id, "\n"]).collect();
        let text = self.call(["cat-file", "--batch-check=%(objectsize)"]).stdin(list).text()?;
        let mut room = MOST_OF_ALL;
        let mut fits = |size: &str| match size.parse::<u64>() {
            Ok(size) if size <= MOST_BYTES && size <= room => {
                room -= size;
                true
            }
            _ => false,
        };
        Ok(ids.iter().zip(text.lines()).filter(|(_, size)| fits(size)).map(|(id, _)| *id).collect())
    }

    fn blobs(&self, ids: &[&str]) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let list: String = ids.iter().flat_map(|id| [id, "\n"]).collect();
        let bytes = self.call(["cat-file", "--batch=%(objectname) %(objectsize)"]).stdin(list).bytes()?;
        let mut found = BTreeMap::new();
        let mut rest = &bytes[..];
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            let parsed = line.split_once(' ').and_then(|(id, size)| Some((id, size.parse::<usize>().ok()?)));
            let body = parsed.and_then(|(id, size)| Some((id, rest.get(end + 1..end + 1 + size)?)));
            let Some((id, body)) = body else {
                return Err(GitError::Answer { command: "cat-file".to_owned(), detail: line });
            };
            found.insert(id.to_owned(), body.to_vec());
            rest = rest.get(end + 2 + body.len()..).unwrap_or_default();
        }
        Ok(found)
    }

    fn uncommitted(&self, state: &CheckoutState) -> Vec<String> {
        let changed = state.changed.iter().filter(|change| !change.submodule).map(|change| &change.path);
        changed.chain(&state.untracked).take(MOST_FILES).cloned().collect()
    }

    /// What an uncommitted file holds, when it is a small one; no link is followed at its end.
    fn read_uncommitted(&self, path: &str) -> Option<Vec<u8>> {
        let full = self.work_tree()?.as_std_path().join(std::ffi::OsStr::from_bytes(path.as_bytes()));
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file: std::fs::File = rustix::fs::open(&full, flags, Mode::empty()).ok()?.into();
        file.metadata().ok().filter(|meta| meta.is_file() && meta.len() <= MOST_BYTES)?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// How many signs a marker has in those of `paths` for which an attribute says so.
    fn marker_sizes<'a>(
        &self,
        paths: impl Iterator<Item = &'a String>,
    ) -> Result<BTreeMap<String, usize>, GitError> {
        let list: String = paths.flat_map(|path| [path.as_str(), "\0"]).collect();
        if list.is_empty() {
            return Ok(BTreeMap::new());
        }
        let bytes = self.call(["check-attr", "-z", "--stdin", "conflict-marker-size"]).stdin(list).bytes()?;
        let text = String::from_utf8_lossy(&bytes);
        let fields: Vec<&str> = text.split_terminator('\0').collect();
        let size = |field: &[&str]| match field[2].parse::<usize>() {
            Ok(size) if (1..=MOST_SIGNS).contains(&size) => Some((field[0].to_owned(), size)),
            _ => None,
        };
        Ok(fields.chunks_exact(3).filter_map(size).collect())
    }
}

/// How many conflicts are marked in a text, with markers of `size` signs. None in a binary file.
fn count(text: &[u8], size: usize) -> usize {
    if text[..text.len().min(BINARY_WITHIN)].contains(&0) {
        return 0;
    }
    let is_mark = |line: &[u8], sign: u8| {
        line.len() > size && line[..size].iter().all(|b| *b == sign) && line[size] == b' '
    };
    let (mut found, mut is_open) = (0, false);
    for line in text.split(|b| *b == b'\n') {
        if is_mark(line, b'<') {
            is_open = true;
        } else if is_open && is_mark(line, b'>') {
            found += 1;
            is_open = false;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use biplane_testkit::{Repo, TestEnv};

    use super::*;
    use crate::git::WithIgnored;

    const CONFLICT: &str = "a\n<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> wt/x\nb\n";

    #[test]
    fn what_is_a_conflict() {
        let table = [
            (CONFLICT, 7, 1),
            (&CONFLICT.replace('\n', "\r\n"), 7, 1),
            (&format!("{CONFLICT}{CONFLICT}"), 7, 2),
            ("<<<<<<< HEAD\nno end\n", 7, 0),
            (">>>>>>> x\n<<<<<<< HEAD\n", 7, 0),
            ("Title\n=======\n", 7, 0),
            ("<<<<<<<<< HEAD\n>>>>>>>>> x\n", 7, 0),
            ("<<<<<<<<< HEAD\n>>>>>>>>> x\n", 9, 1),
            (CONFLICT, 9, 0),
            (&format!("\0{CONFLICT}"), 7, 0),
            ("cat <<<<<<< x\n>>>>>>> y\n", 7, 0),
        ];
        for (text, size, conflicts) in table {
            assert_eq!(count(text.as_bytes(), size), conflicts, "{text:?}");
        }
    }

    fn marked(repo: &Repo, base: &str) -> Vec<String> {
        let git = Git::checkout(&repo.path().join(".git"), &repo.path().join(".git"), repo.path());
        let state = git.state(WithIgnored::No).unwrap();
        git.conflict_markers(&base.parse().unwrap(), &repo.head().parse().unwrap(), &state).unwrap()
    }

    #[test]
    fn only_new_ones_are_told_of() {
        let env = TestEnv::new();
        let repo = env.repo("app");
        repo.write("docs/merging.md", CONFLICT);
        repo.write("plain", "a\n");
        let base = repo.commit("base");
        repo.write("docs/merging.md", format!("{CONFLICT}more\n"));
        repo.write("plain", "b\n");
        assert_eq!(marked(&repo, &base), [""; 0], "uncommitted, and not of the run");
        repo.commit("harmless");
        assert_eq!(marked(&repo, &base), [""; 0]);
        repo.write("plain", CONFLICT);
        repo.write("new \"file\"\n", CONFLICT);
        assert_eq!(marked(&repo, &base), ["new \"file\"\n", "plain"], "uncommitted");
        repo.commit("left");
        assert_eq!(marked(&repo, &base), ["new \"file\"\n", "plain"], "committed");
        repo.write("plain", "solved\n");
        assert_eq!(marked(&repo, &base), ["new \"file\"\n"], "what is there now counts");
        repo.write(".gitattributes", "*file* conflict-marker-size=32\n");
        assert_eq!(marked(&repo, &base), [""; 0], "an attribute says that these are none");
    }

    #[test]
    fn links_are_not_followed() {
        let env = TestEnv::new();
        let repo = env.repo("app");
        std::fs::write(env.root().join("elsewhere"), CONFLICT).unwrap();
        std::os::unix::fs::symlink("../elsewhere", repo.path().join("link")).unwrap();
        let base = repo.head();
        assert_eq!(marked(&repo, &base), [""; 0]);
        repo.commit("a link");
        assert_eq!(marked(&repo, &base), [""; 0]);
    }
}
