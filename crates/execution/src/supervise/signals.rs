//! Being asked to stop by a signal.

use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Whether, and how often, this process was asked to stop by SIGINT, SIGTERM or SIGHUP.
///
/// A signal that was ignored when we were started (`nohup`) stays ignored.
#[derive(Debug, Clone, Copy)]
pub struct StopFlag(&'static Requests);

#[derive(Debug)]
struct Requests {
    /// For each signal, where its handler leaves a byte each time.
    ends: Vec<(i32, UnixStream)>,
    first: AtomicI32,
    count: AtomicUsize,
}

static REQUESTS: OnceLock<Requests> = OnceLock::new();

/// Since when it is known that this process was asked to end at once: it took over the signals, and a second one came.
pub(super) fn at_once() -> Option<Instant> {
    static SEEN: OnceLock<Instant> = OnceLock::new();
    let requests = REQUESTS.get()?;
    (StopFlag(requests).count() >= 2).then(|| *SEEN.get_or_init(Instant::now))
}

impl StopFlag {
    /// Takes over the signals. Doing it again gives the same flag.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn install() -> io::Result<Self> {
        static INSTALLING: Mutex<()> = Mutex::new(());
        let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = REQUESTS.get() {
            return Ok(Self(requests));
        }
        let mut ends = Vec::new();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if is_ignored(signal) {
                continue;
            }
            let (ours, handlers) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            handlers.set_nonblocking(true)?;
            signal_hook::low_level::pipe::register(signal, handlers)?;
            ends.push((signal, ours));
        }
        let requests = Requests { ends, first: AtomicI32::new(0), count: AtomicUsize::new(0) };
        Ok(Self(REQUESTS.get_or_init(|| requests)))
    }

    /// The first signal that came, if one did.
    pub fn requested(&self) -> Option<i32> {
        self.0.gather();
        Some(self.0.first.load(SeqCst)).filter(|&signal| signal != 0)
    }

    /// How many signals came. After the first one, ask to end; after a second, kill.
    pub fn count(&self) -> usize {
        self.0.gather();
        self.0.count.load(SeqCst)
    }
}

impl Requests {
    fn gather(&self) {
        for (signal, end) in &self.ends {
            let mut bytes = [0; 64];
            let mut end = end;
            while let Ok(count @ 1..) = end.read(&mut bytes) {
                _ = self.first.compare_exchange(0, *signal, SeqCst, SeqCst);
                self.count.fetch_add(count, SeqCst);
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn is_ignored(signal: i32) -> bool {
    let Ok(status) = fs_err::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(not(target_os = "linux"))]
fn is_ignored(_signal: i32) -> bool {
    false
}
