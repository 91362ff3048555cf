//! Git without conversions: bytes go into objects and come out of them as they are.
//!
//! A git directory of our own, for a moment, with the objects of the repository. Neither its settings nor an agent's
//! `.gitattributes` reach it, so nothing is filtered, and no filter command is run.

use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Git, GitError, INDEX_BY};

/// What overrules every other file of attributes.
const ATTRIBUTES: &str = "* -text -ident -filter !eol !crlf !working-tree-encoding\n";

/// Any file name that git can hold at all is held.
const CONFIG: &str = "[core]\n\tbare = false\n\tprotectNTFS = false\n\tprotectHFS = false\n\tsymlinks = true\n\
    \tfileMode = true\n\tautocrlf = false\n\tsafecrlf = false\n\tignoreCase = false\n\tsparseCheckout = false\n\
    \tprecomposeUnicode = false\n";

/// A git directory without conversions; gone when it is dropped.
#[derive(Debug)]
pub struct Plain {
    // Removes the directory when dropped.
    _dir: tempfile::TempDir,
    git: Git,
}

impl Plain {
    /// Git on it. Its index is its own, and its directory gone in a moment.
    pub fn git(&self) -> &Git {
        &self.git
    }
}

impl Git {
    /// Git on the same objects and the same work tree, without conversions. `id_length` is that of the repository's ids.
    ///
    /// # Errors
    /// When its directory can't be made.
    pub fn plain(&self, id_length: usize) -> Result<Plain, GitError> {
        let (dir, path) = self.own_dir()?;
        let (version, format) =
            if id_length > 40 { (1, "[extensions]\n\tobjectFormat = sha256\n") } else { (0, "") };
        let config = format!("{CONFIG}\trepositoryFormatVersion = {version}\n{format}");
        failpoint::reach("plain git made before");
        for dir in ["objects", "refs", "info"] {
            fs_err::create_dir(path.join(dir)).map_err(|e| io(&path, e))?;
        }
        let files =
            [("HEAD", "ref: refs/heads/none\n"), ("config", &config), ("info/attributes", ATTRIBUTES)];
        for (name, text) in files {
            fs_err::write(path.join(name), text).map_err(|e| io(&path, e))?;
        }
        failpoint::reach("plain git made after");
        let objects = self.common_dir.join("objects").into_string();
        let git = Self {
            git_dir: path.clone(),
            common_dir: path,
            work_tree: self.work_tree.clone(),
            index: None,
            env: vec![("GIT_OBJECT_DIRECTORY".to_owned(), objects)],
        };
        Ok(Plain { _dir: dir, git })
    }

    /// A directory in biplane's own, whose name says whose it is, so that recovery deletes what a killed process left.
    pub(super) fn own_dir(&self) -> Result<(tempfile::TempDir, Utf8PathBuf), GitError> {
        let place = self.common_dir.join("biplane");
        failpoint::around("state directory made", || fs_err::create_dir_all(&place))
            .map_err(|e| io(&place, e))?;
        let prefix = format!("{INDEX_BY}{}-", std::process::id());
        let make = || tempfile::Builder::new().prefix(&prefix).tempdir_in(&place);
        let dir = failpoint::around("scratch directory made", make).map_err(|e| io(&place, e))?;
        let path =
            Utf8PathBuf::try_from(dir.path().to_owned()).map_err(|e| GitError::NotUtf8(e.to_string()))?;
        Ok((dir, path))
    }

    /// The same, but no filter of any file's attributes is run: what has one and may have changed counts as changed.
    /// Says too whether the settings name filters or a file of attributes.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn without_filters(&self) -> Result<(Self, bool), GitError> {
        let pattern = r"^(filter\..*\.(clean|smudge|process|required)|core\.attributesfile)$";
        let output = self.call(["config", "-z", "--name-only", "--get-regexp", pattern]).output()?;
        // 1: there is none.
        if !matches!(output.code, Some(0 | 1)) {
            return Err(super::failed("config".to_owned(), &output));
        }
        let mut git = self.clone();
        let names: Vec<String> = output
            .stdout
            .split(|b| *b == 0)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8(name.to_vec()).map_err(|e| GitError::NotUtf8(e.to_string())))
            .collect::<Result<_, _>>()?;
        let filters = names.iter().filter(|name| name.starts_with("filter."));
        for (n, key) in filters.clone().enumerate() {
            let value = if key.ends_with(".required") { "false" } else { "" };
            git.env.push((format!("GIT_CONFIG_KEY_{n}"), key.clone()));
            git.env.push((format!("GIT_CONFIG_VALUE_{n}"), value.to_owned()));
        }
        git.env.push(("GIT_CONFIG_COUNT".to_owned(), filters.count().to_string()));
        Ok((git, !names.is_empty()))
    }
}

fn io(path: &Utf8Path, source: std::io::Error) -> GitError {
    GitError::Io { path: path.to_owned(), action: "written", source }
}
