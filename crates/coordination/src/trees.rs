//! The directory in which worktrees are made, when the settings name another one than `.worktrees`.
//!
//! **Contract.** It is a directory of its own: neither the top one nor around it, not among git's files, not in another
//! checkout of the repository, and with nothing of the user's in it when it lies below the top. It belongs to one home: a
//! file in it says to which, and nothing in it is deleted as left behind by a home that it does not name.

use std::io::Write;

use biplane_failpoint as failpoint;
use biplane_model::sanitize_line;
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::{
    belongs::same_dir,
    error::{Error, ErrorKind, Result},
    files,
    home::Home,
};

/// The file that names the git directory whose worktrees lie beside it. No worktree's name starts with a dot.
const OWNER: &str = ".biplane-home";

/// The most bytes of that file that are read.
const OWNER_BYTES: u64 = 64 * 1024;

/// What git keeps in its directory and biplane beside it.
const GITS: [&str; 9] =
    ["biplane", "hooks", "info", "logs", "modules", "objects", "refs", "reftable", "worktrees"];

/// `path` with its links resolved as far as it is there, and without `..`.
pub(crate) fn resolve(path: &Utf8Path) -> Utf8PathBuf {
    let mut resolved = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            Utf8Component::ParentDir => {
                resolved.pop();
            }
            Utf8Component::CurDir => {}
            other => {
                resolved.push(other);
                if let Ok(real) = resolved.canonicalize_utf8() {
                    resolved = real;
                }
            }
        }
    }
    resolved
}

impl Home {
    /// Makes the directory of the worktrees, when it is a place for them.
    ///
    /// Gives what a person should know of a place that was just made.
    ///
    /// # Errors
    /// When it is no place for worktrees, or another repository's; when it can't be made.
    pub(crate) fn ready_worktrees_dir(&self) -> Result<Option<String>> {
        let dir = self.worktrees_dir();
        if dir == self.views_dir() {
            ensure_dir(&dir)?;
            return Ok(None);
        }
        self.refuse_place(&dir)?;
        let entry = dir.strip_prefix(&self.root).ok().map(exclude_entry);
        let is_excluded = entry.as_ref().is_none_or(|entry| self.is_excluded(entry));
        if !is_excluded {
            self.refuse_used(&dir)?;
        }
        let is_new = dir.as_std_path().symlink_metadata().is_err();
        ensure_dir(&dir).map_err(|error| {
            error.hint("make the directory it lies in, or set another `dir` in `[worktrees]`")
        })?;
        self.claim(&dir)?;
        if let Some(entry) = entry.filter(|_| !is_excluded) {
            self.exclude(&[&entry])?;
        }
        Ok(if is_new { self.around(&dir) } else { None })
    }

    /// Whether what is left behind in `dir` may be this home's, and no other's.
    pub(crate) fn owns_worktrees_dir(&self, dir: &Utf8Path) -> bool {
        dir == self.views_dir()
            || matches!((owner(dir), &self.repository), (Some(owner), Some(ours)) if same_dir(&owner, &ours.common_dir))
    }

    fn refuse_place(&self, dir: &Utf8Path) -> Result<()> {
        let refused = |why: &str| {
            let shown = sanitize_line(dir.as_str());
            Err(Error::refused(format!("worktrees can't be made in `{shown}`: {why}"))
                .hint("set another `dir` in the table `[worktrees]` of `biplane.toml`"))
        };
        let repository = self.repository()?;
        if self.root.starts_with(dir) {
            return refused("the repository lies in it");
        }
        if dir.as_std_path().symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
            return refused("it is no directory");
        }
        let own = [self.tasks_dir(), self.root.join(".team"), self.views_dir().join("runs")];
        if own.iter().any(|own| dir.starts_with(own)) {
            return refused("biplane keeps other things there");
        }
        if let Ok(inside) = dir.strip_prefix(&repository.common_dir)
            && (repository.root != repository.common_dir
                || inside.iter().next().is_none_or(|name| GITS.contains(&name)))
        {
            return refused("git keeps its own files there");
        }
        if let Ok(below) = dir.strip_prefix(&self.root) {
            let mut around = below.ancestors().filter(|d| !d.as_str().is_empty());
            if around.any(|d| self.root.join(d).join(".git").as_std_path().symlink_metadata().is_ok()) {
                return refused("it lies in another checkout");
            }
        } else if dir.join(".git").as_std_path().symlink_metadata().is_ok() {
            return refused("it is another checkout");
        } else if dir.join("index.json").is_file() || dir.join("runs").is_dir() {
            return refused("another repository keeps its worktrees and its board there");
        } else if !self.finds_itself_from_afar()? {
            let shown = sanitize_line(self.root.as_str());
            return Err(Error::refused(format!(
                "the repository's git directory lies elsewhere, and from a worktree outside of `{shown}` there is no way back to it"
            ))
            .hint(format!("`git config core.worktree '{shown}'` makes one")));
        }
        Ok(())
    }

    /// Whether a worktree that lies elsewhere finds the main checkout: by the place of the git directory, or because it is
    /// written down.
    fn finds_itself_from_afar(&self) -> Result<bool> {
        let repository = self.repository()?;
        let beside = repository.common_dir.file_name() == Some(".git");
        if beside || !repository.has_checkout {
            return Ok(true);
        }
        Ok(repository.git().call(["config", "--get", "core.worktree"]).ask()?)
    }

    /// Refuses a directory below the top in which something lies that an exclude entry would hide.
    fn refuse_used(&self, dir: &Utf8Path) -> Result<()> {
        let Some(checkout) = self.repository()?.main_checkout() else { return Ok(()) };
        let inside = dir.strip_prefix(&self.root).unwrap_or(dir);
        let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", inside.as_str()];
        let listed = checkout.call(args).bytes()?;
        let listed = String::from_utf8_lossy(&listed);
        // A directory stands for a checkout of its own, such as a worktree that lies there already.
        let Some(used) = listed.split_terminator('\0').find(|path| !path.ends_with('/')) else {
            return Ok(());
        };
        let (inside, used) = (sanitize_line(inside.as_str()), sanitize_line(used));
        Err(Error::refused(format!(
            "worktrees can't be made in `{inside}`: other files lie there, such as `{used}`"
        ))
        .hint("name a directory in `[worktrees]` that nothing else is in: it is excluded from commits"))
    }

    /// Writes down whose worktrees lie in `dir`.
    fn claim(&self, dir: &Utf8Path) -> Result<()> {
        let common_dir = &self.repository()?.common_dir;
        match owner(dir) {
            Some(other) if same_dir(&other, common_dir) => return Ok(()),
            Some(other) if other.join("HEAD").is_file() => return Err(taken(dir, &other)),
            Some(_) => {
                // Its repository is gone from there: moved, and perhaps it is this one.
                return files::replace_durably(&dir.join(OWNER), format!("{common_dir}\n").as_bytes());
            }
            None => {}
        }
        let path = dir.join(OWNER);
        let io = |e| Error::io("written", &path, e);
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir).map_err(io)?;
        writeln!(file, "{common_dir}").and_then(|()| files::readable(file.as_file())).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        failpoint::reach("worktrees directory claimed before");
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(()),
            // Another process was first.
            Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => match owner(dir) {
                Some(other) if same_dir(&other, common_dir) => Ok(()),
                Some(other) => Err(taken(dir, &other)),
                None => Err(Error::refused(format!("`{path}` is not biplane's")).hint("move it away")),
            },
            Err(e) => Err(io(e.error)),
        }
    }

    /// What there is to say of a place inside another repository.
    fn around(&self, dir: &Utf8Path) -> Option<String> {
        let ours = &self.repository.as_ref()?.common_dir;
        let around = biplane_execution::git::Repository::discover(dir).ok()?;
        (!same_dir(&around.common_dir, ours)).then(|| {
            let (dir, root) = (sanitize_line(dir.as_str()), sanitize_line(around.root.as_str()));
            format!(
                "`{dir}` lies in another repository, `{root}`, whose `git status` shows it: exclude it there"
            )
        })
    }
}

/// The git directory whose worktrees lie in `dir`, by the file that says so.
fn owner(dir: &Utf8Path) -> Option<Utf8PathBuf> {
    let path = dir.join(OWNER);
    let meta = path.as_std_path().symlink_metadata().ok()?;
    if !meta.is_file() || meta.len() > OWNER_BYTES {
        return None;
    }
    let text = biplane_execution::files::text(&path).ok()?;
    let named = text.strip_suffix('\n').unwrap_or(&text);
    named.starts_with('/').then(|| Utf8PathBuf::from(named))
}

fn taken(dir: &Utf8Path, other: &Utf8Path) -> Error {
    let (dir, other) = (sanitize_line(dir.as_str()), sanitize_line(other.as_str()));
    Error::new(ErrorKind::Conflict, format!("`{dir}` holds the worktrees of another repository, `{other}`"))
        .hint("give each repository a directory of its own: `dir` in the table `[worktrees]`")
}

/// A path below the top as an exclude entry that means it and nothing else.
fn exclude_entry(inside: &Utf8Path) -> String {
    let mut entry = "/".to_owned();
    for c in inside.as_str().chars() {
        if "*?[]\\ !#".contains(c) {
            entry.push('\\');
        }
        entry.push(c);
    }
    entry + "/"
}

/// Makes the directory, which must be a real one.
pub(crate) fn ensure_dir(dir: &Utf8Path) -> Result<()> {
    let is_real = || dir.as_std_path().symlink_metadata().is_ok_and(|m| m.is_dir());
    if is_real() {
        return Ok(());
    }
    match failpoint::around("directory made", || std::fs::create_dir(dir)) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            if is_real() {
                Ok(())
            } else {
                Err(Error::refused(format!("`{dir}` is not a directory but a link or a file")))
            }
        }
        Err(e) => Err(Error::io("created", dir, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_as_far_as_there_is_something() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        std::fs::create_dir_all(dir.join("a/b")).unwrap();
        std::os::unix::fs::symlink(dir.join("a/b"), dir.join("link")).unwrap();
        for (path, real) in [
            ("a/../new", "new"),
            ("link/new", "a/b/new"),
            ("link/../new", "a/new"),
            ("none/../a/./b/", "a/b"),
            ("link", "a/b"),
        ] {
            assert_eq!(resolve(&dir.join(path)), dir.join(real), "{path}");
        }
    }

    #[test]
    fn an_exclude_entry_means_one_directory() {
        for (path, entry) in
            [("trees", "/trees/"), ("a/my trees", "/a/my\\ trees/"), ("[x]*", "/\\[x\\]\\*/")]
        {
            assert_eq!(exclude_entry(Utf8Path::new(path)), entry);
        }
    }
}
