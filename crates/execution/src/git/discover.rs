//! Finding the repository from where somebody stands.

use camino::{Utf8Path, Utf8PathBuf};

use super::{Git, GitError, raw};

/// A repository and the directory that people think of as its place.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The main checkout; for a repository without one, the directory it lies in (`proj` for `proj/.git`) or itself.
    pub root: Utf8PathBuf,
    /// The directory that all checkouts share.
    pub common_dir: Utf8PathBuf,
    /// Whether there is a main checkout at [`Repository::root`].
    pub has_checkout: bool,
}

impl Repository {
    /// Finds the repository that `place` lies in: from a checkout, a linked worktree, or inside the git directory.
    ///
    /// Inherited `GIT_*` variables count for nothing, so that a hook, which has them set, sees the same as a person.
    ///
    /// # Errors
    /// [`GitError::NoRepository`], or when git can't be asked.
    pub fn discover(place: &Utf8Path) -> Result<Self, GitError> {
        let common_dir = match super::quick::common_dir(place) {
            Some(dir) => dir,
            None => rev_parse(place, "--git-common-dir")?,
        };
        let beside = common_dir.file_name() == Some(".git");
        if beside {
            let root = common_dir.parent().unwrap_or(&common_dir).to_owned();
            let has_checkout = !is_bare(&common_dir)?;
            return Ok(Self { root, common_dir, has_checkout });
        }
        if is_bare(&common_dir)? {
            return Ok(Self { root: common_dir.clone(), common_dir, has_checkout: false });
        }
        // A submodule, or a git directory kept elsewhere: its checkout is recorded, or it is the one we stand in.
        let git = Git::bare(&common_dir);
        if let Ok(recorded) = git.call(["config", "--get", "core.worktree"]).text() {
            let root = common_dir.join(recorded);
            let root = root.canonicalize_utf8().unwrap_or(root);
            return Ok(Self { root, common_dir, has_checkout: true });
        }
        if rev_parse(place, "--git-dir")? == common_dir {
            let root = rev_parse(place, "--show-toplevel")?;
            return Ok(Self { root, common_dir, has_checkout: true });
        }
        // In a linked worktree of it: the main checkout is around it, when the worktree is where we make them.
        if let Some(root) = checkout_around(place, &common_dir) {
            return Ok(Self { root, common_dir, has_checkout: true });
        }
        Ok(Self { root: common_dir.clone(), common_dir, has_checkout: false })
    }

    /// Git on the repository, without a checkout.
    pub fn git(&self) -> Git {
        Git::bare(&self.common_dir)
    }

    /// Git on the main checkout, where there is one.
    pub fn main_checkout(&self) -> Option<Git> {
        self.has_checkout.then(|| Git::checkout(&self.common_dir, &self.common_dir, &self.root))
    }
}

/// One path from `git rev-parse`, asked for alone because a path may contain a newline.
fn rev_parse(place: &Utf8Path, what: &str) -> Result<Utf8PathBuf, GitError> {
    let args = ["rev-parse", "--path-format=absolute", what].iter().map(Into::into).collect();
    let output = raw(args, Some(place), Vec::new(), Vec::new())?;
    if output.code != Some(0) {
        let text = String::from_utf8_lossy(&output.stderr);
        if text.contains("not a git repository") {
            return Err(GitError::NoRepository { place: place.to_owned() });
        }
        return Err(super::failed(format!("rev-parse {what}"), &output));
    }
    let mut bytes = output.stdout;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    String::from_utf8(bytes)
        .map(Utf8PathBuf::from)
        .map_err(|e| GitError::NotUtf8(String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

/// The directory around `place` whose `.git` file names `common_dir`.
fn checkout_around(place: &Utf8Path, common_dir: &Utf8Path) -> Option<Utf8PathBuf> {
    let place = place.canonicalize_utf8().ok()?;
    let is_main = |dir: &&Utf8Path| {
        let text = crate::files::text(dir.join(".git")).unwrap_or_default();
        let named = text.strip_prefix("gitdir: ").map(|t| dir.join(t.strip_suffix('\n').unwrap_or(t)));
        named.and_then(|n| n.canonicalize_utf8().ok()).is_some_and(|n| n == *common_dir)
    };
    place.ancestors().find(is_main).map(Utf8Path::to_owned)
}

/// Whether the shared configuration says that there is no checkout. Git itself is only asked when some line might say so.
fn is_bare(common_dir: &Utf8Path) -> Result<bool, GitError> {
    let path = common_dir.join("config");
    let text = match crate::files::read(&path, crate::files::SMALL) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).to_lowercase(),
        Err(source) => return Err(GitError::Io { path, action: "read", source }),
    };
    let may_say_so = |line: &str| {
        let line = line.trim();
        line.starts_with("[include")
            || (line.contains("bare") && !line.replace(' ', "").ends_with("bare=false"))
    };
    if !text.lines().any(may_say_so) {
        return Ok(false);
    }
    let answer = Git::bare(common_dir).call(["config", "--type=bool", "--get", "core.bare"]).output()?;
    Ok(answer.stdout.starts_with(b"true"))
}
