//! Stamps: a view's time of modification says what it was written from.
//!
//! The microseconds of the time are a checksum of the view's key and revision. Whoever changes the file in place sets
//! another time, and whoever replaces or deletes it leaves none of ours; so a look at the file's times, without reading
//! it, tells whether it is ours and current. One in a million foreign changes goes unseen until the next write.

use std::time::{Duration, SystemTime};

use camino::Utf8Path;

/// The time for the view `key` at revision `rev`, near `micros` (microseconds since the epoch).
pub(super) fn stamp(key: &str, rev: u64, micros: i64) -> SystemTime {
    let seconds = u64::try_from(micros.div_euclid(1_000_000)).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(checksum(key, rev))
}

/// Whether the file at `path` carries the stamp of `key` at `rev`; `None` when there is no file.
pub(super) fn carries(path: &Utf8Path, key: &str, rev: u64) -> Option<bool> {
    let meta = path.as_std_path().symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    let modified = meta.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(u64::from(modified.subsec_micros()) == checksum(key, rev))
}

/// Whether the file at `path` carries the stamp of `key` at one of these revisions.
pub(super) fn carries_one_of(path: &Utf8Path, key: &str, mut revs: std::ops::RangeInclusive<u64>) -> bool {
    let meta = path.as_std_path().symlink_metadata().ok().filter(std::fs::Metadata::is_file);
    let modified = meta.and_then(|meta| meta.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok());
    modified.is_some_and(|at| revs.any(|rev| u64::from(at.subsec_micros()) == checksum(key, rev)))
}

/// FNV-1a of key and revision, folded to microseconds.
fn checksum(key: &str, rev: u64) -> u64 {
    let bytes = key.bytes().chain(rev.to_le_bytes());
    fnv1a(bytes) % 1_000_000
}

/// The 64-bit FNV-1a hash (Fowler, Noll, Vo).
pub(super) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_recognised_and_a_change_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("x");
        assert_eq!(carries(&path, "x", 1), None);
        crate::files::replace_stamped(&path, b"{}", stamp("x", 1, 1_763_640_000_500_000)).unwrap();
        assert_eq!(
            (carries(&path, "x", 1), carries(&path, "x", 2), carries(&path, "y", 1)),
            (Some(true), Some(false), Some(false))
        );
        std::fs::write(&path, b"{ }").unwrap();
        assert_eq!(carries(&path, "x", 1), Some(false));
    }
}
