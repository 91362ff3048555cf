//! Spare worktrees: files and an index that are ready before anybody asks for them.
//!
//! **Contract.** A spare is `<worktrees dir>/.pool/<n>/` (with the repository's number behind `.pool` where that is not beside
//! it): `tree/` (the files), `index`, and `spare.json` (what they are).
//! Git knows nothing of it: no entry, no branch, no `.git` file. It is made in `.pool/.making-<pid>-<n>` and appears by one
//! rename when it is whole; it is taken by one rename to `.pool/.taken-<worktree>`, so that one process gets it. Whatever
//! begins with a dot in the pool is a scrap as soon as who made it is gone: nobody has worked in it.
//!
//! A spare that is not provably as good as a new checkout is not taken: other settings, another owner, another `umask`,
//! or a start of the machine since it was made.
//!
//! **Deliberately absent:** the ledger, settings, how many spares there should be, and when.

mod make;
mod pattern;
mod recycle;
mod sweep;
mod take;

use std::{os::unix::fs::MetadataExt, time::SystemTime};

use biplane_failpoint as failpoint;
use biplane_model::{CommitId, WorktreeId};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::{
    git::{Git, GitError, Manner},
    supervise::identity,
};

pub use make::{Making, Unmade};
pub use pattern::{Copied, PATTERN_BY};
pub use recycle::Recycling;
pub use take::{Taken, Taking, Untaken};

/// What the names of directories begin with in which a process makes something; its number follows.
const MAKING: &str = ".making-";
/// What the names of directories begin with that were taken for a worktree; its number follows.
const TAKEN: &str = ".taken-";
/// The most bytes of a `spare.json`.
const CARD_BYTES: u64 = 1 << 20;

/// The spare worktrees of one repository, in one place.
#[derive(Debug, Clone)]
pub struct Pool {
    dir: Utf8PathBuf,
    common_dir: Utf8PathBuf,
}

/// What a spare is, as it is written beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The commit whose files it has.
    pub commit: CommitId,
    /// What it takes on the disk, in bytes, about.
    pub bytes: u64,
    /// The start of the machine in which it was made: files are not on the disk for certain before the next one.
    boot: String,
    /// The modes of a new file and of a new directory, and the owner.
    mode: u32,
    directory: u32,
    uid: u32,
    /// The manner in which it was checked out.
    manner: String,
    /// The variables that decide where settings are read from.
    surroundings: String,
    /// What they were read from, and how it looked.
    sources: Vec<Utf8PathBuf>,
    seen: Vec<String>,
}

/// A spare that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spare {
    /// Its number in the pool.
    pub number: u32,
    /// What it is.
    pub card: Card,
}

/// Something in the pool that is no spare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scrap {
    /// A process with this number makes something of it.
    Making(Option<u32>),
    /// It was taken for the worktree with this number.
    Taken(Option<WorktreeId>),
    /// A spare that says nothing of itself any more.
    Damaged,
}

impl Pool {
    /// The pool beside the worktrees in `worktrees_dir`.
    pub fn beside(worktrees_dir: &Utf8Path, common_dir: &Utf8Path) -> Self {
        // Elsewhere several repositories may have their worktrees in one directory.
        let name = match common_dir.metadata() {
            Ok(meta) if worktrees_dir.parent() != common_dir.parent() => {
                format!(".pool-{:x}-{:x}", meta.dev(), meta.ino())
            }
            _ => ".pool".to_owned(),
        };
        Self { dir: worktrees_dir.join(name), common_dir: common_dir.to_owned() }
    }

    /// Its directory.
    pub fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// The spares, by number. One that can't be read is none.
    pub fn spares(&self) -> Vec<Spare> {
        let mut spares: Vec<Spare> = self
            .names()
            .iter()
            .filter_map(|name| name.parse().ok())
            .filter_map(|number: u32| {
                Some(Spare { number, card: read_card(&self.dir.join(number.to_string()))? })
            })
            .collect();
        spares.sort_unstable_by_key(|spare| spare.number);
        spares
    }

    /// What lies in the pool and is no spare. What has another name than ours is somebody else's.
    pub fn scraps(&self) -> Vec<(Utf8PathBuf, Scrap)> {
        let scrap = |name: &String| -> Option<Scrap> {
            if let Some(rest) = name.strip_prefix(MAKING) {
                return Some(Scrap::Making(rest.split('-').next()?.parse().ok()));
            }
            if let Some(rest) = name.strip_prefix(TAKEN) {
                return Some(Scrap::Taken(rest.parse().ok()));
            }
            let is_spare = name.parse::<u32>().is_ok() && read_card(&self.dir.join(name)).is_some();
            (!is_spare && name.parse::<u32>().is_ok()).then_some(Scrap::Damaged)
        };
        self.names().iter().filter_map(|name| Some((self.dir.join(name), scrap(name)?))).collect()
    }

    fn names(&self) -> Vec<String> {
        let is_real = self.dir.as_std_path().symlink_metadata().is_ok_and(|m| m.is_dir());
        let entries = is_real.then(|| self.dir.read_dir_utf8().ok()).flatten();
        entries.into_iter().flatten().flatten().map(|entry| entry.file_name().to_owned()).collect()
    }

    /// Deletes the spare with this number, out of everybody's way first.
    ///
    /// # Errors
    /// When the system refuses. Nothing when somebody else has it.
    pub fn discard(&self, number: u32) -> Result<(), GitError> {
        match self.withdraw(&self.dir.join(number.to_string()))? {
            Some(making) => super::delete_aside(&making),
            None => Ok(()),
        }
    }

    /// Takes what lies at `path` for this process to change or delete; nothing when it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn withdraw(&self, path: &Utf8Path) -> Result<Option<Utf8PathBuf>, GitError> {
        let making = self.place_for_making()?;
        failpoint::reach("pool withdraw before");
        let moved = std::fs::rename(path, &making);
        failpoint::reach("pool withdraw after");
        match moved {
            Ok(()) => Ok(Some(making)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io(path, "moved")(source)),
        }
    }

    /// A name for something that this process makes; nothing is there.
    fn place_for_making(&self) -> Result<Utf8PathBuf, GitError> {
        self.ensure()?;
        let pid = std::process::id();
        let free = (0..10_000)
            .map(|n| self.dir.join(format!("{MAKING}{pid}-{n}")))
            .find(|path| path.as_std_path().symlink_metadata().is_err());
        free.ok_or_else(|| io(&self.dir, "written")(std::io::ErrorKind::AlreadyExists.into()))
    }

    /// Makes the pool's directory, which must be a real one and ours.
    fn ensure(&self) -> Result<(), GitError> {
        match failpoint::around("pool made", || std::fs::create_dir(&self.dir)) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(io(&self.dir, "created")(e));
            }
            _ => {}
        }
        let meta = self.dir.as_std_path().symlink_metadata().map_err(io(&self.dir, "looked at"))?;
        if meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        Err(io(&self.dir, "used")(std::io::ErrorKind::NotADirectory.into()))
    }

    /// Git on the files in `place`, with the index beside them.
    fn git(&self, place: &Utf8Path) -> Git {
        Git::checkout(&self.common_dir, &self.common_dir, &place.join("tree"))
            .with_index(&place.join("index"))
    }
}

impl Card {
    /// Writes what lies in `place` on a card beside it: the last step of making it. `seen` is how the sources of settings
    /// looked all the while.
    fn write(place: &Utf8Path, making: &Making<'_>, seen: Vec<String>) -> Result<(), GitError> {
        let manner = making.manner;
        let path = place.join("spare.json");
        let _ = std::fs::remove_file(&path);
        fs_err::File::create_new(&path).map_err(io(&path, "written"))?;
        let meta = path.metadata().map_err(io(&path, "read"))?;
        let fresh = place.join("fresh");
        let directory = failpoint::around("spare mode seen", || -> std::io::Result<u32> {
            std::fs::create_dir(&fresh)?;
            let mode = fresh.as_std_path().symlink_metadata()?.mode() & 0o7777;
            std::fs::remove_dir(&fresh).map(|()| mode)
        })
        .map_err(io(&fresh, "looked at"))?;
        let card = Self {
            commit: making.commit.clone(),
            bytes: making.bytes,
            boot: identity::current().boot_id,
            mode: meta.mode() & 0o777,
            directory,
            uid: meta.uid(),
            manner: manner.digest.clone(),
            surroundings: manner.surroundings.clone(),
            sources: manner.sources.clone(),
            seen,
        };
        let text = serde_json::to_vec(&card).map_err(|e| io(&path, "written")(e.into()))?;
        failpoint::reach("spare card before");
        fs_err::write(&path, text).map_err(io(&path, "written"))?;
        failpoint::reach("spare card after");
        Ok(())
    }

    /// Whether its files are those of this start of the machine.
    pub fn is_of_this_boot(&self) -> bool {
        let now = identity::current().boot_id;
        !now.is_empty() && self.boot == now
    }

    /// Whether it was checked out in this manner.
    pub fn is_in(&self, manner: &Manner) -> bool {
        self.manner == manner.digest
    }
}

fn read_card(place: &Utf8Path) -> Option<Card> {
    let path = place.join("spare.json");
    let is_real = |path: &Utf8Path| path.as_std_path().symlink_metadata().ok().filter(|m| !m.is_symlink());
    let tree = is_real(&place.join("tree"))?;
    let file = is_real(&path)?;
    let ours = rustix::process::geteuid().as_raw();
    if !tree.is_dir() || !file.is_file() || file.len() > CARD_BYTES || tree.uid() != ours {
        return None;
    }
    let card: Card = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    (card.uid == ours).then_some(card)
}

/// Gives the index a time that is later than that of every file it speaks of, and true: from then on git need not look
/// into files that were written in the same moment as the index.
fn settle(index: &Utf8Path) -> Result<(), GitError> {
    let written = index.metadata().and_then(|m| m.modified()).map_err(io(index, "read"))?;
    let second = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let until = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second(written) + 1);
    // The clock of files lags behind by some milliseconds.
    let rest =
        until.duration_since(SystemTime::now()).unwrap_or_default() + std::time::Duration::from_millis(20);
    std::thread::sleep(rest.min(std::time::Duration::from_secs(2)));
    let file = std::fs::File::options().write(true).open(index).map_err(io(index, "opened"))?;
    failpoint::reach("spare index settled before");
    file.set_modified(SystemTime::now()).map_err(io(index, "written"))
}

fn io(path: &Utf8Path, action: &'static str) -> impl Fn(std::io::Error) -> GitError {
    move |source| GitError::Io { path: path.to_owned(), action, source }
}
