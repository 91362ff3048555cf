//! The failpoints of a debug build.

use std::{
    fs::OpenOptions,
    io::Write,
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// What the environment says.
struct Plan {
    log: Option<String>,
    /// The name that counts, every one when empty, and which one of them is the last.
    fatal: Option<(String, u64)>,
    /// In the same way, the place to wait at, and the file to wait for.
    pause: Option<((String, u64), String)>,
    clock: Option<String>,
}

static PLAN: OnceLock<Plan> = OnceLock::new();
static REACHED: AtomicU64 = AtomicU64::new(0);
static PASSED: AtomicU64 = AtomicU64::new(0);

/// The longest wait at a place.
const PAUSE: Duration = Duration::from_secs(60);

impl Plan {
    fn read() -> Self {
        let var = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
        Self {
            log: var("FAILPOINT_LOG"),
            fatal: var("FAILPOINT").and_then(|text| place(&text)),
            pause: var("FAILPOINT_PAUSE").and_then(|text| pause(&text)),
            clock: var("FAILPOINT_CLOCK"),
        }
    }
}

/// `7`, or `git update-ref before@2`.
fn place(text: &str) -> Option<(String, u64)> {
    let (name, number) = text.rsplit_once('@').unwrap_or(("", text));
    Some((name.to_owned(), number.parse().ok()?))
}

/// `git update-ref before@2:/tmp/go`.
fn pause(text: &str) -> Option<((String, u64), String)> {
    let (at, file) = text.split_once(':')?;
    Some((place(at)?, file.to_owned()))
}

/// Whether `name` is the place that is looked for.
fn is_there(name: &str, (counted, number): &(String, u64), seen: &AtomicU64) -> bool {
    (counted.is_empty() || counted == name) && seen.fetch_add(1, Ordering::SeqCst) + 1 == *number
}

/// Waits until there is a file.
fn wait_for(file: &str) {
    let _ = std::fs::write(format!("{file}.reached"), "");
    let began = Instant::now();
    while !Path::new(file).exists() && began.elapsed() < PAUSE {
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn reach(name: &str, last: impl FnOnce()) {
    let plan = PLAN.get_or_init(Plan::read);
    if let Some(log) = &plan.log {
        let line = format!("{}\n", name.replace('\n', " "));
        let file = OpenOptions::new().create(true).append(true).open(log);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
    if let Some((at, file)) = &plan.pause
        && is_there(name, at, &PASSED)
    {
        wait_for(file);
    }
    if plan.fatal.as_ref().is_some_and(|at| is_there(name, at, &REACHED)) {
        last();
        let _ = kill(Pid::this(), Signal::SIGKILL);
        // The signal may be on its way to another thread.
        std::thread::sleep(PAUSE);
    }
}

/// By how many seconds the wall clock is set forward.
pub(super) fn clock_offset() -> i64 {
    let Some(file) = &PLAN.get_or_init(Plan::read).clock else { return 0 };
    std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{pause, place};

    #[test]
    fn which_place_is_the_last() {
        assert_eq!(place("7"), Some((String::new(), 7)));
        assert_eq!(place("git update-ref before@2"), Some(("git update-ref before".to_owned(), 2)));
        assert_eq!(place("soon"), None);
        assert_eq!(
            pause("git update-ref before@2:/a:b"),
            Some((("git update-ref before".to_owned(), 2), "/a:b".to_owned()))
        );
        assert_eq!(pause("7"), None);
    }
}
