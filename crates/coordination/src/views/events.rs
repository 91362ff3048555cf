//! `.worktrees/events.jsonl`.
//!
//! New events are appended in one write whose count is checked; a short write (a full disk) is taken back. A file that
//! does not carry our stamp is written anew from the ledger.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Read, Seek, SeekFrom, Write},
};

use biplane_control::{EventFilter, Ledger, LedgerExt};
use biplane_failpoint as failpoint;
use biplane_model::{Event, Seq, view::EventView};
use camino::Utf8Path;

use super::{
    Repaired,
    stamp::{carries, stamp},
};
use crate::{
    error::{Error, Result},
    files,
    home::Home,
};

/// The file, relative to the home's root.
pub(super) const FILE: &str = ".worktrees/events.jsonl";

/// How many events are read from the ledger at once.
const PAGE: usize = 5000;
/// How many bytes of the file's end are looked at for the last line; more where that is longer.
const TAILS: [u64; 2] = [8 << 10, 256 << 10];

/// How far the file is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lag {
    /// It is ours and ends with this event.
    After(Seq),
    /// There is none.
    Missing,
    /// It is not as we wrote it.
    Damaged,
}

pub(super) fn stale(home: &Home, newest: Seq) -> Result<Option<Lag>> {
    let path = home.root.join(FILE);
    Ok(match carries(&path, FILE, newest.0) {
        Some(true) => None,
        None if newest == Seq(0) => None,
        None => Some(Lag::Missing),
        Some(false) => {
            let last =
                last_seq(&path).filter(|seq| carries(&path, FILE, seq.0) == Some(true) && *seq < newest);
            Some(last.map_or(Lag::Damaged, Lag::After))
        }
    })
}

pub(super) fn write(
    home: &Home,
    ledger: &dyn Ledger,
    lag: Option<Lag>,
    repaired: &mut Repaired,
) -> Result<()> {
    let path = home.root.join(FILE);
    match lag {
        None => Ok(()),
        Some(Lag::After(seq)) => append(&path, ledger, seq),
        Some(Lag::Missing) => rewrite(&path, ledger),
        Some(Lag::Damaged) => {
            repaired.files.push(FILE.into());
            rewrite(&path, ledger)
        }
    }
}

fn append(path: &Utf8Path, ledger: &dyn Ledger, mut seq: Seq) -> Result<()> {
    let io = |e| Error::io("written", path, e);
    let mut file = OpenOptions::new().append(true).open(path).map_err(io)?;
    loop {
        let page = ledger.look::<_, Error>(|view| Ok(view.events(seq, &EventFilter::default(), PAGE)?))?;
        let Some(last) = page.last() else { return Ok(()) };
        let before = file.metadata().map_err(io)?.len();
        let bytes = lines(&page);
        failpoint::reach("events appended before");
        failpoint::reach_with("events half appended", || drop(file.write(&bytes[..bytes.len() / 2])));
        let written = file.write(&bytes);
        failpoint::reach("events appended after");
        if !matches!(written, Ok(count) if count == bytes.len()) {
            let _ = file.set_len(before);
            let _ = file.set_modified(stamp(FILE, seq.0, 0));
            let full = || std::io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
            return Err(io(written.err().unwrap_or_else(full)));
        }
        seq = last.seq;
        file.set_modified(stamp(FILE, seq.0, last.at.0)).map_err(io)?;
    }
}

fn rewrite(path: &Utf8Path, ledger: &dyn Ledger) -> Result<()> {
    let dir = path.parent().unwrap_or(Utf8Path::new("."));
    files::make_dir(dir)?;
    let io = |e| Error::io("written", path, e);
    let fresh = dir.join(".events.new");
    let mut out = BufWriter::new(File::create(&fresh).map_err(io)?);
    let (mut seq, mut at) = (Seq(0), 0);
    loop {
        let page = ledger.look::<_, Error>(|view| Ok(view.events(seq, &EventFilter::default(), PAGE)?))?;
        let Some(last) = page.last() else { break };
        (seq, at) = (last.seq, last.at.0);
        out.write_all(&lines(&page)).map_err(io)?;
        failpoint::reach("events half written");
    }
    let file = out.into_inner().map_err(|e| io(e.into_error()))?;
    file.set_modified(stamp(FILE, seq.0, at)).map_err(io)?;
    failpoint::around("events replaced", || std::fs::rename(&fresh, path)).map_err(io)
}

fn lines(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(events.len() * 256);
    for event in events {
        serde_json::to_writer(&mut bytes, &EventView::new(event)).expect("a view is plain data");
        bytes.push(b'\n');
    }
    bytes
}

/// The number of the event in the last line, if that is whole. Asked after each commit: most lines are short.
fn last_seq(path: &Utf8Path) -> Option<Seq> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    for most in TAILS {
        let from = length.saturating_sub(most);
        file.seek(SeekFrom::Start(from)).ok()?;
        let mut tail = Vec::new();
        (&mut file).take(most).read_to_end(&mut tail).ok()?;
        let text = tail.strip_suffix(b"\n")?;
        let begin = text.iter().rposition(|byte| *byte == b'\n');
        if begin.is_none() && from > 0 {
            continue;
        }
        let line = &text[begin.map_or(0, |at| at + 1)..];
        return serde_json::from_slice::<serde_json::Value>(line).ok()?["seq"].as_u64().map(Seq);
    }
    None
}
