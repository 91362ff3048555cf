//! Whether memory and time grow with the number of tasks that were done.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use biplane_testkit::{Records, Running};

/// How often is looked.
const EVERY: Duration = Duration::from_millis(50);
/// What memory may grow from the second quarter to the last, in bytes for each task that was done between. A leak of 8 KiB
/// for each of 2,000 tasks is 8 MiB, and more than this and the slack.
const GROWTH: f64 = 4096.0;
/// What it may be larger by anyhow, in bytes: how many attempts meet at the same moment differs.
const SLACK: f64 = (2 << 20) as f64;
/// How much longer a task may take in the last quarter than in the second.
const SLOWER: f64 = 2.0;

/// What was seen of a process at a moment.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// In seconds since 1970.
    at: f64,
    /// Its memory in RAM, in bytes.
    memory: f64,
    /// What it has used of processors by then, its children not among it, in seconds.
    used: f64,
}

/// An `up`, from its beginning to its end.
pub(crate) struct Watched(Vec<Seen>);

/// What was seen in a quarter of the tasks.
#[derive(Debug, Clone, Copy)]
struct Quarter {
    tasks: usize,
    seconds: f64,
    /// The most memory, in bytes.
    memory: f64,
    used: f64,
}

impl Watched {
    /// Watches it to its end, which must come before `patience` has passed.
    #[track_caller]
    pub(crate) fn to_its_end(mut up: Running, patience: Duration) -> Self {
        let (mut seen, began) = (Vec::new(), Instant::now());
        while up.is_running() {
            assert!(began.elapsed() < patience, "not done after {patience:?}\n{}", up.stderr());
            seen.extend(look(up.pid()));
            std::thread::sleep(EVERY);
        }
        // Some tasks fail, and its exit code says so.
        let output = up.wait(Duration::from_secs(10));
        assert!(output.code == 0 || output.code == 1, "{output}");
        let could_not = |line: &&str| line.contains(" stays") || line.contains("could not");
        output.stderr.lines().filter(could_not).for_each(|line| println!("endurance: {line}"));
        Self(seen)
    }

    /// Neither memory nor time for a task grows with the number of tasks.
    #[track_caller]
    pub(crate) fn is_level(&self, ends: &[f64]) {
        let quarters = [0, 1, 2, 3].map(|quarter| self.quarter(quarter, ends));
        println!("endurance: tasks   ms each   processor ms each   memory at most");
        for quarter in quarters {
            let each = |seconds: f64| seconds * 1e3 / quarter.tasks as f64;
            println!(
                "endurance: {:>5} {:>9.0} {:>19.1} {:>13.1} MB",
                quarter.tasks,
                each(quarter.seconds),
                each(quarter.used),
                quarter.memory / 1e6
            );
        }
        let [_, second, third, last] = quarters;
        let allowed = second.memory + SLACK + GROWTH * (third.tasks + last.tasks) as f64;
        assert!(last.memory <= allowed, "memory grows: {} bytes, {}", last.memory, second.memory);
        let each = |quarter: Quarter| quarter.seconds / quarter.tasks as f64;
        assert!(each(last) <= SLOWER * each(second), "it becomes slower: {last:?}, {second:?}");
    }

    fn quarter(&self, number: usize, ends: &[f64]) -> Quarter {
        let at = |quarter: usize| quarter * ends.len() / 4;
        let until = ends[at(number + 1) - 1];
        let from = if number == 0 { self.0[0].at } else { ends[at(number) - 1] };
        let seen: Vec<Seen> =
            self.0.iter().filter(|seen| (from..=until).contains(&seen.at)).copied().collect();
        Quarter {
            tasks: at(number + 1) - at(number),
            seconds: until - from,
            memory: seen.iter().map(|seen| seen.memory).fold(0.0, f64::max),
            used: seen.last().unwrap().used - seen[0].used,
        }
    }
}

/// When each task came to its end, in order, in seconds since 1970.
pub(crate) fn ends(records: &Records) -> Vec<f64> {
    let is_end = |word: &str| ["task.completed", "task.failed"].contains(&word);
    let ends = records.events().iter().filter(|event| is_end(event["event"].as_str().unwrap()));
    ends.map(|event| event["ts"].as_f64().unwrap()).collect()
}

/// What is seen of a process now; nothing when it has just ended.
fn look(pid: u32) -> Option<Seen> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    // What it has taken for itself: how much of the program was read from the disk so far is no growth.
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let memory = memory.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    // Fields 14 and 15 of the line, in hundredths of a second.
    let used = (fields[11].parse::<f64>().ok()? + fields[12].parse::<f64>().ok()?) / 100.0;
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
    Some(Seen { at, memory, used })
}
