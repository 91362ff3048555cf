//! What an examination finds.

use biplane_model::{clip, sanitize_line};
use serde::Serialize;

use super::Code;
use crate::bounds;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// The programs and the file system that biplane stands on.
    Environment,
    /// The ledger: its file, its records, and what dead processes had begun.
    Ledger,
    /// The view files.
    Views,
    /// Branches, refs and git's list of worktrees.
    Git,
    /// Directories.
    Disk,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is as it should be.
    Ok,
    /// It is worth knowing; nothing has to be done.
    Note,
    /// It is wrong.
    Problem,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is, as a stable word.
    pub code: Code,
    /// What was looked at.
    pub area: Area,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: a worktree's name, a file, a branch.
    pub subject: String,
    /// What is the matter, in a sentence without a full stop.
    pub verdict: String,
    /// What to type, or what a repair does.
    pub remedy: Option<String>,
    /// Whether a repair is safe without a person.
    pub fixable: bool,
    /// Whether it was repaired.
    pub fixed: bool,
}

impl Finding {
    fn new(code: Code, severity: Severity, subject: impl AsRef<str>, verdict: impl AsRef<str>) -> Self {
        // Names come from the disk and from agents.
        let shown = |text: &str| clip(&sanitize_line(text), bounds::FINDING_CHARS);
        let (subject, verdict) = (shown(subject.as_ref()), shown(verdict.as_ref()));
        let area = code.area();
        Self { code, area, severity, subject, verdict, remedy: None, fixable: false, fixed: false }
    }

    pub(super) fn ok(code: Code, subject: impl AsRef<str>, verdict: impl AsRef<str>) -> Self {
        Self::new(code, Severity::Ok, subject, verdict)
    }

    pub(super) fn note(code: Code, subject: impl AsRef<str>, verdict: impl AsRef<str>) -> Self {
        Self::new(code, Severity::Note, subject, verdict)
    }

    pub(super) fn problem(code: Code, subject: impl AsRef<str>, verdict: impl AsRef<str>) -> Self {
        Self::new(code, Severity::Problem, subject, verdict)
    }

    /// In another area than the code's own.
    pub(super) fn in_area(mut self, area: Area) -> Self {
        self.area = area;
        self
    }

    pub(super) fn remedy(mut self, remedy: impl AsRef<str>) -> Self {
        self.remedy = Some(clip(&sanitize_line(remedy.as_ref()), bounds::FINDING_CHARS));
        self
    }
}

/// A name as a shell takes it for one word, whatever an agent called it.
pub(super) fn word(name: impl AsRef<str>) -> String {
    let name = name.as_ref();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/+,:=@".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

/// All that was found, in the order in which it was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The findings, those that are as they should be among them.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// Whether no problem is left.
    pub fn healthy(&self) -> bool {
        self.findings.iter().all(|f| f.severity != Severity::Problem || f.fixed)
    }

    /// Whether something is left that a repair would put right.
    pub fn has_fixable(&self) -> bool {
        self.findings.iter().any(|f| f.fixable && !f.fixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repaired_problem_is_none() {
        let mut problem =
            Finding::problem(Code::BranchOrphan, "wt/x", "is \x1b[2J wrong\n").remedy("git\nthis");
        assert!(
            !problem.verdict.contains(['\x1b', '\n']) && !problem.remedy.as_deref().unwrap().contains('\n')
        );
        let note = Finding::note(Code::DirectoryOrphan, "x", "lies there");
        assert!(Diagnosis { findings: vec![note.clone()] }.healthy());
        assert!(!Diagnosis { findings: vec![note.clone(), problem.clone()] }.healthy());
        problem.fixed = true;
        assert!(Diagnosis { findings: vec![note, problem] }.healthy());
    }

    #[test]
    fn a_remedy_runs_nothing_but_what_it_says() {
        assert_eq!(word("wt/a-b_c.1"), "wt/a-b_c.1");
        assert_eq!(word("wt/$(reboot)"), "'wt/$(reboot)'");
        assert_eq!(word("it's; x"), r"'it'\''s; x'");
    }

    #[test]
    fn as_json() {
        let json = serde_json::to_value(Finding::ok(Code::EnvironmentGit, "git", "2.47")).unwrap();
        assert_eq!(
            json.to_string(),
            r#"{"code":"environment.git","area":"environment","severity":"ok","subject":"git","verdict":"2.47","remedy":null,"fixable":false,"fixed":false}"#
        );
    }
}
