//! The target, and whether the main checkout shows it.

use biplane_control::{RunFilter, SubmissionFilter};
use biplane_execution::git::Git;
use biplane_model::{CommitId, RunKind, SubmissionStatus};

use super::{Code, Examination, Finding, live::reflog_tail, word};
use crate::{
    bounds,
    error::{ErrorKind, Result},
    service::{Service, switch_to},
};

const SUBJECT: &str = "the main checkout";

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let repository = service.home().repository()?;
    let git = repository.git();
    let Some(checkout) = repository.main_checkout() else {
        if repository.common_dir.join("index").is_file() {
            let verdict = "git takes the repository for one without a checkout, but it has one: something has set `core.bare`";
            let finding = Finding::problem(Code::ConfigBare, SUBJECT, verdict);
            examination.add(finding.remedy("`git config core.bare false`"));
        }
        return Ok(());
    };
    let current = checkout.current_branch()?;
    let Some(target) = name(service)? else { return detached(examination, None) };
    let Some(tip) = git.branch_tip(&target)? else {
        let finding = if current.as_deref() == Some(&target) {
            Finding::note(Code::TargetMissing, &target, "the repository has no commit yet")
                .remedy("`git commit --allow-empty -m start`")
        } else {
            Finding::problem(Code::TargetMissing, &target, "this branch is the target, and there is none")
                .remedy(format!("`git branch {}`, or set another `target` in `biplane.toml`", word(&target)))
        };
        examination.add(finding);
        return Ok(());
    };
    moved(examination, &target)?;
    match current {
        None => detached(examination, Some(target)),
        Some(branch) if branch == target => lagging(examination, &checkout, &target, &tip),
        Some(_) => Ok(()),
    }
}

/// Commits that came onto the target by another way than landing while an agent is at work: it may have worked in the
/// wrong directory.
fn moved(examination: &mut Examination<'_>, target: &str) -> Result<()> {
    let service = examination.service;
    let open = service.look(|view| Ok(view.runs(&RunFilter { open: true, ..RunFilter::default() })?))?;
    let agents = open.iter().filter(|r| r.kind == RunKind::Agent && r.repo == service.repo());
    let Some(since) = agents.map(|r| r.started_at.seconds()).min() else { return Ok(()) };
    let log = service.home().repository()?.common_dir.join("logs/refs/heads").join(target);
    let moves: Vec<String> = reflog_tail(&log).iter().filter_map(|line| foreign_move(line, since)).collect();
    if let Some(last) = moves.last() {
        let verdict = format!(
            "since an agent was started it moved {} times by other ways than landing, last by `{last}`",
            moves.len()
        );
        examination.add(Finding::note(Code::TargetMoved, target, verdict).remedy(format!(
            "`git reflog {}` shows who; an agent should commit in its worktree",
            word(target)
        )));
    }
    Ok(())
}

/// What a line of a reflog says, when it is from `since` (in unix seconds) on and not biplane's.
fn foreign_move(line: &str, since: i64) -> Option<String> {
    let (head, why) = line.split_once('\t')?;
    let at: i64 = head.rsplit(' ').nth(1)?.parse().ok()?;
    (at >= since && !why.starts_with("biplane:"))
        .then(|| biplane_model::clip(&biplane_model::sanitize_line(why), 120))
}

/// The target's name; none when the main checkout is on no branch and nothing else names one.
pub(super) fn name(service: &Service) -> Result<Option<String>> {
    match service.target() {
        Ok(name) => Ok(Some(name)),
        Err(error) if error.kind == ErrorKind::Refused => Ok(None),
        Err(error) => Err(error),
    }
}

fn detached(examination: &mut Examination<'_>, target: Option<String>) -> Result<()> {
    let finding = match target {
        Some(target) => Finding::note(
            Code::CheckoutDetached,
            SUBJECT,
            format!("it is on no branch: what lands on `{target}` does not show in it"),
        )
        .remedy(format!("`{}`; uncommitted work goes along", switch_to(&word(&target)))),
        None => {
            Finding::note(Code::CheckoutDetached, SUBJECT, "it is on no branch, so there is none to land on")
                .remedy("`git switch` to a branch, or set `target` in `biplane.toml`")
        }
    };
    examination.add(finding);
    Ok(())
}

/// A checkout whose index is still the tree from before something landed: its next commit would undo that. It looks the
/// same when a person has staged just that, so it is only told of.
fn lagging(examination: &mut Examination<'_>, checkout: &Git, target: &str, tip: &CommitId) -> Result<()> {
    let reverts = checkout.git_dir().join("REVERT_HEAD").exists();
    if reverts || checkout.index_is(tip)? {
        return Ok(());
    }
    let all = examination.service.look(|view| Ok(view.submissions(&SubmissionFilter::default())?))?;
    let repo = examination.service.repo();
    let landed = all.iter().rev().filter(|s| s.repo == repo && s.target == target);
    let landed = landed.filter(|s| s.status == SubmissionStatus::Landed);
    for submission in landed.take(bounds::ANCESTORS_COMPARED) {
        let Some(onto) = submission.onto.as_ref().filter(|onto| *onto != tip) else { continue };
        if checkout.find_commit(onto.as_str())?.is_some() && checkout.index_is(onto)? {
            let verdict = format!(
                "it still shows the files of {}, from before {} landed: a commit there would undo it",
                onto.short(),
                submission.id
            );
            let finding = Finding::problem(Code::CheckoutLagging, SUBJECT, verdict);
            // Of git's ways this one overwrites nothing, ignored files neither.
            let remedy = format!(
                "in it: `git diff-tree -p --binary {onto} {tip} | git apply --index`; changed files are kept"
            );
            examination.add(finding.remedy(remedy));
            return Ok(());
        }
    }
    Ok(())
}
