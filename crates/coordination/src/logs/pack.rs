//! Compressing the logs of runs that are over.

use std::io::{self, BufReader, BufWriter, Write};

use flate2::{Compression, write::GzEncoder};

use super::{OUTPUT, TRANSCRIPT, dir::RunDir, packed};
use crate::bounds;

/// The files of a run that are compressed.
const FILES: [&str; 2] = [OUTPUT, TRANSCRIPT];

/// Compresses what is long among the files of a run that is over; whether anything was. Who reads the file that was there
/// reads it to its end. After a crash both forms may be there, each of them whole; this makes one of it.
///
/// # Errors
/// When the disk refuses; the file that was there stays.
pub(crate) fn pack(dir: &RunDir) -> io::Result<bool> {
    let mut any = false;
    for name in FILES.into_iter().filter(|name| is_long_file(dir, name)) {
        let Some(plain) = dir.file(name)? else { continue };
        dir.replace(&packed(name), |file| {
            let mut encoder = GzEncoder::new(BufWriter::new(file), Compression::default());
            io::copy(&mut BufReader::with_capacity(64 << 10, plain), &mut encoder)?;
            encoder.finish()?.flush()
        })?;
        dir.remove(name)?;
        any = true;
    }
    Ok(any)
}

/// Whether something is to be compressed.
pub(crate) fn is_long(dir: &RunDir) -> bool {
    FILES.iter().any(|name| is_long_file(dir, name))
}

fn is_long_file(dir: &RunDir, name: &str) -> bool {
    dir.size(name).is_some_and(|size| size.length > bounds::LOG_PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::read::open;

    #[test]
    fn a_long_log_is_compressed_and_read_as_before_even_by_who_has_begun() {
        let dir = tempfile::tempdir().unwrap();
        let path = camino::Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let long: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        std::fs::write(path.join(OUTPUT), &long).unwrap();
        std::fs::write(path.join(TRANSCRIPT), "short\n").unwrap();
        let run = RunDir::at(&path).unwrap().unwrap();
        let mut begun = open(&run, OUTPUT).unwrap().unwrap();
        assert_eq!(begun.next_line().unwrap().unwrap(), b"line 0");
        assert!(is_long(&run) && pack(&run).unwrap());
        assert!(!is_long(&run) && !pack(&run).unwrap());
        let names = || {
            let mut names: Vec<_> =
                path.read_dir_utf8().unwrap().map(|e| e.unwrap().file_name().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["output.log.gz", "transcript.jsonl"]);
        let mut again = open(&run, OUTPUT).unwrap().unwrap();
        again.next_line().unwrap();
        for n in 1..20_000 {
            let line = format!("line {n}").into_bytes();
            assert_eq!(begun.next_line().unwrap().as_ref(), Some(&line));
            assert_eq!(again.next_line().unwrap(), Some(line));
        }
        assert_eq!((again.next_line().unwrap(), again.rest()), (None, None));
        // A crash between the two steps leaves both.
        std::fs::write(path.join(OUTPUT), &long).unwrap();
        assert!(pack(&run).unwrap());
        assert_eq!(names(), ["output.log.gz", "transcript.jsonl"]);
    }

    #[test]
    fn only_files_of_the_directory_itself_are_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = camino::Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let (run, other) = (path.join("r1"), path.join("other"));
        std::fs::create_dir(&run).unwrap();
        std::fs::write(&other, vec![b'x'; 1 << 20]).unwrap();
        std::os::unix::fs::symlink(&other, run.join(OUTPUT)).unwrap();
        let opened = RunDir::at(&run).unwrap().unwrap();
        assert!(!pack(&opened).unwrap() && open(&opened, OUTPUT).is_err());
        std::os::unix::fs::symlink(&run, path.join("link")).unwrap();
        assert!(RunDir::at(&path.join("link")).is_err());
        #[cfg(target_os = "linux")]
        {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                run.join(TRANSCRIPT).as_str(),
                rustix::fs::FileType::Fifo,
                0o600.into(),
                0,
            )
            .unwrap();
            assert!(open(&opened, TRANSCRIPT).unwrap().is_none(), "nobody waits for a pipe");
        }
    }
}
