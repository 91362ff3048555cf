//! What the agents at work tell, kept while somebody may have to know which files they named.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use biplane_model::{AgentEvent, Seq, Told, WorktreeId};
use camino::Utf8PathBuf;

/// The most runs that are remembered.
const MOST: usize = 1024;

/// What the agents at work have told, those included that were at work with one that still is.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<Vec<Heeded>>);

#[derive(Debug)]
struct Heeded {
    worktree: WorktreeId,
    top: Utf8PathBuf,
    since: Seq,
    until: Option<Seq>,
    told: Told,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Vec<Heeded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An agent is about to be started in the worktree at `top`.
    pub(super) fn begin(&self, worktree: WorktreeId, top: Utf8PathBuf, since: Seq) {
        let mut all = self.lock();
        all.retain(|one| one.worktree != worktree || one.until.is_some());
        let oldest = all.iter().filter(|one| one.until.is_none()).map(|one| one.since).min();
        all.retain(|one| one.until.is_none_or(|until| oldest.is_some_and(|oldest| until >= oldest)));
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push(Heeded { worktree, top, since, until: None, told: Told::default() });
    }

    /// It tells something.
    pub(super) fn hear(&self, worktree: WorktreeId, event: &AgentEvent) {
        let mut all = self.lock();
        if let Some(one) = all.iter_mut().find(|one| one.worktree == worktree && one.until.is_none()) {
            one.told.hear(event);
        }
    }

    /// What it has told by now.
    pub(super) fn told(&self, worktree: WorktreeId) -> Told {
        let all = self.lock();
        all.iter().rev().find(|one| one.worktree == worktree).map(|one| one.told.clone()).unwrap_or_default()
    }

    /// It has ended.
    pub(super) fn end(&self, worktree: WorktreeId, until: Seq) {
        let mut all = self.lock();
        if let Some(one) = all.iter_mut().find(|one| one.worktree == worktree && one.until.is_none()) {
            one.until = Some(until);
        }
    }

    /// The files that it named, and those that others named which were at work after `since`; absolute.
    pub(super) fn named(&self, worktree: WorktreeId, since: Seq) -> [BTreeSet<PathBuf>; 2] {
        let mut named: [Vec<(Utf8PathBuf, String)>; 2] = Default::default();
        for one in self.lock().iter().filter(|one| one.until.is_none_or(|until| until > since)) {
            let paths = one.told.paths.iter().map(|path| (one.top.clone(), path.clone()));
            named[usize::from(one.worktree != worktree)].extend(paths);
        }
        // Out of the lock: each path is looked up on the disk.
        named.map(|paths| paths.iter().flat_map(|(top, path)| places(top.as_std_path(), path)).collect())
    }
}

/// Where a path leads that was named in `top`: by its words, and by the links on its way.
fn places(top: &Path, path: &str) -> impl Iterator<Item = PathBuf> {
    let by_words = plain(&top.join(path));
    let followed = by_words.file_name().and_then(|name| {
        let parent = top.join(path).parent()?.canonicalize().ok()?;
        Some(parent.join(name))
    });
    std::iter::once(by_words).chain(followed)
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(paths: &[&str]) -> AgentEvent {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        AgentEvent::ToolCall { id: "1".to_owned(), tool: "Write".to_owned(), summary: String::new(), paths }
    }

    #[test]
    fn paths_are_those_of_who_named_them_while_it_matters() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::try_from(dir.path().canonicalize().unwrap()).unwrap();
        let top = root.join(".worktrees/a");
        fs_err::create_dir_all(&top).unwrap();
        std::os::unix::fs::symlink(&root, top.join("link")).unwrap();
        let (heard, a, b, c) = (Heard::default(), WorktreeId(1), WorktreeId(2), WorktreeId(3));
        heard.begin(a, top, Seq(10));
        heard.begin(b, root.join(".worktrees/b"), Seq(20));
        heard.hear(a, &call(&["../../x", "link/y", "./in"]));
        heard.hear(b, &call(&[root.join("z").as_str()]));
        let has = |set: &BTreeSet<PathBuf>, name: &str| set.contains(root.join(name).as_std_path());
        let [own, others] = heard.named(a, Seq(10));
        assert!(has(&own, "x") && has(&own, "y") && has(&own, ".worktrees/a/in") && !has(&own, "z"));
        assert!(has(&others, "z") && !has(&others, "x"));
        heard.end(b, Seq(30));
        assert!(has(&heard.named(a, Seq(10))[1], "z"), "it was at work meanwhile");
        assert!(!has(&heard.named(a, Seq(30))[1], "z"), "it was over before");
        heard.end(a, Seq(40));
        heard.begin(c, root.clone(), Seq(50));
        assert_eq!(heard.lock().len(), 1, "nobody is at work any more who could be mistaken for them");
        assert_eq!(heard.told(c), Told::default());
    }
}
