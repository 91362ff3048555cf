//! `doctor`: whether the environment is fit, and whether ledger, views, git and disk agree.
//!
//! **Contract.** Dry by default: nothing is changed. With [`Mode::Fix`] it repairs what is safe without a person, each
//! thing once more looked at under the lock that guards it; a second repair finds nothing left to do. What could not be
//! looked at is a problem, never "gone" and never "fine". On a ledger that is not whole nothing is repaired.
//!
//! **Deliberately absent:** `git worktree prune`, and `git worktree repair` (it goes on to all worktrees, and takes those
//! of a copied repository's original); deleting anything that no ref or record of ours proves to be ours.

mod binding;
mod code;
mod config;
mod entries;
mod environment;
mod filesystem;
mod finding;
mod further;
mod gitlocks;
mod ledger;
mod leftovers;
mod live;
mod records;
mod refs;
mod runs;
mod strangers;
mod target;
mod usage;
mod views;

use biplane_control::Changes;
use biplane_model::{EventKind, NewEvent};

pub use code::Code;
pub(crate) use filesystem::{PROBES_BY, is_local};
use finding::word;
pub use finding::{Area, Diagnosis, Finding, Severity};
pub(crate) use strangers::names_in;

use crate::{error::Result, recovery::Mode, service::Service};

/// How to examine.
#[derive(Debug, Clone)]
pub struct DoctorRequest {
    /// Whether to repair what is safe.
    pub mode: Mode,
}

/// An examination under way.
struct Examination<'s> {
    service: &'s Service,
    mode: Mode,
    findings: Vec<Finding>,
    /// What was repaired without an event of its own.
    done: Vec<String>,
}

/// One part of an examination.
type Part = fn(&mut Examination<'_>) -> Result<()>;

impl Service {
    /// Examines everything, and with [`Mode::Fix`] repairs what is safe.
    ///
    /// # Errors
    /// When what was repaired can't be recorded. What can't be looked at is a finding.
    pub fn doctor(&self, request: &DoctorRequest) -> Result<Diagnosis> {
        let mut examination =
            Examination { service: self, mode: request.mode, findings: Vec::new(), done: Vec::new() };
        examination.all();
        examination.record()?;
        Ok(Diagnosis { findings: examination.findings })
    }
}

impl Examination<'_> {
    fn all(&mut self) {
        self.part(Area::Environment, "the environment", environment::examine);
        self.part(Area::Environment, "the settings", ledger::settings);
        let before = self.findings.len();
        self.part(Area::Ledger, "the ledger", ledger::examine);
        if self.findings[before..].iter().any(|f| f.severity == Severity::Problem) {
            // What is read from it may be wrong, and so may be what is done about it.
            self.mode = Mode::Dry;
        }
        let has_ledger = self.service.trouble().ledger.is_none();
        if has_ledger {
            // First what was begun and not ended, so that what follows looks at something settled.
            self.part(Area::Ledger, "what dead processes have left", leftovers::examine);
        }
        if self.service.home().repository.is_some() {
            self.shared();
        }
        if !has_ledger {
            // What else lies there can't be held against anything.
            return;
        }
        self.part(Area::Ledger, "the records", records::examine);
        if self.service.home().repository.is_some() {
            self.part(Area::Disk, "the runs", runs::examine);
            self.worktrees();
        } else {
            let verdict = "this is no git repository: the task commands work, the worktree commands don't";
            self.add(Finding::note(Code::RepositoryNone, "the repository", verdict).remedy("`git init`"));
        }
        if further::is_needed(self.service) {
            self.part(Area::Git, "the further repositories", further::examine);
            self.elsewhere();
        }
        // Last, because repairs are written into the views too.
        self.part(Area::Views, "the views", views::examine);
    }

    /// What all checkouts of the repository at hand share.
    fn shared(&mut self) {
        self.part(Area::Git, "the shared configuration", config::examine);
        self.part(Area::Git, "git's locks", gitlocks::examine);
        self.part(Area::Git, "git's entries for worktrees", entries::examine);
    }

    /// The worktrees of the repository at hand, and what belongs to them.
    fn worktrees(&mut self) {
        self.part(Area::Git, "the worktrees", live::examine);
        self.part(Area::Disk, "what the disk holds", usage::examine);
        self.part(Area::Disk, "what else lies beside the worktrees", strangers::examine);
        self.part(Area::Git, "branches and refs", refs::examine);
        self.part(Area::Git, "the target", target::examine);
    }

    /// The same for each further repository that can be worked with.
    fn elsewhere(&mut self) {
        let (services, _) = self.service.everywhere();
        for service in services.iter().filter(|service| !service.repo().is_default()) {
            let mut there = Examination { service, mode: self.mode, findings: Vec::new(), done: Vec::new() };
            there.shared();
            there.worktrees();
            // Before it is this home's, it holds nothing of ours.
            if further::is_claimed(service) {
                there.part(Area::Views, "what commits must not take in", views::kept_out);
            }
            let repo = service.repo();
            for finding in &mut there.findings {
                finding.subject = format!("{repo}: {}", finding.subject);
            }
            self.findings.append(&mut there.findings);
            self.done.extend(there.done.iter().map(|done| format!("{repo}: {done}")));
        }
    }

    /// Does one part; when nothing was found in it, says so.
    fn part(&mut self, area: Area, what: &str, examine: Part) {
        let before = self.findings.len();
        if let Err(error) = examine(self) {
            let verdict = format!("could not be examined: {error}");
            let mut finding = Finding::problem(Code::Unexamined, what, verdict).in_area(area);
            if let Some(hint) = error.hints.first() {
                finding = finding.remedy(hint);
            }
            self.add(finding);
        } else if self.findings.len() == before {
            self.add(Finding::ok(Code::Examined, what, "nothing is wrong").in_area(area));
        }
    }

    fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds something that `repair` puts right, and has it done and noted when repairs are wanted. `repair` looks again
    /// before it acts: what was found may have changed.
    fn mend(&mut self, finding: Finding, repair: impl FnOnce(&Service) -> Result<()>) {
        let what = format!("{}: {}", finding.subject, finding.verdict);
        if self.amend(finding, repair) {
            self.done.push(what);
        }
    }

    /// As [`Examination::mend`], where the repair is a change of the ledger that notes itself. Whether it was done.
    fn amend(&mut self, mut finding: Finding, repair: impl FnOnce(&Service) -> Result<()>) -> bool {
        finding.fixable = true;
        if self.mode == Mode::Fix {
            match repair(self.service) {
                Ok(()) => finding.fixed = true,
                Err(error) => {
                    finding.severity = Severity::Problem;
                    finding.verdict = format!("{}; not repaired: {error}", finding.verdict);
                }
            }
        }
        let fixed = finding.fixed;
        self.add(finding);
        fixed
    }

    /// Notes what was repaired.
    fn record(&self) -> Result<()> {
        if self.done.is_empty() {
            return Ok(());
        }
        self.service.change(|_, _| {
            let event = NewEvent::new(EventKind::Recovered).with("done", self.done.clone());
            Ok((Changes { events: vec![event], ..Changes::default() }, ()))
        })
    }
}
