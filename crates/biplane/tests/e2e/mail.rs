//! Mail: read once, in order, in the next prompt, whatever crashes.

use std::{sync::Mutex, thread};

use biplane_testkit::eventually;
use serde_json::Value;

use crate::lab::{BIPLANE, DEADLINE, Lab};

/// Settings with the agent `bob`, a shell script that finds the program under test as `$BIPLANE`; `more` goes on with its table.
pub(crate) fn bob(lab: &Lab, script: &str, more: &str) {
    lab.settings(&format!(
        "gate = \"true\"\nagent = \"bob\"\n[agents.bob]\nrole = \"front end\"\nmax = 1\n\
         command = [\"sh\", \"-c\", '''{script}''']\nenv = {{ BIPLANE = \"{BIPLANE}\" }}\n{more}"
    ));
}

/// The prompts of the agents' runs with how each ended, oldest first.
pub(crate) fn prompts(lab: &Lab) -> Vec<(String, String)> {
    let listed = lab.json(&["log", "--list", "--limit", "1000"]);
    let status = |id: String| {
        let run = listed.as_array().unwrap().iter().find(|run| run["id"] == id.as_str()).unwrap();
        run["status"].as_str().unwrap().to_owned()
    };
    let mut prompts = Vec::new();
    for run in 1.. {
        let dir = lab.root().join(format!(".worktrees/runs/r{run}"));
        if !dir.exists() {
            return prompts;
        }
        let prompt = std::fs::read_to_string(dir.join("prompt.md"));
        prompts.extend(prompt.map(|prompt| (status(format!("r{run}")), prompt)));
    }
    prompts
}

pub(crate) fn words(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn mail_is_sent_read_once_and_listed() {
    let lab = Lab::new();
    bob(&lab, "true", "[agents.ann]\ncommand = [\"true\"]\n");
    assert_eq!(lab.ok(&["mail", "send", "bob", "use tabs"]), "sent m1 to bob\n");
    let piped = lab.call(&["mail", "send", "bob", "-"]).stdin("two\nlines\n").run().success();
    assert_eq!(piped.stdout, "sent m2 to bob\n");
    assert_eq!(lab.ok(&["mail", "broadcast", "all stop", "--as", "bob"]), "sent m3 to lead, m4 to ann\n");
    let dry = lab.json(&["mail", "read", "--as", "bob", "--dry-run"]);
    assert_eq!(words(&dry["mail"], "content"), ["use tabs", "two\nlines\n"]);
    let first = lab.json(&["mail", "read", "--as", "bob", "--limit", "1"]);
    assert_eq!((words(&first["mail"], "id"), &first["left"]), (vec!["m1".to_owned()], &1.into()));
    assert_eq!(first["mail"][0]["type"], "message");
    let shown = lab.ok(&["mail", "read", "--as", "bob"]);
    assert!(shown.starts_with("m2  "), "{shown}");
    assert!(shown.contains("lead → bob  message\n    two\n    lines\n"), "{shown}");
    let none = lab.call(&["mail", "read", "--as", "bob"]).run().success();
    assert_eq!((none.stdout.as_str(), none.stderr.trim_end()), ("", "biplane: no mail for bob"));
    assert_eq!(words(&lab.json(&["mail", "list"]), "id"), ["m1", "m2", "m3", "m4"]);
    assert_eq!(words(&lab.json(&["mail", "list", "--unread"]), "to"), ["lead", "ann"]);
    assert_eq!(words(&lab.json(&["mail", "list", "--from", "lead", "--limit", "1"]), "id"), ["m2"]);
    let team = lab.ok(&["team"]);
    let rows: Vec<Vec<&str>> = team.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "STATUS", "TASKS", "UNREAD", "ROLE"]);
    assert!(rows.contains(&vec!["bob", "idle", "-", "0", "front", "end"]), "{team}");
    assert!(rows.contains(&vec!["ann", "idle", "-", "1"]), "{team}");
    let log = lab.ok(&["events"]);
    assert!(log.contains("m3, m4 bob → lead, ann\n"), "{log}");
    lab.is_sound();
}

#[test]
fn what_is_wrong_with_mail_is_said() {
    let lab = Lab::new();
    let said = lab.fails(5, &["mail", "send", "carl", "hi"]).stderr;
    assert_eq!(said, "error: there is nobody called `carl` in the team\nhint: there are `lead`\n");
    assert!(lab.fails(2, &["mail", "send", "lead", " "]).stderr.contains("a message must not be empty"));
    let long = "x".repeat(40_000);
    let said = lab.call(&["mail", "send", "lead", "-"]).stdin(&long).run().fails_with(2).stderr;
    assert!(said.contains("a message has at most 32768 bytes, this one has 32769"), "{said}");
    let said = lab.fails(2, &["mail", "broadcast", "hi"]).stderr;
    assert!(said.contains("there is nobody else in the team"), "{said}");
    let said = lab.fails(2, &["mail", "send", "a\u{1b}[2J", "hi"]).stderr;
    assert!(said.contains("`a\u{fffd}[2J` is not a agent name"), "{said}");
    assert!(!lab.root().join(".team").exists(), "nothing was sent");
}

#[test]
fn sixteen_processes_send_while_others_read() {
    const SENDERS: usize = 16;
    const EACH: usize = 5;
    let lab = Lab::new();
    bob(&lab, "true", "");
    let taken: Mutex<Vec<String>> = Mutex::default();
    let count = || taken.lock().unwrap().len();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let lab = &lab;
            scope.spawn(move || {
                for n in 0..EACH {
                    let text = format!("{sender} {n}");
                    lab.ok(&["mail", "send", "bob", &text, "--as", &format!("s{sender}")]);
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                let mut looks = 0;
                while count() < SENDERS * EACH && looks < 5_000 {
                    looks += 1;
                    let read = lab.json(&["mail", "read", "--as", "bob", "--limit", "4"]);
                    taken.lock().unwrap().extend(words(&read["mail"], "content"));
                }
            });
        }
    });
    let mut all = taken.into_inner().unwrap();
    all.sort();
    let said = |sender: usize| (0..EACH).map(move |n| format!("{sender} {n}"));
    let mut expected: Vec<String> = (0..SENDERS).flat_map(said).collect();
    expected.sort();
    assert_eq!(all, expected, "each message was read once");
    // They were handed out in the order of their numbers, and those of a sender have its own.
    let records = lab.records();
    let delivered = records.events().iter().filter(|e| e["event"] == "mail.delivered");
    let ids: Vec<&str> = delivered
        .flat_map(|e| e["data"]["mail"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    assert_eq!(ids, (1..=SENDERS * EACH).map(|n| format!("m{n}")).collect::<Vec<_>>());
    for sender in 0..SENDERS {
        let from = lab.json(&["mail", "list", "--from", &format!("s{sender}")]);
        assert_eq!(words(&from, "content"), said(sender).collect::<Vec<_>>());
    }
    assert_eq!(lab.repo.read(".team/inbox/bob.jsonl"), "");
    lab.is_sound();
}

#[test]
fn mail_stands_in_the_next_prompt_and_in_no_other() {
    let lab = Lab::new();
    bob(&lab, "echo $BIPLANE_TASK_ID > t$BIPLANE_TASK_ID", "");
    lab.ok(&["task", "create", "One"]);
    lab.ok(&["task", "create", "Two"]);
    lab.ok(&["mail", "send", "bob", "use tabs\n\n## Where and how\npush it"]);
    lab.ok(&["mail", "send", "bob", "and LF"]);
    let preview = lab.ok(&["task", "prompt", "1"]);
    lab.call(&["up"]).run().success();
    let prompts = prompts(&lab);
    assert_eq!(prompts.len(), 2);
    let (_, first) = &prompts[0];
    let mail = "m1 from `lead` (message):\n\n> use tabs\n>\n> ## Where and how\n> push it\n\n\
                m2 from `lead` (message):\n\n> and LF\n";
    assert!(first.contains(mail) && preview.contains(mail), "{first}");
    let identity = "You are the agent `bob` (front end), at work on task 1, in the directory `";
    assert!(first.contains(identity), "{first}");
    assert!(!prompts[1].1.contains("## Mail"), "{}", prompts[1].1);
    assert_eq!(words(&lab.json(&["mail", "list"]), "run"), ["r1", "r1"]);
    assert!(lab.ok(&["mail", "list"]).contains("[handed to r1]"));
    // By a template without a place for it, mail is not delivered.
    lab.ok(&["mail", "send", "bob", "later"]);
    let settings = lab.repo.read("biplane.toml") + "[prompts]\nimplement = \"Do {task}\"\n";
    lab.settings_file(&settings);
    lab.ok(&["task", "create", "Three"]);
    lab.call(&["up"]).run().success();
    let left = lab.json(&["mail", "list", "--unread", "--to", "bob"]);
    assert_eq!(words(&left, "content"), ["later"]);
    lab.is_sound();
}

#[test]
fn a_run_that_is_killed_with_its_up_gives_its_mail_back() {
    let lab = Lab::new();
    let flag = lab.env.root().join("hangs");
    let script =
        format!("if test -e {flag}; then echo x > t$BIPLANE_TASK_ID; else touch {flag}; sleep 600; fi");
    bob(&lab, &script, "");
    lab.ok(&["task", "create", "One"]);
    lab.ok(&["task", "create", "Two"]);
    lab.ok(&["mail", "send", "bob", "use tabs"]);
    let up = lab.call(&["up"]).spawn();
    eventually(DEADLINE, "the agent is at work", || flag.exists());
    assert_eq!(
        words(&lab.json(&["mail", "list"]), "run"),
        ["r1"],
        "it is delivered when the run is recorded"
    );
    up.kill();
    lab.call(&["up"]).run().success();
    let had: Vec<bool> = prompts(&lab).iter().map(|(_, text)| text.contains("> use tabs")).collect();
    let ended: Vec<String> = prompts(&lab).into_iter().map(|(status, _)| status).collect();
    assert_eq!(ended, ["lost", "succeeded", "succeeded"]);
    assert_eq!(had, [true, true, false], "who knew of it is lost, and the next one is told, once");
    let events = lab.event_words();
    let of_mail: Vec<&String> = events.iter().filter(|e| e.starts_with("mail.")).collect();
    assert_eq!(of_mail, ["mail.sent", "mail.delivered", "mail.returned", "mail.delivered"]);
    lab.is_sound();
}

#[test]
fn a_program_that_can_not_be_started_has_read_nothing() {
    let lab = Lab::new();
    let program = lab.env.root().join("agent");
    std::fs::write(&program, "not a program").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    lab.settings(&format!("gate = \"true\"\nagent = \"bob\"\n[agents.bob]\ncommand = [\"{program}\"]\n"));
    lab.ok(&["task", "create", "One"]);
    lab.ok(&["mail", "send", "bob", "use tabs"]);
    lab.call(&["up"]).run().fails_with(1);
    let runs = lab.json(&["log", "--list"]);
    assert_eq!(runs[0]["status"], "failed", "{runs:#}");
    assert_eq!(words(&lab.json(&["mail", "list", "--unread"]), "content"), ["use tabs"]);
    lab.is_sound();
}

#[test]
fn an_agent_speaks_and_reads_for_itself_alone() {
    let lab = Lab::new();
    let script = "
        note() { echo $1 $? >> codes; }
        $BIPLANE mail send lead 'question of 1'
        $BIPLANE mail send lead no --as ann; note as-other
        $BIPLANE mail read --as lead; note read-other
        $BIPLANE mail list --to lead; note list-other
        $BIPLANE mail list --json > own.json
        $BIPLANE plan submit 2 'not mine'; note plan-other
        $BIPLANE plan submit 1 'mine'
        $BIPLANE plan approve q1; note approve-own
        $BIPLANE mail send ann 'while at work'
        BIPLANE_RUN_ID=r999 $BIPLANE mail read; note unknown-run";
    bob(&lab, script, "[agents.ann]\ncommand = [\"true\"]\n");
    lab.ok(&["task", "create", "One"]);
    lab.ok(&["task", "create", "Two", "--owner", "nobody"]);
    lab.ok(&["mail", "send", "ann", "for ann alone"]);
    lab.ok(&["mail", "send", "bob", "for bob"]);
    lab.call(&["up"]).run().success();
    let codes = "as-other 3\nread-other 3\nlist-other 3\nplan-other 3\napprove-own 3\nunknown-run 3\n";
    assert_eq!(lab.repo.read("codes"), codes);
    let own: Value = serde_json::from_str(&lab.repo.read("own.json")).unwrap();
    assert_eq!(words(&own, "content"), ["for bob"]);
    let read = lab.json(&["mail", "read"]);
    assert_eq!(words(&read["mail"], "from"), ["bob", "bob"]);
    assert_eq!(words(&read["mail"], "content"), ["question of 1", "mine"]);
    assert_eq!(read["mail"][0]["task_id"], 1);
    lab.is_sound();
}
