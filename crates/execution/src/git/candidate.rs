//! Candidates: what the target would be with a branch in it, made without a checkout.

use biplane_model::{CommitId, Strategy, sanitize_line};

use super::{Git, GitError, GitVersion};

/// The oldest git that can replay single commits without a checkout.
const REBASE_GIT: GitVersion = GitVersion { major: 2, minor: 40 };

/// What to make.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The target's tip.
    pub onto: &'a CommitId,
    /// The branch's submitted head.
    pub head: &'a CommitId,
    /// How.
    pub strategy: Strategy,
    /// The message of the merge or squash commit.
    pub message: &'a str,
}

/// A file that both sides changed, or one changed and the other deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConflictedFile {
    /// The path. Not made safe to show.
    pub path: String,
    /// Whether the common ancestor has it.
    pub in_base: bool,
    /// Whether the target has it.
    pub in_target: bool,
    /// Whether the branch has it.
    pub in_branch: bool,
}

impl ConflictedFile {
    /// What the two sides did, in words.
    pub fn sides(&self) -> &'static str {
        match (self.in_base, self.in_target, self.in_branch) {
            (true, true, true) => "changed on both sides",
            (false, true, true) => "added on both sides",
            (_, false, true) => "deleted on the target, changed on the branch",
            (_, true, false) => "changed on the target, deleted on the branch",
            (_, false, false) => "moved differently on the two sides",
        }
    }
}

/// What came of making a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeOutcome {
    /// The commit that the target would move to.
    Clean(CommitId),
    /// The target has everything already; there is nothing to land.
    Nothing,
    /// The two sides contradict each other in these files.
    Conflict(Vec<ConflictedFile>),
}

impl ConflictedFile {
    /// What the two sides did, whoever they are, as a word.
    pub fn kind(&self) -> &'static str {
        match (self.in_base, self.in_target, self.in_branch) {
            (true, true, true) => "both_changed",
            (false, true, true) => "both_added",
            (true, true, false) | (true, false, true) => "changed_and_deleted",
            _ => "moved",
        }
    }
}

impl Git {
    /// Makes a candidate. Touches no checkout and no ref.
    ///
    /// # Errors
    /// When git fails: that is not a conflict.
    pub fn make_candidate(&self, candidate: &Candidate<'_>) -> Result<MergeOutcome, GitError> {
        if self.is_ancestor(candidate.head, candidate.onto)? {
            return Ok(MergeOutcome::Nothing);
        }
        match candidate.strategy {
            Strategy::Rebase => self.replay(candidate),
            Strategy::Merge | Strategy::Squash => self.merge(candidate),
        }
    }

    fn merge(&self, candidate: &Candidate<'_>) -> Result<MergeOutcome, GitError> {
        let tree = match self.merge_trees(None, candidate.onto, candidate.head)? {
            Merged::Conflict(files) => return Ok(MergeOutcome::Conflict(files)),
            Merged::Tree(tree) => tree,
        };
        let squash = candidate.strategy == Strategy::Squash;
        if squash && tree == self.tree_of(candidate.onto)? {
            return Ok(MergeOutcome::Nothing);
        }
        let mut parents = vec![candidate.onto];
        if !squash {
            parents.push(candidate.head);
        }
        self.commit_tree(&tree, &parents, candidate.message, &self.identity()?).map(MergeOutcome::Clean)
    }

    /// Whether merging `head` into `onto` would change nothing: it is an ancestor, or its changes are there already.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn adds_nothing(&self, onto: &CommitId, head: &CommitId) -> Result<bool, GitError> {
        if self.is_ancestor(head, onto)? {
            return Ok(true);
        }
        Ok(match self.merge_trees(None, onto, head)? {
            Merged::Conflict(_) => false,
            Merged::Tree(tree) => tree == self.tree_of(onto)?,
        })
    }

    /// Puts the branch's commits on top of the target, one by one, each with its own author and message.
    fn replay(&self, candidate: &Candidate<'_>) -> Result<MergeOutcome, GitError> {
        let found = Self::version()?;
        if found < REBASE_GIT {
            return Err(refused(format!(
                "the strategy `rebase` needs git {REBASE_GIT} or newer, this is {found}"
            )));
        }
        let range = format!("{}..{}", candidate.onto, candidate.head);
        let merges = self.call(["rev-list", "--count", "--merges", &range]).text()?;
        if merges.trim() != "0" {
            return Err(refused("the branch has merge commits; land it with `merge` or `squash`".to_owned()));
        }
        let commits = self.call(["rev-list", "--reverse", "--topo-order", &range]).text()?;
        let mut tip = candidate.onto.clone();
        for commit in commits.lines().filter_map(|l| l.parse::<CommitId>().ok()) {
            let Some(parent) = self.find_commit(&format!("{commit}^"))? else {
                return Err(refused("the branch shares no history with the target".to_owned()));
            };
            let tree = match self.merge_trees(Some(&parent), &tip, &commit)? {
                Merged::Conflict(files) => return Ok(MergeOutcome::Conflict(files)),
                Merged::Tree(tree) => tree,
            };
            if tree == self.tree_of(&tip)? {
                continue;
            }
            let said = self
                .call(["show", "-s", "--format=%an%x00%ae%x00%ad%x00%B", "--date=raw", commit.as_str()])
                .bytes()?;
            let said = String::from_utf8_lossy(&said).into_owned();
            let mut parts = said.splitn(4, '\0');
            let mut next = || parts.next().unwrap_or_default().to_owned();
            let mut env = self.identity()?;
            env.retain(|(name, _)| !name.starts_with("GIT_AUTHOR"));
            for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE"] {
                env.push((name, next()));
            }
            tip = self.commit_tree(&tree, &[&tip], &next(), &env)?;
        }
        Ok(if tip == *candidate.onto { MergeOutcome::Nothing } else { MergeOutcome::Clean(tip) })
    }

    pub(super) fn merge_trees(
        &self,
        base: Option<&CommitId>,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<Merged, GitError> {
        let mut args = vec![
            "merge-tree".to_owned(),
            "--write-tree".to_owned(),
            "-z".to_owned(),
            "--no-messages".to_owned(),
        ];
        args.extend(base.map(|b| format!("--merge-base={b}")));
        args.extend([ours.to_string(), theirs.to_string()]);
        let output = self.call(args).output()?;
        let mut fields = output.stdout.split(|b| *b == 0);
        let tree = String::from_utf8_lossy(fields.next().unwrap_or_default()).trim().to_owned();
        // A failure is not a conflict: a conflict has a tree and a list of files.
        match output.code {
            Some(0) if tree.len() >= 40 => Ok(Merged::Tree(tree)),
            Some(1) if tree.len() >= 40 => {
                let files = conflicted(fields);
                if files.is_empty() {
                    // Conflicts without a file in them, such as a directory renamed two ways.
                    return Ok(Merged::Conflict(vec![ConflictedFile::default()]));
                }
                Ok(Merged::Conflict(files))
            }
            _ => Err(super::failed("merge-tree".to_owned(), &output)),
        }
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn tree_of(&self, commit: &CommitId) -> Result<String, GitError> {
        if let Some(tree) = super::trees::known(commit) {
            return Ok(tree);
        }
        self.call(["rev-parse", "--verify", &format!("{commit}^{{tree}}")]).text()
    }

    /// Writes a commit object.
    ///
    /// # Errors
    /// When git can't.
    pub fn commit_tree(
        &self,
        tree: &str,
        parents: &[&CommitId],
        message: &str,
        env: &[(&'static str, String)],
    ) -> Result<CommitId, GitError> {
        let mut call = self.call(["commit-tree", tree]).stdin(message.as_bytes());
        for parent in parents {
            call = call.args(["-p", parent.as_str()]);
        }
        for (name, value) in env {
            call = call.env(name, value);
        }
        let text = call.text()?;
        text.trim().parse().map_err(|_| GitError::Answer { command: "commit-tree".to_owned(), detail: text })
    }

    /// What a commit of ours needs in its environment: nothing when git knows who the person is, otherwise a name that
    /// says who made it.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn identity(&self) -> Result<Vec<(&'static str, String)>, GitError> {
        if self.call(["var", "GIT_COMMITTER_IDENT"]).output()?.code == Some(0) {
            return Ok(Vec::new());
        }
        let names = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|n| (n, "biplane".to_owned()));
        let mails = ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|n| (n, "biplane@localhost".to_owned()));
        Ok(names.into_iter().chain(mails).collect())
    }

    /// What in `candidate` must not land on `onto`, in sentences: nested repositories and links out of the tree.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn landing_faults(&self, onto: &CommitId, candidate: &CommitId) -> Result<Vec<String>, GitError> {
        let bytes = self
            .call(["diff-tree", "-r", "-z", "--no-renames", onto.as_str(), candidate.as_str()])
            .bytes()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut fields = text.split('\0');
        let mut faults = Vec::new();
        while let (Some(meta), Some(path)) = (fields.next(), fields.next()) {
            let meta: Vec<&str> = meta.trim_start_matches(':').split(' ').collect();
            let [old_mode, new_mode, _, new_id, ..] = meta[..] else { continue };
            let shown = sanitize_line(path);
            if new_mode == "160000" && old_mode != "160000" {
                if self.declared_submodules(candidate)?.contains(path) {
                    continue;
                }
                faults.push(format!("`{shown}` is a nested repository, whose files would not land"));
            } else if new_mode == "120000" {
                let target = self.call(["cat-file", "blob", new_id]).bytes()?;
                if leaves_tree(path, &String::from_utf8_lossy(&target)) {
                    faults.push(format!("`{shown}` is a link that leads out of the repository"));
                }
            }
        }
        Ok(faults)
    }
}

/// What came of merging two commits.
pub(super) enum Merged {
    /// This tree.
    Tree(String),
    /// They contradict each other in these files.
    Conflict(Vec<ConflictedFile>),
}

/// Reads `<mode> <object> <stage>\t<path>` fields up to the empty one.
fn conflicted<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Vec<ConflictedFile> {
    let mut files: Vec<ConflictedFile> = Vec::new();
    for field in fields.take_while(|f| !f.is_empty()).map(String::from_utf8_lossy) {
        let Some((meta, path)) = field.split_once('\t') else { continue };
        if files.last().is_none_or(|f| f.path != path) {
            files.push(ConflictedFile { path: path.to_owned(), ..ConflictedFile::default() });
        }
        let Some(file) = files.last_mut() else { continue };
        match meta.rsplit(' ').next() {
            Some("1") => file.in_base = true,
            Some("2") => file.in_target = true,
            Some("3") => file.in_branch = true,
            _ => {}
        }
    }
    files
}

/// Whether a link at `path` that says `target` leads out of the tree, by its words alone.
fn leaves_tree(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return true;
    }
    let mut depth = path.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn refused(message: String) -> GitError {
    GitError::Failed { command: "rebase".to_owned(), code: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_the_tree() {
        for (path, target, out) in [
            ("a", "b", false),
            ("a", "../b", true),
            ("d/a", "../b", false),
            ("d/a", "../../b", true),
            ("d/a", "x/../../../b", true),
            ("a", "/etc/passwd", true),
            ("a", "./x/..", false),
        ] {
            assert_eq!(leaves_tree(path, target), out, "{path} -> {target}");
        }
    }

    #[test]
    fn sides_in_words() {
        let of = |in_base, in_target, in_branch| {
            ConflictedFile { path: "x".into(), in_base, in_target, in_branch }.sides()
        };
        assert_eq!(of(true, true, true), "changed on both sides");
        assert_eq!(of(false, true, true), "added on both sides");
        assert_eq!(of(true, false, true), "deleted on the target, changed on the branch");
    }
}
