//! Mail that is read: marked once it was shown, and gone with the run that knew of it.

use biplane_testkit::eventually;

use crate::{
    lab::{BIPLANE, DEADLINE, Lab},
    mail::{bob, prompts, words},
};

/// Mail is read when it was shown: one that nobody could see waits on, and nobody else is shown what is being shown.
#[test]
fn what_could_not_be_shown_waits_on() {
    let lab = Lab::new();
    bob(&lab, "true", "");
    lab.ok(&["mail", "send", "bob", "one"]);
    lab.ok(&["mail", "send", "bob", "two"]);
    let unread = || words(&lab.json(&["mail", "list", "--unread"]), "id");
    let read = format!("{BIPLANE} mail read --as bob --limit 1");
    // A disk that is full.
    let said = lab.env.program("sh").args(["-c", &format!("{read} > /dev/full")]).in_dir(lab.root()).run();
    let said = said.fails_with(1).stderr;
    assert!(said.contains("the answer could not be written to standard output"), "{said}");
    assert_eq!(unread(), ["m1", "m2"]);
    // A reader that goes away before anything is written. Meanwhile nobody else is shown the same.
    let (pipe, go) = (lab.env.root().join("pipe"), lab.env.root().join("go"));
    lab.env.program("mkfifo").args([&pipe]).run().success();
    let script = format!("{read} > {pipe}");
    let shown = lab.env.program("sh").args(["-c", &script]).in_dir(lab.root());
    let shown = shown.env("FAILPOINT_PAUSE", format!("mail shown before@1:{go}")).spawn();
    let reader = std::fs::File::open(&pipe).unwrap();
    eventually(DEADLINE, "it is about to write", || lab.env.root().join("go.reached").exists());
    drop(reader);
    let second = lab.call(&["mail", "read", "--as", "bob"]).spawn();
    std::fs::write(&go, "").unwrap();
    let said = shown.wait(DEADLINE).fails_with(1).stderr;
    assert!(said.contains("nobody took the answer: the mail waits on"), "{said}");
    let second = second.wait(DEADLINE).success().stdout;
    assert!(second.contains("    one") && second.contains("    two"), "{second}");
    assert_eq!(unread(), [""; 0]);
    // Killed before it is marked, it is shown again, with its number.
    lab.ok(&["mail", "send", "bob", "three"]);
    let killed = lab.call(&["mail", "read", "--as", "bob"]).env("FAILPOINT", "mail shown after@1").run();
    assert!(killed.stdout.starts_with("m3  "), "{killed}");
    let again = lab.ok(&["mail", "read", "--as", "bob"]);
    assert_eq!(again, killed.stdout);
    assert_eq!(unread(), [""; 0]);
    lab.is_sound();
}

/// While a prompt is made nobody is kept from the mail that may stand in it: who is first has it, and the prompt is made anew.
#[test]
fn a_run_that_is_not_recorded_yet_keeps_nobody_from_the_mail() {
    let lab = Lab::new();
    bob(&lab, "echo x > t$BIPLANE_TASK_ID", "");
    lab.settings_file(&lab.repo.read("biplane.toml").replace("max = 1", "max = 2"));
    lab.repo.commit("two at once");
    lab.ok(&["task", "create", "One"]);
    lab.ok(&["task", "create", "Two"]);
    lab.ok(&["mail", "send", "bob", "use tabs"]);
    let go = lab.env.root().join("go");
    let up = lab
        .call(&["up", "--agents", "2"])
        .env("FAILPOINT_PAUSE", format!("mail in prompt before@1:{go}"))
        .spawn();
    eventually(DEADLINE, "one is about to be started", || lab.env.root().join("go.reached").exists());
    // Another run of the same agent gets the mail meanwhile, and so does who asks for it.
    eventually(DEADLINE, "the other one has its mail", || lab.json(&["mail", "list"])[0]["run"] == "r1");
    lab.ok(&["mail", "send", "bob", "and LF"]);
    let read = lab.json(&["mail", "read", "--as", "bob"]);
    assert_eq!(words(&read["mail"], "content"), ["and LF"]);
    std::fs::write(&go, "").unwrap();
    up.wait(DEADLINE).success();
    let prompts: Vec<String> = prompts(&lab).into_iter().map(|(_, prompt)| prompt).collect();
    let with = |text: &str| prompts.iter().map(|prompt| prompt.contains(text)).collect::<Vec<_>>();
    assert_eq!(with("> use tabs"), [true, false]);
    assert_eq!(with("and LF"), [false, false]);
    lab.is_sound();
}

/// Who is shown mail and does not come to an end keeps no agent from its work, and other readers not for ever.
#[test]
fn a_reader_that_does_not_end_is_named() {
    let lab = Lab::new();
    bob(&lab, "echo x > t$BIPLANE_TASK_ID", "");
    lab.ok(&["task", "create", "One"]);
    lab.ok(&["mail", "send", "bob", "use tabs"]);
    let go = lab.env.root().join("go");
    let read = lab.call(&["mail", "read", "--as", "bob"]);
    let read = read.env("FAILPOINT_PAUSE", format!("mail shown before@1:{go}")).spawn();
    eventually(DEADLINE, "it is about to write", || lab.env.root().join("go.reached").exists());
    let second = lab.call(&["mail", "read", "--as", "bob"]).spawn();
    lab.call(&["up"]).run().success();
    assert_eq!(prompts(&lab).iter().filter(|(_, prompt)| prompt.contains("use tabs")).count(), 0);
    assert_eq!(words(&lab.json(&["mail", "list", "--unread"]), "id"), ["m1"]);
    let said = second.wait(DEADLINE).fails_with(6).stderr;
    let holder = format!("the inbox is busy: pid {} for reading the mail of `bob` has held it", read.pid());
    assert!(said.contains(&holder), "{said}");
    std::fs::write(&go, "").unwrap();
    let shown = read.wait(DEADLINE).success().stdout;
    assert!(shown.contains("    use tabs"), "{shown}");
    assert_eq!(words(&lab.json(&["mail", "list", "--unread"]), "id"), [""; 0]);
    lab.is_sound();
}

/// What an agent has read in its run is gone with the run.
#[test]
fn what_was_read_in_a_run_that_is_lost_waits_again() {
    let lab = Lab::new();
    let flag = lab.env.root().join("hangs");
    let script = format!(
        "$BIPLANE mail read > read-$BIPLANE_RUN_ID
         test -e {flag} || {{ touch {flag}; sleep 600; }}
         echo x > t$BIPLANE_TASK_ID"
    );
    bob(&lab, &script, "");
    // By a template without a place for it, mail is not delivered.
    lab.settings_file(&(lab.repo.read("biplane.toml") + "[prompts]\nimplement = \"Do {task}\"\n"));
    lab.repo.commit("settings");
    lab.ok(&["task", "create", "One"]);
    lab.ok(&["mail", "send", "bob", "use tabs"]);
    let up = lab.call(&["up"]).spawn();
    eventually(DEADLINE, "the agent has read its mail", || flag.exists());
    assert_eq!(words(&lab.json(&["mail", "list"]), "run"), ["r1"]);
    up.kill();
    lab.call(&["up"]).run().success();
    let run = lab.json(&["mail", "list"])[0]["run"].as_str().unwrap().to_owned();
    let read = lab.repo.read(format!("read-{run}"));
    assert!(run != "r1" && read.contains("    use tabs"), "{run}: {read}");
    lab.is_sound();
}
