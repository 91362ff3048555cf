//! A directory, and what is in it.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

use biplane_agent::{
    patch::{Patch, PatchError},
    plan::Plan,
    tree::Tree,
};
use biplane_testkit::{Repo, TestEnv};
use camino::Utf8Path;

/// Everything below a directory but git's own: the permissions, and the bytes of a file.
pub(crate) type Seen = BTreeMap<Vec<u8>, (u32, Option<Vec<u8>>)>;

pub(crate) fn look(dir: &Utf8Path) -> Seen {
    let mut seen = Seen::new();
    let mut open = vec![dir.as_std_path().to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs_err::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == ".git" {
                continue;
            }
            let meta = fs_err::symlink_metadata(entry.path()).unwrap();
            let name = entry.path().strip_prefix(dir).unwrap().as_os_str().as_encoded_bytes().to_vec();
            let bytes = if meta.is_dir() {
                open.push(entry.path());
                None
            } else if meta.is_file() {
                Some(fs_err::read(entry.path()).unwrap())
            } else {
                Some(b"special".to_vec())
            };
            seen.insert(name, (meta.permissions().mode() & 0o777, bytes));
        }
    }
    seen
}

/// Applies, or says why not; nothing is changed then.
pub(crate) fn apply(dir: &Utf8Path, text: &[u8]) -> Result<Plan, String> {
    let before = look(dir);
    let tree = Tree::open(dir).unwrap();
    let done = Patch::parse(text)
        .and_then(|patch| patch.plan(&tree))
        .map_err(|fault: PatchError| fault.to_string())
        .and_then(|plan| plan.carry_out(&tree).map_err(|fault| fault.to_string()));
    if done.is_err() {
        assert!(look(dir) == before, "a refused patch changed something");
    }
    done
}

/// A repository that lies in an environment of its own.
pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        // Thousands of objects that nobody needs after the test.
        repo.git(&["config", "core.fsync", "none"]);
        Self { env, repo }
    }

    /// What git says has changed.
    pub(crate) fn diff(&self, args: &[&str]) -> Vec<u8> {
        let file = self.env.root().join("diff");
        let output = format!("--output={file}");
        self.repo.git(&[&["diff", &output], args].concat());
        fs_err::read(file).unwrap()
    }

    pub(crate) fn make_program(&self, path: &str, mode: u32) {
        let file = self.repo.path().join(path);
        fs_err::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
    }
}
