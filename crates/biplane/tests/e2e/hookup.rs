//! `init --agent`: what is written into the files of agent programs, and what is not.

use std::os::unix::fs::{PermissionsExt, symlink};

use biplane_testkit::{Call, photograph};
use camino::{Utf8Path, Utf8PathBuf};

use crate::lab::{BIPLANE, Lab, is_safe_for_a_terminal};

const ALL: &str = "claude,codex,gemini,qwen,opencode,copilot";
const FILES: [&str; 10] = [
    ".claude/settings.json",
    ".codex/config.toml",
    ".gemini/settings.json",
    ".mcp.json",
    ".qwen/settings.json",
    "AGENTS.md",
    "CLAUDE.md",
    "GEMINI.md",
    "biplane.toml",
    "opencode.json",
];

/// What git does not know in the repository, and what has changed there.
fn changed(lab: &Lab) -> Vec<String> {
    let said = lab.repo.git(&["status", "--porcelain", "-uall"]);
    let mut files: Vec<String> = said.lines().map(|line| line[3..].to_owned()).collect();
    files.sort();
    files
}

/// A directory with the program under test in it, as its users have it.
fn bin(lab: &Lab) -> Utf8PathBuf {
    let dir = lab.env.dir("bin");
    if !dir.join("biplane").exists() {
        symlink(BIPLANE, dir.join("biplane")).unwrap();
    }
    dir
}

/// As [`Lab::call`], with the program on `PATH`.
fn call(lab: &Lab, args: &[&str]) -> Call {
    let path = std::env::var("PATH").unwrap();
    lab.call(args).env("PATH", format!("{}:{path}", bin(lab)))
}

#[test]
fn all_programs_there_and_back() {
    let lab = Lab::new();
    let said = call(&lab, &["init", "--agent", ALL, "--yes"]).run().success();
    assert_eq!(changed(&lab), FILES);
    assert!(
        said.stdout.contains("+++ b/.mcp.json\n") && said.stdout.contains("\nwrote .mcp.json\n"),
        "{}",
        said.stdout
    );
    assert!(
        said.stderr.contains("Codex reads `.codex/config.toml` in a project that you have told it to trust"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("PATH"), "{}", said.stderr);
    assert!(said.stderr.contains("`--without hooks` leaves them out"), "{}", said.stderr);
    assert_eq!(
        lab.repo.read(".codex/config.toml"),
        "[mcp_servers.biplane]\ncommand = \"biplane\"\nargs = [\"mcp\"]\n"
    );
    assert!(lab.repo.read(".claude/settings.json").contains("\"biplane hook claude worktree-create\""));
    let before = photograph(lab.root(), &[".git"]);

    let again = call(&lab, &["init", "--agent", ALL, "--yes"]).run().success();
    assert_eq!(
        (again.stdout.as_str(), again.stderr.as_str()),
        ("nothing to change: all is written already\n", "")
    );
    assert_eq!(photograph(lab.root(), &[".git"]), before);

    // Where others still read the section, it stays.
    let said = call(&lab, &["init", "--agent", "codex", "--undo", "--yes"]).run().success();
    assert!(said.stderr.contains("the section in `AGENTS.md` stays: "), "{}", said.stderr);
    assert!(!lab.root().join(".codex").exists(), "the directory was ours too");
    call(&lab, &["init", "--agent", "all", "--undo", "--yes"]).run().success();
    assert_eq!(changed(&lab), ["biplane.toml"]);
    for dir in [".claude", ".gemini", ".qwen"] {
        assert!(!lab.root().join(dir).exists(), "{dir}");
    }
    let again = call(&lab, &["init", "--agent", "all", "--undo"]).run().success();
    assert_eq!(again.stdout, "nothing to change: nothing of biplane is there\n");
}

#[test]
fn what_was_there_stays_and_comes_back() {
    let lab = Lab::new();
    let files = [
        (".mcp.json", "{\n\t\"mcpServers\": {\n\t\t\"x\": {\"command\": \"y\"}\n\t}\n}"),
        (".claude/settings.json", "{\r\n  \"hooks\": {},\r\n  \"permissions\": {\"allow\": []}\r\n}\r\n"),
        (".codex/config.toml", "# mine\nmodel = 'm'"),
        (".gemini/settings.json", "{\n  // why\n  \"context\": {\"fileName\": \"AGENTS.md\"}, // here\n}\n"),
        ("opencode.jsonc", "{}"),
        ("AGENTS.md", "# Rules\r\n\r\nBe nice.\r\n"),
        ("CLAUDE.md", "@AGENTS.md\n"),
        ("biplane.toml", ""),
    ];
    for (file, text) in files {
        lab.repo.write(file, text);
    }
    lab.repo.commit("settings");
    let secret = lab.root().join(".mcp.json");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let before = photograph(lab.root(), &[".git"]);
    call(&lab, &["init", "--agent", ALL, "--yes"]).run().success();
    assert_eq!(
        changed(&lab),
        [
            ".claude/settings.json",
            ".codex/config.toml",
            ".gemini/settings.json",
            ".mcp.json",
            ".qwen/settings.json",
            "AGENTS.md",
            "opencode.jsonc"
        ]
    );
    assert!(
        lab.repo.read(".gemini/settings.json").contains("\"AGENTS.md\"}, // here\n  \"mcpServers\": {\n")
    );
    let agents = lab.repo.read("AGENTS.md");
    assert_eq!(agents.matches('\n').count(), agents.matches("\r\n").count());
    assert_eq!(secret.metadata().unwrap().permissions().mode() & 0o777, 0o600, "what was private stays so");
    call(&lab, &["init", "--agent", "all", "--undo", "--yes"]).run().success();
    assert_eq!(photograph(lab.root(), &[".git"]), before);
}

#[test]
fn nothing_is_written_unasked() {
    let lab = Lab::new();
    let before = photograph(lab.root(), &[".git"]);
    let refused = call(&lab, &["init", "--agent", "claude"]).stdin("y\n").run().fails_with(2);
    assert!(refused.stdout.contains("+++ b/.mcp.json\n@@ "), "{}", refused.stdout);
    insta::assert_snapshot!(refused.stderr, @r"
    error: nothing was written: there is no terminal to ask on
    hint: `--yes` writes without asking, `--dry-run` only shows
    ");
    let shown = call(&lab, &["init", "--agent", "claude", "--dry-run"]).run().success();
    assert!(shown.stdout.ends_with("\ndry run: 3 files would be written\n"), "{}", shown.stdout);
    let value = call(&lab, &["init", "--agent", "claude", "--dry-run", "--json"]).run().success().json();
    assert_eq!((&value["written"], &value["command"]), (&false.into(), &"biplane".into()));
    assert_eq!(value["changes"][0]["effect"], "create");
    call(&lab, &["init", "--undo"]).run().fails_with(2);
    assert_eq!(photograph(lab.root(), &[".git"]), before);
    assert!(!lab.root().join(".git/biplane").exists(), "no ledger either");
}

#[test]
#[ignore = "needs script(1), for a terminal"]
fn a_person_is_asked() {
    let lab = Lab::new();
    let ask = |answer: &str| {
        let path = format!("{}:{}", bin(&lab), std::env::var("PATH").unwrap());
        let script = lab.env.program("script").in_dir(lab.root()).env("PATH", path).stdin(answer);
        script.args(["-qec", "biplane init --agent codex", "/dev/null"]).run()
    };
    let no = ask("n\n").fails_with(3);
    assert!(no.stdout.contains("write these changes? [y/N]"), "{}", no.stdout);
    assert_eq!(changed(&lab), [""; 0]);
    ask("y\n").success();
    assert_eq!(changed(&lab), [".codex/config.toml", "AGENTS.md", "biplane.toml"]);
}

#[test]
fn parts_can_be_left_out() {
    let lab = Lab::new();
    call(&lab, &["init", "--agent", "claude", "--without", "hooks,instructions", "--yes"]).run().success();
    assert_eq!(changed(&lab), [".mcp.json", "biplane.toml"]);
}

#[test]
fn it_is_written_at_the_root_of_the_main_checkout() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let path = format!("{}:{}", bin(&lab), std::env::var("PATH").unwrap());
    let from_tree = ["init", "--agent", "codex", "--yes"];
    lab.call_in(tree.path(), &from_tree).env("PATH", &path).run().success();
    lab.repo.write("sub/x", "x\n");
    lab.call_in(lab.root().join("sub"), &["init", "--agent", "qwen", "--yes"])
        .env("PATH", &path)
        .run()
        .success();
    assert_eq!(
        changed(&lab),
        [".codex/config.toml", ".qwen/settings.json", "AGENTS.md", "biplane.toml", "sub/x"]
    );
    assert_eq!(tree.git(&["status", "--porcelain"]), "");
    // An agent at work writes there no more than it lands.
    let refused =
        lab.call_in(tree.path(), &["init", "--agent", "claude", "--yes"]).env("BIPLANE_RUN_ID", "r1").run();
    assert!(refused.fails_with(3).stderr.contains("only a person may change the files of agent programs"));
}

#[test]
fn all_are_those_that_are_installed() {
    let lab = Lab::new();
    let dir = bin(&lab);
    let on_path = |args: &[&str]| lab.call(args).env("PATH", format!("{dir}:{}", git_only(&lab)));
    let none = on_path(&["init", "--agent", "all", "--yes"]).run().fails_with(5);
    assert!(none.stderr.starts_with("error: none of `claude`, `codex`,"), "{}", none.stderr);
    std::fs::write(dir.join("qwen"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(dir.join("qwen"), std::fs::Permissions::from_mode(0o755)).unwrap();
    on_path(&["init", "--agent", "all", "--yes"]).run().success();
    assert_eq!(changed(&lab), [".qwen/settings.json", "AGENTS.md", "biplane.toml"]);
}

/// A directory with nothing but git in it.
fn git_only(lab: &Lab) -> Utf8PathBuf {
    let dir = lab.env.dir("git-only");
    let path = std::env::var_os("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|file| file.is_file()).unwrap();
    if !dir.join("git").exists() {
        symlink(git, dir.join("git")).unwrap();
    }
    dir
}

#[test]
fn a_program_that_is_not_on_the_path_is_named_by_its_own() {
    let lab = Lab::new();
    let said = lab.call(&["init", "--agent", "codex", "--yes"]).env("PATH", git_only(&lab)).run().success();
    let real = Utf8Path::new(BIPLANE).canonicalize_utf8().unwrap();
    assert!(
        said.stderr.contains("`biplane` is not on `PATH`, so the files name this one by its path"),
        "{}",
        said.stderr
    );
    assert!(lab.repo.read(".codex/config.toml").contains(&format!("command = \"{real}\"\n")));
    let dir = lab.env.dir("others");
    std::fs::write(dir.join("biplane"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(dir.join("biplane"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let other =
        lab.call(&["init", "--agent", "qwen", "--dry-run"]).env("PATH", format!("{dir}:{}", git_only(&lab)));
    assert!(other.run().success().stderr.contains("`biplane` is another program on `PATH`"));
    // It is brought up to date where it stands.
    let said = call(&lab, &["init", "--agent", "codex", "--yes"]).run().success();
    assert!(
        said.stdout.contains(&format!("-command = \"{real}\"\n+command = \"biplane\"\n")),
        "{}",
        said.stdout
    );
}

#[test]
fn an_entry_of_somebody_else_stops_everything() {
    let lab = Lab::new();
    lab.repo.write(".mcp.json", "{\"mcpServers\": {\"biplane\": {\"url\": \"https://x\"}}}\n");
    let before = photograph(lab.root(), &[".git"]);
    let refused = call(&lab, &["init", "--agent", ALL, "--yes"]).run().fails_with(3);
    insta::assert_snapshot!(refused.stderr, @r"
    error: `.mcp.json` has an entry `mcpServers.biplane` that biplane has not written; nothing was written
    hint: rename or remove that entry first; `--without` leaves a part of ours out
    ");
    lab.repo.write(".mcp.json", "{\n  \"mcpServers\": {},\n  \u{1b}[31m\n}\n");
    let refused = call(&lab, &["init", "--agent", "claude", "--yes"]).run().fails_with(3);
    assert!(refused.stderr.starts_with("error: `.mcp.json` can't be read (line 3): "), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("write this into it by hand:\n{\n  \"mcpServers\""),
        "{}",
        refused.stderr
    );
    is_safe_for_a_terminal(&refused);
    lab.repo.write(".mcp.json", "{\"mcpServers\": {\"biplane\": {\"url\": \"https://x\"}}}\n");
    assert_eq!(photograph(lab.root(), &[".git"]), before);
    // Nor is it taken out.
    let said = call(&lab, &["init", "--agent", "claude", "--undo", "--yes"]).run().success();
    assert!(said.stderr.contains(
        "`mcpServers.biplane` in `.mcp.json` is not as biplane has written it, and stays as it is"
    ));
    assert_eq!(photograph(lab.root(), &[".git"]), before);
}

#[test]
fn links_and_special_files() {
    let lab = Lab::new();
    // One that leads to another file of the repository is that file.
    lab.repo.write("AGENTS.md", "# Rules\n");
    symlink("AGENTS.md", lab.root().join("CLAUDE.md")).unwrap();
    lab.repo.commit("rules");
    call(&lab, &["init", "--agent", "claude,codex", "--yes"]).run().success();
    assert!(lab.root().join("CLAUDE.md").is_symlink());
    assert_eq!(lab.repo.read("AGENTS.md").matches("biplane:begin").count(), 1);
    // What can't be looked at is in nobody's way but its own.
    symlink("/", lab.root().join(".gemini")).unwrap();
    call(&lab, &["init", "--agent", "claude,codex", "--undo", "--yes"]).run().success();
    assert_eq!(lab.repo.read("AGENTS.md"), "# Rules\n");

    let away = lab.env.dir("away");
    let outside = away.join("config.toml");
    std::fs::write(&outside, "model = 'm'\n").unwrap();
    let codex = lab.root().join(".codex");
    let seen = || (photograph(lab.root(), &[".git"]), photograph(&away, &[]), lab.repo.read(".git/config"));
    let refuse = |why: &str| {
        let before = seen();
        let refused = call(&lab, &["init", "--agent", "codex", "--yes"]).run().fails_with(3);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
        assert!(seen() == before, "something was written");
    };
    symlink(&away, &codex).unwrap();
    refuse("a link leads out of the repository");
    std::fs::remove_file(&codex).unwrap();
    std::fs::create_dir(&codex).unwrap();
    let file = codex.join("config.toml");
    symlink(&outside, &file).unwrap();
    refuse("a link leads out of the repository");
    std::fs::remove_file(&file).unwrap();
    symlink("nowhere", &file).unwrap();
    refuse("it is a link to nothing that can be named");
    std::fs::remove_file(&file).unwrap();
    symlink("../.git/config", &file).unwrap();
    refuse("a link leads into git's own directory");
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, file.as_std_path(), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let refused = call(&lab, &["init", "--agent", "codex", "--yes"]).run().fails_with(3);
    assert!(refused.stderr.contains("it is no file"), "{}", refused.stderr);
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, b"\xff\n").unwrap();
    refuse("it is not UTF-8");
    std::fs::write(&file, " ".repeat((1 << 20) + 1)).unwrap();
    refuse("is larger than 1048576 bytes");
    std::fs::remove_dir_all(&codex).unwrap();
    std::fs::write(&codex, "").unwrap();
    refuse("something on its way is no directory");
}

#[test]
fn diffs_are_shown_safely() {
    let lab = Lab::new();
    lab.repo.write("AGENTS.md", "a\u{1b}[2J\rb\u{202e}\n");
    is_safe_for_a_terminal(&call(&lab, &["init", "--agent", "codex", "--dry-run"]).run().success());
}
