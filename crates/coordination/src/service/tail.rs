//! The end of a log, fit to be quoted.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use camino::Utf8Path;

/// The last `most` bytes of the file, from the first whole line on, made safe to show. Empty when there is no file.
pub(crate) fn tail(path: &Utf8Path, most: usize) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(most as u64);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes)?;
        if from > 0 {
            let line = bytes.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
            bytes.drain(..line);
        }
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    biplane_model::sanitize(String::from_utf8_lossy(&bytes).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_only_and_nothing_that_steers_a_terminal() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("log");
        std::fs::write(&path, "first line\nsecond\nthird\x1b[2J\n").unwrap();
        assert_eq!(tail(&path, 20), "second\nthird\u{fffd}[2J");
        assert_eq!(tail(&path, 1000), "first line\nsecond\nthird\u{fffd}[2J");
        assert_eq!(tail(Utf8Path::new("/nowhere"), 10), "");
    }
}
