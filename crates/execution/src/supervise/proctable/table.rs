//! One look at all processes, and at which of them carry a mark; the runs of a process share it while they are at work.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use super::{Process, system};

/// What was seen at one moment.
#[derive(Debug)]
pub(in super::super) struct Table {
    /// All processes that we may see.
    pub(in super::super) processes: Vec<Process>,
    /// The values of the mark, by the processes that carry it.
    marks: BTreeMap<u32, String>,
}

/// The last look that was shared: when, and at which mark.
struct Shared {
    at: Instant,
    name: String,
    table: Arc<Table>,
}

static LAST: Mutex<Option<Shared>> = Mutex::new(None);

impl Table {
    /// A look at this moment. The mark is looked for at those that were started at `since` or later.
    pub(in super::super) fn now(name: &str, since: u64) -> Self {
        let processes = system::processes();
        let young = processes.iter().filter(|p| p.start_time >= since && !p.ended).map(|p| p.pid);
        let marks = system::marks(&young.collect::<Vec<_>>(), name);
        Self { processes, marks }
    }

    /// A look that is not older than `most`, of processes that were started after us.
    pub(in super::super) fn lately(name: &str, most: Duration) -> Arc<Self> {
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = last.as_ref().filter(|last| last.name == name && last.at.elapsed() < most) {
            return Arc::clone(&shared.table);
        }
        let at = Instant::now();
        let table = Arc::new(Self::now(name, our_start()));
        *last = Some(Shared { at, name: name.to_owned(), table: Arc::clone(&table) });
        table
    }

    /// Whether `pid` was started with the mark set to `value`.
    pub(in super::super) fn carries(&self, pid: u32, value: &str) -> bool {
        self.marks.get(&pid).is_some_and(|mark| mark == value)
    }
}

/// When this process was started, as far as that orders processes here.
fn our_start() -> u64 {
    static START: OnceLock<u64> = OnceLock::new();
    *START.get_or_init(|| match system::process(std::process::id()) {
        Ok(Some(process)) if cfg!(target_os = "linux") => process.start_time,
        _ => 0,
    })
}
