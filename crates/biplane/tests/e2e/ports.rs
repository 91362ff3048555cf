//! Leases of ports: no two live worktrees have the same one, in whatever repository.

use std::{collections::BTreeSet, net::TcpListener};

use biplane_testkit::{Call, Output};
use serde_json::Value;

use crate::lab::{Lab, all_at_once};

/// A range of `size` ports that nobody listens on; tests that run at the same moment have others, by the salt.
fn range(size: u16, salt: u16) -> (u16, u16) {
    let start = 30_000 + salt * 200 + u16::try_from(std::process::id() % 150).unwrap() * 10 % 100;
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let first = (start..=start + 2_000).find(|first| (*first..*first + size).all(is_free)).unwrap();
    (first, first + size - 1)
}

fn settings(count: u16, (first, last): (u16, u16)) -> String {
    format!("[ports]\ncount = {count}\nrange = \"{first}-{last}\"\n")
}

fn ports(value: &Value) -> Vec<u64> {
    value["ports"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// Starts as many creations at one moment.
fn at_once(lab: &Lab, count: usize) -> Vec<Output> {
    let calls: Vec<Call> = (0..count)
        .map(|n| lab.call(&["--json", "wt", "create", &format!("w{n}")]).patience(crate::lab::DEADLINE * 3))
        .collect();
    all_at_once(calls)
}

#[test]
fn all_are_distinct_when_there_are_exactly_enough() {
    let lab = Lab::new();
    let (first, last) = range(64, 0);
    lab.settings(&settings(2, (first, last)));
    let made = at_once(&lab, 32);
    let leased: Vec<u64> = made.into_iter().flat_map(|output| ports(&output.success().json())).collect();
    assert_eq!(leased.len(), 64);
    assert_eq!(leased.iter().collect::<BTreeSet<_>>().len(), 64, "{leased:?}");
    assert!(leased.iter().all(|port| (u64::from(first)..=u64::from(last)).contains(port)));
    lab.is_sound();
}

#[test]
fn with_one_too_few_one_fails_and_leaves_nothing() {
    let lab = Lab::new();
    let (first, last) = range(31, 1);
    lab.settings(&settings(1, (first, last)));
    let made = at_once(&lab, 32);
    let failed: Vec<&Output> = made.iter().filter(|output| output.code != 0).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].code, 6, "{}", failed[0]);
    let why = format!(
        "a worktree needs 1 ports, and of {first}-{last} only 0 are free: worktrees of this repository have 31"
    );
    assert!(failed[0].stderr.contains(&why), "{}", failed[0]);
    assert_eq!((lab.directories().len(), lab.branches().len()), (31, 31));
    // A removed worktree's ports are free again.
    let name = lab.directories()[0].clone();
    lab.ok(&["wt", "remove", &name]);
    lab.create("again");
    lab.is_sound();
}

#[test]
fn runs_have_their_worktrees_ports_and_the_gate_has_others() {
    let lab = Lab::new();
    let env = "echo ${BIPLANE_PORT-none} ${BIPLANE_PORT_1-none} ${BIPLANE_PORT_2-none} ${URL-none}";
    lab.settings(&format!(
        "gate = \"{env} > gate-ports; cp gate-ports ../gate-ports\"\n[setup.env]\nURL = \"http://localhost:{{port_1}}\"\n{}",
        settings(2, range(8, 2))
    ));
    let tree = lab.work("w", "a.txt", "a\n");
    let leased = ports(&lab.json(&["wt", "path", "w"]));
    let line = |ports: &[u64]| format!("{} {} none http://localhost:{}\n", ports[0], ports[1], ports[1]);
    // What the caller stands in has ports of its own.
    let output = lab.call(&["run", "w", "--", "sh", "-c", env]).env("BIPLANE_PORT_2", "1").run().success();
    assert_eq!(output.stdout, line(&leased));
    lab.ok(&["merge", "w"]);
    let gate = lab.repo.read(".worktrees/gate-ports");
    let gate: Vec<u64> = gate.split(' ').take(2).map(|port| port.parse().unwrap()).collect();
    assert!(gate.iter().all(|port| !leased.contains(port)), "{gate:?} {leased:?}");
    assert!(lab.ok(&["wt", "status", "w"]).contains(&format!("ports {}, {}\n", leased[0], leased[1])));
    assert!(lab.ok(&["wt", "list"]).contains("PORTS"));
    drop(tree);
    let registry = lab.env.home().join(".local/state/biplane/ports");
    let held = || registry.read_dir_utf8().unwrap().flatten().filter(|e| e.file_name() != "lock").count();
    assert_eq!(held(), 2, "the gate's are given back");
    lab.ok(&["wt", "remove", "w"]);
    assert_eq!(held(), 0);
    // Without a settings' count nothing of another worktree gets through.
    lab.settings("\n");
    lab.create("v");
    let output = lab.call(&["run", "v", "--", "sh", "-c", env]).env("BIPLANE_PORT", "1").run().success();
    assert_eq!(output.stdout, "none none none none\n");
}

#[test]
fn two_repositories_and_programs_that_listen_are_kept_apart() {
    let lab = Lab::new();
    let (first, last) = range(4, 3);
    lab.settings(&settings(1, (first, last)));
    let other = lab.env.repo("other");
    other.write("biplane.toml", settings(1, (first, last)));
    other.commit("settings");
    let _listener = TcpListener::bind(("0.0.0.0", first)).unwrap();
    let mut leased = BTreeSet::new();
    for n in 0..3 {
        let dir = if n == 1 { other.path() } else { lab.root() };
        let output = lab.call_in(dir, &["--json", "wt", "create", &format!("w{n}")]).run().success();
        leased.extend(ports(&output.json()));
    }
    assert_eq!(leased, (u64::from(first) + 1..=u64::from(last)).collect());
    let output = lab.fails(6, &["wt", "create", "more"]);
    assert!(
        output.stderr.contains(
            "worktrees of this repository have 2, other repositories and gates 1, other programs 1"
        ),
        "{output}"
    );
    // The other repository is gone, and with it its lease.
    std::fs::remove_dir_all(other.path()).unwrap();
    lab.create("more");
}

#[test]
fn a_crash_leaves_no_port_behind() {
    let lab = Lab::new();
    lab.settings(&settings(1, range(1, 4)));
    // The registry's file is there, the ledger knows nothing.
    lab.call(&["wt", "create", "a"]).env("FAILPOINT", "port leased after@1").run().fails_with(137);
    lab.create("b");
    lab.ok(&["wt", "remove", "b"]);
    // The ledger knows; the creation was interrupted.
    lab.call(&["wt", "create", "c"]).env("FAILPOINT", "git worktree before@1").run().fails_with(137);
    lab.create("d");
    lab.is_sound();
}

#[test]
fn without_a_place_for_the_registry_the_ledger_keeps_them_apart() {
    let lab = Lab::new();
    lab.settings(&settings(1, range(2, 5)));
    let made: Vec<Value> = ["a", "b"]
        .iter()
        .map(|name| {
            lab.call(&["--json", "wt", "create", name])
                .env("XDG_STATE_HOME", "/dev/null/x")
                .run()
                .success()
                .json()
        })
        .collect();
    assert_ne!(ports(&made[0]), ports(&made[1]));
    lab.call(&["wt", "create", "c"]).env("XDG_STATE_HOME", "/dev/null/x").run().fails_with(6);
}
