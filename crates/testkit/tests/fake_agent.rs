//! The fake agent does what it is told, and speaks as the real ones do.

use std::{fs, path::Path, time::Duration};

use biplane_testkit::{Call, Repo, Signal, TestEnv, eventually, fake_agent};
use serde_json::{Value, json};

/// How long a test waits for something that is sure to come.
const DEADLINE: Duration = Duration::from_secs(30);

/// A repository with a worktree, in which the agent works.
struct Lab {
    env: TestEnv,
    main: Repo,
    tree: Repo,
}

impl Lab {
    fn new() -> Self {
        let env = TestEnv::new();
        let main = env.repo("app");
        let trees = env.dir("trees");
        let tree = main.at(trees.join("one"));
        main.git(&["worktree", "add", "-q", "-b", "wt/one", tree.path().as_str()]);
        Self { env, main, tree }
    }

    fn agent(&self, args: &[&str]) -> Call {
        self.env.program(fake_agent()).args(args).in_dir(self.tree.path())
    }

    /// What it says when it is told to do `orders`.
    fn told(&self, orders: &str) -> String {
        self.agent(&[&format!("# Task 1: fake: {orders}")]).run().success().stdout
    }
}

fn kinds(values: &[Value]) -> Vec<&str> {
    values.iter().filter_map(|v| v["type"].as_str()).collect()
}

#[test]
fn it_writes_commits_and_leaves_things_lying_about() {
    let lab = Lab::new();
    lab.told("write a/b.txt hello; commit the work; write left.txt; run exit 3; say Done");
    assert_eq!(lab.tree.read("a/b.txt"), "hello\n");
    assert_eq!(lab.tree.git(&["log", "-1", "--format=%s"]), "the work");
    assert_eq!(lab.tree.git(&["status", "--short"]), "?? left.txt");
    lab.told("conflict a/b.txt; commit");
    assert!(lab.tree.read("a/b.txt").contains("\n=======\n"));
    assert_eq!(lab.agent(&["fake: write c; commit; code 4"]).run().fails_with(4).code, 4);
    assert_eq!(lab.agent(&["fake: exit 5; write d"]).run().fails_with(5).stdout, "");
    assert_eq!(lab.agent(&["fake: signal 6"]).run().fails_with(134).code, 134);
    assert!(!lab.tree.path().join("d").exists());
}

#[test]
fn an_honest_one_needs_no_orders_and_attempts_differ() {
    let lab = Lab::new();
    lab.agent(&["do your best"]).env("BIPLANE_TASK_ID", "7").run().success();
    assert_eq!(lab.tree.git(&["show", "--name-only", "--format=%s"]), "task 7\n\ntask-7.txt");
    for (attempt, written) in [("1", ["one"]), ("2", ["two"])] {
        let call = lab.agent(&["fake: first write one; again write two"]);
        call.env("BIPLANE_ATTEMPT", attempt).run().success();
        assert_eq!(lab.tree.git(&["ls-files", "--others"]), written[0]);
        lab.tree.git(&["clean", "-fdq"]);
    }
    let file = lab.env.root().join("prompt");
    fs::write(&file, "fake: write from-file").unwrap();
    lab.agent(&[]).env("BIPLANE_PROMPT_FILE", file.as_str()).run().success();
    lab.agent(&[]).stdin("fake: write from-stdin").run().success();
    lab.agent(&["--do", "write from-do", "fake: write x"]).run().success();
    assert_eq!(lab.tree.git(&["ls-files", "--others"]), "from-do\nfrom-file\nfrom-stdin");
}

#[test]
fn it_writes_outside_of_its_worktree_in_every_way() {
    let lab = Lab::new();
    let other = lab.main.at("../trees/two");
    lab.main.git(&["worktree", "add", "-q", "-b", "wt/two", other.path().as_str()]);
    let far = lab.env.root().join("far.txt");
    lab.told(&format!(
        "outside main in-main; outside sibling in-two; outside link by-link; outside at {far}"
    ));
    let there = |repo: &Repo, name: &str| repo.path().join(name).is_file();
    assert!(there(&lab.main, "in-main") && there(&lab.main, "by-link") && there(&other, "in-two"));
    assert!(far.is_file());
    lab.told("on-main sneaked");
    assert_eq!(lab.main.git(&["show", "--name-only", "--format=", "main"]), "sneaked\nway-out");
    lab.tree.git(&["checkout", "-q", "wt/one"]);
    lab.told("write more; commit; move-main");
    assert_eq!(lab.main.git(&["rev-parse", "main"]), lab.tree.git(&["rev-parse", "wt/one"]));
}

#[test]
fn it_ignores_what_asks_it_to_end_and_leaves_a_daemon_behind() {
    let lab = Lab::new();
    let mut running = lab.agent(&["fake: deaf; say I am deaf; hang"]).spawn();
    eventually(DEADLINE, "it is deaf", || running.stdout() == "I am deaf\n");
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        running.signal(signal);
    }
    let mut looks = 0;
    eventually(DEADLINE, "it was looked at often enough", || {
        assert!(running.is_running());
        looks += 1;
        looks > 20
    });
    running.kill().fails_with(137);

    lab.agent(&["fake: daemon beats.txt"]).env("MARK", "1").run().success();
    let beats = || fs::read(lab.tree.path().join("beats.txt")).map_or(0, |b| b.len());
    let seen = beats();
    eventually(DEADLINE, "the daemon goes on", || beats() > seen + 2);
    let found = daemons(lab.tree.path().as_std_path());
    assert_eq!(found.len(), 1, "{found:?}");
    let pid = found[0];
    assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"", "its environment is wiped");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session: u32 = stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().parse().unwrap();
    assert_ne!(session, std::process::id());
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// The daemons that stand in a directory.
fn daemons(dir: &Path) -> Vec<i32> {
    let numbers = fs::read_dir("/proc").expect("it is Linux").flatten();
    let pids = numbers.filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        let here = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir);
        here && fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.contains("--daemon"))
    })
    .collect()
}

#[test]
fn it_floods_and_talks_garbage() {
    let lab = Lab::new();
    // Cut off by who reads it; what it has to say has no end.
    let much = |orders: &str| {
        let script = "\"$1\" \"fake: $2\" | head -c 2000000";
        let call = lab.env.program("sh").args(["-c", script, "sh", fake_agent().as_str(), orders]);
        call.run().success().stdout
    };
    let lines = much("flood");
    assert!(lines.len() == 2_000_000 && lines.lines().count() > 1_000);
    let line = much("flood-line");
    assert!(line.len() == 2_000_000 && !line.contains('\n'));
    let said = lab.told("garbage");
    assert!(said.contains('\u{fffd}') && said.contains("\x1b[2J"), "{said:?}");
}

#[test]
fn it_speaks_as_claude_code() {
    let lab = Lab::new();
    let session = "00000000-0000-4000-8000-000000000001";
    let options = ["-p", "--output-format", "stream-json", "--verbose"];
    let user = |text: &str| json!({"type": "user", "message": {"role": "user", "content": text}}).to_string();
    let call =
        lab.agent(&options).args(["--input-format", "stream-json", "--permission-prompt-tool", "stdio"]);
    let allow = json!({"type": "control_response", "response": {
        "subtype": "success", "request_id": "ask-call-2", "response": {"behavior": "allow", "updatedInput": {}},
    }});
    let first = user("fake: write a.txt; ask touch b; run exit 3; ask touch c; usage 10 20 50; say Done");
    // The second question finds nobody who answers.
    let said = call.args(["--session-id", session]).stdin(format!("{first}\n{allow}\n")).run().success();
    let said = said.json_lines();
    assert_eq!(
        kinds(&said),
        [
            "system",
            "assistant",
            "user",
            "assistant",
            "control_request",
            "user",
            "assistant",
            "user",
            "assistant",
            "control_request",
            "user",
            "assistant",
            "result"
        ]
    );
    assert!(said.iter().filter(|v| v["type"] != "control_request").all(|v| v["session_id"] == session));
    assert_eq!(said[7]["message"]["content"][0]["content"], "Exit code 3\n");
    let result = &said[12];
    assert_eq!((&result["is_error"], &result["result"]), (&json!(false), &json!("Done")));
    assert_eq!((&result["total_cost_usd"], &result["usage"]["input_tokens"]), (&json!(0.5), &json!(10)));
    assert_eq!(result["permission_denials"][0]["tool_input"]["command"], "touch c");
    assert!(lab.tree.path().join("b").exists() && !lab.tree.path().join("c").exists());

    let again = lab.agent(&options).args(["--resume", session, "go on"]).run().success().json_lines();
    assert_eq!(
        again.last().unwrap()["permission_denials"].as_array().unwrap().len(),
        2,
        "the first orders again"
    );
    let lost = lab.agent(&options).args(["--resume", "none", "go on"]).run().fails_with(1);
    assert!(lost.stderr.contains("No conversation found with session ID: none"), "{lost}");
    let taken = lab.agent(&options).args(["--session-id", session, "go on"]).run().fails_with(1);
    assert!(taken.stderr.contains("is already in use"), "{taken}");

    let limited = lab.agent(&options).arg("fake: limit 2; write c").run().fails_with(1).json_lines();
    assert_eq!(kinds(&limited), ["system", "system", "result"]);
    assert_eq!((&limited[1]["retry_delay_ms"], &limited[2]["api_error_status"]), (&json!(2000), &json!(429)));
}

#[test]
fn it_speaks_as_codex() {
    let lab = Lab::new();
    let said = lab.agent(&["exec", "--json", "fake: say Hi; run exit 3; ask touch b"]).run().success();
    assert!(said.stderr.contains("reject command"), "{said}");
    let values = said.json_lines();
    let expected = ["thread.started", "turn.started", "item.completed", "item.started", "item.completed"];
    assert_eq!(kinds(&values)[..5], expected);
    assert_eq!(
        (&values[4]["item"]["exit_code"], &values[4]["item"]["status"]),
        (&json!(3), &json!("failed"))
    );
    assert_eq!(values.last().unwrap()["type"], "turn.completed");
    let thread = values[0]["thread_id"].as_str().unwrap();
    let resumed = lab.agent(&["exec", "resume", "--json", thread, "go on"]).run().success().json_lines();
    assert_eq!(resumed[0]["thread_id"], thread);
    let lost = lab.agent(&["exec", "resume", "--json", "none", "go on"]).run().fails_with(1);
    assert!(lost.stdout.is_empty() && lost.stderr.contains("no rollout found"), "{lost}");
    let limited = lab.agent(&["exec", "--json", "fake: limit"]).run().fails_with(1).json_lines();
    assert_eq!(limited.last().unwrap()["type"], "turn.failed");
}

#[test]
fn it_speaks_the_agent_client_protocol() {
    let lab = Lab::new();
    let request = |id: u64, method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string() + "\n"
    };
    let prompt = |text: &str| json!({"sessionId": "s", "prompt": [{"type": "text", "text": text}]});
    let input = request(0, "initialize", json!({"protocolVersion": 1}))
        + &request(1, "session/new", json!({"cwd": lab.tree.path(), "mcpServers": []}))
        + &request(2, "session/prompt", prompt("fake: write a.txt; ask touch b; say Done"))
        // The answer to its first question, whose id is of its own counting.
        + &(json!({"jsonrpc": "2.0", "id": 0, "result": {"outcome": {"outcome": "selected", "optionId": "once"}}})
            .to_string()
            + "\n")
        + &request(3, "session/prompt", prompt("fake: limit"))
        + &request(4, "unheard/of", json!({}));
    let said = lab.agent(&["--acp"]).stdin(input).run().success().json_lines();
    let answers: Vec<_> = said.iter().filter(|v| v["method"].is_null()).collect();
    assert_eq!(answers.iter().map(|v| v["id"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(answers[2]["result"]["stopReason"], "end_turn");
    assert!(answers[3]["error"].is_object() && answers[4]["error"]["code"] == -32601);
    let updates: Vec<_> =
        said.iter().filter_map(|v| v["params"]["update"]["sessionUpdate"].as_str()).collect();
    let expected = ["tool_call", "tool_call_update", "tool_call", "tool_call_update"];
    assert_eq!(updates[..4], expected);
    assert!(lab.tree.path().join("b").exists(), "it was allowed to");

    let session = answers[1]["result"]["sessionId"].as_str().unwrap();
    let input = request(0, "session/load", json!({"sessionId": session}))
        + &request(1, "session/load", json!({"sessionId": "none"}));
    let loaded = lab.agent(&["acp"]).stdin(input).run().success().json_lines();
    assert_eq!(loaded[0]["params"]["update"]["sessionUpdate"], "user_message_chunk");
    assert!(loaded[1]["result"].is_object() && loaded[2]["error"].is_object());
}
