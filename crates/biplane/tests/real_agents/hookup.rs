//! What `biplane init --agent` writes is read by the real programs.

use std::{os::unix::fs::symlink, time::Duration};

use biplane_testkit::{
    Call, Records, Repo, TestEnv, real_agent, real_agents_path,
    standin::{Answer, StandIn},
};
use serde_json::json;

use crate::lab::Program;

const BIPLANE: &str = env!("CARGO_BIN_EXE_biplane");

/// A repository in which all programs are told of biplane, which is on `PATH`.
pub(crate) struct Told {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
}

impl Told {
    pub(crate) fn new() -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let bin = env.dir("bin");
        symlink(BIPLANE, bin.join("biplane")).unwrap();
        let told = Self { env, repo };
        let init = ["init", "--agent", "claude,codex,gemini,qwen,opencode,copilot", "--yes"];
        told.on_path(told.env.biplane(BIPLANE)).args(init).run().success();
        told.repo.commit("hook-up");
        told
    }

    /// Biplane, as it is found on `PATH`.
    pub(crate) fn biplane(&self, args: &[&str]) -> Call {
        self.on_path(self.env.biplane(BIPLANE)).args(args)
    }

    pub(crate) fn on_path(&self, call: Call) -> Call {
        let path = real_agents_path();
        let dirs = std::iter::once(self.env.root().join("bin").into_std_path_buf())
            .chain(std::env::split_paths(&path));
        let path = std::env::join_paths(dirs).unwrap();
        call.env("PATH", path)
            .env("DISABLE_AUTOUPDATER", "1")
            .in_dir(self.repo.path())
            .patience(Duration::from_secs(120))
    }

    /// What a program says of the servers that it knows.
    fn servers(&self, program: &str) -> String {
        let output =
            self.on_path(self.env.program(real_agent(program))).args(["mcp", "list"]).run().success();
        output.stdout + &output.stderr
    }

    pub(crate) fn write_home(&self, file: &str, text: &str) {
        let path = self.env.home().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn every_program_finds_the_server() {
    let told = Told::new();
    let root = told.repo.path().to_owned();
    told.write_home(".codex/config.toml", &format!("[projects.\"{root}\"]\ntrust_level = \"trusted\"\n"));
    told.write_home(".copilot/config.json", &json!({ "trusted_folders": [root] }).to_string());
    for program in ["claude", "codex", "gemini", "qwen", "opencode", "copilot"] {
        let servers = told.servers(program);
        // Two of them try it without being told to trust anything.
        let wanted = match program {
            "copilot" => "biplane (local)",
            "qwen" => "biplane mcp (stdio) - Connected",
            "opencode" => "\u{2713} biplane",
            _ => "biplane",
        };
        let end = servers.chars().take(2000).collect::<String>();
        assert!(servers.contains(wanted) && !servers.contains("No MCP servers"), "{program}: {end}");
    }
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_codes_own_worktrees_are_ours() {
    let told = Told::new();
    let model = StandIn::start(|turn| match turn.step {
        0 => Answer::call("EnterWorktree", json!({"name": "fix-it"})),
        1 => Answer::call("Bash", json!({"command": "pwd; echo unsaved > work.txt", "description": "work"})),
        2 => Answer::call("ExitWorktree", json!({"action": "remove", "discard_changes": true})),
        _ => Answer::text("It is done."),
    });
    let home = told.env.home();
    let mut call = told.on_path(told.env.program(real_agent("claude")));
    for (name, value) in Program::Claude.variables(&model.url(), &home) {
        call = call.env(name, value);
    }
    let args = ["-p", "Fix it in a worktree.", "--permission-mode", "bypassPermissions"];
    let said = call.env("IS_SANDBOX", "1").args(args).run().success();
    let tree = told.repo.path().join(".worktrees/fix-it");
    let results = model.turns().pop().unwrap().results;
    assert!(results.iter().any(|r| r.text.contains(tree.as_str())), "it worked there: {results:?}\n{said}");
    assert!(!tree.exists(), "it is removed: {results:?}");
    told.biplane(&["wt", "restore", "fix-it"]).run().success();
    assert_eq!(told.repo.at(&tree).read("work.txt"), "unsaved\n");
    assert_eq!(Records::read(told.repo.path()).report(), [""; 0]);
}
