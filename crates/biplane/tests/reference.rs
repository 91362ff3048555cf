//! The pages of `docs/reference` are what the program says of itself.
//!
//! `BIPLANE_UPDATE_DOCS=1 cargo test -p biplane --test reference` writes them anew.

use std::collections::BTreeMap;

use biplane_testkit::TestEnv;
use camino::{Utf8Path, Utf8PathBuf};

fn workspace() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages(dir: &Utf8Path) -> BTreeMap<String, String> {
    let entries = dir.read_dir_utf8().expect("the directory can be read").flatten();
    entries
        .map(|e| (e.file_name().to_owned(), std::fs::read_to_string(e.path()).expect("it is a text")))
        .collect()
}

/// The texts of the sources of every crate, without those of tests.
fn sources() -> String {
    let mut text = String::new();
    let mut open: Vec<Utf8PathBuf> = ["model", "control", "execution", "coordination", "mcp", "biplane"]
        .map(|name| workspace().join("crates").join(name).join("src"))
        .to_vec();
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().expect("the sources can be read").flatten() {
            if entry.path().is_dir() {
                open.push(entry.path().to_owned());
            } else {
                text.push_str(&std::fs::read_to_string(entry.path()).expect("it is a text"));
            }
        }
    }
    text
}

#[test]
fn the_reference_is_what_the_program_says() {
    let env = TestEnv::new();
    let made = env.root().join("reference");
    env.biplane(env!("CARGO_BIN_EXE_biplane")).args(["reference", "--dir", made.as_str()]).run().success();
    let kept = workspace().join("docs/reference");
    if std::env::var_os("BIPLANE_UPDATE_DOCS").is_some() {
        for (name, text) in pages(&made) {
            std::fs::write(kept.join(name), text).expect("the checkout can be written");
        }
    }
    let (made, kept) = (pages(&made), pages(&kept));
    for (name, text) in &made {
        let known = kept.get(name).map_or("", String::as_str);
        let differs = text.lines().zip(known.lines()).find(|(now, before)| now != before);
        assert!(
            text == known,
            "docs/reference/{name} is not what the program says; write it anew as its second line tells\n{differs:#?}"
        );
    }
    assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>(), "pages that nothing makes");
}

#[test]
fn every_variable_is_in_the_reference() {
    let page =
        std::fs::read_to_string(workspace().join("docs/reference/environment.md")).expect("it is there");
    let text = sources();
    let is_part = |c: char| c == '_' || c.is_ascii_uppercase();
    let names =
        text.match_indices("BIPLANE_").map(|(at, _)| text[at..].split(|c| !is_part(c)).next().unwrap_or(""));
    // A number follows the last `_` of a port's name.
    let names = names.map(|name| if name == "BIPLANE_PORT_" { "BIPLANE_PORT_1" } else { name });
    for name in names.filter(|name| !matches!(*name, "BIPLANE_" | "BIPLANE_UPDATE_DOCS")) {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in `biplane_coordination::variables`");
    }
}

#[test]
fn what_is_said_to_be_unwritten_is_not_written() {
    let page = std::fs::read_to_string(workspace().join("docs/reference/events.md")).expect("it is there");
    let text = sources();
    for line in page.lines().filter(|line| line.contains("Not written by this version")) {
        let word = line.split('`').nth(1).expect("a kind stands first");
        let declared = text.lines().find_map(|l| l.trim().split_once(&format!(" = \"{word}\"")));
        let (variant, _) = declared.expect("the kind is declared");
        assert!(!text.contains(&format!("NewEvent::new(EventKind::{variant})")), "{word} is written");
    }
}

/// The enum makes sure that each code in use is listed; this, that each listed one is in use.
#[test]
fn every_listed_finding_is_found_by_something() {
    let page = std::fs::read_to_string(workspace().join("docs/reference/findings.md")).expect("it is there");
    let text = sources();
    let listed = page.split("## Codes").nth(1).expect("there is a list");
    let codes: Vec<&str> =
        listed.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(codes.len() > 40, "{codes:?}");
    for word in codes {
        let declared = text.lines().find_map(|l| l.trim().strip_suffix(&format!(" = \"{word}\",")));
        let variant = declared.expect("the code is declared");
        let uses = text.matches(&format!("Code::{variant}")).count();
        assert!(uses > 0, "nothing finds {word}");
    }
}

/// The fields of each type in `docs/reference/json.md`, and whether they may be absent.
fn documented() -> BTreeMap<String, Vec<(String, bool)>> {
    let page = std::fs::read_to_string(workspace().join("docs/reference/json.md")).expect("it is there");
    let mut types: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    let mut name = String::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut name);
        } else if let Some(row) = line.strip_prefix("| `").filter(|_| !name.is_empty()) {
            let (field, rest) = row.split_once('`').expect("a field stands first");
            types.entry(name.clone()).or_default().push((field.to_owned(), rest.contains("; absent when")));
        }
    }
    types
}

/// Each line of an answer has the fields that are documented `of` its type and `more`, and no other.
fn has_fields(
    types: &BTreeMap<String, Vec<(String, bool)>>,
    (args, text): (&[&str], &str),
    of: &str,
    more: &[&str],
) {
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a line is a value");
        let value = value.as_array().map_or(&value, |list| &list[0]);
        let mut keys: Vec<&str> =
            value.as_object().expect("it is an object").keys().map(String::as_str).collect();
        for field in more {
            assert!(keys.contains(field), "{args:?}: no `{field}` in {line}");
        }
        keys.retain(|key| !more.contains(key));
        let fields = types.get(of).map(Vec::as_slice).unwrap_or_default();
        for key in &keys {
            assert!(fields.iter().any(|(field, _)| field == key), "{args:?}: `{key}` is not documented");
        }
        for (field, _) in fields.iter().filter(|(_, optional)| !optional) {
            assert!(keys.contains(&field.as_str()), "{args:?}: no `{field}` in {line}");
        }
    }
}

#[test]
fn answers_of_the_team_have_the_documented_fields() {
    let env = TestEnv::new();
    let repo = env.repo("app");
    let types = documented();
    let check = |args: &[&str], of: &str, more: &[&str]| {
        let call = env.biplane(env!("CARGO_BIN_EXE_biplane")).in_dir(repo.path()).args(args).arg("--json");
        has_fields(&types, (args, &call.run().success().stdout), of, more);
    };
    check(&["task", "create", "One"], "TaskView", &[]);
    check(&["task", "create", "Two", "--owner", "ann"], "TaskView", &[]);
    check(&["mail", "send", "ann", "hi"], "MailView", &[]);
    check(&["mail", "broadcast", "hi"], "", &["mail", "skipped"]);
    check(&["mail", "list"], "MailView", &[]);
    check(&["mail", "read", "--as", "ann"], "", &["of", "mail", "left"]);
    check(&["plan", "submit", "2", "a plan", "--as", "ann"], "RequestView", &[]);
    check(&["plan", "list", "--all"], "RequestView", &["awaited"]);
    check(&["plan", "show", "q1"], "RequestView", &["awaited"]);
    check(&["team"], "MemberView", &[]);
    check(&["team", "shutdown", "ann"], "RequestView", &[]);
    check(&["team", "recall", "ann"], "RequestView", &[]);
}

#[test]
fn answers_have_the_documented_fields() {
    let env = TestEnv::new();
    let repo = env.repo("app");
    let call = |args: &[&str]| {
        let call = env.biplane(env!("CARGO_BIN_EXE_biplane")).in_dir(repo.path()).args(args).arg("--json");
        call.run().success().stdout
    };
    repo.write("a.txt", "a\n");
    repo.commit("a");
    let types = documented();
    let check = |args: &[&str], of: &str, more: &[&str]| has_fields(&types, (args, &call(args)), of, more);
    check(&["init"], "", &["settings", "wrote_settings", "excluded", "target", "gate"]);
    let hookup = ["command", "changes", "unchanged", "notes", "written"];
    check(&["init", "--agent", "codex", "--dry-run"], "", &hookup);
    check(&["task", "create", "One"], "TaskView", &[]);
    check(&["task", "claim", "1", "--owner", "ann"], "TaskView", &[]);
    check(&["task", "list"], "TaskView", &[]);
    check(&["task", "release", "1"], "TaskView", &["unblocked"]);
    check(&["wt", "create", "x", "--task", "1"], "WorktreeView", &[]);
    repo.at(".worktrees/x").write("b.txt", "b\n");
    repo.at(".worktrees/x").commit("b");
    let merged = ["merged", "merged_by", "merged_only_in"];
    let status = ["commits", "unlanded", "head", "clean", "changed", "untracked", "setup"];
    let status = [&status[..], &merged].concat();
    check(&["wt", "status", "x"], "WorktreeView", &status);
    check(&["wt", "diff", "x"], "", &["base", "files", "patch"]);
    check(&["wt", "list"], "WorktreeView", &["merged"]);
    check(&["merge", "x", "--gate", "true"], "SubmissionView", &[]);
    let removal = ["snapshot", "branch_left", "unblocked", "would", "plan"];
    check(&["wt", "remove", "x"], "WorktreeView", &removal);
    check(&["wt", "create", "y"], "WorktreeView", &[]);
    check(&["events", "--limit", "100"], "EventView", &[]);
    repo.git(&["worktree", "add", "-q", "-b", "hand", "../hand"]);
    check(&["wt", "adopt", "../hand"], "WorktreeView", &[]);
    check(&["doctor"], "", &["findings"]);
    let found: serde_json::Value = serde_json::from_str(&call(&["doctor"])).expect("it is a value");
    let keys: Vec<&String> = found["findings"][0].as_object().expect("it is an object").keys().collect();
    let page = std::fs::read_to_string(workspace().join("docs/reference/findings.md")).expect("it is there");
    let fields: Vec<&str> = page
        .lines()
        .take_while(|l| !l.starts_with("## "))
        .filter_map(|l| l.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(keys, fields);
    let json = env.biplane(env!("CARGO_BIN_EXE_biplane")).in_dir(repo.path());
    let ran = json.args(["--json", "run", "y", "--", "true"]).run().success().json();
    let ran: Vec<&String> = ran.as_object().expect("it is an object").keys().collect();
    let fields: Vec<&str> = types["RunView"].iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(ran, [fields.as_slice(), &["log", "left_behind"]].concat());
}
