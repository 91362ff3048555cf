//! With the clients that others have written: the official Python SDK, in its newest and its first release, and the official inspector.
//!
//! `bash .ci/mcp` installs them, and `BIPLANE_TEST_MCP` says where; `target/mcp` unless set.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::{
    client::NEWEST,
    http::Served,
    lab::{BIPLANE, DEADLINE, Lab},
};

/// Where the programs are.
fn installed() -> Utf8PathBuf {
    let there = std::env::var("BIPLANE_TEST_MCP").map(Utf8PathBuf::from);
    there.unwrap_or_else(|_| Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/mcp"))
}

/// Has the SDK in `python` call every tool.
#[track_caller]
fn every_tool(python: &str, transport: &str, mode: &str) {
    let lab = Lab::new();
    lab.repo.write("biplane.toml", "gate = \"test -f a.txt\"\n[agents.bob]\ncommand = [\"true\"]\n");
    lab.repo.commit("settings");
    let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp/official.py");
    let served = (transport == "http").then(|| Served::new(lab.call(&["mcp", "--http", "127.0.0.1:0"])));
    let mut call = lab
        .env
        .program(installed().join(python).join("bin/python"))
        .in_dir(lab.root())
        .args([script.as_str(), transport, mode])
        .env("BIPLANE", BIPLANE)
        .patience(3 * DEADLINE);
    if let Some(served) = &served {
        call = call.env("URL", format!("http://{}/mcp", served.address)).env("TOKEN", &served.token);
    }
    let output = call.run().success();
    assert!(output.stdout.ends_with(" tools\n"), "{}", output.stdout);
    assert!(!lab.root().join(".worktrees/ui").exists() && lab.repo.read("a.txt") == "a\n");
    lab.ok(&["doctor"]);
}

#[test]
#[ignore = "needs python and npm"]
fn the_python_sdk_over_pipes_with_a_handshake() {
    every_tool("venv", "stdio", "legacy");
}

#[test]
#[ignore = "needs python and npm"]
fn the_python_sdk_over_pipes_in_the_newest_revision() {
    every_tool("venv", "stdio", NEWEST);
}

#[test]
#[ignore = "needs python and npm"]
fn the_first_python_sdk_over_pipes_in_the_oldest_revision() {
    every_tool("oldest", "stdio", "");
}

#[test]
#[ignore = "needs python and npm"]
fn the_python_sdk_over_http_with_a_handshake() {
    every_tool("venv", "http", "legacy");
}

#[test]
#[ignore = "needs python and npm"]
fn the_python_sdk_over_http_in_the_newest_revision() {
    every_tool("venv", "http", NEWEST);
}

/// What the inspector says to these arguments.
#[track_caller]
fn inspected(lab: &Lab, args: &[&str]) -> Value {
    let program = installed().join("node_modules/.bin/mcp-inspector");
    lab.env.program(program).in_dir(lab.root()).arg("--cli").args(args).run().success().json()
}

#[test]
#[ignore = "needs python and npm"]
fn the_inspector_over_pipes_and_http() {
    let lab = Lab::with_two_tasks();
    let served = Served::new(lab.call(&["mcp", "--http", "127.0.0.1:0"]));
    let (url, bearer) =
        (format!("http://{}/mcp", served.address), format!("Authorization: Bearer {}", served.token));
    for server in [vec![BIPLANE, "mcp"], vec![url.as_str(), "--header", bearer.as_str()]] {
        let with = |more: &[&str]| inspected(&lab, &[&server[..], more].concat());
        // Strictly: no schema may have anything that some client can't read.
        let tools = with(&["--method", "tools/list", "--strict"])["tools"].clone();
        assert!(tools.as_array().unwrap().len() > 40);
        let told = with(&["--method", "tools/call", "--tool-name", "task_get", "--tool-arg", "task_id=1"]);
        assert_eq!(told["structuredContent"]["subject"], "Add login", "{told}");
        let read = with(&["--method", "resources/read", "--uri", "biplane://worktree/auth"]);
        assert!(read["contents"][0]["text"].as_str().unwrap().contains("wt/auth"), "{read}");
        let prompts = with(&["--method", "prompts/list"]);
        assert_eq!(prompts["prompts"][0]["name"], "lead");
    }
}
