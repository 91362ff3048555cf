//! The further repositories: whether each can be worked with, and knows whose it is.

use std::collections::BTreeSet;

use biplane_control::{SubmissionFilter, TaskFilter, WorktreeFilter};
use biplane_execution::git::Repository;
use biplane_model::RepoName;

use super::{Code, Examination, Finding};
use crate::{
    belongs::{self, Owner},
    error::{Error, Result},
    service::Service,
};

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let used = used(service)?;
    for name in service.repo_names().into_iter().filter(|name| !name.is_default()) {
        match service.listed_repository(&name) {
            Ok(repository) => owned(examination, &name, &repository, used.contains(&name))?,
            Err(error) => examination.add(out_of_reach(&name, &error)),
        }
    }
    for name in used.iter().filter(|name| service.refuse_unknown(name).is_err()) {
        let verdict = "tasks or worktrees of the ledger are about it, and no `[[repo]]` has this name";
        let finding = Finding::problem(Code::RepositoryUnlisted, name.as_str(), verdict);
        examination.add(finding.remedy("put its `[[repo]]` back into `biplane.toml`, or cancel its tasks"));
    }
    Ok(())
}

/// Whether there is anything to examine: the settings list a further repository, or records are about one.
pub(super) fn is_needed(service: &Service) -> bool {
    service.repo_names().len() > 1 || used(service).map_or(true, |used| !used.is_empty())
}

/// Whether the repository at hand knows its home.
pub(super) fn is_claimed(service: &Service) -> bool {
    let common_dir = service.home().repository().map(|repository| repository.common_dir.clone());
    common_dir.and_then(|dir| belongs::named(&dir)).is_ok_and(|root| root.is_some())
}

fn out_of_reach(name: &RepoName, error: &Error) -> Finding {
    let finding = Finding::problem(Code::RepositoryOutOfReach, name.as_str(), &error.message);
    match error.hints.first() {
        Some(hint) => finding.remedy(hint),
        None => finding,
    }
}

/// Whether a repository that is there belongs to this home.
fn owned(
    examination: &mut Examination<'_>,
    name: &RepoName,
    repository: &Repository,
    is_used: bool,
) -> Result<()> {
    let service = examination.service;
    let owner = match belongs::owner(service.home().board(), repository) {
        Ok(owner) => owner,
        Err(error) => {
            examination.add(out_of_reach(name, &error));
            return Ok(());
        }
    };
    match &owner {
        Owner::Us => {}
        Owner::Nobody => {
            let verdict = "it does not know its home yet, so that nobody finds the board from inside it";
            let finding = Finding::note(Code::RepositoryUnclaimed, name.as_str(), verdict)
                .remedy("any command that changes something writes it down");
            examination.mend(finding, |service| service.claim_repo(name));
        }
        Owner::Gone(root) => {
            let verdict = format!("it belongs to the home `{root}`, which is not there");
            let finding = Finding::problem(Code::RepositoryHomeMoved, name.as_str(), verdict);
            if !is_used {
                // Nothing shows that it ever was this home's.
                let file = belongs::file(&repository.common_dir);
                examination.add(
                    finding.remedy(format!("when that home is gone for good, `rm {}`", super::word(file))),
                );
                return Ok(());
            }
            let finding = finding.remedy(
                "if this home was there and was moved, `biplane doctor --fix` writes its new place down; else mount it",
            );
            examination.mend(finding, |service| belongs::follow(service.home().board(), repository));
        }
        Owner::Other(_) | Owner::Itself(_) => {
            if let Some(error) = belongs::refusal(name, &owner, &repository.common_dir) {
                examination.add(out_of_reach(name, &error));
            }
        }
    }
    Ok(())
}

/// The further repositories that records are about.
fn used(service: &Service) -> Result<BTreeSet<RepoName>> {
    let open = SubmissionFilter { open: true, ..SubmissionFilter::default() };
    let live = WorktreeFilter { live: true, ..WorktreeFilter::default() };
    service.look(|view| {
        let tasks = view.tasks(&TaskFilter::default())?;
        let tasks = tasks.into_iter().filter(|t| !t.status.is_closed()).map(|t| t.repo);
        let worktrees = view.worktrees(&live)?.into_iter().map(|w| w.repo);
        let submissions = view.submissions(&open)?.into_iter().map(|s| s.repo);
        Ok(tasks.chain(worktrees).chain(submissions).filter(|name| !name.is_default()).collect())
    })
}
