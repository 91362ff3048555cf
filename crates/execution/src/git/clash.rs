//! Which works would contradict each other once they are merged, found out without a checkout, a ref or an object that stays.
//!
//! **Contract.** A [`Scratch`] is a place for objects beside those of the repository: what is merged to see whether it can be is written
//! there, and goes with it. Whatever commits are asked about, nothing of the user's is written.
//!
//! A *work* is a commit with everything that lies in a checkout. Landed on the target by itself it is a merge of both; two works that
//! were landed so have the target between them, so that what contradicts is theirs alone. One that has the other as its base has it in
//! its history, and does not contradict it.

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
    sync::{Mutex, PoisonError},
};

use biplane_model::CommitId;
use camino::{Utf8Path, Utf8PathBuf};

use super::{ConflictedFile, Git, GitError, candidate::Merged, crew, quote};

/// A place for objects that nobody keeps, until it is dropped. A killed process leaves it to recovery.
#[derive(Debug)]
pub struct Scratch {
    objects: Utf8PathBuf,
    git: Git,
    /// Deletes it.
    _dir: tempfile::TempDir,
}

/// What a work is on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landed {
    /// This commit; it is in the scratch place alone.
    Clean(CommitId),
    /// It contradicts the target in these files.
    Conflict(Vec<ConflictedFile>),
}

/// The paths that a work changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    paths: BTreeSet<String>,
    /// The directories in which it adds something, and those above them; the top has no name.
    grown: BTreeSet<String>,
    /// The directories out of which it takes something, and those above them, but not the top, which can't be moved.
    shrunk: BTreeSet<String>,
}

impl Touched {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether works that change these paths can contradict each other at all: by a path that both have, by a file in the place of the
    /// other's directory, or by something new in a directory that the other may have moved.
    pub fn meets(&self, other: &Self) -> bool {
        let (few, many) = if self.paths.len() <= other.paths.len() { (self, other) } else { (other, self) };
        few.paths.iter().any(|path| {
            let is_above = || {
                let below = format!("{path}/");
                let next = many.paths.range::<str, _>((Excluded(below.as_str()), Unbounded)).next();
                next.is_some_and(|next| next.starts_with(&below))
            };
            many.paths.contains(path) || above(path).any(|dir| many.paths.contains(dir)) || is_above()
        }) || self.moves_under(other)
            || other.moves_under(self)
    }

    fn moves_under(&self, other: &Self) -> bool {
        !self.grown.is_empty() && !self.shrunk.is_disjoint(&other.grown)
    }

    fn read(listed: &[u8]) -> Self {
        let mut touched = Self::default();
        let mut fields = listed.split(|byte| *byte == 0);
        while let (Some(letter), Some(path)) = (fields.next(), fields.next()) {
            let path = String::from_utf8_lossy(path).into_owned();
            match letter {
                b"A" => touched.grown.extend(above(&path).chain([""]).map(str::to_owned)),
                b"D" => touched.shrunk.extend(above(&path).map(str::to_owned)),
                _ => {}
            }
            touched.paths.insert(path);
        }
        touched
    }
}

/// The directories that `path` lies in, the nearest first, without the top.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').rev().map(|(at, _)| &path[..at])
}

impl Git {
    /// A place for objects beside those of this repository.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn scratch(&self) -> Result<Scratch, GitError> {
        let (dir, path) = self.own_dir()?;
        let git = Self::bare(&self.common_dir).writing_to(&path);
        Ok(Scratch { objects: path, git, _dir: dir })
    }

    /// The same with another place for what it writes. It is no place to keep anything, so nothing is synced.
    fn writing_to(&self, objects: &Utf8Path) -> Self {
        let all = self.common_dir.join("objects");
        let env = [
            ("GIT_OBJECT_DIRECTORY", objects.to_string()),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", quote(all.as_str().as_bytes())),
            ("GIT_TEST_FSYNC", "false".to_owned()),
        ];
        Self { env: env.map(|(name, value)| (name.to_owned(), value)).to_vec(), ..self.clone() }
    }
}

impl Scratch {
    /// All that lies in `checkout`, tracked and untracked, as a commit on its head. Neither the checkout nor its index is touched.
    ///
    /// # Errors
    /// When git can't.
    pub fn work(&self, checkout: &Git, head: &CommitId) -> Result<CommitId, GitError> {
        let tree = checkout.writing_to(&self.objects).tree_of_files()?;
        self.commit(&tree, &[head])
    }

    /// What the target at `onto` would be with `work`.
    ///
    /// # Errors
    /// When git fails: that is not a conflict.
    pub fn landed(&self, onto: &CommitId, work: &CommitId) -> Result<Landed, GitError> {
        match self.git.merge_trees(None, onto, work)? {
            Merged::Conflict(files) => Ok(Landed::Conflict(files)),
            Merged::Tree(tree) => self.commit(&tree, &[onto, work]).map(Landed::Clean),
        }
    }

    /// Where two works contradict each other; nowhere when they don't.
    ///
    /// # Errors
    /// When git fails: that is not a conflict.
    pub fn between(&self, one: &CommitId, other: &CommitId) -> Result<Vec<ConflictedFile>, GitError> {
        match self.git.merge_trees(None, one, other)? {
            Merged::Conflict(files) => Ok(files),
            Merged::Tree(_) => Ok(Vec::new()),
        }
    }

    /// What `to` changes against `from`.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn touched(&self, from: &CommitId, to: &CommitId) -> Result<Touched, GitError> {
        let args = ["diff-tree", "-r", "-z", "--name-status", "--no-renames", from.as_str(), to.as_str()];
        Ok(Touched::read(&self.git.call(args).bytes()?))
    }

    /// The commit that both have and that is nearest to both, if they have one.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn merge_base(&self, one: &CommitId, other: &CommitId) -> Result<Option<CommitId>, GitError> {
        self.git.merge_base(one, other)
    }

    fn commit(&self, tree: &str, parents: &[&CommitId]) -> Result<CommitId, GitError> {
        let names = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|name| (name, "biplane".to_owned()));
        let mails =
            ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|name| (name, "biplane@localhost".to_owned()));
        let env: Vec<_> = names.into_iter().chain(mails).collect();
        self.git.commit_tree(tree, parents, "nobody keeps this", &env)
    }
}

/// What `act` makes of each of `items`, in their order, by as many threads as there are processors, up to a bound.
pub fn for_each<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let made = Mutex::new(Vec::with_capacity(items.len()));
    // The last one is taken first.
    let jobs = (0..items.len()).rev().collect();
    crew::work(jobs, crew::threads(), |at: usize| {
        let one = act(&items[at]);
        made.lock().unwrap_or_else(PoisonError::into_inner).push((at, one));
        Some(Vec::new())
    });
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(listed: &str) -> Touched {
        let fields: String = listed.split_whitespace().flat_map(|field| [field, "\0"]).collect();
        Touched::read(fields.as_bytes())
    }

    #[test]
    fn what_can_not_contradict_is_not_merged() {
        for (one, other, meets) in [
            ("M a", "M b", false),
            ("M a", "M a", true),
            ("M d/a", "M d/b", false),
            ("M a-b", "A a/b", false),
            // A file in the place of a directory.
            ("A d", "M d/e/f", true),
            ("A d", "A d-e A d/x", true),
            ("A d", "A d-e A d0", false),
            // A directory that was moved, and something new in it.
            ("D d/a A e/a", "A d/b", true),
            ("D d/a A e/a", "A d/sub/b", true),
            ("D d/a A e/a", "M d/b", false),
            // To the top, and along with the one in it.
            ("D d/a A a", "A d/b", true),
            ("D d/sub/a A e/sub/a", "A d/b", true),
            ("D d/a", "A d/b", false),
            ("", "M a", false),
        ] {
            let (one, other) = (touched(one), touched(other));
            assert_eq!((one.meets(&other), other.meets(&one)), (meets, meets), "{one:?} {other:?}");
        }
    }

    #[test]
    fn answers_stand_in_the_order_of_the_questions() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(for_each(&items, |n| n * 2), items.iter().map(|n| n * 2).collect::<Vec<_>>());
    }
}
