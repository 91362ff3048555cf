//! Making a repository, and copying one, with nobody's settings.

use std::ffi::OsString;

use camino::Utf8Path;

use super::{GitError, Repository, failed, raw};

/// What keeps the settings of the person and the machine out of a call.
const NO_SETTINGS: [(&str, &str); 2] = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")];

/// What a repository of ours says for itself, so that no setting of the person changes what is in its commits.
const OWN_SETTINGS: &[(&str, &str)] = &[
    ("core.attributesFile", "/dev/null"),
    ("core.autocrlf", "false"),
    ("core.excludesFile", "/dev/null"),
    ("core.hooksPath", "/dev/null"),
    ("core.logAllRefUpdates", "true"),
    ("commit.gpgSign", "false"),
];

impl Repository {
    /// Makes a repository with a checkout in the empty directory `place`, on the branch `branch`, for commits by `who`
    /// (a name and a mail address). The settings of the person and the machine play no part.
    ///
    /// # Errors
    /// When git can't.
    pub fn create(place: &Utf8Path, branch: &str, who: (&str, &str)) -> Result<Self, GitError> {
        alone(place, &["init", "--quiet", "--template=", &format!("--initial-branch={branch}")])?;
        let repository = Self::discover(place)?;
        for (name, value) in OWN_SETTINGS.iter().chain(&[("user.name", who.0), ("user.email", who.1)]) {
            alone(place, &["config", name, value])?;
        }
        Ok(repository)
    }

    /// Copies the branch `branch`, with its history and a checkout of it, to `place`, which must not exist. Nothing is
    /// shared: every object is read, checked and written anew.
    ///
    /// # Errors
    /// When git can't.
    pub fn copy_to(&self, place: &Utf8Path, branch: &str) -> Result<Self, GitError> {
        let mut args = vec!["clone".to_owned(), "--quiet".to_owned(), "--no-local".to_owned()];
        args.extend(["--single-branch".to_owned(), format!("--branch={branch}"), "--template=".to_owned()]);
        for (name, value) in OWN_SETTINGS {
            args.push(format!("--config={name}={value}"));
        }
        args.extend(["--".to_owned(), self.root.to_string(), place.to_string()]);
        alone(&self.root, &args)?;
        Self::discover(place)
    }
}

/// Runs git in `place` without the settings of the person and the machine.
fn alone(place: &Utf8Path, args: &[impl AsRef<str>]) -> Result<(), GitError> {
    let command = args.first().map(|a| a.as_ref().to_owned()).unwrap_or_default();
    let args: Vec<OsString> = args.iter().map(|a| a.as_ref().into()).collect();
    let env = NO_SETTINGS.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let output = raw(args, Some(place), env, Vec::new())?;
    if output.code == Some(0) { Ok(()) } else { Err(failed(command, &output)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_made_and_copied() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let place = dir.join("a b");
        fs_err::create_dir(&place).unwrap();
        let made = Repository::create(&place, "trunk", ("Somebody", "somebody@example.com")).unwrap();
        let git = made.main_checkout().unwrap();
        fs_err::write(place.join("file"), "text\r\n").unwrap();
        let commit = git.commit_all("first\n").unwrap().unwrap();
        assert_eq!(git.branch_tip("trunk").unwrap(), Some(commit.clone()));

        let copy = made.copy_to(&dir.join("copy"), "trunk").unwrap();
        assert_eq!(copy.git().commit_of("HEAD").unwrap(), commit);
        assert_eq!(fs_err::read_to_string(copy.root.join("file")).unwrap(), "text\r\n");
        assert!(made.copy_to(&dir.join("copy"), "trunk").is_err(), "it exists");
    }
}
