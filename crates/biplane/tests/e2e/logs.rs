//! What is kept of runs: without secrets, bounded, readable while they are at work, compressed, and deleted in time.

use std::fs;

use biplane_testkit::{Call, Running, eventually};
use serde_json::Value;

use crate::lab::{DEADLINE, Lab, is_safe_for_a_terminal, sh};

const SECRET: &str = "s3cr3t-value-0123456789";
const TOKEN: &str = "ghp_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6k";

/// Settings that start agents however busy the machine is.
const BUSY: &str = "[up]\nmax_load = 0\n";

/// `biplane run w -- sh -c SCRIPT`, with a secret in its environment.
fn run(lab: &Lab, script: &str) -> Call {
    lab.call(&["run", "w", "--"]).args(sh(script)).env("MY_API_KEY", SECRET).env("MINE", "opens-sesame")
}

/// Everything below the home, the ledger among it, in which a text stands.
fn holding(lab: &Lab, text: &str) -> Vec<String> {
    let files = lab.photograph("");
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    files.into_iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name).collect()
}

fn log_of(lab: &Lab, run: &str, file: &str) -> camino::Utf8PathBuf {
    lab.root().join(".worktrees/runs").join(run).join(file)
}

#[test]
fn secrets_get_nowhere_however_they_are_written() {
    let lab = Lab::new();
    lab.settings("[logs]\nsecrets = [\"MINE\"]\n");
    lab.create("w");
    let bytewise = "printf %s \"$MY_API_KEY\" | sed 's/./&\\n/g' | while read -r c; do printf %s \"$c\"; sleep 0.01; done; echo";
    let script = format!(
        "echo \"key $MY_API_KEY $MINE\"; echo \"err $MY_API_KEY\" >&2; printf '{{\"k\":\"%s\"}}\\n' \"$MY_API_KEY\"; {bytewise}\n\
         g=ghp; echo \"${{g}}_{}\"; printf '%s' \"$MY_API_KEY\" | cut -c1-8",
        &TOKEN[4..]
    );
    let output = run(&lab, &script).run().success();
    let expected = "key *** ***\n{\"k\":\"***\"}\n***\nghp_***\ns3cr3t-v\n";
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), (expected, "err ***\n"));
    // In a command line too, of which the ledger and the views keep the beginning.
    run(&lab, "true").arg(SECRET).run().success();
    assert_eq!(holding(&lab, SECRET), [""; 0]);
    assert_eq!(holding(&lab, "opens-sesame"), [""; 0]);
    assert_eq!(holding(&lab, TOKEN), [""; 0]);
    let list = lab.json(&["log", "--list"]);
    assert!(list[1]["command"].as_str().unwrap().ends_with("true ***"), "{list}");
    lab.is_sound();
}

#[test]
fn an_agents_secrets_are_in_no_log_and_no_reason() {
    let lab = Lab::new();
    let settings = format!(
        "gate = '''cat shown; exit 1'''\nagent = \"mine\"\n[up]\nmax_load = 0\nrevisions = 0\n[agents.mine]\n\
         command = [\"sh\", \"-c\", 'echo $AGENT_TOKEN; echo {{}} > x; git add x; git commit -qm x']\nenv = {{ AGENT_TOKEN = \"{SECRET}\" }}\n"
    );
    lab.repo.write(".gitignore", "biplane.toml\n");
    lab.settings_file(&settings);
    lab.repo.write("shown", format!("{TOKEN}\n"));
    lab.repo.commit("a gate that shows what it should not");
    lab.ok(&["task", "create", "do it"]);
    lab.fails(1, &["up"]);
    assert_eq!(fs::read_to_string(log_of(&lab, "r1", "output.log")).unwrap(), "***\n");
    let reason = lab.json(&["task", "show", "1"])["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("ghp_***"), "{reason}");
}

#[test]
fn a_flood_is_bounded_compressed_and_read_from_both_ends() {
    let lab = Lab::new();
    lab.settings("[limits]\nlog = \"100K\"\n");
    lab.create("w");
    let flood =
        "yes 'the same line again and again' | head -c 5000000; echo; echo the end; printf 'no line end'";
    lab.call(&["run", "w", "--json", "--"]).args(sh(flood)).run().success();
    let plain = log_of(&lab, "r1", "output.log");
    let length = plain.metadata().unwrap().len();
    assert!(length < (100 + 64 + 1) << 10, "{length}");
    let before = lab.call(&["log", "r1", "--raw"]).run().success().stdout;
    assert_eq!(before, fs::read_to_string(&plain).unwrap());
    lab.ok(&["tend"]);
    let packed = log_of(&lab, "r1", "output.log.gz");
    assert!(!plain.exists() && packed.metadata().unwrap().len() < 10_000, "it is compressed");
    assert_eq!(lab.call(&["log", "r1", "--raw"]).run().success().stdout, before);
    let words = lab.ok(&["log", "w"]);
    assert!(words.starts_with("the same line") && words.ends_with("the end\nno line end\n"), "{words:.80}");
    assert!(words.contains("bytes left out"));
    lab.ok(&["tend"]);
    lab.is_sound();
}

/// A log that is followed until what it has shown holds a text.
fn shows(running: &Running, text: &str) {
    eventually(DEADLINE, text, || running.stdout().contains(text));
}

#[test]
fn a_live_run_is_followed_from_another_process_until_it_ends() {
    let lab = Lab::new();
    lab.create("w");
    let script = "echo one; until test -e ../go; do sleep 0.02; done; echo two; exit 3";
    let at_work = run(&lab, script).spawn();
    eventually(DEADLINE, "it has written", || log_of(&lab, "r1", "output.log").exists());
    let follower = lab.call(&["log", "-f", "r1"]).spawn();
    let other = lab.call(&["log", "--follow", "w", "--json"]).spawn();
    shows(&follower, "one\n");
    shows(&other, "one");
    assert_eq!(lab.ok(&["log", "r1"]), "one\n", "who does not follow is not kept waiting");
    fs::write(lab.root().join(".worktrees/go"), "").unwrap();
    at_work.wait(DEADLINE).fails_with(3);
    assert_eq!(follower.wait(DEADLINE).success().stdout, "one\ntwo\n");
    let lines: Vec<Value> = other
        .wait(DEADLINE)
        .success()
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[1]["event"], serde_json::json!({"type": "raw", "line": "two"}));
}

#[test]
fn who_follows_reads_on_when_the_log_is_compressed_and_deleted() {
    let lab = Lab::new();
    lab.create("w");
    let script = "yes 0123456789 | head -n 100000; until test -e ../go; do sleep 0.02; done; echo over";
    let at_work = lab.call(&["run", "w", "--json", "--"]).args(sh(script)).spawn();
    eventually(DEADLINE, "it writes", || log_of(&lab, "r1", "output.log").exists());
    let mut follower = lab.call(&["log", "-f", "w"]).spawn();
    eventually(DEADLINE, "it is read", || follower.stdout().len() == 1_100_000);
    // It sleeps while the run ends, and while its log becomes another file.
    follower.signal(rustix::process::Signal::STOP);
    fs::write(lab.root().join(".worktrees/go"), "").unwrap();
    at_work.wait(DEADLINE).success();
    lab.ok(&["tend"]);
    assert!(!log_of(&lab, "r1", "output.log").exists());
    follower.signal(rustix::process::Signal::CONT);
    assert!(follower.wait(DEADLINE).success().stdout.ends_with("9\nover\n"));
}

#[test]
fn a_killed_runs_log_is_read_to_where_it_was() {
    let lab = Lab::new();
    lab.create("w");
    let at_work = run(&lab, "printf 'one\\nhalf a line'; sleep 600").spawn();
    eventually(DEADLINE, "it has written", || {
        fs::read(log_of(&lab, "r1", "output.log")).is_ok_and(|bytes| bytes.ends_with(b"line"))
    });
    let follower = lab.call(&["log", "-f", "r1"]).spawn();
    shows(&follower, "one\n");
    at_work.kill().fails_with(137);
    let output = follower.wait(DEADLINE).success();
    assert_eq!(output.stdout, "one\nhalf a line\n");
    assert!(output.stderr.contains("the biplane that ran r1 has died"), "{output}");
    lab.ok(&["wt", "create", "next"]);
    let output = lab.call(&["log", "r1"]).run().success();
    assert_eq!(output.stdout, "one\nhalf a line\n");
    assert_eq!(lab.json(&["log", "--list"])[0]["status"], "lost");
    lab.is_sound();
}

#[test]
fn what_an_agent_told_is_shown_in_words_and_as_events() {
    let lab = Lab::new();
    lab.settings(BUSY);
    lab.ok(&["task", "create", "do it"]);
    let up =
        ["up", "--no-gate", "--"].into_iter().chain(sh("echo raw; echo x > x; git add x; git commit -qm x"));
    lab.ok(&up.collect::<Vec<_>>());
    let lines = [
        r#"{"v":1,"at":1763640000.5,"event":{"type":"started","session":"s","model":"m"}}"#,
        r#"{"v":1,"at":1763640001,"event":{"type":"message","text":"hello \u001b[2Jthere\nagain"}}"#,
        r#"{"v":1,"at":1763640002,"event":{"type":"tool_call","id":"1","tool":"Bash","summary":"make"}}"#,
        r#"{"v":1,"at":1763640003,"event":{"type":"usage","input_tokens":1234,"output_tokens":5,"cached_tokens":0,"cost_microusd":1500000}}"#,
        r#"{"v":1,"at":1763640004,"event":{"type":"permission_denied","tool":"Write","summary":"/etc/passwd"}}"#,
        r#"{"v":1,"at":1763640005,"event":{"type":"fin"#,
    ];
    fs::write(log_of(&lab, "r1", "transcript.jsonl"), lines.join("\n")).unwrap();
    let output = lab.call(&["log", "1"]).run().success();
    is_safe_for_a_terminal(&output);
    let shown = &output.stdout;
    assert!(shown.starts_with("r1 agent command (implement), task 1, worktree 1-do-it: sh -c"), "{shown}");
    for text in [
        "2025-11-20 12:00:00  started, model m, session s\n",
        "2025-11-20 12:00:01  hello there\n          again\n",
        "> Bash: make\n",
        "! denied Write: /etc/passwd\n",
        "used, as far as the agent told: 1,234 tokens in, 5 out, 0 from the cache, $1.50\n",
        "r1 succeeded after",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let events = lab.ok(&["log", "1", "--json"]);
    assert_eq!(events.lines().count(), 5, "what a crash has left of a line is none: {events}");
    assert_eq!(events.lines().next().unwrap(), lines[0]);
    assert_eq!(lab.ok(&["log", "r1", "--raw"]), "raw\n");
}

/// A repository with an agent that speaks as Claude Code does, says a secret in every way, and ends with this line.
fn talker(last: &str) -> Lab {
    let lab = Lab::new();
    lab.repo.write(".gitignore", "biplane.toml\nagent.*\n");
    lab.settings_file(
        "agent = \"talker\"\n[up]\nmax_load = 0\n[agents.talker]\ndriver = \"claude\"\n\
         command = [\"sh\", \"-c\", '. \"$BIPLANE_ROOT/agent.sh\"']\nenv = { TALKER_TOKEN = \"s3cr3t-value-0123456789\" }\n",
    );
    let lines = [
        r#"{"type":"system","subtype":"init","session_id":"00000000-0000-4000-8000-000000000001","model":"m"}"#,
        r#"{"type":"assistant","message":{"id":"a","content":[{"type":"text","text":"my key is SECRET"}]}}"#,
        r#"{"type":"assistant","message":{"id":"b","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"echo SECRET"}}]}}"#,
        r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":"SECRET\nsecond"}]}}"#,
        last,
    ];
    lab.repo.write("agent.jsonl", lines.join("\n") + "\n");
    let script = "read -r prompt; sed \"s/SECRET/$TALKER_TOKEN/\" \"$BIPLANE_ROOT/agent.jsonl\"\n\
                  echo work > work; git add work; git commit -qm work; cat > /dev/null\n";
    lab.repo.write("agent.sh", script);
    lab.repo.commit("what it ignores");
    lab.ok(&["task", "create", "do it"]);
    lab
}

/// The files in which the secret stands, but those that the test has written.
fn leaks(lab: &Lab) -> Vec<String> {
    holding(lab, SECRET).into_iter().filter(|name| name != "biplane.toml").collect()
}

#[test]
fn an_agents_words_are_kept_without_secrets_and_its_usage_is_summed() {
    let lab = talker(
        r#"{"type":"result","subtype":"success","is_error":false,"result":"All done, SECRET.","total_cost_usd":0.0125,"usage":{"input_tokens":1300,"output_tokens":60}}"#,
    );
    lab.ok(&["up", "--no-gate"]);
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed");
    let shown = lab.ok(&["log", "r1"]);
    for text in
        ["my key is ***\n", "> Bash: echo ***\n", "< ***\n", "says it is done: All done, ***.\n", "$0.0125\n"]
    {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert_eq!(leaks(&lab), [""; 0]);
    let usage = lab.json(&["usage"]);
    let used = &usage["rows"][0]["usage"];
    assert_eq!((&used["input_tokens"], &used["cost_microusd"]), (&1300.into(), &12_500.into()), "{usage}");
    let words = lab.ok(&["usage", "--by", "agent"]);
    let line = words.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!((line[0], line[5], line[8]), ("talker", "1,300", "$0.0125"), "{words}");
    assert!(lab.ok(&["log", "--list"]).contains("$0.0125"));
}

#[test]
fn what_an_agent_says_of_its_failure_is_quoted_without_secrets() {
    let lab = talker(
        r#"{"type":"result","subtype":"error","is_error":true,"result":"The key SECRET is refused."}"#,
    );
    let up = lab.call(&["up", "--no-gate"]).run();
    assert!(!up.stdout.contains(SECRET) && !up.stderr.contains(SECRET), "{up}");
    let task = lab.json(&["task", "show", "1"]);
    assert!(task["reason"].as_str().unwrap().contains("The key *** is refused."), "{task}\n{up}");
    assert_eq!(leaks(&lab), [""; 0]);
}

#[test]
fn which_run_is_meant_is_said_in_many_ways_and_misses_are_told() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "do it"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    for n in 1..=3 {
        lab.ok(&["run", "w", "--", "echo", &format!("run {n}")]);
    }
    assert_eq!(
        (lab.ok(&["log", "r1"]), lab.ok(&["log", "1"]), lab.ok(&["log", "w"])),
        three("run 1\n", "run 3\n", "run 3\n")
    );
    let said = lab.fails(5, &["log", "nobody"]).stderr;
    assert!(
        said.contains("there is no run `nobody`") && said.contains("hint: `biplane log --list`"),
        "{said}"
    );
    lab.fails(5, &["log", "r99"]);
    lab.fails(2, &["log"]);
    lab.fails(2, &["log", "r1", "--list"]);
    let list = lab.ok(&["log", "--list", "--task", "1", "--limit", "2"]);
    let runs: Vec<_> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(runs, ["RUN", "r2", "r3"], "{list}");
    fs::remove_file(log_of(&lab, "r2", "output.log")).unwrap();
    let said = lab.fails(5, &["log", "r2"]).stderr;
    assert!(said.contains("there is no log of r2") && said.contains("`[logs]`"), "{said}");
    fs::remove_file(log_of(&lab, "r3", "output.log")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", log_of(&lab, "r3", "output.log")).unwrap();
    let said = lab.fails(1, &["log", "r3"]);
    assert!(said.stdout.is_empty(), "a link is not followed: {said}");
}

fn three(a: &str, b: &str, c: &str) -> (String, String, String) {
    (a.to_owned(), b.to_owned(), c.to_owned())
}

#[test]
fn the_oldest_logs_go_but_not_those_of_open_tasks() {
    let lab = Lab::new();
    lab.settings("[logs]\nkeep = \"250K\"\n");
    lab.ok(&["task", "create", "open"]);
    lab.ok(&["task", "create", "closed"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    lab.ok(&["wt", "create", "v", "--task", "2"]);
    let noise = "head -c 60000 /dev/urandom | base64 -w 60";
    for name in ["w", "v", "v", "v", "v", "w"] {
        lab.call(&["run", name, "--json", "--"]).args(sh(noise)).run().success();
    }
    let kept = || {
        let runs = (1..=6).filter(|n| {
            ["output.log", "output.log.gz"].iter().any(|file| log_of(&lab, &format!("r{n}"), file).exists())
        });
        runs.collect::<Vec<_>>()
    };
    lab.ok(&["tend"]);
    assert_eq!(kept(), [1, 2, 3, 4, 5, 6], "both tasks are open");
    lab.ok(&["task", "cancel", "2"]);
    lab.ok(&["tend"]);
    let left = kept();
    assert!(left.contains(&1) && left.contains(&6) && !left.contains(&2), "{left:?}");
    let said = lab.fails(5, &["log", "r2"]).stderr;
    assert!(said.contains("there is no log of r2"), "{said}");
    assert!(log_of(&lab, "r2", "run.json").exists(), "its record stays");
    let found = lab.json(&["doctor"]);
    let codes: Vec<_> =
        found["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert!(codes.len() > 5 && !codes.iter().any(|code| code.starts_with("run.")), "{codes:?}");
    lab.is_sound();
}

#[test]
fn the_background_compresses_a_long_log_by_itself() {
    let lab = Lab::new();
    lab.settings("[pool]\nsize = 0\n");
    lab.create("w");
    let flood = sh("yes flood | head -c 500000");
    let call = lab.call(&["run", "w", "--json", "--"]).args(flood);
    call.env_remove("BIPLANE_BACKGROUND").run().success();
    eventually(DEADLINE, "it is compressed", || log_of(&lab, "r1", "output.log.gz").exists());
    eventually(DEADLINE, "and only that", || !log_of(&lab, "r1", "output.log").exists());
    eventually(DEADLINE, "the background is idle", || {
        let lock = fs::File::options().write(true).open(lab.root().join(".git/biplane/tend.lock")).unwrap();
        lock.try_lock().is_ok()
    });
}

#[test]
fn usage_is_summed_as_far_as_it_was_told() {
    let lab = Lab::new();
    assert_eq!(lab.ok(&["usage"]), "no agent has been run\n");
    lab.settings(BUSY);
    for n in 1..=2 {
        lab.ok(&["task", "create", &format!("task {n}")]);
    }
    let up = ["up", "--no-gate", "--"].into_iter().chain(sh("echo $BIPLANE_TASK_ID > $BIPLANE_TASK_ID"));
    lab.ok(&up.collect::<Vec<_>>());
    let words = lab.ok(&["usage"]);
    let lines: Vec<&str> = words.lines().collect();
    assert!(lines[0].starts_with("TASK   RUNS  ATTEMPTS  TOOK  IN  OUT  CACHED  COST"), "{words}");
    assert!(lines[1].contains("task ") && lines[3].starts_with("total     2         2"), "{words}");
    assert_eq!(lines[4], "As far as the agents told: 0 of 2 runs told tokens, 0 told a cost.");
    let value = lab.json(&["usage", "--by", "agent", "--since", "1d"]);
    assert_eq!((&value["by"], &value["rows"][0]["runs"]), (&"agent".into(), &2.into()), "{value}");
    let day = lab.json(&["usage", "--by", "day"])["rows"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!(day.len(), "2026-01-31".len());
    assert_eq!(lab.json(&["usage", "--since", "2999-01-01"])["total"]["runs"], 0);
    assert!(lab.fails(2, &["usage", "--since", "soon"]).stderr.contains("use a day such as"));
}
