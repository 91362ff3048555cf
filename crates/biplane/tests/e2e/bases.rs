//! What a worktree starts at: any name for a commit, a branch of a remote, fetched when it is asked for.

use biplane_testkit::Repo;

use crate::lab::Lab;

/// A repository `app` whose `main` follows that of a remote, which has three commits and a branch `feature` more.
fn cloned() -> (Lab, Repo) {
    let lab = Lab::new();
    let up = lab.env.repo("up");
    lab.repo.git(&["remote", "add", "origin", "../up"]);
    lab.repo.git(&["fetch", "-q"]);
    lab.repo.git(&["reset", "-q", "--hard", "origin/main"]);
    lab.repo.git(&["branch", "-q", "--set-upstream-to=origin/main"]);
    std::fs::remove_file(lab.root().join(".git/FETCH_HEAD")).unwrap();
    for n in ["1", "2", "3"] {
        up.write("file", n);
        up.commit(n);
    }
    up.git(&["branch", "feature"]);
    (lab, up)
}

#[test]
fn a_branch_of_a_remote_is_fetched_on_request_and_nothing_else_is() {
    let (lab, up) = cloned();
    lab.fails(5, &["wt", "create", "w", "--base", "origin/feature"]);
    lab.ok(&["wt", "create", "w", "--base", "origin/feature", "--fetch"]);
    assert_eq!(lab.worktree("w").head(), up.head());
    assert!(!lab.repo.git(&["config", "--list", "--local"]).contains("branch.wt/"), "it follows nothing");
    // Neither another branch nor a tag has come along.
    up.git(&["tag", "v1"]);
    assert_ne!(lab.repo.git(&["rev-parse", "origin/main"]), up.head());
    lab.ok(&["wt", "create", "v", "--base", "refs/remotes/origin/main", "--fetch"]);
    assert_eq!(lab.worktree("v").head(), up.head());
    assert_eq!(lab.repo.git(&["tag", "--list"]), "");
    assert!(!lab.root().join(".git/FETCH_HEAD").exists());
    // What it follows is fetched too, and the base is what was asked for.
    up.write("file", "4");
    up.commit("4");
    let said = lab.call(&["wt", "create", "u", "--fetch"]).run().success().stderr;
    insta::assert_snapshot!(said, @"biplane: `main` is 4 commits behind `origin/main` (as of the last fetch)");
    assert_eq!(lab.worktree("u").head(), lab.repo.head());
    lab.is_sound();
}

#[test]
fn a_base_that_is_behind_is_told_of_and_blocks_nothing() {
    let (lab, _) = cloned();
    assert_eq!(lab.call(&["wt", "create", "a"]).run().success().stderr, "", "as far as is known");
    lab.repo.git(&["fetch", "-q"]);
    let behind = "biplane: `main` is 3 commits behind `origin/main` (as of the last fetch)\n";
    assert_eq!(lab.call(&["wt", "create", "b"]).run().success().stderr, behind);
    assert_eq!(lab.call(&["wt", "create", "c", "--base", "main"]).run().success().stderr, behind);
    assert_eq!(lab.call(&["wt", "create", "d", "--base", "origin/main"]).run().success().stderr, "");
    lab.ok(&["task", "create", "one"]);
    let said = lab.call(&["up", "--", "sh", "-c", "echo a > a"]).run().success().stderr;
    assert!(said.starts_with(behind), "{said}");
    assert_eq!(said.matches("behind").count(), 1, "it is said once: {said}");
    // Ahead and behind at once.
    let said = lab.call(&["wt", "create", "e"]).run().success().stderr;
    assert_eq!(said, behind);
    // The branch it followed is gone; nothing is to be said.
    lab.repo.git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    assert_eq!(lab.call(&["wt", "create", "f"]).run().success().stderr, "");
    lab.is_sound();
}

#[test]
fn a_fetch_that_fails_creates_nothing() {
    let (lab, _) = cloned();
    for (base, code, said) in [
        ("origin/none", 1, "couldn't find remote ref"),
        ("origin/main~1", 2, "is no branch of a remote and follows none"),
        ("HEAD~0", 2, "is no branch of a remote and follows none"),
        ("-x", 2, "is no branch of a remote and follows none"),
        ("origin/*", 2, "is no branch of a remote and follows none"),
        ("none", 2, "is no branch of a remote and follows none"),
    ] {
        let text = lab.fails(code, &["wt", "create", "w", "--fetch", &format!("--base={base}")]).stderr;
        assert!(text.contains(said) && text.contains("hint: "), "{base}: {text}");
    }
    lab.repo.git(&["remote", "set-url", "origin", "/nowhere/at/all"]);
    let text = lab.fails(1, &["wt", "create", "w", "--fetch", "--base", "origin/main"]).stderr;
    insta::assert_snapshot!(text, @r"
    error: `git fetch` failed: fatal: '/nowhere/at/all' does not appear to be a git repository; fatal: Could not read from remote repository.; Please make sure you have the correct access rights; and the repository exists.
    hint: without `--fetch` it starts at what was fetched before
    ");
    // Offline without a wish to fetch is no trouble.
    lab.ok(&["wt", "create", "v", "--base", "origin/main"]);
    assert_eq!(lab.directories(), ["v"]);
    assert_eq!(lab.branches(), ["wt/v"]);
    lab.is_sound();
}

#[test]
fn a_remote_that_asks_for_a_password_gets_none() {
    let (lab, _) = cloned();
    // What ssh would be started as; it sees that it may not ask, and has no terminal to ask on.
    lab.env.dir("bin");
    let ssh = lab.env.root().join("bin/ssh");
    std::fs::write(&ssh, "#!/bin/sh\necho \"$@\" > \"$HOME/ssh.log\"\necho refused >&2\nexit 255\n").unwrap();
    std::fs::set_permissions(&ssh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    lab.repo.git(&["remote", "set-url", "origin", "ssh://host.invalid/x"]);
    let path = format!("{}:{}", lab.env.root().join("bin"), std::env::var("PATH").unwrap());
    let call = lab.call(&["wt", "create", "w", "--fetch", "--base", "origin/main"]).env("PATH", path);
    let said = call.run().fails_with(1).stderr;
    assert!(said.contains("refused"), "{said}");
    let log = std::fs::read_to_string(lab.env.home().join("ssh.log")).unwrap();
    assert!(log.contains("-o BatchMode=yes"), "{log}");
}

#[test]
fn every_name_of_a_commit_is_a_base() {
    let (lab, up) = cloned();
    lab.repo.git(&["fetch", "-q"]);
    let tip = up.head();
    lab.repo.git(&["tag", "light", &tip]);
    lab.repo.git(&["tag", "-a", "-m", "annotated", "heavy", &tip]);
    let bases = [
        "light",
        "heavy",
        "refs/tags/heavy",
        &tip[..9],
        &tip,
        "origin/main~0",
        "@{u}",
        "main@{upstream}",
        "refs/remotes/origin/feature",
        "origin/feature^{commit}",
    ];
    for (n, base) in bases.iter().enumerate() {
        let made = lab.json(&["wt", "create", &format!("w{n}"), "--base", base]);
        assert_eq!(made["base"].as_str(), Some(tip.as_str()), "{base}");
    }
    for base in ["@", "HEAD", "HEAD~0", "main", "refs/heads/main"] {
        let name = format!("x{}", base.len());
        assert_eq!(lab.json(&["wt", "create", &name, "--base", base])["base"], lab.repo.head(), "{base}");
        lab.ok(&["wt", "remove", &name]);
    }
    lab.is_sound();
}

#[test]
fn what_is_no_commit_is_no_base() {
    let lab = Lab::new();
    let blob = lab.repo.git(&["rev-parse", "HEAD:README.md"]);
    for base in [
        "HEAD^{tree}",
        "HEAD:README.md",
        &blob,
        "HEAD~1",
        "-x",
        "--all",
        "",
        "a b",
        "main..main",
        "^main",
        "HEAD@{9}",
        "refs/heads/",
        "nope\nx",
    ] {
        let said = lab.fails(5, &["wt", "create", "w", &format!("--base={base}")]).stderr;
        assert!(said.contains("is not a commit, branch or tag here"), "{base}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert_eq!((lab.linked(), lab.branches()), (0, Vec::new()));
}
