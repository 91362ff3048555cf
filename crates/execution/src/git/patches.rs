//! Comparing what commits change: whether a branch's changes are in the target in another form.

use biplane_model::CommitId;

use super::{Git, GitError};

/// How many commits of the target are compared with a branch.
const COMPARED: &str = "500";

impl Git {
    /// The commit of the target that changes exactly what `head` changes since `base`, line for line, with the same lines
    /// around: the branch, squashed. Changes of binary files are not compared.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn squash_of(
        &self,
        base: &CommitId,
        head: &CommitId,
        target: &CommitId,
    ) -> Result<Option<CommitId>, GitError> {
        let form = ["-p", "-r", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color"];
        let whole = self.call(["diff-tree"]).args(form).args([base.as_str(), head.as_str()]).bytes()?;
        let Some(wanted) = changes(&whole) else { return Ok(None) };
        let paths = self.call(["diff-tree", "-r", "-z", "--name-only", "--no-renames"]);
        let paths = paths.args([base.as_str(), head.as_str()]).bytes()?;
        let first = String::from_utf8_lossy(paths.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
        // Only a commit that changes this path can be it; of such a one all changes are shown.
        let range = format!("{base}..{target}");
        let log = self
            .call(["log", "--format=%H", "--no-merges", "--full-diff", "--max-count", COMPARED])
            .args(form)
            .args([range.as_str(), "--", first.as_str()])
            .bytes()?;
        Ok(patches(&log).into_iter().find(|(_, patch)| *patch == wanted).map(|(id, _)| id))
    }

    /// How many commits `head` has whose changes no commit of the target makes; none when `head` has merges, whose own
    /// changes can't be compared so.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn unpicked(&self, head: &CommitId, target: &CommitId) -> Result<Option<u64>, GitError> {
        let own = format!("{target}..{head}");
        if self.call(["rev-list", "--count", "--min-parents=2", &own]).text()?.trim() != "0" {
            return Ok(None);
        }
        let far = self.call(["rev-list", "--first-parent", "--max-count=1", "--skip", COMPARED]);
        let far = far.args([target.as_str()]).text()?;
        let both = format!("{target}...{head}");
        let mut call =
            self.call(["rev-list", "--count", "--cherry-pick", "--right-only", "--no-merges", &both]);
        if !far.trim().is_empty() {
            call = call.args([format!("^{}", far.trim())]);
        }
        let text = call.text()?;
        let count = text.trim().parse();
        count.map(Some).map_err(|_| GitError::Answer { command: "rev-list".to_owned(), detail: text })
    }
}

/// The lines of a patch that say what changes, without where. None when a change can't be told by lines, or there is none.
fn changes(patch: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(patch.len());
    for line in patch.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(b"Binary files ") || line.starts_with(b"GIT binary patch") {
            return None;
        }
        if line.starts_with(b"@@") {
            kept.extend_from_slice(b"@@\n");
        } else if !line.starts_with(b"index ") && line != b"\n" {
            kept.extend_from_slice(line);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// The commits of a log with what each of them changes. Lines of files have a sign before them, so that none of them is
/// taken for a commit's id.
fn patches(log: &[u8]) -> Vec<(CommitId, Vec<u8>)> {
    let mut found: Vec<(CommitId, Vec<u8>)> = Vec::new();
    for line in log.split_inclusive(|b| *b == b'\n') {
        let id = std::str::from_utf8(line).ok().and_then(|line| line.trim_end_matches('\n').parse().ok());
        match (id, found.last_mut()) {
            (Some(id), _) => found.push((id, Vec::new())),
            (None, Some((_, patch))) => patch.extend_from_slice(line),
            (None, None) => {}
        }
    }
    found.into_iter().filter_map(|(id, patch)| Some((id, changes(&patch)?))).collect()
}
