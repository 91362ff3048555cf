//! Branches and refs that outlived what they were for.
//!
//! **Invariant:** a ref is deleted only by compare-and-swap, and only while another ref that stays holds its commits.

use std::collections::HashSet;

use biplane_control::{SubmissionFilter, WorktreeFilter};
use biplane_execution::git::{Git, RefUpdate};
use biplane_model::{CommitId, Submission, WORKTREE_BRANCH_PREFIX};

use super::{Code, Examination, Finding, target, word};
use crate::{
    bounds,
    error::{Error, Result},
    locks,
    service::{PINS, Service, pin_name},
};

/// Refs that stay unless a person deletes them.
const HOLDERS: [&str; 4] = ["refs/heads/", "refs/tags/", "refs/remotes/", "refs/biplane/snapshots/"];

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    branches(examination)?;
    pins(examination)
}

/// What the ledger knows of branches.
struct Known {
    live: HashSet<String>,
    removed: HashSet<String>,
}

fn known(service: &Service) -> Result<Known> {
    let all = service.look(|view| Ok(view.worktrees(&WorktreeFilter::default())?))?;
    let repo = service.repo();
    let ours = all.into_iter().filter(|w| w.repo == repo);
    let (live, removed): (Vec<_>, Vec<_>) = ours.partition(|w| w.status.is_live());
    let names = |list: Vec<biplane_model::Worktree>| list.into_iter().map(|w| w.branch).collect();
    Ok(Known { live: names(live), removed: names(removed) })
}

fn branches(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let git = service.home().git()?;
    let refs = git.refs_below(&format!("refs/heads/{WORKTREE_BRANCH_PREFIX}"))?;
    let checked_out: HashSet<String> = git.worktrees()?.into_iter().filter_map(|w| w.branch).collect();
    let known = known(service)?;
    let target = match target::name(service)? {
        Some(name) => git.branch_tip(&name)?.map(|tip| (name, tip)),
        None => None,
    };
    for (full, tip) in &refs {
        let name = full.strip_prefix("refs/heads/").unwrap_or(full);
        if known.live.contains(name) || checked_out.contains(name) {
            continue;
        }
        let remedy = format!("`git branch -D {}` when nobody needs it", word(name));
        let note = |code: Code, verdict: String| Finding::note(code, name, verdict).remedy(&remedy);
        let Some((target, at)) = &target else {
            examination.add(note(Code::BranchOrphan, "no worktree of the ledger has this branch".to_owned()));
            continue;
        };
        if !git.is_ancestor(tip, at)? {
            let commits = git.commits_between(at, tip)?;
            let verdict =
                format!("no worktree has this branch, and {commits} of its commits are not in `{target}`");
            examination.add(note(Code::BranchOrphan, verdict));
        } else if known.removed.contains(name) {
            let finding = note(
                Code::BranchLeftover,
                format!("its worktree is removed, and all of it is in `{target}`"),
            )
            .remedy("`biplane doctor --fix` deletes it");
            examination.mend(finding, |service| delete_branch(service, &git, name, tip, target));
        } else {
            examination.add(note(
                Code::BranchOrphan,
                format!("no worktree had this branch; all of it is in `{target}`"),
            ));
        }
    }
    Ok(())
}

fn delete_branch(service: &Service, git: &Git, name: &str, tip: &CommitId, target: &str) -> Result<()> {
    // Whoever makes a worktree holds this lock while its branch is made.
    let _held = locks::git(service.home(), "deleting a branch", service.wait_notice("git's worktrees"))?;
    let in_use = known(service)?.live.contains(name)
        || git.worktrees()?.iter().any(|w| w.branch.as_deref() == Some(name));
    let held = match git.branch_tip(target)? {
        Some(at) => git.is_ancestor(tip, &at)?,
        None => false,
    };
    if in_use || !held {
        return Err(Error::failed("it is needed by now"));
    }
    delete(git, &format!("refs/heads/{name}"), tip)
}

fn delete(git: &Git, name: &str, at: &CommitId) -> Result<()> {
    Ok(git.update_ref(&RefUpdate { name, old: Some(at), new: None, why: "biplane: left over" })?)
}

/// The refs that hold submitted heads: each open submission has one, and no other.
fn pins(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let git = service.home().git()?;
    let refs = git.refs_below(PINS)?;
    let mut all = service.look(|view| Ok(view.submissions(&SubmissionFilter::default())?))?;
    all.retain(|submission| submission.repo == service.repo());
    // A ref is written and deleted a moment after the ledger.
    let now = service.now();
    let settled = |s: &&Submission| s.updated_at.plus_seconds(bounds::PIN_GRACE_S) <= now;
    for (full, tip) in &refs {
        let Some(submission) = all.iter().find(|s| pin_name(s.id) == *full) else {
            let finding = Finding::note(
                Code::PinUnknown,
                full,
                "it holds a commit for a submission that the ledger does not know",
            );
            examination.add(finding.remedy(format!(
                "`git update-ref -d {}` when nobody needs {}",
                word(full),
                tip.short()
            )));
            continue;
        };
        if submission.status.is_open() || !settled(&submission) {
            continue;
        }
        let id = submission.id;
        if held(&git, tip)? {
            let finding = Finding::note(
                Code::PinLeftover,
                full,
                format!("{id} is over, and other refs hold its commit"),
            )
            .remedy("`biplane doctor --fix` deletes it");
            examination.mend(finding, |_| {
                if held(&git, tip)? {
                    delete(&git, full, tip)
                } else {
                    Err(Error::failed("nothing else holds it by now"))
                }
            });
        } else {
            let verdict = format!("{id} is over, but nothing else holds its commit {}", tip.short());
            let remedy =
                format!("`git branch <name> {tip}` keeps it; `git update-ref -d {}` gives it up", word(full));
            examination.add(Finding::note(Code::PinLeftover, full, verdict).remedy(remedy));
        }
    }
    for submission in all.iter().filter(|s| s.status.is_open()).filter(settled) {
        let name = pin_name(submission.id);
        if refs.iter().all(|(full, _)| *full != name) {
            unpinned(examination, &git, submission, &name)?;
        }
    }
    Ok(())
}

fn unpinned(examination: &mut Examination<'_>, git: &Git, submission: &Submission, name: &str) -> Result<()> {
    let (id, head) = (submission.id.to_string(), &submission.head);
    if git.find_commit(head.as_str())?.is_none() {
        let verdict = format!("its commit {} is not in the repository", head.short());
        let remedy = format!("submit `{}` anew", submission.worktree);
        examination.add(Finding::problem(Code::CommitMissing, id, verdict).remedy(remedy));
        return Ok(());
    }
    let finding = Finding::problem(Code::PinMissing, id, format!("no ref holds its commit {}", head.short()))
        .remedy("`biplane doctor --fix` makes one");
    examination.mend(finding, |_| {
        let why = "biplane: submitted";
        Ok(git.update_ref(&RefUpdate { name, old: None, new: Some(head), why })?)
    });
    Ok(())
}

/// Whether a ref that stays holds `commit`.
fn held(git: &Git, commit: &CommitId) -> Result<bool> {
    let contains = format!("--contains={commit}");
    let text =
        git.call(["for-each-ref", "--count=1", "--format=%(refname)", &contains]).args(HOLDERS).text()?;
    Ok(!text.trim().is_empty())
}
