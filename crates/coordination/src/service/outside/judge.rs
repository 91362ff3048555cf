//! Whose doing a change outside of a worktree is: a pure rule.
//!
//! In this order: what biplane itself has done, or was done where somebody else was at work by right, is explained. What git has
//! logged of a checkout's head is that checkout's doing. A path that the tool calls of one run name is that run's, and the
//! others are cleared. What is left may be the doing of every run in whose time it was done.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use biplane_execution::worktrees::outside::{Difference, Origin, Step};
use camino::Utf8PathBuf;

/// A move of the target by a landing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Landed {
    /// The ref that was moved.
    pub(super) target: String,
    /// From where.
    pub(super) onto: String,
    /// To where.
    pub(super) candidate: String,
}

/// What is known of the time between two looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The run's branch, without `refs/heads/`.
    pub(super) branch: String,
    /// Git's entry for its worktree.
    pub(super) entry: String,
    /// The ref that work lands on; empty where there is none.
    pub(super) target: String,
    /// The worktrees that somebody was at work in, or that biplane has done something with: entries by names.
    pub(super) busy: BTreeMap<String, String>,
    /// Their branches, without `refs/heads/`.
    pub(super) busy_branches: BTreeSet<String>,
    /// What landed, or was about to.
    pub(super) landed: Vec<Landed>,
    /// Files that the run's own tool calls named, absolute.
    pub(super) named: BTreeSet<PathBuf>,
    /// Files that those of other runs named.
    pub(super) named_by_others: BTreeSet<PathBuf>,
    /// The directory that all checkouts share.
    pub(super) common_dir: Utf8PathBuf,
}

/// Whose doing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Nobody's that it should not be.
    Explained,
    /// Another run's.
    Others,
    /// Something was added that nobody else has or needs, such as a branch: worth a word.
    Harmless,
    /// This run's.
    Own,
    /// This run was at work then, and nothing tells who has done it.
    Open,
}

impl Known {
    /// Whose doing a difference is.
    pub(super) fn whose(&self, difference: &Difference) -> Whose {
        match difference {
            Difference::File { checkout, top, change } => {
                let path = top.as_std_path().join(std::ffi::OsStr::from_bytes(&change.path));
                if self.busy.contains_key(checkout) { Whose::Explained } else { self.by_name(&path) }
            }
            Difference::Head { checkout, was, is } => {
                let is_busy = self.busy.contains_key(checkout);
                if is_busy || (checkout.is_empty() && self.left_or_joined(was, is)) {
                    return Whose::Explained;
                }
                Whose::Open
            }
            Difference::Ref { name, was, is, steps, fetched } => {
                if *fetched {
                    return Whose::Explained;
                }
                self.of_ref(name, (was.as_deref(), is.as_deref()), steps)
            }
            Difference::Shared { file, .. } => {
                let mut parts = file.split('/');
                let entry = if parts.next() == Some("worktrees") { parts.next() } else { None };
                if entry.is_some_and(|entry| self.is_busy_entry(entry)) {
                    return Whose::Explained;
                }
                // What is written into its own entry is the run's, whoever else was at work.
                if entry == Some(self.entry.as_str()) {
                    return Whose::Own;
                }
                self.by_name(self.common_dir.join(file).as_std_path())
            }
        }
    }

    fn by_name(&self, path: &std::path::Path) -> Whose {
        match (self.named.contains(path), self.named_by_others.contains(path)) {
            (true, _) => Whose::Own,
            (false, true) => Whose::Others,
            (false, false) => Whose::Open,
        }
    }

    /// Whether a landing has taken the main checkout off its branch, where it was, or put it back.
    fn left_or_joined(&self, was: &str, is: &str) -> bool {
        let ends =
            |head: &str, commit: &str| (head.strip_prefix("ref: ").map(str::to_owned), commit.to_owned());
        let of_landing = |(target, commit): (Option<String>, String)| {
            let Some(target) = target else { return false };
            self.landed.iter().any(|one| one.target == target && one.onto == commit)
        };
        of_landing(ends(was, is)) || of_landing(ends(is, was))
    }

    fn of_ref(&self, name: &str, (was, is): (Option<&str>, Option<&str>), steps: &[Step]) -> Whose {
        let branch = name.strip_prefix("refs/heads/");
        if branch == Some(self.branch.as_str()) {
            return Whose::Explained;
        }
        if name == "refs/stash" {
            return self.of_stash(steps);
        }
        let by_landings = was.zip(is).is_some_and(|(was, is)| self.leads(name, was, is));
        if by_landings {
            return Whose::Explained;
        }
        if name.starts_with("refs/notes/") && is_noted((was, is), steps) {
            return Whose::Harmless;
        }
        let foreign: Vec<&Step> = steps.iter().filter(|step| !self.is_landing(name, step)).collect();
        let is_own = |step: &&Step| step.from == Origin::Entry(self.entry.clone());
        let is_others = |step: &&Step| matches!(&step.from, Origin::Entry(entry) if *entry != self.entry);
        // A log that does not reach the ref's place tells nothing of the last move.
        let is_whole = steps.last().map(|step| step.new.as_str()) == is && is.is_some();
        let is_new_branch = branch.is_some() && was.is_none();
        if !is_new_branch && foreign.iter().any(is_own) {
            return Whose::Own;
        }
        if branch.is_some_and(|branch| self.busy_branches.contains(branch)) {
            return Whose::Explained;
        }
        if is_new_branch {
            return Whose::Harmless;
        }
        if is_whole && !foreign.is_empty() && foreign.iter().all(is_others) {
            Whose::Others
        } else {
            Whose::Open
        }
    }

    /// A stash names the branch that it was made on.
    fn of_stash(&self, steps: &[Step]) -> Whose {
        let Some(last) = steps.last() else { return Whose::Open };
        let message = last.message.as_str();
        let rest = message.strip_prefix("WIP on ").or_else(|| message.strip_prefix("On "));
        match rest.and_then(|rest| rest.split_once(": ")).map(|(branch, _)| branch) {
            Some(branch) if branch == self.branch => Whose::Own,
            Some(branch) if self.busy_branches.contains(branch) => Whose::Others,
            _ => Whose::Open,
        }
    }

    /// Whether landings have taken the ref from one place to the other.
    fn leads(&self, name: &str, was: &str, is: &str) -> bool {
        let mut at = was;
        for _ in 0..=self.landed.len() {
            if at == is {
                return true;
            }
            let next = self.landed.iter().find(|l| l.target == name && l.onto == at && l.candidate != l.onto);
            match next {
                Some(landing) => at = &landing.candidate,
                None => return false,
            }
        }
        false
    }

    pub(super) fn is_landing(&self, name: &str, step: &Step) -> bool {
        self.landed.iter().any(|l| l.target == name && l.onto == step.old && l.candidate == step.new)
    }

    fn is_busy_entry(&self, entry: &str) -> bool {
        entry != self.entry && self.busy.values().any(|busy| busy == entry)
    }
}

/// Whether all that was done to a ref of notes was done by `git notes`, as its log shows without a gap: that takes nothing away,
/// since each change of notes stands on the one before. Agent programs note in this way what they have written.
fn is_noted((was, is): (Option<&str>, Option<&str>), steps: &[Step]) -> bool {
    let Some((first, last)) = steps.first().zip(steps.last()) else { return false };
    let begins = was.map_or_else(|| first.old.bytes().all(|b| b == b'0'), |was| first.old == was);
    let goes_on = steps.windows(2).all(|pair| pair[0].new == pair[1].old);
    let by_notes = steps.iter().all(|step| step.message.starts_with("notes: "));
    begins && goes_on && by_notes && Some(last.new.as_str()) == is
}

#[cfg(test)]
mod tests {
    use biplane_execution::git::{Deviated, Deviation};

    use super::*;

    fn known() -> Known {
        let landing = |onto: &str, candidate: &str| Landed {
            target: "refs/heads/main".to_owned(),
            onto: onto.to_owned(),
            candidate: candidate.to_owned(),
        };
        Known {
            branch: "wt/own".to_owned(),
            entry: "own".to_owned(),
            target: "refs/heads/main".to_owned(),
            busy: [("live".to_owned(), "live".to_owned())].into(),
            busy_branches: ["wt/live".to_owned()].into(),
            landed: vec![landing("m0", "m1"), landing("m1", "m2"), landing("x", "x")],
            named: ["/r/mine".into(), "/r/both".into(), "/r/.git/config".into()].into(),
            named_by_others: ["/r/theirs".into(), "/r/both".into()].into(),
            common_dir: "/r/.git".into(),
        }
    }

    fn file(checkout: &str, path: &str) -> Difference {
        let change = Deviation { path: path.into(), how: Deviated::Changed };
        Difference::File { checkout: checkout.to_owned(), top: "/r".into(), change }
    }

    /// `old>new@who`, more of them with a space between.
    fn steps(text: &str) -> Vec<Step> {
        let step = |word: &str| {
            let (moved, who) = word.split_once('@').unwrap();
            let (old, new) = moved.split_once('>').unwrap();
            let from = match who {
                "main" => Origin::Main,
                "?" => Origin::Unknown,
                entry => Origin::Entry(entry.to_owned()),
            };
            Step { old: old.to_owned(), new: new.to_owned(), message: "commit: x".to_owned(), from }
        };
        text.split_whitespace().map(step).collect()
    }

    #[test]
    fn whose_files_and_heads() {
        use Whose::*;
        let head = |checkout: &str, was: &str, is: &str| Difference::Head {
            checkout: checkout.to_owned(),
            was: was.to_owned(),
            is: is.to_owned(),
        };
        let shared = |file: &str| Difference::Shared { file: file.to_owned(), how: Deviated::Changed };
        let table = [
            (file("", "nobody"), Open),
            (file("", "mine"), Own),
            (file("", "both"), Own),
            (file("", "theirs"), Others),
            (file("kept", "nobody"), Open),
            (file("live", "nobody"), Explained),
            (file("live", "mine"), Explained),
            (head("", "ref: refs/heads/main", "m0"), Explained),
            (head("", "m1", "ref: refs/heads/main"), Explained),
            (head("", "ref: refs/heads/main", "m9"), Open),
            (head("", "ref: refs/heads/main", "ref: refs/heads/other"), Open),
            (head("live", "ref: refs/heads/a", "m9"), Explained),
            (head("kept", "ref: refs/heads/main", "m0"), Open),
            (shared("hooks/pre-commit"), Open),
            (shared("config"), Own),
            (shared("worktrees/live/commondir"), Explained),
            (shared("worktrees/own/commondir"), Own),
            (shared("worktrees/kept/commondir"), Open),
        ];
        for (difference, whose) in table {
            assert_eq!(known().whose(&difference), whose, "{difference:?}");
        }
    }

    /// A ref, what it named, what it names, what is logged of it; whose doing that is.
    type Row<'a> = (&'a str, Option<&'a str>, Option<&'a str>, &'a str, Whose);

    #[test]
    fn notes_are_added_to_without_harm() {
        use Whose::*;
        let notes = "refs/notes/ai";
        type Ends = (Option<&'static str>, Option<&'static str>);
        let table: &[(&str, Ends, &str, &str, Whose)] = &[
            (notes, (None, Some("a")), "0>a@?", "notes: Notes added by 'git notes add'", Harmless),
            (notes, (Some("a"), Some("c")), "a>b@? b>c@?", "notes: Notes added by 'git notes add'", Harmless),
            // Not by git notes, from elsewhere, with a gap, without a log, or gone.
            (notes, (Some("a"), Some("b")), "a>b@?", "", Open),
            (notes, (Some("a"), Some("b")), "x>b@?", "notes: x", Open),
            (notes, (Some("a"), Some("c")), "a>b@? x>c@?", "notes: x", Open),
            (notes, (None, Some("a")), "", "", Open),
            (notes, (Some("a"), None), "a>b@?", "notes: x", Open),
            ("refs/tags/notes", (Some("a"), Some("b")), "a>b@?", "notes: x", Open),
        ];
        for (name, (was, is), log, message, whose) in table {
            let text = |id: &Option<&str>| id.map(str::to_owned);
            let message = (*message).to_owned();
            let steps =
                steps(log).into_iter().map(|step| Step { message: message.clone(), ..step }).collect();
            let name = (*name).to_owned();
            let difference = Difference::Ref { name, was: text(was), is: text(is), steps, fetched: false };
            assert_eq!(known().whose(&difference), *whose, "{difference:?}");
        }
    }

    #[test]
    fn whose_refs() {
        use Whose::*;
        let main = "refs/heads/main";
        let table: &[Row<'_>] = &[
            ("refs/heads/wt/own", Some("a"), Some("b"), "a>b@own", Explained),
            ("refs/heads/wt/live", Some("a"), Some("b"), "a>b@live", Explained),
            ("refs/heads/wt/live", Some("a"), Some("b"), "", Explained),
            ("refs/heads/wt/live", Some("a"), None, "", Explained),
            ("refs/heads/wt/live", Some("a"), Some("b"), "a>b@own", Own),
            ("refs/heads/wt/kept", Some("a"), Some("b"), "a>b@?", Open),
            ("refs/heads/wt/kept", Some("a"), None, "", Open),
            // Landings, one or more, and what was done between them.
            (main, Some("m0"), Some("m1"), "m0>m1@?", Explained),
            (main, Some("m0"), Some("m2"), "", Explained),
            (main, Some("m1"), Some("m0"), "", Open),
            (main, Some("m0"), Some("x1"), "m0>x1@own", Own),
            (main, Some("m0"), Some("x1"), "m0>x1@live", Others),
            (main, Some("m0"), Some("x1"), "m0>x1@main", Open),
            (main, Some("m0"), Some("x1"), "m0>x1@?", Open),
            (main, Some("m0"), Some("x1"), "", Open),
            (main, Some("m0"), Some("x1"), "m0>m1@? m1>x1@own", Own),
            (main, Some("m0"), Some("x2"), "m0>x1@live x1>x2@?", Open),
            (main, Some("m0"), Some("x2"), "m0>x1@live", Open),
            (main, Some("m0"), None, "", Open),
            // A branch of one's own takes nothing from anybody, wherever it was made.
            ("refs/heads/helper", None, Some("a"), "0>a@own", Harmless),
            ("refs/heads/helper", Some("a"), Some("b"), "a>b@own", Own),
            ("refs/tags/v1", None, Some("a"), "", Open),
            ("refs/tags/v1", Some("a"), None, "", Open),
            ("refs/stash", None, Some("a"), "0>a@?", Open),
        ];
        for (name, was, is, log, whose) in table {
            let text = |id: &Option<&str>| id.map(str::to_owned);
            let (name, steps) = ((*name).to_owned(), steps(log));
            let difference = Difference::Ref { name, was: text(was), is: text(is), steps, fetched: false };
            assert_eq!(known().whose(&difference), *whose, "{difference:?}");
        }
        let (was, is, steps) = (None, Some("a".to_owned()), Vec::new());
        let tag = Difference::Ref { name: "refs/tags/v1".to_owned(), was, is, steps, fetched: true };
        assert_eq!(known().whose(&tag), Explained);
    }

    #[test]
    fn a_stash_names_its_branch() {
        for (message, whose) in [
            ("WIP on wt/own: 1234 x", Whose::Own),
            ("On wt/own: before the merge", Whose::Own),
            ("WIP on wt/live: 1234 x", Whose::Others),
            ("WIP on main: 1234 x", Whose::Open),
            ("whatever", Whose::Open),
        ] {
            let mut steps = steps("0>a@?");
            steps[0].message = message.to_owned();
            assert_eq!(known().of_stash(&steps), whose, "{message}");
        }
    }
}
