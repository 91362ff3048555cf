//! Claude Code.

use biplane_execution::{
    agents::{DriverName, Permissions},
    supervise::Input,
};
use serde_json::{Value, json};

use super::{Heard, Scene, usage};

fn hear(permissions: Permissions, recording: &str) -> Heard {
    Scene::new(permissions).hear_recording(DriverName::Claude, recording)
}

/// What it answered to each request.
fn answers(heard: &Heard) -> Vec<&str> {
    let behaviour = |reply: &Value| {
        assert_eq!(reply["type"], "control_response");
        assert_eq!(reply["response"]["subtype"], "success");
        reply["response"]["response"]["behavior"].as_str().map(str::to_owned)
    };
    heard
        .replies
        .iter()
        .map(|reply| if behaviour(reply).as_deref() == Some("allow") { "allow" } else { "deny" })
        .collect()
}

#[test]
fn it_is_started_for_a_conversation() {
    let scene = Scene::new(Permissions::Edits);
    let launch = DriverName::Claude.driver(super::PromptBy::Stdin).launch(&scene.brief);
    let line = launch.command.join(" ");
    assert!(line.starts_with("agent -p --disallowedTools EnterWorktree,ExitWorktree,"), "{line}");
    assert!(
        line.contains("--input-format stream-json") && line.contains("--permission-prompt-tool stdio"),
        "{line}"
    );
    assert!(line.ends_with(" --of-the-user") && !line.contains("--resume"), "{line}");
    let Input::Open(bytes) = launch.input else { panic!("it is spoken with") };
    let prompt: Value = serde_json::from_slice(&bytes).expect("a line of JSON");
    assert_eq!(prompt["message"], json!({"role": "user", "content": "Do it.\nAll of it."}));
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert!(launch.env["GIT_CONFIG_PARAMETERS"].contains("core.hooksPath"));

    let scene = Scene::new(Permissions::All).resumed("abc", usage(0, 0, 0, 0));
    let launch = DriverName::Claude.driver(super::PromptBy::Stdin).launch(&scene.brief);
    assert!(launch.command.join(" ").contains("--resume abc"));
    assert!(launch.env.is_empty());
}

#[test]
fn it_is_handed_a_server() {
    let scene = Scene::new(Permissions::Edits).with_server();
    let command = DriverName::Claude.driver(super::PromptBy::Stdin).launch(&scene.brief).command;
    let behind = |option: &str| &command[command.iter().position(|word| word == option).unwrap() + 1];
    let servers: Value = serde_json::from_str(behind("--mcp-config")).unwrap();
    let server = scene.brief.server.unwrap();
    let wanted = json!({
        "type": "stdio", "command": server.command[0], "args": server.command[1..], "env": server.env
    });
    assert_eq!(servers, json!({"mcpServers": {"biplane": wanted}}));
    assert_eq!(behind("--allowedTools"), "mcp__biplane__*");
    let command = DriverName::Claude
        .driver(super::PromptBy::Stdin)
        .launch(&Scene::new(Permissions::Edits).brief)
        .command;
    assert!(!command.iter().any(|word| word.contains("mcp")), "{command:?}");
}

#[test]
fn work_is_told() {
    let heard = hear(Permissions::Edits, "claude-work.jsonl");
    assert_eq!(
        heard.short(),
        [
            "started known known",
            "message I will write.",
            "usage 105 1 30 0",
            "call Write: hello.txt",
            "asked Write",
            "ok",
            "call Bash: git add -A && git commit -m done",
            "usage 105 1 30 0",
            "asked Bash",
            "call Bash: false",
            "ok",
            "failed",
            "message All done.",
            "usage 105 1 30 0",
            "usage 0 57 0 3139",
            "finished true All done.",
        ]
    );
    assert_eq!(answers(&heard), ["allow", "allow"]);
    assert_eq!(
        heard.replies[1]["response"]["response"]["updatedInput"]["command"],
        "git add -A && git commit -m done"
    );
    assert!(heard.closed);
    assert_eq!((heard.success(), heard.told.failed.count, heard.told.denied.count), (Some(true), 1, 0));
    let told = heard.tally;
    assert_eq!(told.usage, usage(315, 60, 90, 3139));
    assert_eq!((told.calls, told.last_text.as_str()), (3, "All done."));
    assert_eq!(told.session.as_deref(), Some("00000000-0000-4000-8000-000000000001"));
}

#[test]
fn each_level_answers_for_itself() {
    let answered = |permissions| answers(&hear(permissions, "claude-work.jsonl")).join(" ");
    assert_eq!(answered(Permissions::All), "allow allow");
    assert_eq!(answered(Permissions::Edits), "allow allow");
    assert_eq!(answered(Permissions::Read), "deny deny");
}

#[test]
fn refusals_are_told_once_each_and_spoil_no_success() {
    let heard = hear(Permissions::Edits, "claude-denied.jsonl");
    assert_eq!(answers(&heard), ["deny"; 5]);
    let denied = heard.short().into_iter().filter(|event| event.starts_with("denied"));
    let tools: Vec<String> = denied.filter_map(|event| Some(event.split_once(':')?.0.to_owned())).collect();
    assert_eq!(
        tools,
        ["denied Write", "denied Read", "denied WebFetch", "denied AskUserQuestion", "denied Bash"]
    );
    // They stand in the result too.
    assert_eq!(heard.told.denied.count, 5);
    assert_eq!(heard.success(), Some(true));
    // The answers to them are no failures of their own.
    assert_eq!(heard.told.failed.count, 1);
    assert!(
        heard.replies[0]["response"]["response"]["message"].as_str().is_some_and(|m| m.contains("worktree"))
    );
}

#[test]
fn refusals_that_only_the_result_knows_are_told_as_well() {
    let scene = Scene::new(Permissions::Edits);
    let recording = scene.recording("claude-denied.jsonl");
    let last = recording.lines().last().expect("a result");
    let heard = scene.hear(DriverName::Claude, format!("{last}\n{last}\n").as_bytes(), b"");
    assert_eq!(heard.told.denied.count, 5);
}

#[test]
fn limits_of_the_provider_are_told() {
    let heard = hear(Permissions::Edits, "claude-retry.jsonl");
    let limits: Vec<String> =
        heard.short().into_iter().filter(|event| event.starts_with("limited")).collect();
    assert_eq!(limits, ["limited Some(1) rate_limit (429)", "limited Some(2) rate_limit (429)"]);
    // It went on after that.
    assert_eq!((heard.tally.rate_limits, &heard.tally.rate_limited), (2, &None));
    assert_eq!(heard.success(), Some(true));

    let heard = hear(Permissions::Edits, "claude-limit.jsonl");
    assert_eq!(
        heard.short()[1..],
        [
            "limited None API Error: Request rejected (429) · This request would exceed your rate limit",
            "finished false API Error: Request rejected (429) · This request would exceed your rate limit",
        ]
    );
    assert!(heard.tally.rate_limited.is_some() && heard.closed);

    let event =
        r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","rateLimitType":"five_hour"}}"#;
    let heard = Scene::new(Permissions::Edits).hear(DriverName::Claude, format!("{event}\n").as_bytes(), b"");
    assert_eq!(heard.short(), ["limited None the five_hour limit of the subscription is reached"]);
    let event = event.replace("rejected", "allowed");
    let heard = Scene::new(Permissions::Edits).hear(DriverName::Claude, format!("{event}\n").as_bytes(), b"");
    assert!(heard.events.is_empty());
}

#[test]
fn a_lost_conversation_is_noticed() {
    let scene =
        Scene::new(Permissions::Edits).resumed("11111111-1111-4111-8111-111111111111", usage(0, 0, 0, 0));
    let heard = scene.hear_recording(DriverName::Claude, "claude-lost.jsonl");
    assert!(heard.tally.lost_session && heard.closed);
    assert_eq!(heard.success(), Some(false));
    assert!(!hear(Permissions::Edits, "claude-lost.jsonl").tally.lost_session);
}

#[test]
fn a_cut_stream_has_no_end() {
    let scene = Scene::new(Permissions::Edits);
    let recording = scene.recording("claude-work.jsonl");
    let half = &recording.as_bytes()[..recording.len() / 2];
    let heard = scene.hear(DriverName::Claude, half, b"Segmentation fault\n");
    assert_eq!((heard.tally.finished, heard.success()), (false, None));
    assert_eq!(heard.tally.usage, usage(210, 2, 60, 0), "what was told before the cut counts");
    assert!(heard.short().iter().any(|event| event == "raw Segmentation fault"));
}

#[test]
fn what_it_asks_beyond_permissions_is_answered() {
    let asked = r#"{"type":"control_request","request_id":"r1","request":{"subtype":"mcp_message"}}"#;
    let heard = Scene::new(Permissions::All).hear(DriverName::Claude, format!("{asked}\n").as_bytes(), b"");
    assert_eq!(heard.replies[0]["response"]["subtype"], "error");
    assert_eq!(heard.replies[0]["response"]["request_id"], "r1");
}

#[test]
fn a_request_that_is_too_long_is_refused() {
    let mut line =
        br#"{"type":"control_request","request_id":"r1","request":{"subtype":"can_use_tool","x":""#.to_vec();
    line.resize(super::LINE + 10, b'x');
    line.extend_from_slice(b"\"}}\n");
    let heard = Scene::new(Permissions::All).hear(DriverName::Claude, &line, b"");
    assert_eq!(answers(&heard), ["deny"]);
    assert_eq!(heard.told.denied.count, 1);
}
