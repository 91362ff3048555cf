//! Whether the target has what a branch has, asked in steps, the cheap ones first.

use biplane_model::CommitId;

use crate::git::{Git, GitError};

/// How the target has a branch's commits, or that it lacks them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The target is at the same commit.
    SameCommit,
    /// The branch's tip is in the target's history.
    Ancestor,
    /// The branch changes nothing against the commit it has in common with the target.
    NothingOfItsOwn,
    /// The files of both are the same.
    EqualTrees,
    /// Merging the branch would change nothing.
    MergeAddsNothing,
    /// One commit of the target makes all changes of the branch.
    SquashOf(CommitId),
    /// Each commit of the branch was picked: commits of the target make the same changes.
    Picked,
    /// The target lacks commits.
    No,
    /// It could not be found out. Counts as lacking.
    Unknown,
}

impl Merged {
    /// Whether the target has everything.
    pub fn is_merged(&self) -> bool {
        !matches!(self, Self::No | Self::Unknown)
    }

    /// The answer as one word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::SameCommit => "same_commit",
            Self::Ancestor => "ancestor",
            Self::NothingOfItsOwn => "nothing_of_its_own",
            Self::EqualTrees => "equal_trees",
            Self::MergeAddsNothing => "merge_adds_nothing",
            Self::SquashOf(_) => "squash",
            Self::Picked => "picked",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }

    /// The reason in words, after `merged: ` or `not merged: `.
    pub fn reason(&self) -> String {
        match self {
            Self::SameCommit => "it is at the same commit".to_owned(),
            Self::Ancestor => "its commits are in the history".to_owned(),
            Self::NothingOfItsOwn => "it changes nothing of its own".to_owned(),
            Self::EqualTrees => "the files are the same".to_owned(),
            Self::MergeAddsNothing => "merging it would change nothing".to_owned(),
            Self::SquashOf(commit) => format!("squash of {}", commit.short()),
            Self::Picked => "each commit was picked".to_owned(),
            Self::No => "commits are lacking".to_owned(),
            Self::Unknown => "it could not be found out".to_owned(),
        }
    }
}

/// Whether `target` has what `head` has, a branch that was begun at `base`.
///
/// # Errors
/// When git can't tell in one of the cheap steps; an expensive one that fails makes it [`Merged::Unknown`].
pub fn merged(git: &Git, base: &CommitId, head: &CommitId, target: &CommitId) -> Result<Merged, GitError> {
    if head == target {
        return Ok(Merged::SameCommit);
    }
    let common = git.merge_base(head, target)?;
    if common.as_ref() == Some(head) {
        return Ok(Merged::Ancestor);
    }
    if head == base {
        return Ok(Merged::NothingOfItsOwn);
    }
    let tree = git.tree_of(head)?;
    if let Some(common) = &common
        && git.tree_of(common)? == tree
    {
        return Ok(Merged::NothingOfItsOwn);
    }
    if git.tree_of(target)? == tree {
        return Ok(Merged::EqualTrees);
    }
    let Some(common) = common else { return Ok(Merged::No) };
    if git.adds_nothing(target, head)? {
        return Ok(Merged::MergeAddsNothing);
    }
    Ok(by_patches(git, &common, head, target).unwrap_or(Merged::Unknown))
}

fn by_patches(git: &Git, common: &CommitId, head: &CommitId, target: &CommitId) -> Result<Merged, GitError> {
    if let Some(commit) = git.squash_of(common, head, target)? {
        return Ok(Merged::SquashOf(commit));
    }
    Ok(if git.unpicked(head, target)? == Some(0) { Merged::Picked } else { Merged::No })
}

#[cfg(test)]
mod tests {
    use biplane_testkit::{Repo, TestEnv};

    use super::*;

    /// A repository with a branch `x` that was begun at its first commit with ten lines in a file.
    struct Case {
        _env: TestEnv,
        repo: Repo,
        base: CommitId,
    }

    const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

    impl Case {
        fn new() -> Self {
            let env = TestEnv::new();
            let repo = env.repo("app");
            repo.write("lines.txt", LINES);
            let base = repo.commit("lines").parse().unwrap();
            repo.git(&["branch", "x"]);
            Self { _env: env, repo, base }
        }

        /// Commits on a branch: each writes a file.
        fn commit(&self, branch: &str, files: &[(&str, &str)]) -> String {
            self.repo.git(&["switch", "-q", branch]);
            let mut last = String::new();
            for (path, text) in files {
                self.repo.write(path, text);
                last = self.repo.commit(&format!("{branch}: {path}"));
            }
            last
        }

        #[track_caller]
        fn asked(&self) -> Merged {
            let git = Git::bare(&self.repo.path().join(".git"));
            let at = |name: &str| self.repo.git(&["rev-parse", name]).parse().unwrap();
            merged(&git, &self.base, &at("x"), &at("main")).unwrap()
        }
    }

    #[test]
    fn at_the_same_commit_or_behind() {
        let case = Case::new();
        assert_eq!(case.asked(), Merged::SameCommit);
        case.commit("main", &[("b.txt", "b\n")]);
        assert_eq!(case.asked(), Merged::Ancestor);
        case.commit("x", &[("a.txt", "a\n")]);
        assert_eq!(case.asked(), Merged::No);
        case.repo.git(&["switch", "-q", "main"]);
        case.repo.git(&["merge", "-q", "--no-edit", "x"]);
        assert_eq!(case.asked(), Merged::Ancestor);
        // In the history it stays, though the changes were taken back there.
        case.repo.git(&["revert", "--no-edit", "-m", "1", "HEAD"]);
        assert_eq!(case.asked(), Merged::Ancestor);
        // But not when the target went back behind it.
        case.repo.git(&["reset", "-q", "--hard", "HEAD~2"]);
        assert_eq!(case.asked(), Merged::No);
    }

    #[test]
    fn what_changes_nothing_of_its_own() {
        let case = Case::new();
        case.repo.git(&["switch", "-q", "x"]);
        case.repo.git(&["commit", "-q", "--allow-empty", "-m", "empty"]);
        case.commit("main", &[("b.txt", "b\n")]);
        assert_eq!(case.asked(), Merged::NothingOfItsOwn);
        case.commit("x", &[("a.txt", "a\n")]);
        assert_eq!(case.asked(), Merged::No);
        case.repo.git(&["revert", "--no-edit", "HEAD"]);
        assert_eq!(case.asked(), Merged::NothingOfItsOwn);
    }

    #[test]
    fn a_branch_begun_elsewhere_with_nothing_of_its_own() {
        let mut case = Case::new();
        case.base = case.commit("x", &[("a.txt", "a\n")]).parse().unwrap();
        assert_eq!(case.asked(), Merged::NothingOfItsOwn);
    }

    #[test]
    fn the_same_files_by_another_way() {
        let case = Case::new();
        case.commit("x", &[("a.txt", "a\n"), ("lines.txt", "one\n")]);
        case.commit("main", &[("lines.txt", "one\n"), ("a.txt", "a\n")]);
        assert_eq!(case.asked(), Merged::EqualTrees);
    }

    #[test]
    fn a_squash_is_seen_though_the_target_went_on() {
        let case = Case::new();
        let (first, both) = (LINES.replace("2\n", "two\n"), LINES.replace("2\n3\n", "two\nthree\n"));
        case.commit("x", &[("lines.txt", &first), ("lines.txt", &both), ("a.txt", "a\n")]);
        case.repo.git(&["switch", "-q", "main"]);
        case.repo.git(&["merge", "-q", "--squash", "x"]);
        let squash = case.repo.commit("squashed");
        case.commit("main", &[("b.txt", "b\n")]);
        assert_eq!(case.asked(), Merged::MergeAddsNothing);
        // The same lines change again: a merge would be a conflict.
        case.commit("main", &[("lines.txt", &LINES.replace("2\n3\n", "zwei\ndrei\n"))]);
        assert_eq!(case.asked(), Merged::SquashOf(squash.parse().unwrap()));
    }

    #[test]
    fn a_squash_of_a_part_is_none() {
        let case = Case::new();
        case.commit("x", &[("lines.txt", &LINES.replace("2\n", "two\n")), ("a.txt", "a\n")]);
        case.commit("main", &[("lines.txt", &LINES.replace("2\n", "two\n"))]);
        assert_eq!(case.asked(), Merged::No);
        case.commit("main", &[("lines.txt", &LINES.replace("2\n", "zwei\n"))]);
        assert_eq!(case.asked(), Merged::No);
    }

    #[test]
    fn what_differs_in_space_only_is_no_squash() {
        let case = Case::new();
        case.commit("x", &[("lines.txt", &LINES.replace("2\n", "two = 2\n"))]);
        case.commit("main", &[("lines.txt", &LINES.replace("2\n", "two=2\n"))]);
        let git = Git::bare(&case.repo.path().join(".git"));
        let at = |name: &str| case.repo.git(&["rev-parse", name]).parse::<CommitId>().unwrap();
        assert_eq!(git.squash_of(&case.base, &at("x"), &at("main")).unwrap(), None);
    }

    #[test]
    fn binary_files_are_not_compared_by_lines() {
        let case = Case::new();
        case.commit("x", &[("data", "\0one")]);
        case.commit("main", &[("data", "\0two")]);
        assert_eq!(case.asked(), Merged::No);
    }

    #[test]
    fn commits_that_were_all_picked() {
        let case = Case::new();
        let one = case.commit("x", &[("lines.txt", &LINES.replace("2\n", "two\n"))]);
        let two = case.commit("x", &[("a.txt", "a\n")]);
        case.commit("main", &[("b.txt", "b\n")]);
        case.repo.git(&["cherry-pick", &two]);
        case.commit("main", &[("a.txt", "changed since\n")]);
        assert_eq!(case.asked(), Merged::No);
        case.repo.git(&["cherry-pick", &one]);
        case.commit("main", &[("lines.txt", &LINES.replace("2\n", "zwei\n"))]);
        assert_eq!(case.asked(), Merged::Picked);
    }

    #[test]
    fn a_merge_in_the_branch_has_changes_of_its_own() {
        let case = Case::new();
        let one = case.commit("x", &[("a.txt", "a\n")]);
        case.commit("main", &[("b.txt", "b\n")]);
        case.repo.git(&["switch", "-q", "x"]);
        case.repo.git(&["merge", "-q", "--no-commit", "main"]);
        case.repo.write("evil.txt", "only in the merge\n");
        case.repo.commit("merge");
        case.repo.git(&["switch", "-q", "main"]);
        case.repo.git(&["cherry-pick", &one]);
        assert_eq!(case.asked(), Merged::No);
    }
}
