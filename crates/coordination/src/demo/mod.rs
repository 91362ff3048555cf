//! The demonstration: a small project, scripts in the place of agents, and a proof of what became of them.
//!
//! **Contract.** Everything lies in one directory: `repo/`, a real repository with a real test suite; `agents/`, scripts
//! that edit, test and commit; `proof/`, the clone that the proof is made on. What happens between is what happens in
//! any repository: the face calls [`Service::up`] and nothing of it is acted. The scripts wait for each other where the
//! story needs an order, so that every run has the same two bounces.
//!
//! **Deliberately absent:** the network, the person's repositories, settings of git that are not the sample's own.

mod proof;
mod story;

use biplane_execution::{
    git::{Git, GitError, MINIMUM_GIT, Repository},
    supervise::{Capture, capture},
};
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use crate::{
    error::{Error, Result},
    files,
    home::Surroundings,
    service::{Access, Outside, Service},
};

pub use proof::{Check, Proof, Suite, Tested};
pub use story::AGENTS;

/// The branch that work lands on.
const TARGET: &str = "main";
/// Who makes the first commit and the merges.
const WHO: (&str, &str) = ("biplane demo", "biplane@demo.invalid");
/// The first words of a variable that is biplane's own.
const OWN_VARIABLES: &str = "BIPLANE_";

/// The sample repository and what belongs to it. A temporary one is removed when it is dropped.
pub struct Sample {
    dir: Utf8PathBuf,
    repository: Repository,
    temporary: Option<TempDir>,
}

impl Sample {
    /// Makes the sample in the directory `at`, which must be empty or missing; without one, in a temporary directory.
    ///
    /// # Errors
    /// When something is in the directory, git is missing or too old, there is no Rust compiler, or a file can't be
    /// written.
    pub fn create(at: Option<&Utf8Path>, surroundings: &Surroundings) -> Result<Self> {
        require_tools()?;
        let (dir, temporary) = match at {
            Some(at) => (empty_dir(&surroundings.cwd.join(at))?, None),
            None => {
                let (dir, temporary) = temporary_dir(surroundings)?;
                (dir, Some(temporary))
            }
        };
        for (path, text) in story::FILES {
            files::replace(&dir.join(path), text.as_bytes())?;
        }
        let repository = Repository::create(&dir.join("repo"), TARGET, WHO)?;
        let checkout = repository.main_checkout().expect("it was made with a checkout");
        checkout.commit_all("A day's temperatures in a line\n")?;
        Ok(Self { dir, repository, temporary })
    }

    /// The directory with everything in it.
    pub fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// The sample repository.
    pub fn repo(&self) -> &Utf8Path {
        &self.repository.root
    }

    /// Leaves it where it is.
    pub fn keep(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = temporary.keep();
        }
    }

    /// Whether it is there to stay.
    pub fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }

    /// Removes a temporary one; one that is kept stays.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn close(self) -> Result<()> {
        match self.temporary {
            Some(temporary) => temporary.close().map_err(|e| Error::io("removed", &self.dir, e)),
            None => Ok(()),
        }
    }

    /// The service on the sample, with its tasks on the board. What the environment says of another home or of a claim
    /// counts for nothing here.
    ///
    /// # Errors
    /// When the ledger can't be made.
    pub fn service(&self, outside: Outside) -> Result<Service> {
        let mut surroundings = outside.surroundings;
        surroundings.cwd = self.repository.root.clone();
        surroundings.env.retain(|name, _| !name.starts_with(OWN_VARIABLES));
        // Nothing is to be at work in the sample when it is deleted.
        surroundings.env.insert(crate::variables::BACKGROUND.to_owned(), "0".to_owned());
        let service = Service::open(Outside { surroundings, ..outside }, Access::Write)?;
        for task in story::tasks() {
            service.task_create(&task)?;
        }
        Ok(service)
    }

    /// The graph of the target's history, a line for each commit and for what joins them.
    ///
    /// # Errors
    /// When git can't draw it.
    pub fn graph(&self) -> Result<String> {
        let git = self.repository.git();
        let args = ["log", "--graph", "--no-color", "--abbrev=10", "--format=%h %s (%an)", TARGET];
        Ok(biplane_model::sanitize(&git.call(args).text()?))
    }
}

/// Refuses to begin without a git that can do it, or without what the sample's tests need.
fn require_tools() -> Result<()> {
    let found = Git::version()?;
    if found < MINIMUM_GIT {
        return Err(GitError::TooOld { found }.into());
    }
    let found = capture(&Capture::new("rustc", ["--version"]));
    if found.is_ok_and(|said| said.success()) {
        return Ok(());
    }
    Err(Error::failed("there is no `rustc`, and the sample project is one in Rust")
        .hint("install Rust; biplane itself needs only git"))
}

fn empty_dir(dir: &Utf8Path) -> Result<Utf8PathBuf> {
    std::fs::create_dir_all(dir).map_err(|e| Error::io("created", dir, e))?;
    let mut entries = std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))?;
    if entries.next().is_some() {
        let shown = biplane_model::sanitize_line(dir.as_str());
        return Err(Error::refused(format!("`{shown}` is not empty")).hint("name a new directory"));
    }
    dir.canonicalize_utf8().map_err(|e| Error::io("read", dir, e))
}

fn temporary_dir(surroundings: &Surroundings) -> Result<(Utf8PathBuf, TempDir)> {
    let parent = surroundings.cwd.join(surroundings.var("TMPDIR").unwrap_or("/tmp"));
    let made = tempfile::Builder::new().prefix("biplane-demo-").tempdir_in(&parent);
    let temporary = made.map_err(|e| Error::io("created", &parent, e))?;
    let dir = Utf8Path::from_path(temporary.path()).expect("its parent and its own name are UTF-8");
    let dir = dir.canonicalize_utf8().map_err(|e| Error::io("read", dir, e))?;
    Ok((dir, temporary))
}
