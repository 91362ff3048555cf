//! Claims whose holder is of another boot, another container, or has been stopped: as recovery and the watcher judge them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]
#![allow(dead_code, reason = "not every way to look at a home is used here")]

#[path = "doctor/home.rs"]
mod home;

use std::time::{Duration, Instant};

use biplane_control::{LedgerError, LedgerExt, SqliteLedger};
use biplane_coordination::{
    Echo, Input, Leases, Mode, RunObserver, RunRequest, StopRequest, StopTarget, UsageBy, UsageRequest,
    bounds,
};
use biplane_model::{TaskStatus, Usage};
use biplane_testkit::{Signal, eventually};
use home::Home;
use rustix::process::{Pid, kill_process};

const DEADLINE: Duration = Duration::from_secs(60);

struct Quiet;

impl RunObserver for Quiet {}

/// A task that is being worked on, whose run has not ended yet; somebody else's process is its agent, and the supervisor
/// is `holder`, as the ledger writes it.
struct Attempt {
    home: Home,
    other: i32,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process(Pid::from_raw(self.other).unwrap(), Signal::KILL);
    }
}

impl Attempt {
    fn new() -> Self {
        let home = Home::new();
        home.repo.write("biplane.toml", "[up]\nlease = \"2s\"\n");
        home.repo.commit("settings");
        home.task("t");
        let path = home.worktree_for("x", Some("1"));
        let ran = home.open().run(RunRequest {
            name: "x".parse().unwrap(),
            command: vec!["true".to_owned()],
            timeout: None,
            input: Input::Null,
            echo: Echo::default(),
            foreground: false,
            interactive: false,
            observer: &mut Quiet,
        });
        ran.unwrap();
        home.repo.at(&path).write("new.txt", "work\n");
        // No child of ours that this test waits for: who ends a run collects what was handed to it.
        let other = home.env.program("sh").args(["-c", "sleep 600 & echo $!"]).run().success().stdout;
        Self { home, other: other.trim().parse().unwrap() }
    }

    /// `<pid> <start time> <boot>` of the other process, where the boot is changed as told.
    fn other(&self, boot: impl Fn(&str) -> String) -> String {
        let ledger = rusqlite::Connection::open(self.home.root.join(".git/biplane/ledger.db")).unwrap();
        let us: String = ledger
            .query_row("SELECT supervisor FROM run WHERE status = 'succeeded'", [], |row| row.get(0))
            .unwrap();
        let our_boot = us.splitn(3, ' ').nth(2).unwrap();
        let pid = self.other;
        let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let start = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap();
        format!("{pid} {start} {}", boot(our_boot))
    }

    fn is_running(&self) -> bool {
        let stat = fs_err::read_to_string(format!("/proc/{}/stat", self.other));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn held_by(&self, holder: &str) {
        self.home.sql(&format!(
            "UPDATE task SET owner = 'a', epoch = 1, lease_until = 0, run = 1, holder = '{holder}'"
        ));
        self.home.sql(&format!(
            "UPDATE run SET kind = 'agent', epoch = 1, status = 'running', ended_at = NULL, exit_code = NULL, \
             supervisor = '{holder}', child = '{holder}'"
        ));
    }

    fn status(&self) -> TaskStatus {
        self.home.open().task_show(&"1".parse().unwrap()).unwrap().0.task.status
    }

    fn run(&self) -> String {
        let ledger = rusqlite::Connection::open(self.home.root.join(".git/biplane/ledger.db")).unwrap();
        ledger.query_row("SELECT status FROM run", [], |row| row.get(0)).unwrap()
    }
}

/// The numbers that a machine hands out begin anew with each boot: what has them now is a stranger.
#[test]
fn after_a_reboot_the_claim_is_void_and_no_stranger_is_ended() {
    let attempt = Attempt::new();
    let before = attempt.other(|_| "another-boot".to_owned());
    attempt.held_by(&before);
    let recovered = attempt.home.open().recover(Mode::Fix).unwrap();
    assert_eq!((recovered.done.len(), recovered.open.len()), (2, 0), "{recovered:?}");
    assert_eq!((attempt.status(), attempt.run().as_str()), (TaskStatus::Pending, "lost"));
    assert!(attempt.is_running());
    let held = attempt.home.repo.git(&["for-each-ref", "--format=%(refname)", "refs/biplane/snapshots/"]);
    assert_eq!(attempt.home.repo.git(&["show", &format!("{held}:new.txt")]), "work");
    assert!(attempt.home.open().recover(Mode::Fix).unwrap().done.is_empty());
}

/// Several processes find the same at once: each thing is recovered and told of by one of them, and none of them fails at it.
#[test]
fn what_another_process_recovers_at_the_same_moment_is_done() {
    const TASKS: usize = 12;
    let home = Home::new();
    for n in 0..TASKS {
        home.task(&format!("t{n}"));
    }
    home.sql("UPDATE task SET status = 'in_progress', owner = 'a', epoch = 1, holder = '7 1 another-boot'");
    let (first, second) = (home.open(), home.open());
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| first.recover(Mode::Fix).unwrap());
        let second = second.recover(Mode::Fix).unwrap();
        (first.join().unwrap(), second)
    });
    assert!(first.open.is_empty() && second.open.is_empty(), "{first:#?}\n{second:#?}");
    let mut done: Vec<String> = first.done.into_iter().chain(second.done).collect();
    done.sort();
    assert_eq!(done.len(), TASKS, "{done:#?}");
    done.dedup();
    assert_eq!(done.len(), TASKS, "{done:#?}");
}

/// Nobody was there to note it: the transcript has it.
#[test]
fn what_a_lost_run_has_used_is_in_the_sums() {
    let attempt = Attempt::new();
    attempt.held_by(&attempt.other(|_| "another-boot".to_owned()));
    let line = |event: &str| format!("{{\"v\":1,\"at\":1763640000.0,\"event\":{event}}}\n");
    let used = r#"{"type":"usage","input_tokens":10,"output_tokens":2,"cached_tokens":1,"cost_microusd":7}"#;
    let said = r#"{"type":"message","text":"{\"type\":\"usage\",\"input_tokens\":500}"}"#;
    let torn = r#"{"type":"usage","input_tokens":3"#;
    let text = [used, said, torn, used].map(line).concat();
    attempt.home.repo.write(".worktrees/runs/r1/transcript.jsonl", text);
    attempt.home.open().recover(Mode::Fix).unwrap();
    assert_eq!(attempt.run(), "lost");
    let request = UsageRequest { by: UsageBy::Task, since: None, day: &|_| String::new() };
    let total = attempt.home.open().usage(&request).unwrap().total;
    let sum = Usage { input_tokens: 20, output_tokens: 4, cached_tokens: 2, cost_microusd: 14 };
    assert_eq!((total.usage, total.told), (sum, 1));
    let events = attempt.home.repo.read(".worktrees/events.jsonl");
    let lost = events.lines().find(|line| line.contains("worktree.run.lost")).unwrap();
    assert!(lost.contains(r#""cost_microusd":14"#), "{lost}");
}

/// The watcher sees the same without anybody asking for a recovery.
#[test]
fn a_watcher_recovers_what_a_dead_process_held() {
    let attempt = Attempt::new();
    attempt.held_by(&attempt.other(|_| "another-boot".to_owned()));
    let mut leases = Leases::default();
    assert!(attempt.home.open().watch_leases(&mut leases).unwrap());
    assert_eq!((attempt.status(), attempt.run().as_str()), (TaskStatus::Pending, "lost"));
    assert!(!attempt.home.open().watch_leases(&mut leases).unwrap());
}

/// The clock of this home leaps by 20 s at each look, and the lease was over before it began: neither matters.
#[test]
fn a_live_holder_is_let_be_for_a_lease_and_then_ended() {
    let attempt = Attempt::new();
    attempt.held_by(&attempt.other(str::to_owned));
    let service = attempt.home.open();
    assert!(service.recover(Mode::Fix).unwrap().done.is_empty(), "it lives");
    let (mut leases, began) = (Leases::default(), Instant::now());
    eventually(DEADLINE, "its claim is taken away", || service.watch_leases(&mut leases).unwrap());
    assert!(began.elapsed() >= Duration::from_secs(2) + bounds::LEASE_MARGIN, "{:?}", began.elapsed());
    assert_eq!((attempt.status(), attempt.run().as_str()), (TaskStatus::Pending, "lost"));
    assert!(!attempt.is_running(), "what was left of its run has ended");
    let words = attempt.home.repo.read(".worktrees/events.jsonl");
    let at = |word: &str| words.find(word).unwrap_or_else(|| panic!("no {word}"));
    assert!(at("task.fenced") < at("worktree.snapshot"));
    assert!(at("worktree.snapshot") < at("worktree.run.lost"));
    assert!(at("worktree.run.lost") < at("task.returned"));
}

#[test]
fn a_holder_that_renews_is_let_be() {
    let attempt = Attempt::new();
    attempt.held_by(&attempt.other(str::to_owned));
    let service = attempt.home.open();
    let (mut leases, began) = (Leases::default(), Instant::now());
    let mut renewed = 0;
    eventually(DEADLINE, "the window is over", || {
        // The clock of whoever renews it goes backwards.
        renewed -= 1;
        attempt.home.sql(&format!("UPDATE task SET lease_until = {renewed}"));
        assert!(!service.watch_leases(&mut leases).unwrap());
        began.elapsed() > Duration::from_secs(5)
    });
    assert_eq!((attempt.status(), attempt.run().as_str()), (TaskStatus::InProgress, "running"));
    assert!(attempt.is_running());
}

/// Who took the claim away has died before it ended the run: the next recovery does, though the supervisor lives.
#[test]
fn a_fencing_that_was_not_finished_is_finished() {
    let attempt = Attempt::new();
    attempt.held_by(&attempt.other(str::to_owned));
    attempt.home.sql("UPDATE task SET epoch = 2, run = NULL, holder = '7 1 another-boot'");
    let recovered = attempt.home.open().recover(Mode::Fix).unwrap();
    assert_eq!((recovered.done.len(), recovered.open.len()), (1, 0), "{recovered:?}");
    assert_eq!((attempt.status(), attempt.run().as_str()), (TaskStatus::Pending, "lost"));
    assert!(!attempt.is_running());
}

/// A supervisor in another container can't be seen from here: what it supervises is asked to stop and left to it.
#[test]
fn a_run_in_another_container_is_asked_to_stop() {
    let attempt = Attempt::new();
    let elsewhere = attempt.other(|boot| format!("{}:1", boot.split(':').next().unwrap()));
    attempt.held_by(&elsewhere);
    let target = StopTarget::Task("1".parse().unwrap());
    let stopped = attempt.home.open().stop(&StopRequest { target, reason: String::new() }).unwrap();
    assert!(stopped.runs[0].stop_by.is_some());
    assert_eq!((attempt.status(), attempt.run().as_str()), (TaskStatus::Blocked, "running"));
    assert!(attempt.is_running());
}

#[test]
fn a_task_whose_agents_are_turned_away_again_and_again_waits_for_a_person() {
    let home = Home::new();
    let id = home.task("t");
    home.worktree_for("x", Some("1"));
    for _ in 0..bounds::RATE_LIMITED_RUNS {
        let ran = home.open().run(RunRequest {
            name: "x".parse().unwrap(),
            command: vec!["true".to_owned()],
            timeout: None,
            input: Input::Null,
            echo: Echo::default(),
            foreground: false,
            interactive: false,
            observer: &mut Quiet,
        });
        ran.unwrap();
    }
    home.sql("UPDATE run SET kind = 'agent', status = 'failed', rate_limited = 1");
    let ledger = SqliteLedger::open(&home.root.join(".git/biplane/ledger.db")).unwrap();
    let task = ledger.look::<_, LedgerError>(|view| view.task(&id)).unwrap().unwrap();
    let service = home.open();
    assert_eq!(service.task_used(&id).unwrap().attempts, 0, "none of them was an attempt");
    let why = service.over_limit(&task).unwrap().unwrap();
    assert!(why.starts_with("its agent's provider has turned it away 20 times in a row"), "{why}");
    // One that went its way begins a new row.
    home.sql("UPDATE run SET rate_limited = 0 WHERE id = 5");
    assert_eq!(home.open().over_limit(&task).unwrap(), None);
}
