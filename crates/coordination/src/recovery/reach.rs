//! What dead processes have begun in repositories that can't be looked at: it is left as it is, and told of.

use std::collections::BTreeMap;

use biplane_control::{SubmissionFilter, WorktreeFilter};
use biplane_model::{RepoName, SubmissionStatus};

use super::{Recovery, is_dead};
use crate::{
    error::{Error, Result},
    service::Service,
};

impl Service {
    /// Tells of what is to be recovered in repositories that are out of reach, or that the settings don't list any more.
    pub(super) fn tell_out_of_reach(
        &self,
        out_of_reach: &BTreeMap<RepoName, Error>,
        found: &mut Recovery,
    ) -> Result<()> {
        let in_reach =
            |repo: &RepoName| self.refuse_unknown(repo).is_ok() && !out_of_reach.contains_key(repo);
        let (live, open) = self.look(|view| {
            let live = view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?;
            let open = view.submissions(&SubmissionFilter { open: true, ..SubmissionFilter::default() })?;
            Ok((live, open))
        })?;
        let halves = live.iter().filter(|w| w.operation.as_ref().is_some_and(|o| is_dead(&o.by)));
        let left = open.iter().filter(|s| s.status == SubmissionStatus::Testing);
        let left = left.filter(|s| s.worker.as_ref().is_none_or(is_dead));
        let halves = halves.map(|w| (&w.repo, format!("worktree `{}` was half created or removed", w.name)));
        let left = left.map(|s| (&s.repo, format!("{} was being tested", s.id)));
        for (repo, what) in halves.chain(left).filter(|(repo, _)| !in_reach(repo)) {
            let why = match out_of_reach.get(repo) {
                Some(error) => error.to_string(),
                None => self.refuse_unknown(repo).err().map(|e| e.to_string()).unwrap_or_default(),
            };
            found.note(what, Err(Error::failed(why)));
        }
        Ok(())
    }
}
