//! Filling a worktree without a spare: from files that lie elsewhere already, by the index of the last spare that was made.
//!
//! **Contract.** The pattern is one file in biplane's directory in the git directory: a card, as beside a spare, a line's end, and the
//! index. There is none for a commit whose files are written otherwise than they are in it. What is copied is compared with the
//! index by its content, so that it does not matter who has worked where it lies.

use biplane_failpoint as failpoint;
use biplane_model::CommitId;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Card, Pool, Taking, Untaken, io};
use crate::{
    files,
    git::{self, GitError, Manner, Workers},
};

/// What the names begin with, in biplane's directory in the git directory, of patterns that are being written; the number of
/// the process follows.
pub const PATTERN_BY: &str = "pattern-by-";

/// The most bytes of a pattern.
const MOST_BYTES: u64 = 256 << 20;

/// A worktree that was filled from other places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The commit that the pattern is of; brought along when it is not the worktree's.
    pub from: CommitId,
    /// How many files were found.
    pub files: usize,
    /// How many there are.
    pub of: usize,
}

impl Pool {
    fn pattern(&self) -> Utf8PathBuf {
        self.common_dir.join("biplane/pattern")
    }

    /// Has the spare that lies in `place` be the pattern of further worktrees. What can't be written is left out.
    pub(super) fn note_pattern(&self, place: &Utf8Path, manner: &Manner) {
        let path = self.pattern();
        if manner.converts {
            let _ = failpoint::around("pattern deleted", || std::fs::remove_file(&path));
            return;
        }
        let (card, index) = (place.join("spare.json"), place.join("index"));
        let Ok(text) = files::read(&card, super::CARD_BYTES) else { return };
        let Ok(index) = files::read(&index, MOST_BYTES - super::CARD_BYTES - 1) else { return };
        let new = path.with_file_name(format!("{PATTERN_BY}{}", std::process::id()));
        let written = failpoint::around("pattern written", || {
            fs_err::write(&new, [&text, &b"\n"[..], &index].concat())
        });
        if written
            .and_then(|()| failpoint::around("pattern renamed", || fs_err::rename(&new, &path)))
            .is_err()
        {
            let _ = std::fs::remove_file(&new);
        }
    }

    /// Fills the worktree at `taking.place` with files that lie in `sources` or in spares. Git brings what is missing.
    ///
    /// # Errors
    /// Why it can't be done: the worktree is to be filled by git then, whatever lies there.
    pub fn copy(&self, taking: &Taking<'_>, sources: &[Utf8PathBuf]) -> Result<Copied, Untaken> {
        let failed = |error: &dyn std::fmt::Display| Untaken::Failed(error.to_string());
        let Ok(bytes) = files::read(self.pattern(), MOST_BYTES) else { return Err(Untaken::None) };
        let end = bytes.iter().position(|b| *b == b'\n').ok_or(Untaken::None)?;
        let card: Card = serde_json::from_slice(&bytes[..end]).map_err(|_| Untaken::None)?;
        let unlike =
            self.unlike_manner(&card, taking, &mut None).or_else(|| self.unlike_commit(&card, taking));
        if let Some(unlike) = unlike {
            return Err(Untaken::Unlike(unlike));
        }
        let trees: Vec<Utf8PathBuf> = self
            .spares()
            .iter()
            .map(|spare| self.dir.join(format!("{}/tree", spare.number)))
            .chain(sources.iter().cloned())
            .collect();
        let id = card.commit.as_str().len() / 2;
        let place = taking.place;
        failpoint::reach("files copied before");
        let twin = git::fill_from((&bytes[end + 1..], id), &place.path, &trees, Workers::now());
        failpoint::reach("files copied after");
        let twin = twin.map_err(|error| failed(&error))?.ok_or(Untaken::None)?;
        let (new, index) = (place.entry_dir().join("index.lock"), place.entry_dir().join("index"));
        let write = || -> Result<(), GitError> {
            failpoint::around("copied index written", || fs_err::write(&new, &twin.index))
                .map_err(io(&new, "written"))?;
            failpoint::around("copied index renamed", || fs_err::rename(&new, &index))
                .map_err(io(&index, "written"))
        };
        write().map_err(|error| {
            // Git would wait for it.
            let _ = std::fs::remove_file(&new);
            failed(&error)
        })?;
        if twin.copied < twin.of || card.commit != *taking.base {
            place.git().fill().map_err(|error| failed(&error))?;
        }
        Ok(Copied { from: card.commit, files: twin.copied, of: twin.of })
    }
}
