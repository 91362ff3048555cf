//! Making spares, and bringing them along.

use biplane_failpoint as failpoint;
use biplane_model::CommitId;
use camino::Utf8Path;

use super::{Card, Pool, Spare, io};
use crate::git::{Git, GitError, Manner, Staged, Variable};

/// What a spare is to be.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    /// The commit it gets the files of.
    pub commit: &'a CommitId,
    /// The manner of the repository.
    pub manner: &'a Manner,
    /// The environment.
    pub variable: Variable<'a>,
    /// What its files take, in bytes.
    pub bytes: u64,
}

/// Why something did not become a spare.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmade {
    /// It can't be one.
    #[error("{0}")]
    Unfit(String),
    /// It may be one as soon as it is made anew.
    #[error("git's settings were changed while it was made")]
    Changed,
}

/// What a commit holds, as far as it matters for making it ahead of time.
pub(super) struct Contents {
    pub(super) entries: Vec<Staged>,
    /// The manner of the repository, with what the commit's own attributes add.
    pub(super) manner: Manner,
}

impl Pool {
    /// Makes a spare. Why there is none of it is the inner error.
    ///
    /// # Errors
    /// When git or the system refuses; nothing but a scrap is left then.
    pub fn make(&self, making: &Making<'_>) -> Result<Result<u32, Unmade>, GitError> {
        let place = self.place_for_making()?;
        failpoint::reach("spare begun before");
        fs_err::create_dir(&place).map_err(io(&place, "created"))?;
        failpoint::reach("spare begun after");
        let made = self.fill(&place, making);
        self.offer_or_delete(&place, made)
    }

    fn fill(&self, place: &Utf8Path, making: &Making<'_>) -> Result<Option<Unmade>, GitError> {
        let tree = place.join("tree");
        failpoint::around("spare tree made", || fs_err::create_dir(&tree)).map_err(io(&tree, "created"))?;
        let contents = self.contents(place, making)?;
        if let Some(why) = contents.manner.unfit {
            return Ok(Some(Unmade::Unfit(why)));
        }
        let seen = Manner::seen(&making.manner.sources);
        self.git(place).restore_to(making.commit.as_str())?;
        self.finish(place, making, seen, &contents.manner)
    }

    /// Writes the card of what lies in `place`, and the pattern. `seen` is how the sources of settings looked before git wrote
    /// the first file; `manner` that of the commit.
    pub(super) fn finish(
        &self,
        place: &Utf8Path,
        making: &Making<'_>,
        seen: Vec<String>,
        manner: &Manner,
    ) -> Result<Option<Unmade>, GitError> {
        super::settle(&place.join("index"))?;
        // In this order: what looks the same before and after was the same all the while, the manner's own look included.
        let now = Git::bare(&self.common_dir).manner(making.variable)?;
        if now.digest != making.manner.digest || Manner::seen(&making.manner.sources) != seen {
            return Ok(Some(Unmade::Changed));
        }
        Card::write(place, making, seen)?;
        self.note_pattern(place, manner);
        Ok(None)
    }

    /// Brings a spare to another commit. Nothing when somebody takes it first.
    ///
    /// # Errors
    /// When git or the system refuses; nothing but a scrap is left then.
    pub fn bring_along(&self, spare: &Spare, making: &Making<'_>) -> Result<Result<u32, Unmade>, GitError> {
        let Some(place) = self.withdraw(&self.dir.join(spare.number.to_string()))? else {
            return Ok(Ok(spare.number));
        };
        let advance = || {
            let contents = self.contents(&place, making)?;
            if let Some(why) = contents.manner.unfit {
                return Ok(Some(Unmade::Unfit(why)));
            }
            let (old, new) = (spare.card.commit.as_str(), making.commit.as_str());
            if self.git(&place).attributes_differ(old, new)? {
                return Ok(Some(Unmade::Unfit("the attributes of files have changed".to_owned())));
            }
            let seen = Manner::seen(&making.manner.sources);
            self.git(&place).advance(old, new)?;
            self.finish(&place, making, seen, &contents.manner)
        };
        let made = advance();
        self.offer_or_delete(&place, made)
    }

    /// What the commit holds, by an index of its own in `place`.
    pub(super) fn contents(&self, place: &Utf8Path, making: &Making<'_>) -> Result<Contents, GitError> {
        let probe = place.join("probe");
        let git = self.git(place).with_index(&probe);
        git.stage(making.commit.as_str())?;
        let entries = git.staged()?;
        failpoint::around("spare probe deleted", || fs_err::remove_file(&probe))
            .map_err(io(&probe, "deleted"))?;
        let mut manner = making.manner.clone();
        if entries.iter().any(|entry| entry.mode == "160000") {
            manner.unfit = Some("there are submodules".to_owned());
        }
        let named = |entry: &&Staged| entry.path.rsplit(|b| *b == b'/').next() == Some(b".gitattributes");
        let ids: Vec<&str> = entries.iter().filter(named).map(|entry| entry.id.as_str()).collect();
        manner.weigh_attributes(&git.texts(&ids)?);
        Ok(Contents { entries, manner })
    }

    /// The last step: what is whole becomes a spare by one rename; what is not is deleted.
    pub(super) fn offer_or_delete(
        &self,
        place: &Utf8Path,
        made: Result<Option<Unmade>, GitError>,
    ) -> Result<Result<u32, Unmade>, GitError> {
        match made {
            Ok(None) => self.offer(place).map(Ok),
            Ok(Some(why)) => super::super::delete_aside(place).map(|()| Err(why)),
            Err(error) => {
                // What stays is a scrap, and told of.
                let _ = super::super::delete_aside(place);
                Err(error)
            }
        }
    }

    fn offer(&self, place: &Utf8Path) -> Result<u32, GitError> {
        let mut last = None;
        for number in 1..10_000 {
            let path = self.dir.join(number.to_string());
            if path.as_std_path().symlink_metadata().is_ok() {
                continue;
            }
            failpoint::reach("spare offered before");
            match std::fs::rename(place, &path) {
                Ok(()) => {
                    failpoint::reach("spare offered after");
                    return Ok(number);
                }
                // Somebody else has put one there meanwhile.
                Err(source) => last = Some(io(&path, "written")(source)),
            }
        }
        Err(last.unwrap_or_else(|| io(&self.dir, "written")(std::io::ErrorKind::AlreadyExists.into())))
    }
}
