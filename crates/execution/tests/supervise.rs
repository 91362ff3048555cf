//! Supervision of real processes.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use biplane_execution::{
    mask::Masks,
    supervise::{
        Capture, Captured, Echo, How, Input, LogSpec, Marker, Reply, RunExit, RunObserver, RunSpec,
        StopReason, StreamName, SuperviseError, Tick, bounds, capture,
        identity::{self, Liveness},
        reap, reap_helpers, run, with_marker,
    },
};
use biplane_model::ProcessIdentity;
use camino::Utf8PathBuf;

/// A test's own place and marker.
struct Place {
    _dir: tempfile::TempDir,
    path: Utf8PathBuf,
    marker: Marker,
}

impl Place {
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = Utf8PathBuf::try_from(dir.path().to_path_buf()).expect("a UTF-8 path");
        Self {
            _dir: dir,
            path,
            marker: Marker::new("BIPLANE_TEST_RUN", format!("{name}-{}", std::process::id())),
        }
    }

    /// A shell script to run here.
    fn sh(&self, script: &str) -> RunSpec {
        let mut spec = RunSpec::new("sh", self.marker.clone());
        spec.args = vec!["-c".into(), script.into()];
        spec.cwd = Some(self.path.clone());
        spec
    }

    fn log(&self, bound: u64) -> Option<LogSpec> {
        Some(LogSpec { path: self.path.join("log"), bound })
    }

    fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path.join(name)).unwrap_or_default()
    }

    /// The process whose number a script wrote to `name`.
    fn process(&self, name: &str) -> ProcessIdentity {
        let pid = wait_for(name, || self.read(name).strip_suffix('\n')?.trim().parse().ok());
        identity::of(pid).unwrap_or(ProcessIdentity { pid, start_time: 0, ..identity::current() })
    }

    fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn sh(script: &str) -> Capture {
    Capture::new("sh", ["-c", script])
}

fn gone(pid: u32) -> bool {
    identity::of(pid).is_none_or(|process| identity::liveness(&process) == Liveness::Dead)
}

/// Stops the run once a condition holds.
struct StopWhen<F>(Tick, F);

impl<F: FnMut() -> bool> RunObserver for StopWhen<F> {
    fn tick(&mut self) -> Tick {
        if (self.1)() { self.0 } else { Tick::Continue }
    }
}

#[must_use]
fn run_quietly(spec: &RunSpec) -> RunExit {
    run(spec, &mut ()).expect("a run")
}

#[test]
fn how_it_ended_is_told() {
    let place = Place::new("how");
    for (script, how) in [
        ("exit 0", How::Exited(0)),
        ("exit 7", How::Exited(7)),
        ("kill -9 $$", How::Signalled(9)),
        ("kill -TERM $$", How::Signalled(15)),
    ] {
        let exit = run_quietly(&place.sh(script));
        assert_eq!((exit.how, exit.strays), (how, vec![]), "{script}");
    }
}

#[test]
fn the_environment_is_as_asked_and_the_observer_is_told() {
    struct Watch(Vec<ProcessIdentity>, Vec<String>);
    impl RunObserver for Watch {
        fn started(&mut self, child: &ProcessIdentity) {
            self.0.push(child.clone());
        }
        fn line(&mut self, line: &str) {
            self.1.push(line.to_owned());
        }
    }
    let place = Place::new("environment");
    let mut spec = place.sh("echo $$ > pid; echo \"$BIPLANE_TEST_RUN $ADDED ${PATH-unset}\"; cat > in");
    spec.program = "/bin/sh".into();
    spec.env.remove = vec!["PATH".into()];
    spec.env.set = vec![("ADDED".into(), "yes".into())];
    spec.args[1] = "echo $$ > pid; printf '%s %s\\n' \"$BIPLANE_TEST_RUN\" \"$ADDED\"; read x; exit 3".into();
    let mut watch = Watch(Vec::new(), Vec::new());
    let exit = run(&spec, &mut watch).expect("a run");
    assert_eq!(exit.how, How::Exited(3));
    assert_eq!(watch.0.iter().map(|child| child.pid).collect::<Vec<_>>(), [place.process("pid").pid]);
    assert_eq!(identity::liveness(&watch.0[0]), Liveness::Dead);
    assert_eq!(watch.1, [format!("{} yes", place.marker.value)]);
}

#[test]
fn a_timeout_ends_everything_wherever_it_went() {
    let place = Place::new("timeout");
    let script = "
        echo $$ > root
        sh -c 'trap \"\" TERM; echo $$ > deaf; while :; do sleep 1000 & wait $!; done' &
        setsid sh -c 'echo $$ > daemon; sleep 1000' &
        (setsid sh -c '(setsid sh -c \"echo \\$\\$ > double; sleep 1000; true\" &) ' &)
        env -i PATH=\"$PATH\" setsid sh -c '(sh -c \"echo \\$\\$ > bare; sleep 1000; true\" &)'
        wait
        sleep 1000";
    let mut spec = place.sh(script);
    spec.timeout = Some(Duration::from_millis(1500));
    spec.grace = Duration::from_millis(200);
    let exit = run_quietly(&spec);
    assert_eq!(exit.how, How::TimedOut);
    for name in ["root", "deaf", "daemon", "double", "bare"] {
        assert!(gone(place.process(name).pid), "{name}: {:?}", exit.strays);
        if name != "root" {
            assert!(
                exit.strays.iter().any(|s| s.pid == place.process(name).pid && s.gone),
                "{name} {:?}",
                exit.strays
            );
        }
    }
    assert_eq!(with_marker(&place.marker), vec![]);
}

#[test]
fn what_a_command_leaves_behind_is_ended_with_it() {
    let place = Place::new("strays");
    let mut spec = place.sh("setsid sh -c 'echo $$ > daemon; echo up; sleep 1000; true' &
        sleep 1000 & echo $! > background
        env -i setsid /bin/sh -c 'echo $$ > bare; exec sleep 1000' &
        while ! [ -s daemon ] || ! [ -s bare ]; do sleep 0.01; done; exit 4");
    spec.log = place.log(1000);
    let exit = run_quietly(&spec);
    assert_eq!(exit.how, How::Exited(4));
    assert_eq!(place.read("log"), "up\n");
    for name in ["daemon", "background", "bare"] {
        assert!(gone(place.process(name).pid), "{name}");
        assert!(
            exit.strays.iter().any(|stray| stray.pid == place.process(name).pid),
            "{name} {:?}",
            exit.strays
        );
    }
    assert!(exit.strays.iter().any(|stray| stray.command == "sleep 1000"), "{:?}", exit.strays);
}

#[test]
fn an_observer_stops_a_run() {
    let place = Place::new("stop");
    let mut spec =
        place.sh("trap 'echo asked > asked; exit 0' INT; echo $$ > pid; while :; do sleep 0.01; done");
    spec.tick = Duration::from_millis(5);
    let ready = || place.has("pid");
    let stop = StopReason::Signal(2);
    let exit = run(&spec, &mut StopWhen(Tick::Stop(stop), ready)).expect("a run");
    assert_eq!(exit.how, How::Stopped(stop));
    assert_eq!(place.read("asked"), "asked\n");

    let place = Place::new("kill");
    let mut spec = place.sh("trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done");
    spec.tick = Duration::from_millis(5);
    spec.grace = Duration::from_secs(1000);
    let ready = || place.has("pid");
    let exit = run(&spec, &mut StopWhen(Tick::Kill(StopReason::Cancelled), ready)).expect("a run");
    assert_eq!(exit.how, How::Stopped(StopReason::Cancelled));
    assert!(gone(place.process("pid").pid));
}

#[test]
fn a_stopped_process_is_ended_too() {
    let place = Place::new("stopped");
    let mut spec = place.sh("sleep 1000 & echo $! > pid; kill -STOP $!; exit 0");
    spec.log = place.log(100);
    let exit = run_quietly(&spec);
    assert_eq!(exit.how, How::Exited(0));
    assert!(gone(place.process("pid").pid));
}

#[test]
fn parallel_runs_leave_each_other_alone() {
    let places: Vec<Place> = (0..6).map(|n| Place::new(&format!("parallel{n}"))).collect();
    thread::scope(|scope| {
        for (n, place) in places.iter().enumerate() {
            scope.spawn(move || {
                let script = format!(
                    "setsid sleep 1000 & sh -c 'sleep 0.{n}5; exit 5' & child=$!
                    wait $child || echo $? > inner; exit {n}"
                );
                let exit = run_quietly(&place.sh(&script));
                assert_eq!(exit.how, How::Exited(i32::try_from(n).expect("small")));
                assert_eq!(place.read("inner"), "5\n");
                assert_eq!(exit.strays.len(), 1, "{:?}", exit.strays);
            });
            scope.spawn(|| {
                for _ in 0..40 {
                    let captured = capture(&sh("true & wait $!; exit 9")).expect("a capture");
                    assert_eq!(captured.code, Some(9));
                }
            });
        }
    });
}

#[test]
fn the_log_is_bounded_and_keeps_both_ends() {
    let place = Place::new("log");
    let mut spec = place.sh("echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last");
    spec.log = place.log(10_000);
    let exit = run_quietly(&spec);
    assert_eq!((exit.how, &exit.log_error), (How::Exited(0), &None));
    let total = 6 + 100_000_000 + 1 + 5;
    assert_eq!(
        (exit.log_bytes, exit.log_bytes + exit.log_dropped),
        (10_000 + bounds::LOG_TAIL as u64, total)
    );
    let text = place.read("log");
    assert!(text.starts_with("first\nxxx") && text.ends_with("xxx\nlast\n"));
    assert!(text.contains(&format!("\n… {} bytes left out …\n", exit.log_dropped)));
    assert!(text.len() < 10_000 + bounds::LOG_TAIL + 100);
    // The peak of this process's memory: all tests together stay far below the output.
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    assert!(peak.unwrap_or(0) < 60_000_u64, "{peak:?} kB");
}

#[test]
fn a_log_that_cannot_be_written_is_noted_and_kills_nothing() {
    let place = Place::new("full");
    let mut spec = place.sh("echo one; echo two; exit 3");
    spec.log = Some(LogSpec { path: "/dev/full".into(), bound: 1000 });
    let exit = run_quietly(&spec);
    assert_eq!((exit.how, exit.log_bytes, exit.log_dropped), (How::Exited(3), 0, 8));
    assert!(exit.log_error.is_some());
}

#[test]
fn input_larger_than_a_pipe_arrives() {
    let place = Place::new("input");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut spec = place.sh("cat > copy");
    spec.input = Input::Bytes(bytes.clone());
    assert_eq!(run_quietly(&spec).how, How::Exited(0));
    assert!(fs_err::read(place.path.join("copy")).unwrap() == bytes);

    let mut echo = sh("cat");
    echo.stdin = bytes.clone();
    assert!(capture(&echo).expect("a capture").stdout == bytes);
    // One that doesn't read it all is no failure.
    let mut deaf = sh("exit 6");
    deaf.stdin = bytes;
    assert_eq!(capture(&deaf).expect("a capture").code, Some(6));
}

#[test]
fn a_capture_tells_all() {
    let captured = capture(&sh("echo out; echo err >&2; exit 3")).expect("a capture");
    let expected = Captured { code: Some(3), signal: None, stdout: b"out\n".into(), stderr: b"err\n".into() };
    assert_eq!(captured, expected);
    assert_eq!(capture(&sh("kill -9 $$")).expect("a capture").signal, Some(9));
    // Its output is held open by what it left behind, which goes on.
    let captured = capture(&sh("sleep 1000 & echo $!")).expect("a capture");
    let pid: u32 = String::from_utf8_lossy(&captured.stdout).trim().parse().expect("a number");
    let process = identity::of(pid).expect("it goes on");
    assert_eq!(identity::liveness(&process), Liveness::Alive);
    reap(&Marker::new("BIPLANE_TEST_RUN", "nobody"), Some(&process), Duration::ZERO);
    assert!(gone(pid));
}

#[test]
fn a_capture_fails_clearly() {
    let error = capture(&Capture::new("no-such-program-anywhere", ["x"])).expect_err("no program");
    assert!(matches!(error, SuperviseError::NotFound { .. }), "{error:?}");
    assert_eq!(error.to_string(), "can't find the program `no-such-program-anywhere`");

    let mut spec = sh("true");
    spec.cwd = Some("/no/such/directory".into());
    assert_eq!(
        capture(&spec).expect_err("no directory").to_string(),
        "can't run `sh`: no directory `/no/such/directory`"
    );

    let place = Place::new("capture");
    let mut spec = sh("sleep 1000 & echo $! > pid; sleep 1000");
    spec.cwd = Some(place.path.clone());
    spec.timeout = Duration::from_millis(500);
    assert_eq!(capture(&spec).expect_err("too long").to_string(), "`sh` did not end within 0.5 s");
    wait_for("the group's end", || gone(place.process("pid").pid).then_some(()));

    let mut spec = sh("yes");
    spec.stdout_bound = 100_000;
    assert_eq!(capture(&spec).expect_err("too much").to_string(), "`sh` wrote more than 100000 bytes");

    let captured = capture(&sh("head -c 1000000 /dev/zero >&2; echo end >&2")).expect("a capture");
    assert!(captured.stderr.len() == bounds::CAPTURE_STDERR && captured.stderr.ends_with(b"end\n"));
}

#[test]
fn a_later_process_ends_what_a_dead_supervisor_left() {
    let place = Place::new("reap");
    let mut spec = sh(
        "(setsid sh -c 'echo $$ > one; sleep 1000; true' &); env -u BIPLANE_TEST_RUN sleep 1000 & echo $! > other",
    );
    spec.cwd = Some(place.path.clone());
    spec.env.set = vec![(place.marker.name.clone().into(), place.marker.value.clone().into())];
    assert!(capture(&spec).expect("a capture").success());
    let (one, other) = (place.process("one"), place.process("other"));
    wait_for("both", || {
        (with_marker(&place.marker).len() == 2 && describes(&other, "sleep 1000")).then_some(())
    });
    // A child that is not the same any more proves nothing.
    let reused = ProcessIdentity { start_time: other.start_time + 1, ..other.clone() };
    let strays = reap(&place.marker, Some(&reused), Duration::from_secs(5));
    assert!(strays.iter().any(|stray| stray.pid == one.pid && stray.gone), "{strays:?}");
    assert!(gone(one.pid));
    assert_eq!(identity::liveness(&other), Liveness::Alive);
    let strays = reap(&place.marker, Some(&other), Duration::from_secs(5));
    assert_eq!(strays.iter().map(|stray| stray.pid).collect::<Vec<_>>(), [other.pid]);
    assert!(gone(other.pid));
    assert_eq!(reap(&place.marker, Some(&other), Duration::from_secs(5)), vec![]);
}

#[test]
fn helpers_of_a_dead_process_may_finish_before_they_are_ended() {
    let place = Place::new("helpers");
    // No process has ever been this one.
    let dead = ProcessIdentity { start_time: 0, pid: u32::MAX, ..identity::current() };
    let helper = |script: &str| {
        let mut spec = sh(&format!(
            "(BIPLANE_HELPER={}:{}:{} setsid sh -c 'echo $$ > pid; {script}' &)",
            dead.boot_id, dead.pid, dead.start_time
        ));
        spec.cwd = Some(place.path.clone());
        assert!(capture(&spec).expect("a capture").success());
        place.process("pid")
    };
    helper("sleep 0.3; echo done > effect");
    assert_eq!(reap_helpers(&dead, Duration::from_secs(60), Duration::ZERO), vec![]);
    assert_eq!(place.read("effect"), "done\n");

    fs_err::remove_file(place.path.join("pid")).expect("it was written");
    let stuck = helper("sleep 1000; true");
    let strays = reap_helpers(&dead, Duration::ZERO, Duration::from_secs(5));
    assert!(strays.iter().any(|stray| stray.pid == stuck.pid && stray.gone), "{strays:?}");
}

fn describes(process: &ProcessIdentity, command: &str) -> bool {
    identity::describe(process.pid) == command
}

#[test]
fn a_process_that_only_waits_to_be_collected_is_dead() {
    let place = Place::new("zombie");
    let seen = RefCell::new(BTreeMap::new());
    // The shell becomes a program that never collects its child.
    let mut spec = place.sh("sh -c 'echo $$ > child' & exec sleep 1000");
    spec.tick = Duration::from_millis(5);
    let dead = || {
        if !place.has("child") {
            return false;
        }
        let child = place.process("child");
        let liveness = identity::liveness(&child);
        seen.borrow_mut().insert(child.pid, (identity::of(child.pid).is_some(), liveness));
        liveness == Liveness::Dead
    };
    let exit = run(&spec, &mut StopWhen(Tick::Stop(StopReason::Cancelled), dead)).expect("a run");
    assert_eq!(exit.how, How::Stopped(StopReason::Cancelled));
    assert!(seen.borrow().values().all(|&last| last == (true, Liveness::Dead)), "{seen:?}");
}

/// Run by the next test in a process of its own, whose streams it can look at.
#[test]
fn echo_in_a_process_of_its_own() {
    let Some(script) = std::env::var_os("BIPLANE_TEST_ECHO") else { return };
    let place = Place::new("echo");
    let mut spec = place.sh(script.to_str().expect("UTF-8"));
    spec.echo = Echo { stdout: true, stderr: true };
    spec.log = place.log(1 << 30);
    let exit = run_quietly(&spec);
    fs_err::write(
        std::env::var_os("BIPLANE_TEST_OUT").expect("set"),
        format!("{:?} {}", exit.how, exit.log_bytes),
    )
    .expect("a result");
}

fn echo(place: &Place, script: &str, shell: &str) -> Captured {
    let mut spec = Capture::new("sh", ["-c", shell, "sh"]);
    spec.args.push(std::env::current_exe().expect("ourselves").into());
    for arg in ["--exact", "echo_in_a_process_of_its_own", "--nocapture", "--quiet"] {
        spec.args.push(arg.into());
    }
    spec.env.set = vec![
        ("BIPLANE_TEST_ECHO".into(), script.into()),
        ("BIPLANE_TEST_OUT".into(), place.path.join("out").into()),
    ];
    capture(&spec).expect("a capture")
}

#[test]
fn streams_are_echoed_apart_and_whole() {
    let place = Place::new("echoes");
    let captured = echo(&place, "echo to-out; echo to-err >&2; seq 200000", "exec \"$@\"");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&captured.stdout), String::from_utf8_lossy(&captured.stderr));
    assert!(
        stdout.contains("to-out\n1\n2\n")
            && stdout.contains("\n199999\n200000\n")
            && !stdout.contains("to-err")
    );
    assert!(stderr.contains("to-err\n") && !stderr.contains("to-out"));
    assert_eq!(place.read("out"), format!("Exited(0) {}", 14 + 1_288_895));
}

#[test]
fn a_reader_that_goes_away_costs_the_echo_only() {
    let place = Place::new("pipe");
    let captured = echo(&place, "seq 200000; echo done >&2", "\"$@\" | head -n 20 | tail -n 1");
    assert!(captured.stdout.len() < 100, "{:?}", String::from_utf8_lossy(&captured.stdout));
    assert_eq!(place.read("out"), format!("Exited(0) {}", 5 + 1_288_895));
}

/// Run by the next test on a terminal of its own.
#[test]
fn terminal_in_a_process_of_its_own() {
    let Some(directory) = std::env::var_os("BIPLANE_TEST_TERMINAL") else { return };
    let mut place = Place::new("terminal");
    place.path = Utf8PathBuf::try_from(std::path::PathBuf::from(directory)).expect("UTF-8");
    let foreground = || rustix::termios::tcgetpgrp(std::io::stdin()).expect("a terminal");
    let ours = foreground();
    let mut spec = place.sh("trap 'echo interrupted > got; stty raw; kill -9 $$' INT
        read line; kill -STOP $$; echo \"$line\" > line; while :; do sleep 0.01; done");
    spec.input = Input::Inherit;
    spec.foreground = true;
    spec.tick = Duration::from_millis(10);
    let first = run_quietly(&spec).how;
    spec.args[1] = "read line; echo \"$line\" > shell; [ -t 1 ] && exit 5".into();
    let second = biplane_execution::supervise::interactive(&spec, &mut ()).expect("a shell").how;
    let cooked = rustix::termios::tcgetattr(std::io::stdin())
        .expect("modes")
        .local_modes
        .contains(rustix::termios::LocalModes::ICANON);
    let result = format!("{first:?} {second:?} {} {cooked}", ours == foreground());
    fs_err::write(place.path.join("out"), result).expect("a result");
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_on_a_terminal_gets_its_keys_and_gives_it_back() {
    let place = Place::new("terminals");
    let until = |name: &str| format!("while ! [ -s {name} ]; do sleep 0.01; done");
    let keys = format!(
        "printf 'hello\\n'; {}; printf '\\003'; {}; printf 'again\\n'; {}",
        until("line"),
        until("got"),
        until("out")
    );
    let exe = std::env::current_exe().expect("ourselves");
    let terminal = "script -qec \"$1 --exact terminal_in_a_process_of_its_own --nocapture\" /dev/null";
    let mut spec = Capture::new("sh", ["-c".into(), format!("({keys}) | {terminal}"), "sh".into()]);
    spec.args.push(exe.into());
    spec.cwd = Some(place.path.clone());
    spec.env.set = vec![("BIPLANE_TEST_TERMINAL".into(), place.path.clone().into())];
    spec.timeout = Duration::from_secs(60);
    let captured = capture(&spec).expect("a capture");
    assert_eq!(place.read("line"), "hello\n", "{}", String::from_utf8_lossy(&captured.stdout));
    assert_eq!(place.read("shell"), "again\n", "{}", String::from_utf8_lossy(&captured.stdout));
    assert_eq!(place.read("out"), "Signalled(9) Exited(5) true true");
}

/// Answers each line with its length, and closes the input after the third.
#[derive(Default)]
struct Talk {
    heard: Vec<String>,
    partial: String,
}

impl RunObserver for Talk {
    fn output(&mut self, stream: StreamName, bytes: &[u8]) -> Reply {
        if stream == StreamName::Error {
            return Reply::default();
        }
        self.partial.push_str(&String::from_utf8_lossy(bytes));
        let mut reply = Reply::default();
        while let Some((line, rest)) = self.partial.split_once('\n') {
            reply.input.extend(format!("{}\n", line.len()).bytes());
            self.heard.push(line.to_owned());
            self.partial = rest.to_owned();
        }
        reply.close = self.heard.len() >= 3;
        reply
    }
}

#[test]
fn an_open_input_carries_a_conversation_until_it_is_closed() {
    let place = Place::new("talk");
    let mut spec = place.sh("echo begin; while read -r line; do echo \"got $line\"; done; echo over");
    spec.input = Input::Open(b"first\n".to_vec());
    let mut talk = Talk::default();
    let exit = run(&spec, &mut talk).expect("it is started");
    assert_eq!(exit.how, How::Exited(0));
    assert_eq!(talk.heard[..2], ["begin", "got first"]);
    assert_eq!(talk.heard.last().map(String::as_str), Some("over"), "{:?}", talk.heard);
}

#[test]
fn secrets_are_in_no_log_and_no_line_but_in_the_conversation() {
    struct Seen(Vec<String>, Vec<u8>);
    impl RunObserver for Seen {
        fn output(&mut self, _: StreamName, bytes: &[u8]) -> Reply {
            self.1.extend_from_slice(bytes);
            Reply::default()
        }
        fn line(&mut self, line: &str) {
            self.0.push(line.to_owned());
        }
    }
    let place = Place::new("secrets");
    let slowly =
        "for c in h u n t e r 2 2; do printf $c; sleep 0.02; done; echo; sleep 0.3; printf 'the end: hunt'";
    let mut spec = place.sh(slowly);
    spec.log = place.log(1000);
    spec.masks = Masks::new(["hunter22"]);
    let mut seen = Seen(Vec::new(), Vec::new());
    assert_eq!(run(&spec, &mut seen).expect("it is started").how, How::Exited(0));
    assert_eq!(place.read("log"), "***\nthe end: hunt");
    assert_eq!(seen.0, ["***"]);
    assert_eq!(String::from_utf8_lossy(&seen.1), "hunter22\nthe end: hunt");
}
