//! Taking a spare for a worktree.

use std::os::unix::fs::MetadataExt;

use biplane_failpoint as failpoint;
use biplane_model::{CommitId, WorktreeId};
use camino::Utf8Path;

use super::{Card, Pool, Spare, TAKEN, io};
use crate::{
    git::{Git, GitError, Manner, Variable},
    worktrees::Place,
};

/// What a spare is wanted for.
pub struct Taking<'a> {
    /// The number of the worktree's record.
    pub id: WorktreeId,
    /// Where git has just added it, without files: nothing is there but the `.git` file.
    pub place: &'a Place,
    /// The commit it is at.
    pub base: &'a CommitId,
    /// The environment.
    pub variable: Variable<'a>,
}

/// A spare that became a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The number it had.
    pub number: u32,
    /// The commit it was at; brought along when it is not the worktree's.
    pub from: CommitId,
}

/// Why none became one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untaken {
    /// There is none.
    #[error("no spare was ready")]
    None,
    /// There is one, and it may differ from a new checkout.
    #[error("no spare would do: {0}")]
    Unlike(&'static str),
    /// It could not be made into the worktree; that is as git has added it.
    #[error("a spare could not be used: {0}")]
    Failed(String),
}

impl Pool {
    /// Makes a spare into the worktree at `taking.place`. What it had is there in full, or none of it.
    ///
    /// # Errors
    /// Why none would do: the worktree is to be filled by git then.
    pub fn take(&self, taking: &Taking<'_>) -> Result<Taken, Untaken> {
        let mut spares = self.spares();
        // One that is there already first.
        spares.sort_by_key(|spare| spare.card.commit != *taking.base);
        let mut why = Untaken::None;
        let mut now = None;
        for spare in spares {
            let unlike = self
                .unlike(&spare.card, taking, &mut now)
                .or_else(|| self.unlike_commit(&spare.card, taking));
            if let Some(unlike) = unlike {
                why = Untaken::Unlike(unlike);
                continue;
            }
            let taken = self.dir.join(format!("{TAKEN}{}", taking.id));
            failpoint::reach("spare claimed before");
            let claimed = std::fs::rename(self.dir.join(spare.number.to_string()), &taken);
            failpoint::reach("spare claimed after");
            match claimed {
                Ok(()) => return self.install(&taken, &spare, taking),
                // Somebody else has it.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Untaken::Failed(e.to_string())),
            }
        }
        Err(why)
    }

    /// What makes a spare differ from a new checkout, or might.
    fn unlike(&self, card: &Card, taking: &Taking<'_>, now: &mut Option<Manner>) -> Option<&'static str> {
        if !card.is_of_this_boot() {
            return Some("they are from before the machine was started");
        }
        // Git has just made this directory, and the file in it.
        let mode = |path: &Utf8Path| path.as_std_path().symlink_metadata().map(|m| m.mode()).ok();
        let (file, directory) = (mode(&taking.place.path.join(".git")), mode(&taking.place.path));
        if file.map(|mode| mode & 0o777) != Some(card.mode)
            || directory.map(|mode| mode & 0o7777) != Some(card.directory)
        {
            return Some("they were made under another `umask`");
        }
        self.unlike_manner(card, taking, now)
    }

    /// What makes a file differ that is the same in both commits, or might.
    pub(super) fn unlike_commit(&self, card: &Card, taking: &Taking<'_>) -> Option<&'static str> {
        if card.commit == *taking.base {
            return None;
        }
        let differ =
            Git::bare(&self.common_dir).attributes_differ(card.commit.as_str(), taking.base.as_str());
        (differ.ok() != Some(false)).then_some("the attributes of files are other ones in their commit")
    }

    /// What makes the manner differ in which it was checked out, or might.
    pub(super) fn unlike_manner(
        &self,
        card: &Card,
        taking: &Taking<'_>,
        now: &mut Option<Manner>,
    ) -> Option<&'static str> {
        if Manner::seen(&card.sources) == card.seen
            && Manner::surroundings(taking.variable) == card.surroundings
        {
            return None;
        }
        if now.is_none() {
            *now = Git::bare(&self.common_dir).manner(taking.variable).ok();
        }
        let is_same = now.as_ref().is_some_and(|now| now.unfit.is_none() && card.is_in(now));
        (!is_same).then_some("git's settings are other ones by now")
    }

    fn install(&self, taken: &Utf8Path, spare: &Spare, taking: &Taking<'_>) -> Result<Taken, Untaken> {
        let entry = taking.place.entry_dir();
        match self.switch(taken, &entry, spare, taking) {
            Ok(()) => {
                // What is left is a card; who finds it deletes it.
                let _ = crate::worktrees::delete_aside(taken);
                Ok(Taken { number: spare.number, from: spare.card.commit.clone() })
            }
            Err((link, error)) => {
                let index = entry.join("index");
                let _ = failpoint::around("spare index deleted", || std::fs::remove_file(&index));
                let file = taking.place.path.join(".git");
                if let Some(link) = link.filter(|_| file.as_std_path().symlink_metadata().is_err()) {
                    let _ = failpoint::around("spare place linked", || fs_err::write(&file, link));
                }
                let _ = crate::worktrees::delete_aside(taken);
                Err(Untaken::Failed(error.to_string()))
            }
        }
    }

    /// Files and index change their place. With an error comes the text of the `.git` file, to put it back.
    fn switch(
        &self,
        taken: &Utf8Path,
        entry: &Utf8Path,
        spare: &Spare,
        taking: &Taking<'_>,
    ) -> Result<(), (Option<String>, GitError)> {
        let (tree, index) = (taken.join("tree"), taken.join("index"));
        if spare.card.commit != *taking.base {
            let brought = self.git(taken).advance(spare.card.commit.as_str(), taking.base.as_str());
            brought.map_err(|error| (None, error))?;
        }
        let place = &taking.place.path;
        let (link, new) = (place.join(".git"), tree.join(".git"));
        let text = crate::files::text(&link).map_err(|e| (None, io(&link, "read")(e)))?;
        let steps = || -> Result<(), GitError> {
            failpoint::reach("spare linked before");
            fs_err::write(&new, &text).map_err(io(&new, "written"))?;
            failpoint::reach("spare index moved before");
            std::fs::rename(&index, entry.join("index")).map_err(io(&index, "moved"))?;
            failpoint::reach("spare place emptied before");
            fs_err::remove_file(&link).map_err(io(&link, "deleted"))?;
            failpoint::reach("spare moved before");
            std::fs::rename(&tree, place).map_err(io(&tree, "moved"))?;
            failpoint::reach("spare moved after");
            Ok(())
        };
        steps().map_err(|error| (Some(text.clone()), error))
    }
}
