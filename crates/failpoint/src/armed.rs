//! The failpoints of a debug build.

use std::{
    fs::OpenOptions,
    io::Write,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
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
}

static PLAN: OnceLock<Plan> = OnceLock::new();
static REACHED: AtomicU64 = AtomicU64::new(0);

impl Plan {
    fn read() -> Self {
        let var = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
        Self { log: var("FAILPOINT_LOG"), fatal: var("FAILPOINT").and_then(|text| fatal(&text)) }
    }
}

/// `7`, or `git update-ref before@2`.
fn fatal(text: &str) -> Option<(String, u64)> {
    let (name, number) = text.rsplit_once('@').unwrap_or(("", text));
    Some((name.to_owned(), number.parse().ok()?))
}

pub(super) fn reach(name: &str) {
    let plan = PLAN.get_or_init(Plan::read);
    if let Some(log) = &plan.log {
        let line = format!("{}\n", name.replace('\n', " "));
        let file = OpenOptions::new().create(true).append(true).open(log);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
    let Some((counted, last)) = &plan.fatal else { return };
    if (counted.is_empty() || counted == name) && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *last {
        let _ = kill(Pid::this(), Signal::SIGKILL);
        // The signal may be on its way to another thread.
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}

#[cfg(test)]
mod tests {
    use super::fatal;

    #[test]
    fn which_place_is_the_last() {
        assert_eq!(fatal("7"), Some((String::new(), 7)));
        assert_eq!(fatal("git update-ref before@2"), Some(("git update-ref before".to_owned(), 2)));
        assert_eq!(fatal("soon"), None);
    }
}
