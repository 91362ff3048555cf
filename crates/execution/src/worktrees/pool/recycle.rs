//! Making a spare of a directory in which somebody has worked.
//!
//! Nothing that was found there is trusted: not its index, not its `.git` file, not the times, modes and links of its
//! files. What is kept of it is what can be shown to be the same as a new checkout's, byte by byte.

use std::collections::HashMap;

use biplane_failpoint as failpoint;
use camino::Utf8Path;

use super::{
    Making, Pool, Unmade, io,
    make::Contents,
    sweep::{Sweep, Swept, Wanted, bytes_below, throw_below},
};
use crate::git::{Git, GitError, Manner, Staged};

/// What to make of a directory.
pub struct Recycling<'a> {
    /// What it is to be.
    pub making: Making<'a>,
    /// Names of ignored directories that stay.
    pub keep: &'a [String],
    /// The most bytes it may take together with what is kept.
    pub most: u64,
}

impl Pool {
    /// Makes a spare of the directory at `aside`, which nobody needs any more; what is of no use is deleted. Nothing when
    /// it is gone. Why it can't be one is the inner error.
    ///
    /// # Errors
    /// When git or the system refuses; a scrap is left then, if anything.
    pub fn recycle(
        &self,
        aside: &Utf8Path,
        wish: &Recycling<'_>,
    ) -> Result<Option<Result<u32, Unmade>>, GitError> {
        let place = self.place_for_making()?;
        fs_err::create_dir(&place).map_err(io(&place, "created"))?;
        failpoint::reach("recycle moved before");
        match std::fs::rename(aside, place.join("tree")) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                super::super::delete_aside(&place)?;
                return Ok(None);
            }
            moved => moved.map_err(io(aside, "moved"))?,
        }
        failpoint::reach("recycle moved after");
        let made = self.renew(&place, wish).or_else(|error| match error {
            // What can't be made into one is deleted like any other.
            GitError::Io { .. } | GitError::Failed { .. } => Ok(Some(Unmade::Unfit(error.to_string()))),
            error => Err(error),
        });
        self.offer_or_delete(&place, made).map(Some)
    }

    fn renew(&self, place: &Utf8Path, wish: &Recycling<'_>) -> Result<Option<Unmade>, GitError> {
        let unfit = |why: String| Ok(Some(Unmade::Unfit(why)));
        let tree = place.join("tree");
        if let Some(mount) = super::super::owned::mount_in(&tree)
            .map_err(|why| io(&tree, "looked at")(std::io::Error::other(why)))?
        {
            return unfit(format!("something is mounted on `{mount}`"));
        }
        let is_real = tree.as_std_path().symlink_metadata().is_ok_and(|m| m.is_dir());
        if !is_real {
            return unfit("it is no directory".to_owned());
        }
        // Git takes its directories from us; what a `.git` here would name plays no part.
        let contents = self.contents_beside(place, wish)?;
        if let Some(why) = contents.manner.unfit {
            return unfit(why);
        }
        if contents.manner.converts {
            return unfit("files are not written as they are in the commit".to_owned());
        }
        let (git, trash) = (self.git(place), place.join("trash"));
        failpoint::reach("recycle swept before");
        let swept = Sweep::go(&tree, &trash, &Wanted::new(&contents.entries, wish.keep))
            .map_err(io(&tree, "cleaned"))?;
        failpoint::reach("recycle swept after");
        throw_changed(&git, &tree, &trash, &swept, &contents.entries)?;
        let seen = Manner::seen(&wish.making.manner.sources);
        let commit = wish.making.commit.as_str();
        git.stage(commit)?;
        git.call(["update-index", "-q", "--refresh"]).output()?;
        git.restore_to(commit)?;
        let kept = throw_unignored(&git, &tree, &trash, &swept)?;
        super::super::delete_aside(&trash)?;
        let bytes = wish.making.bytes.saturating_add(kept);
        if bytes > wish.most {
            return unfit("with what is kept in it, it takes too much of the disk".to_owned());
        }
        self.finish(place, &Making { bytes, ..wish.making }, seen, &contents.manner)
    }

    /// What the commit holds. Git must not stand in a directory that it is not shown yet to be safe to stand in.
    fn contents_beside(&self, place: &Utf8Path, wish: &Recycling<'_>) -> Result<Contents, GitError> {
        let beside = place.join("beside");
        failpoint::reach("recycle beside made before");
        fs_err::create_dir(&beside).map_err(io(&beside, "created"))?;
        fs_err::create_dir(beside.join("tree")).map_err(io(&beside, "created"))?;
        failpoint::reach("recycle beside made after");
        let contents = self.contents(&beside, &wish.making)?;
        super::super::delete_aside(&beside)?;
        Ok(contents)
    }
}

/// Throws away the files whose bytes are not those of the commit. Git's own comparison goes by what a commit of the file
/// would hold, which is not the same where line ends are converted.
fn throw_changed(
    git: &Git,
    tree: &Utf8Path,
    trash: &Utf8Path,
    swept: &Swept,
    entries: &[Staged],
) -> Result<(), GitError> {
    let ids: HashMap<&[u8], &str> = entries.iter().map(|e| (e.path.as_slice(), e.id.as_str())).collect();
    let (named, odd): (Vec<&Vec<u8>>, Vec<&Vec<u8>>) =
        swept.files.iter().partition(|path| !path.contains(&b'\n') && path.first() != Some(&b'"'));
    let list = named.iter().flat_map(|path| [path.as_slice(), b"\n"].concat()).collect::<Vec<u8>>();
    let hashes = git.call(["hash-object", "--no-filters", "--stdin-paths"]).stdin(list).text()?;
    let hashes: Vec<&str> = hashes.lines().collect();
    if hashes.len() != named.len() {
        let detail = "there are not as many ids as files".to_owned();
        return Err(GitError::Answer { command: "hash-object".to_owned(), detail });
    }
    let changed = named.iter().zip(hashes).filter(|(path, hash)| ids.get(path.as_slice()) != Some(hash));
    for (number, path) in changed.map(|(path, _)| *path).chain(odd).enumerate() {
        throw_below(tree, path, trash, &format!("changed-{number}")).map_err(io(tree, "cleaned"))?;
    }
    Ok(())
}

/// Throws away what was to be kept and is not ignored. Gives what the rest takes on the disk, in bytes.
fn throw_unignored(git: &Git, tree: &Utf8Path, trash: &Utf8Path, swept: &Swept) -> Result<u64, GitError> {
    if swept.kept.is_empty() {
        return Ok(0);
    }
    let listed =
        git.call(["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"]).bytes()?;
    let ignored: Vec<&[u8]> = listed.split(|b| *b == 0).filter_map(|path| path.strip_suffix(b"/")).collect();
    let mut bytes = 0_u64;
    for (number, path) in swept.kept.iter().enumerate() {
        if ignored.contains(&path.as_slice()) {
            bytes = bytes.saturating_add(bytes_below(tree, path).map_err(io(tree, "looked at"))?);
        } else {
            throw_below(tree, path, trash, &format!("kept-{number}")).map_err(io(tree, "cleaned"))?;
        }
    }
    Ok(bytes)
}
