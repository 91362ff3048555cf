//! Which files git ignores. Asked of git itself: its rules for patterns are nobody else's.

use std::collections::HashSet;

use biplane_failpoint as failpoint;
use camino::Utf8PathBuf;

use super::{Git, GitError};

impl Git {
    /// The untracked files of the checkout that git ignores and that match one of `patterns`, which are written as in a
    /// `.gitignore`, a pattern a line. A repository inside the checkout is one path with `/` behind it.
    ///
    /// # Errors
    /// When git can't tell; [`GitError::Io`] when there is no room for the patterns.
    pub fn ignored_matching(&self, patterns: &str) -> Result<Vec<String>, GitError> {
        let list = |args: &[&str]| -> Result<Vec<String>, GitError> {
            let all = [&["ls-files", "-z", "--others", "--ignored"], args].concat();
            let bytes = self.call(all).bytes()?;
            Ok(String::from_utf8_lossy(&bytes).split_terminator('\0').map(str::to_owned).collect())
        };
        let (_guard, file) = self.patterns_file(patterns)?;
        let matching = list(&[&format!("--exclude-from={file}")])?;
        // A directory that is ignored as a whole is one path here, and not walked through.
        let ignored: HashSet<String> = list(&["--exclude-standard", "--directory"])?.into_iter().collect();
        let is_ignored = |path: &String| {
            let above = path.match_indices('/').map(|(at, _)| &path[..=at]);
            ignored.contains(path) || above.into_iter().any(|dir| ignored.contains(dir))
        };
        Ok(matching.into_iter().filter(is_ignored).collect())
    }

    /// Those of `paths` that git ignores in this checkout, whether they are there or not. A tracked path is not ignored.
    ///
    /// # Errors
    /// When git can't tell; it can't of a path behind a symbolic link.
    pub fn ignored_among(&self, paths: &[String]) -> Result<HashSet<String>, GitError> {
        if paths.is_empty() {
            return Ok(HashSet::new());
        }
        // This command knows no literal paths. It takes signs like `*` for themselves anyway, and with `./` before it a path
        // that begins with `:` too.
        let list: String = paths.iter().map(|path| format!("./{path}\0")).collect();
        let output =
            self.call(["--no-literal-pathspecs", "check-ignore", "-z", "--stdin"]).stdin(list).output()?;
        match output.code {
            // 1: none of them is.
            Some(0 | 1) => {
                let text = String::from_utf8_lossy(&output.stdout);
                let named = |path: &str| path.strip_prefix("./").unwrap_or(path).to_owned();
                Ok(text.split_terminator('\0').map(named).collect())
            }
            _ => Err(super::failed("check-ignore".to_owned(), &output)),
        }
    }

    /// Whether all that lies in the directory is ignored: git tracks nothing in it, and would add nothing of it.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn ignores_all_of(&self, dir: &str) -> Result<bool, GitError> {
        let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", dir];
        Ok(self.call(args).bytes()?.is_empty())
    }

    fn patterns_file(&self, patterns: &str) -> Result<(tempfile::TempDir, Utf8PathBuf), GitError> {
        let (dir, path) = self.own_dir()?;
        let file = path.join("patterns");
        failpoint::around("patterns written", || std::fs::write(&file, patterns))
            .map_err(|source| GitError::Io { path: file.clone(), action: "written", source })?;
        Ok((dir, file))
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use crate::git::Repository;

    #[test]
    fn only_what_is_ignored_and_matches() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let repository = Repository::create(&dir, "main", ("Somebody", "somebody@example.com")).unwrap();
        fs_err::create_dir_all(dir.join(".git/biplane")).unwrap();
        let write = |path: &str, text: &str| {
            fs_err::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            fs_err::write(dir.join(path), text).unwrap();
        };
        write(".gitignore", ".env*\nsecrets/\n!.env.example\n*.tracked\n");
        for path in [
            ".env",
            "a/.env.local",
            ".env.example",
            "secrets/deep/k.key",
            "plain.key",
            "x.tracked",
            "b/loose",
        ] {
            write(path, "x");
        }
        let git = repository.main_checkout().unwrap();
        git.call(["add", "--force", "x.tracked"]).bytes().unwrap();
        let mut found = git.ignored_matching(".env*\n*.key\n*.tracked\n").unwrap();
        found.sort_unstable();
        assert_eq!(found, [".env", "a/.env.local", "secrets/deep/k.key"]);
        assert_eq!(git.ignored_matching("/.env\n").unwrap(), [".env"]);
        assert_eq!(git.ignored_matching(".env*\n!/.env\n").unwrap(), ["a/.env.local"]);
        let among = ["secrets/new", ".env", "plain.key", "x.tracked", ":(top).env", "*", ".env [*]"];
        let mut among: Vec<_> = git.ignored_among(&among.map(str::to_owned)).unwrap().into_iter().collect();
        among.sort_unstable();
        assert_eq!(among, [".env", ".env [*]", "secrets/new"]);
        for (dir, all) in [("secrets", true), ("a", true), ("b", false), ("x.tracked", false)] {
            assert_eq!(git.ignores_all_of(dir).unwrap(), all, "{dir}");
        }
    }
}
