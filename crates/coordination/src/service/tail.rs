//! The end of a log, fit to be quoted.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
};

use camino::Utf8Path;
use flate2::bufread::MultiGzDecoder;

use crate::logs;

/// The last `most` bytes of the file, from the first whole line on, made safe to show. Empty when there is no file, nor its
/// compressed form.
pub(crate) fn tail(path: &Utf8Path, most: usize) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = match File::open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return tail_of_packed(path, most),
            opened => opened?,
        };
        let length = file.metadata()?.len();
        let from = length.saturating_sub(most as u64);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes)?;
        if from > 0 {
            cut_line(&mut bytes);
        }
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    biplane_model::sanitize(String::from_utf8_lossy(&bytes).trim())
}

/// The same, of a log that the background has compressed by now.
fn tail_of_packed(path: &Utf8Path, most: usize) -> std::io::Result<Vec<u8>> {
    let name = logs::packed(path.file_name().unwrap_or_default());
    let mut decoder = MultiGzDecoder::new(BufReader::new(File::open(path.with_file_name(name))?));
    let (mut bytes, mut piece, mut is_cut) = (Vec::new(), vec![0; 64 << 10], false);
    loop {
        let read = decoder.read(&mut piece)?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&piece[..read]);
        let surplus = bytes.len().saturating_sub(most);
        bytes.drain(..surplus);
        is_cut |= surplus > 0;
    }
    if is_cut {
        cut_line(&mut bytes);
    }
    Ok(bytes)
}

/// Takes away what is before the first whole line.
fn cut_line(bytes: &mut Vec<u8>) {
    let line = bytes.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
    bytes.drain(..line);
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
        let packed = File::create(path.with_file_name("log.gz")).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        std::io::copy(&mut File::open(&path).unwrap(), &mut encoder).unwrap();
        encoder.finish().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(tail(&path, 20), "second\nthird\u{fffd}[2J");
        assert_eq!(tail(&path, 1000), "first line\nsecond\nthird\u{fffd}[2J");
    }
}
