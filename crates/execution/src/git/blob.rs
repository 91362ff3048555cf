//! Whether a file holds what git's id of it says, without a process.
//!
//! Format: git's `Documentation/gitformat-loose.adoc`. No filter is run: a file that git writes in another form than it
//! keeps it in has another id here.

use std::{ffi::CString, fs::File, io::Read, os::fd::AsFd};

use rustix::fs::{self, Mode, OFlags};
use sha2::Digest;

/// Whether the plain file at `path`, below the directory `top`, has the id `id`: 20 bytes for SHA-1, 32 for SHA-256. None when
/// it can't be told. The last part of the path is not followed when it is a link.
pub(super) fn is_of(top: impl AsFd, path: &[u8], id: &[u8]) -> Option<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(fs::openat(top, CString::new(path).ok()?, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let found = match id.len() {
        20 => hash::<sha1::Sha1>(file)?,
        32 => hash::<sha2::Sha256>(file)?,
        _ => return None,
    };
    Some(found == id)
}

/// The id of what holds `content`, with `len` bytes: 20 for SHA-1, 32 for SHA-256. None for another length.
pub(super) fn id(content: &[u8], len: usize) -> Option<Vec<u8>> {
    let head = format!("blob {}\0", content.len());
    digest(&[head.as_bytes(), content], len)
}

/// The sum of `bytes`, as it stands at an index's end. None for another length than that of an id.
pub(super) fn sum(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    digest(&[bytes], len)
}

fn digest(parts: &[&[u8]], len: usize) -> Option<Vec<u8>> {
    fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
        parts.iter().fold(D::new(), |digest, part| digest.chain_update(part)).finalize().to_vec()
    }
    match len {
        20 => Some(of::<sha1::Sha1>(parts)),
        32 => Some(of::<sha2::Sha256>(parts)),
        _ => None,
    }
}

fn hash<D: Digest>(mut file: File) -> Option<Vec<u8>> {
    let size = file.metadata().ok()?.len();
    let mut digest = D::new();
    digest.update(format!("blob {size}\0"));
    let (mut read, mut part) = (0, vec![0; 64 << 10]);
    loop {
        let count = file.read(&mut part).ok()?;
        if count == 0 {
            break;
        }
        read += count as u64;
        digest.update(&part[..count]);
    }
    // One that is being written is nothing that can be told.
    (read == size).then(|| digest.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use biplane_testkit::TestEnv;

    use super::*;

    #[test]
    fn the_id_is_the_one_that_git_gives() {
        for format in ["sha1", "sha256"] {
            let env = TestEnv::new();
            let dir = env.dir("ids");
            let git = |args: &[&str]| env.program("git").in_dir(&dir).args(args).run().success().stdout;
            git(&["init", "-q", "--object-format", format]);
            for content in ["", "hi\n", &"many bytes\r\n".repeat(20_000)] {
                fs_err::write(dir.join("f"), content).unwrap();
                let told = git(&["hash-object", "--no-filters", "f"]);
                let told = told.trim();
                let id: Vec<u8> = (0..told.len())
                    .step_by(2)
                    .map(|n| u8::from_str_radix(&told[n..n + 2], 16).unwrap())
                    .collect();
                let top = fs_err::File::open(&dir).unwrap();
                assert_eq!(is_of(top.file(), b"f", &id), Some(true), "{format}");
                fs_err::write(dir.join("f"), format!("{content}x")).unwrap();
                assert_eq!(is_of(top.file(), b"f", &id), Some(false), "{format}");
                fs_err::remove_file(dir.join("f")).unwrap();
                std::os::unix::fs::symlink("g", dir.join("f")).unwrap();
                fs_err::write(dir.join("g"), content).unwrap();
                assert_eq!(is_of(top.file(), b"f", &id), None, "a link is not followed");
                fs_err::remove_file(dir.join("f")).unwrap();
            }
        }
    }
}
