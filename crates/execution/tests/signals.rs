//! Being asked to stop by signals, in a process of its own: whoever was asked twice gives helper commands little time.

use std::time::{Duration, Instant};

use biplane_execution::supervise::{Capture, StopFlag, SuperviseError, capture};

#[test]
fn signals_are_counted_and_the_second_ends_helper_commands() {
    let flag = StopFlag::install().expect("handlers");
    assert_eq!((flag.requested(), flag.count()), (None, 0));
    let us = rustix::process::getpid();
    for count in 1..=2 {
        rustix::process::kill_process(us, rustix::process::Signal::TERM).expect("a signal to ourselves");
        while flag.count() < count {
            std::thread::yield_now();
        }
    }
    let again = StopFlag::install().expect("the same flag");
    assert_eq!((again.requested(), again.count()), (Some(signal_hook::consts::SIGTERM), 2));

    let begin = Instant::now();
    assert!(capture(&Capture::new("true", [""; 0])).expect("it is quick").success());
    for _ in 0..3 {
        let ended = capture(&Capture::new("sleep", ["300"]));
        assert!(matches!(ended, Err(SuperviseError::Stopped { .. })), "{ended:?}");
    }
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}
