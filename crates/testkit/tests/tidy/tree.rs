//! The files of the repository.

use std::collections::BTreeSet;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::code::{Keep, strip, test_gates};

/// Directories that are not part of the project, wherever they are.
const FOREIGN: [&str; 5] = ["target", ".git", ".tasks", ".worktrees", ".team"];

/// Endings of the files that are looked at, and names of those without one.
const TEXTS: [&str; 9] = [".rs", ".md", ".toml", ".sh", ".py", ".yml", ".yaml", ".sql", "run"];

/// A text file; its path is relative to the repository.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: Utf8PathBuf,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.to_owned() }
    }

    /// The 1-based number of the line at a place in the text, with the path before it.
    pub(crate) fn line_at(&self, place: usize) -> String {
        format!("{}:{}", self.path, self.text[..place].matches('\n').count() + 1)
    }
}

/// All text files, and the paths of all others.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    /// Every file and directory.
    paths: BTreeSet<Utf8PathBuf>,
}

impl Tree {
    /// The repository that this crate is in.
    pub(crate) fn of_repository() -> Self {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut tree = Self::default();
        let mut open = vec![Utf8PathBuf::new()];
        while let Some(dir) = open.pop() {
            for entry in fs_err::read_dir(root.join(&dir)).expect("the repository can be read") {
                let entry = entry.expect("the repository can be read");
                let name = entry.file_name().into_string().expect("its files have UTF-8 names");
                let path = dir.join(&name);
                if FOREIGN.contains(&name.as_str()) {
                    continue;
                }
                if entry.file_type().expect("the repository can be read").is_dir() {
                    open.push(path.clone());
                } else if TEXTS.iter().any(|t| name.ends_with(t)) {
                    let text = fs_err::read_to_string(entry.path()).expect("it is a text");
                    tree.files.push(File { path: path.clone(), text });
                }
                tree.paths.insert(path);
            }
        }
        tree
    }

    pub(crate) fn new(files: Vec<File>) -> Self {
        let paths = files.iter().map(|f| f.path.clone()).collect();
        Self { files, paths }
    }

    pub(crate) fn get(&self, path: impl AsRef<Utf8Path>) -> Option<&File> {
        self.files.iter().find(|f| f.path == path.as_ref())
    }

    /// Whether there is a file or directory; `..` and `.` are resolved, and lead nowhere outside of the repository.
    pub(crate) fn has(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        let mut resolved = Utf8PathBuf::new();
        for part in path.components() {
            match part {
                Utf8Component::CurDir => {}
                Utf8Component::ParentDir if resolved.pop() => {}
                Utf8Component::Normal(name) => resolved.push(name),
                _ => return None,
            }
        }
        (resolved.as_str().is_empty() || self.paths.contains(&resolved)).then_some(resolved)
    }

    pub(crate) fn ending_in(&self, ending: &'static str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |f| f.path.as_str().ends_with(ending))
    }

    /// The sources of the libraries and programs: what lies under `crates/*/src`, without the modules that exist in
    /// tests only.
    pub(crate) fn library(&self) -> impl Iterator<Item = &File> {
        let tests = self.test_modules();
        self.ending_in(".rs").filter(move |f| {
            let in_src = f.path.components().nth(2).is_some_and(|c| c.as_str() == "src");
            let in_tests = tests.iter().any(|t| f.path.starts_with(t) || f.path == t.with_extension("rs"));
            f.path.starts_with("crates") && in_src && !in_tests
        })
    }

    /// The paths of modules declared as `#[cfg(test)] mod name;` or the like, without ending.
    fn test_modules(&self) -> Vec<Utf8PathBuf> {
        let mut modules = Vec::new();
        for file in self.ending_in(".rs") {
            let code = strip(&file.text, Keep::Code);
            for gate in test_gates(&code) {
                let rest = code[gate.end..].trim_start();
                let declared = rest.split_once(';').map_or("", |(item, _)| item.trim());
                if let Some(("" | "pub" | "pub(crate)" | "pub(super)", name)) =
                    declared.rsplit_once("mod ").map(|(v, n)| (v.trim(), n.trim()))
                {
                    modules.push(children(&file.path).join(name));
                }
            }
        }
        modules
    }
}

/// The directory in which a source file's modules lie.
fn children(path: &Utf8Path) -> Utf8PathBuf {
    let dir = path.parent().expect("a file has a directory");
    match path.file_stem() {
        Some("mod" | "lib" | "main") | None => dir.to_owned(),
        Some(stem) => dir.join(stem),
    }
}

#[test]
fn modules_for_tests_only_are_no_library() {
    let tree = Tree::new(vec![
        File::new(
            "crates/a/src/lib.rs",
            "mod b;\n#[cfg(test)]\nmod c;\n#[cfg(test)]\nmod d {\n}\nmod e;\n#[cfg(any(test, feature = \"g\"))]\npub mod g;\n",
        ),
        File::new("crates/a/src/b.rs", "#[cfg(test)]\nmod tests;\n// #[cfg(test)] mod f;\n"),
        File::new("crates/a/src/b/tests.rs", ""),
        File::new("crates/a/src/b/f.rs", ""),
        File::new("crates/a/src/c/mod.rs", ""),
        File::new("crates/a/src/c/deep.rs", ""),
        File::new("crates/a/src/d.rs", ""),
        File::new("crates/a/src/e.rs", ""),
        File::new("crates/a/src/g.rs", ""),
        File::new("crates/a/tests/x.rs", ""),
    ]);
    let found = tree.library().map(|f| f.path.as_str()).collect::<Vec<_>>();
    assert_eq!(found, ["lib.rs", "b.rs", "b/f.rs", "d.rs", "e.rs"].map(|f| format!("crates/a/src/{f}")));
}

#[test]
fn paths_are_resolved_inside_the_repository() {
    let tree = Tree::new(vec![File::new("docs/a.md", "")]);
    for (path, there) in
        [("docs/./a.md", true), ("docs/../docs/a.md", true), ("../docs/a.md", false), ("b.md", false)]
    {
        assert_eq!(tree.has(path.into()).is_some(), there, "{path}");
    }
}
