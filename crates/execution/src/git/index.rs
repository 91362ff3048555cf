//! Git's index, read without git.
//!
//! **Contract.** Only what is plain is read: version 2 or 3, files and links, no flags, no conflicts, no other index that it
//! builds on. Everything else is none.
//!
//! Format: git's `Documentation/gitformat-index.txt`.

use rustix::fs::{self, FileType};

pub(super) const LINK: u32 = 0o120_000;
const FILE: u32 = 0o100_644;
pub(super) const PROGRAM: u32 = 0o100_755;

/// Seconds and nanoseconds, as the index keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(pub(super) u32, pub(super) u32);

impl Stamp {
    pub(super) fn modified(meta: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(low(meta.mtime()), low(meta.mtime_nsec()))
    }
}

/// The low 32 bits: what the index keeps of each number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "that is the format")]
pub(super) fn low(number: i64) -> u32 {
    number as u32
}

/// A file by the index: what `lstat` said, and what it held.
pub(super) struct Entry<'a> {
    /// Where it begins in the index.
    at: usize,
    pub(super) path: &'a [u8],
    pub(super) id: &'a [u8],
    pub(super) mode: u32,
    pub(super) changed: Stamp,
    pub(super) modified: Stamp,
    pub(super) inode: u32,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) size: u32,
}

#[derive(Default)]
pub(super) struct Index<'a> {
    /// How many bytes an id has.
    id: usize,
    pub(super) entries: Vec<Entry<'a>>,
    /// The tree that it is, in hexadecimal; none when the index does not say it for all of it.
    pub(super) tree: Option<String>,
}

impl<'a> Index<'a> {
    /// Reads an index with ids of `id` bytes. None for whatever is not plain.
    pub(super) fn parse(bytes: &'a [u8], id: usize) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if bytes.get(..4)? != b"DIRC" || !matches!(number(4)?, 2 | 3) {
            return None;
        }
        let count = usize::try_from(number(8)?).ok()?;
        let mut entries = Vec::with_capacity(count.min(bytes.len() / 64));
        let mut at = 12;
        for _ in 0..count {
            let flags = u16::from_be_bytes(bytes.get(at + 40 + id..at + 42 + id)?.try_into().ok()?);
            // Assumed unchanged, in conflict, or with flags of its own: sparse, or only meant to be added.
            if flags & 0xf000 != 0 {
                return None;
            }
            let start = at + 42 + id;
            let length = bytes.get(start..)?.iter().position(|b| *b == 0)?;
            let mode = number(at + 24)?;
            if !matches!(mode, FILE | PROGRAM | LINK) || length == 0 {
                return None;
            }
            entries.push(Entry {
                at,
                path: &bytes[start..start + length],
                id: &bytes[at + 40..at + 40 + id],
                mode,
                changed: Stamp(number(at)?, number(at + 4)?),
                modified: Stamp(number(at + 8)?, number(at + 12)?),
                inode: number(at + 20)?,
                user: number(at + 28)?,
                group: number(at + 32)?,
                size: number(at + 36)?,
            });
            // Entries are filled up with 1 to 8 zeroes to a multiple of eight.
            at += (42 + id + length + 8) / 8 * 8;
        }
        if !entries.is_sorted_by(|a, b| a.path < b.path) {
            return None;
        }
        let end = bytes.len().checked_sub(id)?;
        let mut tree = None;
        while at + 8 <= end {
            let (name, size) = (bytes.get(at..at + 4)?, usize::try_from(number(at + 4)?).ok()?);
            let body = bytes.get(at + 8..at + 8 + size)?;
            match name {
                b"TREE" => tree = root_tree(body, count, id),
                // What is not in capitals changes the meaning of the rest.
                _ if !name[0].is_ascii_uppercase() => return None,
                _ => {}
            }
            at += 8 + size;
        }
        Some(Self { id, entries, tree })
    }

    /// The index that was read from `bytes`, with what `lstat` says of each file; nothing is known of one without it. None when
    /// there is an id of another length than git has.
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        reason = "the widths differ between systems"
    )]
    pub(super) fn told(&self, bytes: &[u8], stats: &[Option<fs::Stat>]) -> Option<Vec<u8>> {
        let mut new = bytes.to_vec();
        for (entry, stat) in self.entries.iter().zip(stats) {
            let numbers = stat.map_or([0; 9], |stat| {
                [
                    low(stat.st_ctime as i64),
                    low(stat.st_ctime_nsec as i64),
                    low(stat.st_mtime as i64),
                    low(stat.st_mtime_nsec as i64),
                    low(stat.st_dev as i64),
                    low(stat.st_ino as i64),
                    stat.st_uid,
                    stat.st_gid,
                    low(stat.st_size as i64),
                ]
            });
            // The mode stands between the inode and the owner, and stays.
            for (number, offset) in numbers.into_iter().zip([0, 4, 8, 12, 16, 20, 28, 32, 36]) {
                let field = entry.at + offset;
                new[field..field + 4].copy_from_slice(&number.to_be_bytes());
            }
        }
        let end = new.len().checked_sub(self.id)?;
        // Git may have been told to save itself the sum.
        if new[end..].iter().any(|byte| *byte != 0) {
            let sum = super::blob::sum(&new[..end], self.id)?;
            new[end..].copy_from_slice(&sum);
        }
        Some(new)
    }
}

/// The tree of the whole index by its extension `TREE`, when that is valid for all `count` entries.
fn root_tree(body: &[u8], count: usize, id: usize) -> Option<String> {
    // An empty path, then `<entries> <subtrees>\n`, then the id.
    let rest = body.strip_prefix(b"\0")?;
    let line = rest.iter().position(|b| *b == b'\n')?;
    let (entries, _) = std::str::from_utf8(&rest[..line]).ok()?.split_once(' ')?;
    (entries.parse() == Ok(count)).then(|| rest.get(line + 1..line + 1 + id).map(hex))?
}

pub(super) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Entry<'_> {
    /// Whether the file is as git has seen it.
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        reason = "the widths differ between systems"
    )]
    pub(super) fn is_as(&self, stat: &fs::Stat) -> bool {
        let mode = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => LINK,
            FileType::RegularFile if stat.st_mode & 0o100 != 0 => PROGRAM,
            FileType::RegularFile => FILE,
            _ => return false,
        };
        self.mode == mode
            && self.modified == Stamp(low(stat.st_mtime as i64), low(stat.st_mtime_nsec as i64))
            && self.changed == Stamp(low(stat.st_ctime as i64), low(stat.st_ctime_nsec as i64))
            && self.inode == low(stat.st_ino as i64)
            && (self.user, self.group) == (stat.st_uid, stat.st_gid)
            && self.size == low(stat.st_size as i64)
    }
}
