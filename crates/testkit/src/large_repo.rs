//! Repositories of a size that hurts.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{Repo, TestEnv};

/// Files beyond this size are left out: many files are wanted, not many bytes.
const MAX_FILE_BYTES: u64 = 128 * 1024;

/// Generated files lie in directories of so many.
const FILES_A_DIRECTORY: usize = 200;

/// Where the files of a large repository came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSource {
    /// All are real sources of published crates.
    Registry,
    /// So many are real sources; there were not enough, and the rest is generated.
    Mixed {
        /// How many are real.
        real: usize,
    },
    /// All are generated.
    Generated,
}

/// A repository with many files in one commit on top of the first.
#[derive(Debug)]
pub struct LargeRepo {
    /// The repository.
    pub repo: Repo,
    /// How many files its last commit has added.
    pub files: usize,
    /// Where they came from; say it beside a measurement.
    pub source: FileSource,
}

/// Where cargo has unpacked the crates that were built on this machine, if it has.
pub fn registry_sources() -> Option<Utf8PathBuf> {
    let home = |name: &str| std::env::var(name).ok().map(Utf8PathBuf::from);
    let cargo = home("CARGO_HOME").or_else(|| Some(home("HOME")?.join(".cargo")))?;
    Some(cargo.join("registry/src")).filter(|dir| dir.is_dir())
}

/// Makes a repository `name` with `files` files copied from below `sources`, the same ones every time, and generated ones
/// when those are not enough.
///
/// # Panics
/// When a file can't be written or git fails.
pub fn large_repo(env: &TestEnv, name: &str, files: usize, sources: Option<&Utf8Path>) -> LargeRepo {
    let repo = env.repo(name);
    let real = sources.map_or(0, |dir| copy(dir, &repo, files));
    for number in 0..files - real {
        let (path, text) = generated(number);
        repo.write(path, text);
    }
    repo.git_call(&["add", "--all", "--force"]).patience(std::time::Duration::from_secs(600)).run().success();
    repo.git(&["commit", "--quiet", "--message", "many files"]);
    let source = match real {
        0 => FileSource::Generated,
        real if real == files => FileSource::Registry,
        real => FileSource::Mixed { real },
    };
    LargeRepo { repo, files, source }
}

/// Copies at most `limit` files and says how many there were.
fn copy(from: &Utf8Path, repo: &Repo, limit: usize) -> usize {
    let mut copied = 0;
    let mut open = vec![from.to_owned()];
    while let Some(dir) = open.pop() {
        let mut entries = dir.read_dir_utf8().map(|r| r.flatten().collect::<Vec<_>>()).unwrap_or_default();
        entries.sort_unstable_by(|a, b| b.path().cmp(a.path()));
        for entry in entries {
            let Ok(metadata) = entry.path().symlink_metadata() else { continue };
            // Files such as `.gitignore` and `.gitattributes` would change what git does with the others.
            if entry.file_name().starts_with(".git") {
                continue;
            }
            if metadata.is_dir() {
                open.push(entry.path().to_owned());
            } else if metadata.is_file() && metadata.len() <= MAX_FILE_BYTES {
                if copied == limit {
                    return copied;
                }
                let inside = entry.path().strip_prefix(from).expect("it was found below it");
                let text = fs_err::read(entry.path()).expect("cargo's sources can be read");
                repo.write(Utf8Path::new("vendor").join(inside), text);
                copied += 1;
            }
        }
    }
    copied
}

/// A file of some 2 kB that differs from every other.
fn generated(number: usize) -> (Utf8PathBuf, String) {
    let path = format!("generated/part_{:04}/file_{number:06}.rs", number / FILES_A_DIRECTORY);
    let mut text = format!("//! Generated file {number}.\n\n");
    for line in 0..40 {
        let value = (number * 31 + line * 17) % 9973;
        writeln!(text, "pub const VALUE_{number}_{line}: usize = {value};")
            .expect("a string takes everything");
    }
    (path.into(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(large: &LargeRepo) -> usize {
        large.repo.git(&["diff", "--name-only", "HEAD^", "HEAD"]).lines().count()
    }

    #[test]
    fn there_are_as_many_files_as_asked_for() {
        let env = TestEnv::new();
        let sources = env.dir("sources");
        for name in ["a/lib.rs", "a/.gitignore", "a/target/x.rs", "b/deep/er/mod.rs"] {
            let path = sources.join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "*\n").unwrap();
        }
        let some = large_repo(&env, "some", 2, Some(&sources));
        assert_eq!((some.source, tracked(&some)), (FileSource::Registry, 2));
        let more = large_repo(&env, "more", 300, Some(&sources));
        assert_eq!((more.source, tracked(&more)), (FileSource::Mixed { real: 3 }, 300));
        let none = large_repo(&env, "none", 250, None);
        assert_eq!((none.source, tracked(&none)), (FileSource::Generated, 250));
    }
}
