//! What has changed between two looks at a checkout.

use std::collections::{BTreeMap, BTreeSet};

use super::{At, Deviations, LookError, walk};
use crate::git::Git;

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// It was not there before.
    Added,
    /// Something else is there now.
    Changed,
    /// It is gone.
    Deleted,
    /// A change that was not committed was taken back.
    TakenBack,
    /// It was taken into the index.
    Staged,
    /// It was taken out of the index.
    Unstaged,
}

/// A path that has changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The path from the checkout's top, in bytes. Not made safe to show.
    pub path: Vec<u8>,
    /// How.
    pub how: How,
}

impl Git {
    /// What has changed in the checkout between two looks at it, but for what follows from its head being at another commit:
    /// what a landing brings along is no change.
    ///
    /// # Errors
    /// When that can't be told.
    pub fn changes_between(
        &self,
        before: &Deviations,
        mut after: Deviations,
    ) -> Result<Vec<Change>, LookError> {
        let top = self.work_tree().unwrap_or(self.git_dir());
        // Files that were written in the same moment as the index: as likely as not by a landing.
        let young = after.unsure.iter().filter(|(path, stat)| before.unsure.get(*path) != Some(stat));
        let young: Vec<Vec<u8>> = young.map(|(path, _)| path.clone()).collect();
        for path in self.dirty_among(&young)? {
            let stat = after.unsure.remove(&path);
            after.paths.insert(path, At { stat, tracked: true });
        }
        // What is not in the second look is gone, or as git has it, or as it was.
        for (path, at) in &before.paths {
            if after.paths.contains_key(path) {
                continue;
            }
            let stat = walk::stat_at(top, path);
            let was_repository = at.stat == Some(walk::REPOSITORY) && stat.is_some();
            if stat == at.stat || was_repository {
                after.paths.insert(path.clone(), *at);
            } else if stat.is_none() {
                after.paths.insert(path.clone(), At { stat, ..*at });
            }
        }
        // One word for each path. What is done to the index makes a file deviate from it, or not any more.
        let mut changes: BTreeMap<Vec<u8>, How> = files(before, &after);
        changes.extend(self.staged_since(before, &after)?);
        Ok(changes.into_iter().map(|(path, how)| Change { path, how }).collect())
    }

    /// What was taken into the index, or out of it.
    fn staged_since(
        &self,
        before: &Deviations,
        after: &Deviations,
    ) -> Result<Vec<(Vec<u8>, How)>, LookError> {
        let (Some(old), Some(new)) = (&before.index, &after.index) else { return Ok(Vec::new()) };
        let (Some(was), Some(is)) = (&before.commit, &after.commit) else { return Ok(Vec::new()) };
        if old.digest == new.digest {
            return Ok(Vec::new());
        }
        let had = match &old.tree {
            Some(tree) => self.between(was.as_str(), tree)?,
            None => old.staged.clone(),
        };
        let has = self.staged_beyond(is.as_str())?;
        // What is not staged any more may have been committed: the head tells.
        let dropped = if was == is { had.difference(&has).cloned().collect() } else { BTreeSet::new() };
        let staged = has.difference(&had).cloned().map(|path| (path, How::Staged));
        Ok(staged.chain(dropped.into_iter().map(|path| (path, How::Unstaged))).collect())
    }
}

/// The files that are not what they were.
fn files(before: &Deviations, after: &Deviations) -> BTreeMap<Vec<u8>, How> {
    let paths: BTreeSet<&Vec<u8>> = before.paths.keys().chain(after.paths.keys()).collect();
    let how = |path: &Vec<u8>| match (before.paths.get(path), after.paths.get(path)) {
        (Some(was), Some(is)) if was.stat == is.stat => None,
        (Some(At { stat: None, .. }), Some(_)) => Some(How::Added),
        (_, Some(At { stat: None, .. })) => Some(How::Deleted),
        (None, Some(is)) if is.tracked && before.unsure.get(path).copied() == is.stat => None,
        (None, Some(is)) if !is.tracked => Some(How::Added),
        (_, Some(_)) => Some(How::Changed),
        (Some(_), None) => Some(How::TakenBack),
        (None, None) => None,
    };
    paths.into_iter().filter_map(|path| how(path).map(|how| (path.clone(), how))).collect()
}
