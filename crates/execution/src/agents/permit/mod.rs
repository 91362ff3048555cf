//! What an agent may do without asking anybody.
//!
//! **Contract.** [`Ground::permits`] answers what a program asks. [`Permissions::All`] permits everything. [`Permissions::Read`]
//! permits to read inside the worktree. [`Permissions::Edits`] permits to change files there too, and commands of which it can be
//! told for certain that they do no more than that. What can't be told is refused.
//!
//! A program asks before it acts, and only the one that asks can be refused. This keeps a program that means well within its
//! task. It does not hold one that lies about what it will do, or that its owner's settings let act without asking.
//!
//! **Deliberately absent:** the programs' own words for their tools; patience (nobody is there to be asked).

mod commands;
mod shell;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::Permissions;

/// What a program asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish<'a> {
    /// To read these files; none means that it did not say which, inside its directory.
    Read(&'a [&'a str]),
    /// To write, move or delete these files.
    Edit(&'a [&'a str]),
    /// To run this line in a shell, in the worktree's own directory.
    Run(&'a str),
    /// Anything else.
    Other,
}

/// Names that an agent does not change unless it may do everything: they say what git and the agents themselves run and
/// are allowed to do.
const GUARDED: [&str; 9] = [
    ".git",
    ".claude",
    ".codex",
    ".gemini",
    ".qwen",
    ".opencode",
    "opencode.json",
    ".mcp.json",
    ".gitmodules",
];

/// A worktree, and what may be done in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ground {
    root: Utf8PathBuf,
    level: Permissions,
}

impl Ground {
    /// The worktree at `root`, under `level`.
    pub(super) fn new(root: &Utf8Path, level: Permissions) -> Self {
        Self { root: root.canonicalize_utf8().unwrap_or_else(|_| root.to_owned()), level }
    }

    /// Whether `wish` is granted.
    pub(super) fn permits(&self, wish: Wish<'_>) -> bool {
        match (self.level, wish) {
            (Permissions::All, _) => true,
            (_, Wish::Read(paths)) => paths.iter().all(|path| self.may_read(path)),
            (Permissions::Edits, Wish::Edit(paths)) => {
                !paths.is_empty() && paths.iter().all(|path| self.may_edit(path))
            }
            (_, Wish::Run(line)) => commands::is_permitted(line, self),
            (Permissions::Read, Wish::Edit(_)) | (_, Wish::Other) => false,
        }
    }

    /// Why a wish was refused, for the one who had it.
    pub(super) fn refusal(&self) -> &'static str {
        match self.level {
            Permissions::All => "this can't be done here",
            Permissions::Edits => {
                "Not permitted, and nobody is there to ask. You may read and edit files inside your worktree, and run plain \
                 commands that read or edit there; `git add` and `git commit` are among them. Leave the rest."
            }
            Permissions::Read => {
                "Not permitted, and nobody is there to ask. You may only read files inside your worktree."
            }
        }
    }

    /// Whether `path` is the worktree itself.
    pub(super) fn is_root(&self, path: &str) -> bool {
        path.is_empty() || self.inside(path).is_some_and(|rest| rest.as_str().is_empty())
    }

    /// Whether files may be changed at all.
    fn edits(&self) -> bool {
        self.level != Permissions::Read
    }

    fn may_read(&self, path: &str) -> bool {
        self.inside(path).is_some()
    }

    /// Whether `path` is a file or directory in the worktree that is not guarded, and not the whole of it.
    fn may_edit(&self, path: &str) -> bool {
        let guarded =
            |part: Utf8Component<'_>| GUARDED.iter().any(|name| part.as_str().eq_ignore_ascii_case(name));
        self.inside(path).is_some_and(|rest| !rest.as_str().is_empty() && !rest.components().any(guarded))
    }

    /// Where `path` leads, links followed, relative to the worktree; `None` when that is outside, or can't be told.
    fn inside(&self, path: &str) -> Option<Utf8PathBuf> {
        if path.is_empty() || path.contains('\0') {
            return None;
        }
        let path = self.root.join(path);
        // The longest beginning that exists is followed; what is to come behind it must be plain.
        let mut rest = Vec::new();
        let mut beginning = path.as_path();
        let found = loop {
            match beginning.canonicalize_utf8() {
                Ok(found) => break found,
                // A link to nowhere is there, and leads somewhere.
                Err(_) if beginning.symlink_metadata().is_ok() => return None,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    rest.push(beginning.file_name()?);
                    beginning = beginning.parent()?;
                }
                Err(_) => return None,
            }
        };
        let inside = found.strip_prefix(&self.root).ok()?;
        Some(rest.into_iter().rev().fold(inside.to_owned(), |path, name| path.join(name)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A worktree with a directory, a file, and links that lead out of it.
    pub(in crate::agents) fn worktree() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap().join("wt");
        fs_err::create_dir_all(root.join("src")).unwrap();
        fs_err::write(root.join(".git"), "gitdir: /nowhere\n").unwrap();
        fs_err::write(root.join("src/a.rs"), "").unwrap();
        fs_err::write(root.with_file_name("secret"), "").unwrap();
        std::os::unix::fs::symlink("../..", root.join("src/up")).unwrap();
        std::os::unix::fs::symlink("../nowhere", root.join("dangling")).unwrap();
        (dir, root)
    }

    #[test]
    fn paths_are_followed_to_where_they_lead() {
        let (_dir, root) = worktree();
        let ground = Ground::new(&root, Permissions::Edits);
        let absolute = root.join("src/new.rs");
        let table = [
            ("src/a.rs", true, true),
            (absolute.as_str(), true, true),
            ("new/dir/file", true, true),
            ("src/../b", true, true),
            (".", true, false),
            (root.as_str(), true, false),
            (".git", true, false),
            ("sub/.GIT/config", true, false),
            (".claude/settings.json", true, false),
            ("src/.gitignore", true, true),
            ("../secret", false, false),
            ("src/up/secret", false, false),
            ("src/up/wt/src/a.rs", true, true),
            ("dangling", false, false),
            ("dangling/x", false, false),
            ("gone/../../secret", false, false),
            ("/etc/hostname", false, false),
            ("", false, false),
            ("a\0b", false, false),
            ("src/a.rs/x", false, false),
        ];
        for (path, read, edit) in table {
            assert_eq!(ground.permits(Wish::Read(&[path])), read, "read {path:?}");
            assert_eq!(ground.permits(Wish::Edit(&[path])), edit, "edit {path:?}");
        }
    }

    #[test]
    fn each_level_permits_its_part() {
        let (_dir, root) = worktree();
        let at = |level| Ground::new(&root, level);
        let wishes = [
            (Wish::Read(&["src/a.rs"]), [true, true, true]),
            (Wish::Read(&[]), [true, true, true]),
            (Wish::Edit(&["src/a.rs"]), [false, true, true]),
            (Wish::Edit(&[]), [false, false, true]),
            (Wish::Edit(&["src/a.rs", "../secret"]), [false, false, true]),
            (Wish::Run("git status"), [true, true, true]),
            (Wish::Run("git add -A && git commit -m done"), [false, true, true]),
            (Wish::Run("cargo test"), [false, false, true]),
            (Wish::Other, [false, false, true]),
        ];
        for (wish, expected) in wishes {
            let answers =
                [Permissions::Read, Permissions::Edits, Permissions::All].map(|l| at(l).permits(wish));
            assert_eq!(answers, expected, "{wish:?}");
        }
    }
}
