//! Taking over a worktree that a person or another tool has made. It stays where it is and on its own branch; nothing
//! outside of the ledger is changed, so that there is no intent to record.

use biplane_control::{Changes, View, WorktreeFilter, board};
use biplane_execution::{
    git::Git,
    worktrees::{self, OwnershipFault, Place},
};
use biplane_model::{
    CommitId, EventKind, NewEvent, RepoName, TaskId, Timestamp, Worktree, WorktreeId, WorktreeName,
    WorktreeStatus, sanitize_line, view::WorktreeView,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{Service, place::refuse_taken_name};
use crate::error::{Error, ErrorKind, Result};

/// Which worktree to take over, and as what.
#[derive(Debug, Clone)]
pub struct AdoptRequest {
    /// Its directory; relative to where the program stands, or absolute.
    pub path: Utf8PathBuf,
    /// What to call it; the directory's name, made valid, when absent.
    pub name: Option<WorktreeName>,
    /// The task to bind it to.
    pub task: Option<TaskId>,
    /// Say what would be recorded, and record nothing.
    pub dry_run: bool,
}

/// What was found out about a worktree before it is recorded.
struct Found {
    place: Place,
    name: WorktreeName,
    branch: String,
    target: String,
    base: CommitId,
}

impl Service {
    /// Takes over a worktree that git has and the ledger does not know.
    ///
    /// # Errors
    /// When there is none there, when the directory and git's entry don't name each other, when it is the main checkout or
    /// in the ledger already, when it is on no branch or on the target, when the name is taken or the task can't be bound.
    pub fn worktree_adopt(&self, request: &AdoptRequest) -> Result<WorktreeView> {
        if let Some(there) = self.elsewhere(&self.repo_around(&self.standing_in().join(&request.path)))? {
            return there.worktree_adopt(request);
        }
        self.require_git()?;
        let found = self.adoptable(request)?;
        let path = self.home().recorded(&found.place.path);
        if request.dry_run {
            let record = self.look(|view| {
                refuse_known(view, &self.repo(), &found)?;
                refuse_taken_name(view, &found.name)?;
                let mut record = adopted(
                    self.repo(),
                    &found,
                    &path,
                    WorktreeId(view.counter("worktree")? + 1),
                    self.now(),
                );
                if let Some(id) = &request.task {
                    board::bind(view, &mut record, id, None, self.now())?;
                }
                Ok(record)
            })?;
            return Ok(WorktreeView::new(&record, found.place.path.into_string(), 0));
        }
        let id = self.change(|view, now| {
            refuse_known(view, &self.repo(), &found)?;
            refuse_taken_name(view, &found.name)?;
            let number = view.counter("worktree")? + 1;
            let mut record = adopted(self.repo(), &found, &path, WorktreeId(number), now);
            let mut changes =
                Changes { counters: vec![("worktree".to_owned(), number)], ..Changes::default() };
            let mut event = NewEvent::new(EventKind::WorktreeAdopt).with("path", path.as_str());
            match &request.task {
                None => changes.events.push(event.worktree(&record)),
                Some(id) => {
                    let (mut task, bound) = board::bind(view, &mut record, id, None, now)?;
                    let begun = board::begin(view, &mut task, now)?;
                    event = event.task(&task).worktree(&record);
                    changes.events.extend([event, bound]);
                    changes.events.extend(begun);
                    changes.tasks.push(task);
                }
            }
            changes.worktrees.push(record);
            Ok((changes, WorktreeId(number)))
        })?;
        self.worktree_view(id)
    }

    /// The proof that there is a worktree to be taken over, and what is to be recorded of it.
    fn adoptable(&self, request: &AdoptRequest) -> Result<Found> {
        let place = self.proved(&self.standing_in().join(&request.path))?;
        let shown = sanitize_line(place.path.as_str());
        let name = match &request.name {
            Some(name) => name.clone(),
            None => name_of(place.path.file_name().unwrap_or_default()).ok_or_else(|| {
                Error::usage(format!("the name of `{shown}` is none for a worktree"))
                    .hint("give one with `--name`")
            })?,
        };
        let checkout = place.git();
        let Some(branch) = checkout.current_branch()? else {
            return Err(Error::refused(format!(
                "`{shown}` is on no branch, so that nothing would hold its commits"
            ))
            .hint(format!("in it: `git switch -c {}`, then try again", name.branch())));
        };
        let target = self.target()?;
        if branch == target {
            return Err(Error::refused(format!("`{shown}` is on `{target}`, the branch that work lands on"))
                .hint(format!("in it: `git switch -c {}`, then try again", name.branch())));
        }
        let git = self.home().git()?;
        let base = fork(&git, &checkout, &target)?.ok_or_else(|| {
            Error::refused(format!("`{}` has no commit in common with `{target}`", sanitize_line(&branch)))
                .hint("its work can't land there; leave it as it is")
        })?;
        Ok(Found { place, name, branch, target, base })
    }

    fn proved(&self, path: &Utf8Path) -> Result<Place> {
        let home = self.home();
        let repository = home.repository()?;
        let shown = sanitize_line(path.as_str());
        let meta = match path.as_std_path().symlink_metadata() {
            Ok(meta) => meta,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::not_found(format!("there is nothing at `{shown}`"))
                    .hint("`git worktree list` shows the worktrees that git has"));
            }
            Err(e) => return Err(Error::io("looked at", path, e)),
        };
        if !meta.is_dir() {
            return Err(Error::refused(format!("`{shown}` is a link or a file, not a worktree's directory")));
        }
        // Git's entries have resolved paths.
        let path = path.canonicalize_utf8().map_err(|e| Error::io("looked at", path, e))?;
        if path == home.root || path == repository.common_dir {
            return Err(Error::refused("the main checkout is nobody's worktree: work lands in it")
                .hint("`biplane wt create` makes a worktree beside it"));
        }
        let is_scratch =
            path.strip_prefix(home.worktrees_dir()).is_ok_and(|below| below.as_str().starts_with('.'));
        if is_scratch {
            return Err(Error::refused(format!("`{shown}` is one that biplane has made for itself")));
        }
        let place = worktrees::place_at(&repository.common_dir, &path);
        if !place.git_entry.is_empty() {
            return Ok(worktrees::prove(&place)?.place);
        }
        Err(why_not(&repository.common_dir, &path))
    }
}

/// Why the directory at `path` can't be proved to be a worktree of this repository, and what to do.
fn why_not(common_dir: &Utf8Path, path: &Utf8Path) -> Error {
    let shown = sanitize_line(path.as_str());
    let file = path.join(".git");
    let meta = file.as_std_path().symlink_metadata().ok();
    if meta.as_ref().is_some_and(std::fs::Metadata::is_dir) {
        return Error::refused(format!("`{shown}` is a repository of its own, not a worktree of this one"));
    }
    let link = meta
        .filter(|m| m.is_file() && m.len() < 4096)
        .and_then(|_| biplane_execution::files::text(&file).ok());
    let entry =
        link.as_deref().and_then(|text| text.strip_prefix("gitdir: ")).map(|e| path.join(e.trim_end()));
    let Some(entry) = entry else {
        return Error::refused(format!("`{shown}` is not the top directory of a worktree"))
            .hint("`git worktree list` shows the worktrees that git has");
    };
    if !entry.starts_with(common_dir) && entry.exists() {
        return Error::refused(format!("`{shown}` is a worktree of another repository"));
    }
    if !entry.exists() {
        return Error::refused(format!("`{shown}` is an orphan: git's entry for it is gone, and with it what was staged and which branch it was on"))
            .hint("move it aside, `git worktree add` one on its branch in its place, copy your files over it, then try again");
    }
    let place = Place {
        common_dir: common_dir.to_owned(),
        path: path.to_owned(),
        git_entry: entry.file_name().unwrap_or_default().to_owned(),
    };
    match worktrees::prove(&place) {
        Err(fault @ OwnershipFault::NotOurs { .. }) => Error::refused(fault.to_string())
            .hint(format!("if it was moved, `git worktree repair '{shown}'` links it again")),
        Err(fault) => fault.into(),
        Ok(_) => Error::refused(format!("`{shown}` changed meanwhile")).hint("look again and retry"),
    }
}

/// Where the branch left the target.
fn fork(git: &Git, checkout: &Git, target: &str) -> Result<Option<CommitId>> {
    let head = checkout.commit_of("HEAD")?;
    match git.branch_tip(target)? {
        Some(tip) => Ok(git.merge_base(&head, &tip)?),
        None => Err(Error::not_found(format!("there is no branch `{}` to land on", sanitize_line(target)))),
    }
}

/// The directory's name as one for a worktree, if one is left of it.
fn name_of(directory: &str) -> Option<WorktreeName> {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let mut name: String = directory.chars().map(legal).take(64).collect();
    while name.contains("..") {
        name = name.replace("..", ".");
    }
    name.trim_start_matches(['.', '-']).trim_end_matches('.').parse().ok()
}

/// Refuses a worktree that is a live one of the ledger already, or whose branch is.
fn refuse_known(view: &dyn View, repo: &RepoName, found: &Found) -> Result<()> {
    let live = view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?;
    if let Some(known) = live.iter().find(|w| w.git_entry == found.place.git_entry && w.repo == *repo) {
        return Err(Error::new(ErrorKind::Conflict, format!("it is worktree `{}` already", known.name)));
    }
    match live.iter().find(|w| w.branch == found.branch && w.repo == *repo) {
        None => Ok(()),
        Some(other) => Err(Error::new(
            ErrorKind::Conflict,
            format!("its branch `{}` is that of worktree `{}`", sanitize_line(&found.branch), other.name),
        )
        .hint("in it: `git switch -c` to a branch of its own")),
    }
}

fn adopted(repo: RepoName, found: &Found, path: &str, id: WorktreeId, now: Timestamp) -> Worktree {
    Worktree {
        id,
        repo,
        name: found.name.clone(),
        branch: found.branch.clone(),
        base: found.base.clone(),
        base_ref: found.target.clone(),
        path: path.to_owned(),
        git_entry: found.place.git_entry.clone(),
        ports: Vec::new(),
        status: WorktreeStatus::Active,
        task: None,
        operation: None,
        reason: String::new(),
        created_at: now,
        updated_at: now,
        kept_at: None,
        removed_at: None,
        looked_at: None,
        last_entered_at: None,
        last_command_at: None,
        last_command_preview: String::new(),
        rev: 0,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_directory_gives_a_name() {
        let name = |text: &str| super::name_of(text).map(|n| n.to_string());
        assert_eq!(name("feature-x").as_deref(), Some("feature-x"));
        assert_eq!(name("app.feature login").as_deref(), Some("app.feature-login"));
        assert_eq!(name("..hidden..x.").as_deref(), Some("hidden.x"));
        assert_eq!(name("größe").as_deref(), Some("gr--e"));
        for none in ["", "...", "HEAD", "runs", "x.lock"] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
