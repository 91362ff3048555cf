//! Looking for files by name and for lines by a pattern, as far as git would look: what is ignored is left out, no link is followed.

use std::{
    ffi::{CStr, CString, OsStr},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use biplane_execution::dir::Dir;
use biplane_model::clip;
use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};
use regex::bytes::{Regex, RegexBuilder};
use rustix::fs::FileType;
use serde_json::{Value, json};

use super::{Answer, Spec, Tool, Wish, named, object};
use crate::{
    bounds,
    cancel::Cancel,
    path::RelPath,
    tree::{Tree, kind, read_in},
};

/// `search`.
pub(super) struct Search {
    pub(super) tree: Arc<Tree>,
    /// Directories at the top that it leaves out, unless it is to look in there.
    pub(super) but: Vec<String>,
}

impl Tool for Search {
    fn spec(&self) -> Spec {
        let properties = json!({
            "pattern": {"type": "string", "description": "A regular expression that a line matches. Without it, the files are listed."},
            "path": {"type": "string", "description": "A directory in yours to look in; all of it unless said otherwise."},
            "glob": {"type": "string", "description": "Only files like this, as in `*.rs` or `src/**/*.py`."},
        });
        Spec {
            name: "search".to_owned(),
            description:
                "Finds lines in the files of your directory, or lists files. What git ignores is left out."
                    .to_owned(),
            input: object(&[], properties),
        }
    }

    fn wish(&self, input: &Value) -> Wish {
        Wish::Read(named(input))
    }

    fn call(&mut self, input: &Value, cancel: &Cancel) -> Answer {
        self.search(input, cancel).unwrap_or_else(|failure| failure)
    }
}

impl Search {
    fn search(&self, input: &Value, cancel: &Cancel) -> Result<Answer, Answer> {
        let fail = |why: &dyn std::fmt::Display| Answer::failed(why.to_string());
        let pattern = input["pattern"].as_str().filter(|text| !text.is_empty());
        let pattern = pattern.map(|text| RegexBuilder::new(text).size_limit(bounds::PATTERN).build());
        let pattern = pattern.transpose().map_err(|fault| fail(&fault))?;
        let glob = input["glob"].as_str().filter(|text| !text.is_empty()).map(only);
        let glob = glob.transpose().map_err(|fault| fail(&fault))?;
        let at = match input["path"].as_str().map(|path| path.trim_end_matches('/')) {
            None | Some("" | ".") => None,
            Some(path) if path == self.tree.path() => None,
            Some(path) => {
                Some(RelPath::given(path, self.tree.path().as_str()).map_err(|fault| fail(&fault))?)
            }
        };
        let but = &self.but;
        let mut walk = Walk {
            pattern,
            glob,
            cancel,
            but,
            found: Vec::new(),
            files: 0,
            ignores: Vec::new(),
            more: false,
        };
        match &at {
            None => {
                let root = self.tree.root().child(c".").map_err(|fault| fail(&fault))?;
                walk.dir(&root, None);
            }
            Some(path) => match self.tree.dir(path) {
                Ok(Some(dir)) => walk.dir(&dir, Some(path)),
                Ok(None) => return Err(Answer::failed(format!("there is no `{path}`"))),
                // A single file may be meant.
                Err(_) => match self.tree.dir_of(path).map_err(|fault| fail(&fault))? {
                    Some(dir) => walk.file(&dir, path.name(), path),
                    None => return Err(Answer::failed(format!("there is no `{path}`"))),
                },
            },
        }
        if walk.found.is_empty() {
            return Ok(Answer::done("[nothing found]"));
        }
        if walk.more {
            walk.found.push("[there is more; look for something narrower]".to_owned());
        }
        Ok(Answer::done(walk.found.join("\n")))
    }
}

/// A matcher that takes only what the glob names. A glob without `/` is about names, at any depth.
fn only(glob: &str) -> Result<Gitignore, ignore::Error> {
    let mut builder = GitignoreBuilder::new("");
    builder.add_line(None, glob)?;
    builder.build()
}

struct Walk<'a> {
    pattern: Option<Regex>,
    glob: Option<Gitignore>,
    cancel: &'a Cancel,
    but: &'a [String],
    found: Vec<String>,
    files: usize,
    /// What the directories on the way say is ignored, the outermost first.
    ignores: Vec<Gitignore>,
    /// Whether something was left out.
    more: bool,
}

impl Walk<'_> {
    fn is_over(&mut self) -> bool {
        self.more |= self.found.len() >= bounds::SEARCH_FOUND || self.files >= bounds::SEARCH_FILES;
        self.more || self.cancel.is_cancelled()
    }

    /// What can't be read is passed over.
    fn dir(&mut self, dir: &Dir, at: Option<&RelPath>) {
        if at.is_some_and(|at| at.steps().len() > bounds::SEARCH_DEPTH) {
            self.more = true;
            return;
        }
        let Ok(mut names) = dir.names() else { return };
        names.sort();
        let here = at.map(path_of).unwrap_or_default();
        let ignores = names.iter().any(|name| name.as_c_str() == c".gitignore");
        self.ignores.push(if ignores { ignored_by(dir, &here) } else { Gitignore::empty() });
        for name in names {
            if self.is_over() {
                break;
            }
            self.entry(dir, &name, at);
        }
        self.ignores.pop();
    }

    fn entry(&mut self, dir: &Dir, name: &CString, at: Option<&RelPath>) {
        let path = at.map_or_else(|| RelPath::of_name(name), |at| at.join(name));
        // A worktree in the worktree is somebody else's.
        if name.to_bytes().eq_ignore_ascii_case(b".git") {
            return;
        }
        if at.is_none() && self.but.iter().any(|but| but.as_bytes() == name.to_bytes()) {
            return;
        }
        let Ok(Some(stat)) = dir.look(name) else { return };
        let is_dir = kind(&stat) == FileType::Directory;
        if self.is_ignored(&path, is_dir) {
            return;
        }
        match kind(&stat) {
            FileType::Directory => {
                if let Ok(child) = dir.child(name) {
                    self.dir(&child, Some(&path));
                }
            }
            FileType::RegularFile
                if stat.st_size as u64 <= bounds::SEARCH_BYTES as u64 || self.pattern.is_none() =>
            {
                self.file(dir, name, &path);
            }
            _ => {}
        }
    }

    fn is_ignored(&self, path: &RelPath, is_dir: bool) -> bool {
        let path = path_of(path);
        let said = self.ignores.iter().rev().map(|rules| rules.matched(&path, is_dir)).find(|m| !m.is_none());
        matches!(said, Some(Match::Ignore(_)))
    }

    fn file(&mut self, dir: &Dir, name: &CStr, path: &RelPath) {
        self.files += 1;
        if self.glob.as_ref().is_some_and(|glob| !glob.matched(path_of(path), false).is_ignore()) {
            return;
        }
        let Some(pattern) = &self.pattern else {
            self.found.push(path.to_string());
            return;
        };
        let Ok(Some(file)) = read_in(dir, name, path) else { return };
        if file.bytes.contains(&0) {
            return;
        }
        for (index, line) in file.bytes.split(|byte| *byte == b'\n').enumerate() {
            if pattern.is_match(line) {
                if self.found.len() >= bounds::SEARCH_FOUND {
                    self.more = true;
                    return;
                }
                let line = String::from_utf8_lossy(line);
                self.found.push(format!("{path}:{}:{}", index + 1, clip(line.trim_end(), bounds::SHOWN)));
            }
        }
    }
}

fn path_of(path: &RelPath) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&path.bytes()))
}

/// What `.gitignore` in `dir`, which is at `here`, says. Lines that make no sense are passed over, as by git.
fn ignored_by(dir: &Dir, here: &Path) -> Gitignore {
    let path = RelPath::of_name(c".gitignore");
    let Ok(Some(file)) = read_in(dir, path.name(), &path) else { return Gitignore::empty() };
    let mut builder = GitignoreBuilder::new(here);
    for line in String::from_utf8_lossy(&file.bytes[..file.bytes.len().min(bounds::IGNORE_BYTES)]).lines() {
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}
