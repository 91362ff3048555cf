//! Lines that no program should write, and when it is done.

use std::time::{Duration, Instant};

use biplane_execution::{
    agents::{Conversation, DriverName, Permissions, PromptBy, bounds},
    supervise::StreamName,
};
use biplane_model::AgentEvent;

use super::{Scene, short};

#[test]
fn garbage_is_passed_on_by_every_driver() {
    let garbage = b"\x00\xff\xfe not utf-8\n\n   \n{\"type\":\n[1,2]\n\"text\"\nnull\n{\"type\":\"new\"}\nlast \xe4 line without end";
    for driver in DriverName::ALL {
        let heard = Scene::new(Permissions::Edits).hear(driver, garbage, b"\x1b[31merror\x1b[0m\n");
        assert!(heard.events.iter().all(|event| matches!(event, AgentEvent::Raw { .. })), "{driver}");
        let lines = heard.short();
        assert!(lines.iter().any(|line| line.contains("not utf-8")), "{driver}: {lines:?}");
        assert!(lines.iter().any(|line| line.contains("last")), "{driver}: {lines:?}");
        assert!(lines.iter().any(|line| line.contains("error")), "{driver}: {lines:?}");
        assert!(!heard.tally.finished && heard.replies.is_empty(), "{driver}");
    }
}

#[test]
fn nested_garbage_is_no_trouble() {
    // Deeper than what is parsed.
    let deep = format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    for driver in DriverName::ALL {
        let heard = Scene::new(Permissions::Edits).hear(driver, deep.as_bytes(), b"");
        assert_eq!(heard.events.len(), 1, "{driver}");
    }
}

#[test]
fn an_endless_line_is_cut_and_the_next_one_read() {
    let mut output = vec![b'x'; 3 * bounds::LINE];
    output.extend_from_slice(b"\nnext\r\n");
    let heard = Scene::new(Permissions::Edits).hear(DriverName::Command, &output, b"");
    let [AgentEvent::Raw { line: cut }, AgentEvent::Raw { line: next }] = heard.events.as_slice() else {
        panic!("{:?}", heard.short());
    };
    assert!(cut.len() <= bounds::TEXT && cut.starts_with("xxx"));
    assert_eq!((next.as_str(), heard.tally.last_text.as_str()), ("next", "next"));
}

#[test]
fn a_plain_command_claims_nothing() {
    let heard =
        Scene::new(Permissions::Edits).hear(DriverName::Command, b"working\nall done\n", b"warning\n");
    assert_eq!(heard.short(), ["raw working", "raw all done", "raw warning"]);
    assert_eq!((heard.success(), heard.tally.finished), (None, false));
}

#[test]
fn a_program_that_is_done_and_goes_on_is_overdue() {
    let scene = Scene::new(Permissions::Edits);
    let driver = DriverName::Claude.driver(PromptBy::Stdin);
    let mut talk = Conversation::new(&*driver, &scene.brief);
    let start = Instant::now();
    let result = b"{\"type\":\"result\",\"subtype\":\"success\",\"result\":\"x\"}\n";
    assert!(!talk.is_overdue(start + Duration::from_secs(3600)));
    let mut events = Vec::new();
    let reply = talk.output(StreamName::Output, result, start, &mut |event| events.push(short(&event)));
    assert!(reply.close && events == ["finished true x"], "{events:?}");
    assert_eq!(talk.finished_at(), Some(start));
    assert!(!talk.is_overdue(start + bounds::FINISH - Duration::from_millis(1)));
    assert!(talk.is_overdue(start + bounds::FINISH));
}

#[test]
fn a_time_to_wait_holds_until_it_is_over() {
    let scene = Scene::new(Permissions::Edits);
    let retry = r#"{"type":"system","subtype":"api_retry","attempt":1,"max_retries":1,"retry_delay_ms":90000,"error_status":429,"error":"rate_limit"}"#;
    let end = r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"API Error: Request rejected (429)"}"#;
    for (later, left) in [(0, Some(90)), (20, Some(70)), (90, None), (200, None)] {
        let driver = DriverName::Claude.driver(PromptBy::Stdin);
        let mut talk = Conversation::new(&*driver, &scene.brief);
        let begin = Instant::now();
        for (line, at) in [(retry, begin), (end, begin + Duration::from_secs(later))] {
            talk.output(StreamName::Output, format!("{line}\n").as_bytes(), at, &mut |_| {});
        }
        let limit = talk.told().rate_limited.as_ref().map(|limit| limit.retry_after_s);
        assert_eq!(limit, Some(left), "after {later} s");
    }
}
