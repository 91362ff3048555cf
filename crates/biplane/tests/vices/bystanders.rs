//! Processes that have nothing to do with the agents: whatever those leave behind, none of these is ended for it.

use std::{fs, time::Duration};

use biplane_testkit::{Signal, eventually};

use crate::lab::{DEADLINE, Lab};

/// The parent of a process, while it is at work.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_at_work = !matches!(fields.next()?, "Z" | "X");
    fields.next()?.parse().ok().filter(|_| is_at_work)
}

/// A shell starts a server of its own, becomes `biplane up`, and the server starts again while an agent is at work: as an
/// orphan without any mark, which the system hands to `up`, and which comes from nothing that `up` has started.
#[test]
fn what_was_there_before_is_left_alone_although_it_is_handed_to_us() {
    let lab = Lab::new();
    let [go, pid, done] = ["go", "pid", "done"].map(|name| lab.env.root().join(name));
    lab.order("plain", &format!("write {go}; await {done}; write a.txt; commit; daemon-away {go}.beat"));
    let script = format!(
        "(n=0; until test -e {go} || test $n -gt 2000; do sleep 0.02; n=$((n+1)); done; cd /\n\
         env -i setsid sleep 300 </dev/null >/dev/null 2>&1 & echo $! > {pid}.new; mv {pid}.new {pid}) >/dev/null 2>&1 &\n\
         exec {} up --no-gate",
        env!("CARGO_BIN_EXE_biplane")
    );
    let up = lab.env.program("sh").args(["-c", &script]).in_dir(lab.root()).spawn();
    eventually(DEADLINE, "the server has started", || pid.exists());
    let server = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    eventually(DEADLINE, "it was handed to `up`", || parent(server) == Some(up.pid()));
    // Long enough for a look at the processes.
    let window = std::time::Instant::now() + Duration::from_millis(1500);
    eventually(DEADLINE, "the window is over", || std::time::Instant::now() > window);
    fs::write(&done, "").unwrap();
    up.wait(DEADLINE).success();
    let is_alive = parent(server).is_some();
    // Neither is left to the machine: the server, and the daemon, which nothing tells from it.
    let daemons = lab.env.processes();
    for pid in daemons.iter().filter_map(|p| p.strip_prefix("/proc/")?.split(' ').next()?.parse().ok()) {
        kill(pid);
    }
    kill(server);
    assert!(is_alive, "it was ended");
    lab.ended(1, "completed", &["succeeded"], "");
    lab.is_sound_but_for_main();
}

/// A person's process, in the midst of it all.
#[test]
fn one_that_stands_in_the_repository_is_left_alone() {
    let lab = Lab::impatient();
    let mut person = lab.env.program("sleep").arg("300").in_dir(lab.root()).spawn();
    let lab = lab.ordered(&["claude", "plain"], "deaf; child; daemon beat; hang");
    assert!(person.is_running());
    drop(person);
    for id in 1..=2 {
        lab.ended(id, "failed", &["timed_out"], "was stopped");
    }
    lab.is_sound();
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    let _ = rustix::process::kill_process(pid, Signal::KILL);
}
