//! Several repositories from one home: which of them is meant, and the verbs in each.
//!
//! **Contract.** A service works in one repository: git, worktrees, target, gate, set-up and the locks around landing and
//! git's worktrees are those of it, the ledger and the views those of the home. A verb on something of another repository
//! goes on in the service of that one; [`Service::need`] refuses what a verb forgot to pass on.

use std::{collections::BTreeMap, sync::Arc};

use biplane_control::{ReadyOrder, View, WorktreeFilter, board};
use biplane_execution::git::Repository;
use biplane_model::{AgentName, RepoName, Task, TaskId, Worktree, WorktreeName, sanitize_line};
use camino::Utf8Path;

use super::{Access, Service};
use crate::{
    belongs::{self, Owner},
    error::{Error, ErrorKind, Result},
    home::Home,
    settings::Settings,
};

impl Service {
    /// The repository at hand: the home's own, unless the service is one of [`Service::in_repo`].
    pub fn repo(&self) -> RepoName {
        self.home().name()
    }

    /// The names of the repositories, the home's own first.
    pub fn repo_names(&self) -> Vec<RepoName> {
        self.board_settings.repo_names()
    }

    /// The same verbs in the repository `name`. Cheap: the ledger, the clock and the narrator are shared.
    ///
    /// # Errors
    /// When the settings list no such repository, when it is not there, and when it belongs to another home.
    pub fn in_repo(&self, name: &RepoName) -> Result<Self> {
        if *name == self.repo() {
            return Ok(self.with(self.home.clone(), Arc::clone(&self.settings)));
        }
        if name.is_default() {
            return Ok(self.with(self.home.board().clone(), Arc::clone(&self.board_settings)));
        }
        let repo = self.board_settings.further(name)?;
        let home = self.home.further(repo)?;
        self.refuse_foreign(&home)?;
        Ok(self.with(home, Arc::new(self.board_settings.of_repo(repo))))
    }

    fn with(&self, home: Home, settings: Arc<Settings>) -> Self {
        Self {
            home,
            settings,
            board_settings: Arc::clone(&self.board_settings),
            ledger: Arc::clone(&self.ledger),
            surroundings: Arc::clone(&self.surroundings),
            actor: self.actor.clone(),
            now: Arc::clone(&self.now),
            narrate: Arc::clone(&self.narrate),
            verbose: self.verbose,
            access: self.access,
            trouble: Arc::clone(&self.trouble),
            heard: Arc::clone(&self.heard),
            check: None,
        }
    }

    /// Refuses a further repository that is not this home's; one that is nobody's is from now on, when this service writes.
    fn refuse_foreign(&self, home: &Home) -> Result<()> {
        let repository = home.repository()?;
        let owner = belongs::owner(home.board(), repository)?;
        if let Some(refusal) = belongs::refusal(&home.name(), &owner, &repository.common_dir) {
            return Err(refusal);
        }
        if owner == Owner::Nobody && !matches!(self.access, Access::Read | Access::Examine) {
            self.claim_repo(&home.name())?;
        }
        Ok(())
    }

    /// The listed repository `name`, whoever it belongs to; for an examination.
    pub(crate) fn listed_repository(&self, name: &RepoName) -> Result<Repository> {
        Ok(self.home.further(self.board_settings.further(name)?)?.repository()?.clone())
    }

    /// Writes down that a repository which belongs to nobody is this home's.
    pub(crate) fn claim_repo(&self, name: &RepoName) -> Result<()> {
        let home = self.home.further(self.board_settings.further(name)?)?;
        // What keeps its worktrees out of commits comes first: that can be done twice.
        home.exclude_views()?;
        belongs::claim(home.board(), name, &home.repository()?.common_dir)
    }

    /// The live worktrees of the repository at hand.
    pub(crate) fn live_here(&self) -> Result<Vec<Worktree>> {
        let filter = WorktreeFilter { live: true, ..WorktreeFilter::default() };
        let mut live = self.look(|view| Ok(view.worktrees(&filter)?))?;
        live.retain(|worktree| worktree.repo == self.repo());
        Ok(live)
    }

    /// Has every listed repository know whose it is, so that one may stand in it. What can't be is told when it is worked
    /// with.
    pub(super) fn claim_further(&self) {
        for name in self.board_settings.repos.iter().map(|repo| &repo.name) {
            let _ = self.in_repo(name);
        }
    }

    /// The service of another repository than the one at hand; none for that one itself.
    pub(crate) fn elsewhere(&self, name: &RepoName) -> Result<Option<Self>> {
        if *name == self.repo() { Ok(None) } else { self.in_repo(name).map(Some) }
    }

    /// As [`Service::elsewhere`], for what is done with the live worktree `name`.
    pub(crate) fn elsewhere_with(&self, name: &WorktreeName) -> Result<Option<Self>> {
        match self.live(name)? {
            Some(worktree) => self.elsewhere(&worktree.repo),
            None => Ok(None),
        }
    }

    /// The service of the repository that the live worktree `name` is one of.
    ///
    /// # Errors
    /// When there is no such worktree, or its repository can't be worked with.
    pub fn in_repo_of(&self, name: &WorktreeName) -> Result<Self> {
        self.in_repo(&self.need_anywhere(name)?.repo)
    }

    /// The service of every repository that can be worked with, the home's own first; and why the others can't.
    pub(crate) fn everywhere(&self) -> (Vec<Self>, BTreeMap<RepoName, Error>) {
        let (mut services, mut out_of_reach) = (Vec::new(), BTreeMap::new());
        for name in self.repo_names() {
            match self.in_repo(&name) {
                Ok(service) => services.push(service),
                Err(error) => {
                    out_of_reach.insert(name, error);
                }
            }
        }
        (services, out_of_reach)
    }

    /// As [`Service::everywhere`], for what git has: of those that can't be asked it is told why. A home that is no repository
    /// counts when it is the only one, so that it is said what it lacks.
    pub(super) fn everywhere_with_git(&self) -> Vec<Self> {
        let (mut services, out_of_reach) = self.everywhere();
        for error in out_of_reach.values() {
            self.say(error.to_string());
        }
        if services.len() > 1 {
            services.retain(|there| there.home().repository.is_some());
        }
        services
    }

    /// The repository that one stands in, when it is one of the home's; the home's own otherwise.
    pub fn here(&self) -> RepoName {
        if self.board_settings.repos.is_empty() {
            return RepoName::default();
        }
        let stands_in = Repository::discover(self.standing_in()).ok();
        stands_in.and_then(|found| self.home.listed_at(&found.root)).unwrap_or_default()
    }

    /// The repository that the checkout at `path` is of, when it is one of the home's; the one at hand otherwise.
    pub(super) fn repo_around(&self, path: &Utf8Path) -> RepoName {
        let found = Repository::discover(path).ok();
        let root = found.map(|found| found.root).filter(|root| *root != self.home.root);
        root.and_then(|root| self.home.listed_at(&root)).unwrap_or_else(|| self.repo())
    }

    /// The repository that is meant: the task's, else the wished one, else the one that one stands in.
    ///
    /// # Errors
    /// When there is no such task, when it is about another repository than the wished one, and when the settings list
    /// none of that name.
    pub fn repo_meant(&self, task: Option<&TaskId>, wished: Option<&RepoName>) -> Result<RepoName> {
        let Some(id) = task else {
            let name = wished.cloned().unwrap_or_else(|| self.here());
            return self.refuse_unknown(&name).map(|()| name);
        };
        let of = self.look(|view| super::board::task(view, id))?.repo;
        match wished {
            Some(wished) if *wished != of => {
                self.refuse_unknown(wished)?;
                Err(Error::new(
                    ErrorKind::Conflict,
                    format!("task {id} is about repository `{of}`, not `{wished}`"),
                )
                .hint("leave out `--repo`: it is the task's"))
            }
            _ => Ok(of),
        }
    }

    /// Refuses the name of a repository that the settings don't list.
    pub(crate) fn refuse_unknown(&self, name: &RepoName) -> Result<()> {
        if name.is_default() { Ok(()) } else { self.board_settings.further(name).map(|_| ()) }
    }

    /// Refuses a repository for a new task: one that is not listed, or another home's. One that is not there now may be
    /// again when the task is begun.
    pub(super) fn refuse_repo(&self, name: &RepoName) -> Result<()> {
        match self.in_repo(name) {
            Err(error) if error.kind == ErrorKind::NotFound => self.refuse_unknown(name),
            other => other.map(|_| ()),
        }
    }

    /// Refuses to begin work on many tasks where none can land: without git, a first commit, or a target. Says which
    /// targets lack commits, and which repositories are out of reach.
    pub(crate) fn require_targets(&self) -> Result<()> {
        self.require_git()?;
        for there in self.everywhere_with_git() {
            let begin = || -> Result<()> {
                let (git, target) = (there.home().git()?, there.target()?);
                git.commit_of("HEAD")?;
                if git.branch_tip(&target)?.is_none() {
                    let shown = sanitize_line(&target);
                    return Err(Error::not_found(format!("there is no branch `{shown}` to land on"))
                        .hint("make it, or set `target` in `biplane.toml`"));
                }
                there.say_behind(Some(&format!("refs/heads/{target}")));
                Ok(())
            };
            match begin() {
                Err(error) if there.repo().is_default() => return Err(error),
                // The others are none the worse for it.
                Err(error) => self.say(format!("in repository `{}` nothing can land: {error}", there.repo())),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Says which gate work has to pass, in each repository; `asked` is one for all.
    pub(crate) fn say_gates(&self, asked: Option<&Option<String>>) {
        let (services, _) = self.everywhere();
        for there in services.iter().filter(|there| there.home().repository.is_some()) {
            let of =
                if there.repo().is_default() { String::new() } else { format!(" of `{}`", there.repo()) };
            self.say(match asked.map_or_else(|| there.default_gate(), |gate| (gate.clone(), "as asked")) {
                (Some(gate), from) => format!("the gate{of} is `{}` ({from})", sanitize_line(&gate)),
                (None, from) => format!("there is no gate{of} ({from}): work lands untested"),
            });
            if asked.is_some() {
                break;
            }
        }
    }

    /// Which repositories can be worked with now. It looks at the disk: ask before a transaction, not in it.
    pub(crate) fn reach_now(&self) -> Reach {
        let listed = self.board_settings.repos.iter().map(|repo| &repo.name);
        let faults = listed.filter_map(|name| Some((name.clone(), self.in_repo(name).err()?.to_string())));
        Reach { faults: faults.collect(), settings: Arc::clone(&self.board_settings) }
    }
}

/// Which repositories could be worked with at a moment.
pub(crate) struct Reach {
    faults: BTreeMap<RepoName, String>,
    settings: Arc<Settings>,
}

impl Reach {
    /// Why nothing can be done in a repository, so that no task of it is ready; none when something can.
    pub(crate) fn why_not(&self, repo: &RepoName) -> Option<String> {
        if repo.is_default() {
            return None;
        }
        let unlisted = || self.settings.further(repo).err().map(|error| error.to_string());
        self.faults.get(repo).cloned().or_else(unlisted)
    }

    /// The next task that is ready for `owner` and can be worked on; for a claim in the same transaction.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub(crate) fn next_ready(
        &self,
        view: &dyn View,
        order: ReadyOrder,
        owner: &AgentName,
    ) -> Result<Option<TaskId>> {
        let is_free = |task: &Task| task.owner.as_ref().is_none_or(|o| o == owner);
        let wanted = |task: &Task| (is_free(task) && self.why_not(&task.repo).is_none()).then_some(());
        Ok(board::next_ready(view, order, wanted)?.map(|(task, ())| task.id))
    }
}
