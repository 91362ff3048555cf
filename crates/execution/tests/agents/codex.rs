//! Codex.

use biplane_execution::{
    agents::{DriverName, Permissions},
    supervise::Input,
};

use super::{Heard, PromptBy, Scene, usage};

fn hear(recording: &str) -> Heard {
    Scene::new(Permissions::All).hear_recording(DriverName::Codex, recording)
}

fn command_line_of(scene: &Scene) -> String {
    let launch = DriverName::Codex.driver(PromptBy::Stdin).launch(&scene.brief);
    assert!(matches!(launch.input, Input::Bytes(bytes) if bytes == b"Do it.\nAll of it."));
    launch.command.join(" ")
}

#[test]
fn it_is_started_for_one_turn() {
    let scene = Scene::new(Permissions::Edits);
    let line = command_line_of(&scene);
    assert!(
        line.starts_with("agent exec --json --skip-git-repo-check -c sandbox_mode=\"workspace-write\""),
        "{line}"
    );
    assert!(line.ends_with(&format!(" --of-the-user --cd {} -", scene.brief.cwd)), "{line}");
    assert!(command_line_of(&Scene::new(Permissions::All)).contains("sandbox_mode=\"danger-full-access\""));
    assert!(command_line_of(&Scene::new(Permissions::Read)).contains("sandbox_mode=\"read-only\""));
    let line = command_line_of(&Scene::new(Permissions::All).resumed("abc", usage(0, 0, 0, 0)));
    assert!(
        line.starts_with("agent exec resume --json ") && line.ends_with(" --of-the-user abc -"),
        "{line}"
    );
}

#[test]
fn it_is_handed_a_server() {
    let scene = Scene::new(Permissions::Edits).with_server();
    let command = DriverName::Codex.driver(PromptBy::Stdin).launch(&scene.brief).command;
    let settings: Vec<&String> = command
        .windows(2)
        .filter(|pair| pair[0] == "-c" && pair[1].starts_with("mcp_"))
        .map(|pair| &pair[1])
        .collect();
    assert_eq!(
        settings,
        [
            r#"mcp_servers.biplane.command="/opt/a \"b\"/biplane""#,
            r#"mcp_servers.biplane.args=["-C","/home/o'neill \\ \u007f","mcp"]"#,
            r#"mcp_servers.biplane.default_tools_approval_mode="approve""#,
            r#"mcp_servers.biplane.env.A="b=\"c\" d""#,
        ]
    );
    assert!(!command_line_of(&Scene::new(Permissions::Edits)).contains("mcp"));
    let again = Scene::new(Permissions::All).with_server().resumed("abc", usage(0, 0, 0, 0));
    assert!(command_line_of(&again).contains("mcp_servers.biplane.command="));
}

#[test]
fn work_is_told() {
    let heard = hear("codex-work.jsonl");
    assert_eq!(
        heard.short(),
        [
            "started known unknown",
            "raw Model metadata for `gpt-5.1` not found. Defaulting to fallback metadata; this can degrade performance and cause issues.",
            "message start",
            "call command_execution: /bin/bash -lc 'echo hi > a.txt && cat a.txt'",
            "ok",
            "call command_execution: /bin/bash -lc 'git add -A && git commit -m done'",
            "ok",
            "call command_execution: /bin/bash -lc 'false; exit 3'",
            "failed",
            "call command_execution: /bin/bash -lc 'touch ../outside /tmp/cdx-outside; curl -s -m 3 http://127.0.0.1:1'",
            "failed",
            "message All done.",
            "usage 420 120 180 0",
            "finished true All done.",
        ]
    );
    assert_eq!((heard.tally.calls, heard.told.failed.count), (4, 2));
    assert_eq!(heard.success(), Some(true));
}

#[test]
fn what_it_rejects_itself_is_told_on_standard_error() {
    let scene = Scene::new(Permissions::Edits);
    let (output, errors) = (scene.recording("codex-patch.jsonl"), scene.recording("codex-patch.stderr"));
    let heard = scene.hear(DriverName::Codex, output.as_bytes(), errors.as_bytes());
    assert_eq!(heard.told.denied.count, 1);
    assert_eq!(
        heard.told.denied.names,
        ["file_change: patch rejected: writing outside of the project; rejected by user a…"]
    );
    let call = format!("call file_change: {}/b.txt", scene.brief.cwd);
    assert!(heard.short().iter().any(|event| call.starts_with(event.as_str())), "{:?}", heard.short());
}

#[test]
fn limits_of_the_provider_are_told() {
    let heard = hear("codex-retry.jsonl");
    assert_eq!((heard.tally.rate_limits, heard.success()), (1, Some(true)));
    assert_eq!(heard.tally.rate_limited, None, "it went on");
    let heard = hear("codex-limit.jsonl");
    // The failed turn says the same again.
    assert_eq!((heard.tally.rate_limits, heard.success()), (1, Some(false)));
    assert!(heard.tally.rate_limited.is_some_and(|limit| limit.text.contains("usage limit")));
}

#[test]
fn a_turn_that_failed_is_no_success() {
    let heard = hear("codex-cut.jsonl");
    assert_eq!((heard.success(), heard.tally.rate_limits), (Some(false), 0));
    assert!(heard.tally.last_text.contains("stream closed before"), "{}", heard.tally.last_text);
}

#[test]
fn sums_of_a_resumed_conversation_count_once() {
    let line = r#"{"type":"turn.completed","usage":{"input_tokens":200,"cached_input_tokens":60,"output_tokens":40}}"#;
    let line = format!("{line}\n");
    let heard = Scene::new(Permissions::All).resumed("a", usage(70, 20, 30, 0)).hear(
        DriverName::Codex,
        line.as_bytes(),
        b"",
    );
    assert_eq!(heard.tally.usage, usage(70, 20, 30, 0));
    let heard = Scene::new(Permissions::All).hear(DriverName::Codex, line.as_bytes(), b"");
    assert_eq!(heard.tally.usage, usage(140, 40, 60, 0));
}

#[test]
fn a_lost_conversation_is_noticed() {
    let error =
        b"Error: thread/resume: thread/resume failed: no rollout found for thread id x (code -32600)\n";
    let heard =
        Scene::new(Permissions::All).resumed("x", usage(0, 0, 0, 0)).hear(DriverName::Codex, b"", error);
    assert!(heard.tally.lost_session && !heard.tally.finished);
    assert!(!Scene::new(Permissions::All).hear(DriverName::Codex, b"", error).tally.lost_session);
}

#[test]
fn other_items_are_told() {
    let item = |item: &str| format!("{{\"type\":\"item.completed\",\"item\":{item}}}\n");
    let table = [
        (
            r#"{"id":"i","type":"mcp_tool_call","server":"docs","tool":"find","status":"failed","error":{"message":"no"}}"#,
            ["call mcp_tool_call: docs find", "failed"].as_slice(),
        ),
        (
            r#"{"id":"i","type":"command_execution","command":"rm x","status":"declined","exit_code":null}"#,
            &["call command_execution: rm x", "denied command_execution: rm x", "failed"],
        ),
        (r#"{"id":"i","type":"web_search","query":"rust"}"#, &["call web_search: rust", "ok"]),
        (r#"{"id":"i","type":"reasoning","text":"hm"}"#, &[]),
        (r#"{"id":"i","type":"todo_list","items":[]}"#, &[]),
    ];
    for (json, expected) in table {
        let heard = Scene::new(Permissions::All).hear(DriverName::Codex, item(json).as_bytes(), b"");
        assert_eq!(heard.short(), expected, "{json}");
    }
}
