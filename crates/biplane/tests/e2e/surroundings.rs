//! What is around the program and wrong: a broken settings file, no git, an old git.

use std::fs;

use crate::lab::{Lab, said};

#[test]
fn a_broken_settings_file_is_named_with_line_and_key() {
    let lab = Lab::new();
    let cases = [
        "gate = \n",
        "target = \"main\"\n\ngates = \"x\"\n",
        "[up]\nagents = 0\n",
        "[up]\nagents = \"two\"\n",
        "gate_timeout = \"soon\"\n",
        "agent = \"mine\"\n",
        "[agents.mine]\ncommand = []\n",
        "[agents.\" x\"]\ncommand = [\"true\"]\n",
        "strategy = \"octopus\"\n",
        "[limits]\nlog = \"-1\"\n",
        "gate = \"\u{1b}[31m\"\n\u{1b}",
    ];
    let mut text = String::new();
    for case in cases {
        lab.repo.write("biplane.toml", case);
        let output = lab.call(&["task", "list"]).run();
        assert_eq!(output.code, 2, "{case} {output}");
        assert!(!output.stderr.contains('\u{1b}'), "{output}");
        text.push_str(&format!("{}\n\n", said(&output, &lab)));
    }
    insta::assert_snapshot!(text, @r#"
    error: `biplane.toml` line 1, key `gate`: string values must be quoted, expected literal string

    error: `biplane.toml` line 3, key `gates`: unknown field `gates`, expected one of `target`, `gate`, `gate_timeout`, `strategy`, `agent`, `agents`, `profile`, `profiles`, `prompts`, `up`, `worktrees`, `setup`, `ports`, `snapshots`, `pool`, `logs`, `limits`, `repo`
    hint: did you mean `gate`?

    error: `biplane.toml` line 2, key `agents`: use 1 to 256

    error: `biplane.toml` line 2, key `agents`: invalid type: string "two", expected usize

    error: `biplane.toml` line 1, key `gate_timeout`: `soon` is no duration: use a number with `s`, `m`, `h` or `d`, such as `90s`

    error: `biplane.toml` line 1, key `agent`: there is no agent `mine` in `biplane.toml`: the known programs are `claude`, `codex`, `gemini`, `qwen`, `opencode`, `copilot`, `builtin`

    error: `biplane.toml` line 1, key `agents.mine`: an agent's `command` names a program

    error: `biplane.toml` line 1, key `agents." x"`: ` x` is not a agent name: use 1 to 64 printable characters, none of them a space at either end

    error: `biplane.toml` line 1, key `strategy`: `octopus` is none of `merge`, `squash`, `rebase`

    error: `biplane.toml` line 2, key `log`: `-1` is no size: use a number with `K`, `M` or `G`, such as `10M`, from `4K` on

    error: `biplane.toml` line 2, key `�`: key with no value, expected `=`
    "#);
    lab.repo.write("biplane.toml", [0xff, 0xfe]);
    let output = lab.call(&["task", "list"]).run();
    assert!(matches!(output.code, 1 | 2), "{output}");
}

#[test]
fn without_git_and_with_an_old_git_it_says_what_to_install() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let none = lab.env.dir("none");
    let output = lab.call(&["wt", "create", "w"]).env("PATH", &none).run().fails_with(1);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: `git` was not found on PATH
    hint: install git 2.38 or newer
    ");
    let old = lab.env.dir("old");
    let real = lab.env.program("sh").args(["-c", "command -v git"]).run().success().stdout;
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' --version '*) v=1;; esac; [ -n \"$v\" ] && echo 'git version 2.30.2' && exit 0\nexec {} \"$@\"\n",
        real.trim()
    );
    fs::write(old.join("git"), script).unwrap();
    fs::set_permissions(old.join("git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{old}:{}", std::env::var("PATH").unwrap());
    let output = lab.call(&["wt", "create", "w"]).env("PATH", &path).run().fails_with(1);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: git 2.30 is too old: biplane needs 2.38 or newer
    hint: upgrade git
    ");
    lab.call(&["up", "--", "true"]).env("PATH", &path).run().fails_with(1);
    lab.call(&["task", "list"]).env("PATH", &path).run().success();
    assert_eq!((lab.directories(), lab.branches()), (vec![], vec![]));
    lab.is_sound();
}
