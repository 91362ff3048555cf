//! A repository whose agent is a real program with a scripted model.

use std::{sync::Arc, time::Duration};

use biplane_testkit::{
    Call, Records, Repo, TestEnv, real_agent, real_agents_path,
    standin::{Answer, StandIn, Turn},
};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

/// How long a whole `up` may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A program, by its preset's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Claude,
    Codex,
    Qwen,
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Qwen => "qwen",
        }
    }

    /// Has the model write a file in the worktree, without asking for anything that an agent that may edit may not do.
    pub(crate) fn write(self, cwd: &Utf8Path, file: &str, text: &str) -> Answer {
        let path = cwd.join(file);
        match self {
            Self::Claude => Answer::call("Write", json!({"file_path": path, "content": text})),
            Self::Codex => self.run(&format!("printf '%s' '{text}' > {file}")),
            Self::Qwen => Answer::call("write_file", json!({"file_path": path, "content": text})),
        }
    }

    /// Has the model run a command.
    pub(crate) fn run(self, command: &str) -> Answer {
        match self {
            Self::Claude => Answer::call("Bash", json!({"command": command, "description": "as told"})),
            Self::Codex => Answer::call("exec_command", json!({"cmd": command})),
            Self::Qwen => Answer::call(
                "run_shell_command",
                json!({"command": command, "is_background": false, "description": "as told"}),
            ),
        }
    }

    /// Has the model use a tool of ours.
    pub(crate) fn tool(self, name: &str, input: Value) -> Answer {
        match self {
            Self::Claude | Self::Qwen => Answer::call(format!("mcp__biplane__{name}"), input),
            Self::Codex => Answer::call(format!("mcp__biplane.{name}"), input),
        }
    }

    /// Its table in the settings: it talks to `model`, and to nobody else.
    fn table(self, model: &StandIn, home: &Utf8Path, permissions: &str) -> String {
        let (name, program) = (self.name(), real_agent(self.name()));
        let mut command = vec![program.as_str()];
        if self == Self::Qwen {
            command.extend(["--acp", "--approval-mode", "default"]);
        }
        let args = self.arguments(&model.url());
        let variables = self.variables(&model.url(), home);
        let variables: Vec<_> = variables.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
        format!(
            "[agents.{name}]\ncommand = {command:?}\nargs = {args:?}\npermissions = \"{permissions}\"\n\
             env = {{ {} }}\n",
            variables.join(", ")
        )
    }

    pub(crate) fn arguments(self, url: &str) -> Vec<String> {
        if self != Self::Codex {
            return Vec::new();
        }
        let settings = [
            "model=\"stand-in\"",
            "model_provider=\"stand-in\"",
            "model_providers.stand-in.name=\"stand-in\"",
            &format!("model_providers.stand-in.base_url=\"{url}/v1\""),
            "model_providers.stand-in.env_key=\"STAND_IN_KEY\"",
            "model_providers.stand-in.wire_api=\"responses\"",
            // It asks github.com and chatgpt.com otherwise.
            "features.plugins=false",
            "analytics.enabled=false",
        ];
        settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting.to_owned()]).collect()
    }

    pub(crate) fn variables(self, url: &str, home: &Utf8Path) -> Vec<(&'static str, String)> {
        let dir = |name: &str| home.join(name).into_string();
        let own = match self {
            Self::Claude => vec![
                ("ANTHROPIC_BASE_URL", url.to_owned()),
                ("ANTHROPIC_API_KEY", "none".to_owned()),
                ("CLAUDE_CONFIG_DIR", dir("claude")),
                ("CLAUDE_CODE_MAX_RETRIES", "3".to_owned()),
            ],
            Self::Codex => vec![("STAND_IN_KEY", "none".to_owned()), ("CODEX_HOME", dir("codex"))],
            // It would send what is for the model through a proxy too.
            Self::Qwen => {
                return vec![
                    ("OPENAI_BASE_URL", format!("{url}/v1")),
                    ("OPENAI_API_KEY", "none".to_owned()),
                    ("OPENAI_MODEL", "stand-in".to_owned()),
                ];
            }
        };
        // What it asks of anybody else comes to the stand-in too, and is seen there.
        let watched = [("HTTPS_PROXY", url), ("HTTP_PROXY", url), ("NO_PROXY", "127.0.0.1")];
        own.into_iter().chain(watched.map(|(name, value)| (name, value.to_owned()))).collect()
    }
}

/// A repository of its own, with one agent.
pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
    pub(crate) model: StandIn,
}

impl Lab {
    /// `top` are settings for the first lines of the file, and the script also gets the worktree's directory.
    pub(crate) fn new(
        program: Program,
        permissions: &str,
        top: &str,
        script: impl Fn(&Turn, &Utf8Path) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let trees = Arc::new(repo.path().join(".worktrees/"));
        let model = StandIn::start(move |turn| script(turn, &worktree(turn, &trees)));
        let home = env.home();
        for dir in ["claude", "codex"] {
            make_dir(&home.join(dir));
        }
        make_dir(&home.join(".qwen"));
        let quiet =
            json!({"privacy": {"usageStatisticsEnabled": false}, "general": {"disableAutoUpdate": true}});
        std::fs::write(home.join(".qwen/settings.json"), quiet.to_string()).unwrap();
        repo.write(
            "biplane.toml",
            format!(
                "agent = \"{}\"\n{top}\n[up]\nmin_memory = \"1M\"\nmin_disk = \"1M\"\nmax_load = 0\n{}",
                program.name(),
                program.table(&model, &home, permissions)
            ),
        );
        repo.commit("settings");
        Self { env, repo, model }
    }

    /// The program in the repository. `PATH` begins with the directory of the agent programs, which has their interpreter
    /// where the system's is too old.
    pub(crate) fn call(&self, args: &[&str]) -> Call {
        let call = self.env.biplane(env!("CARGO_BIN_EXE_biplane")).in_dir(self.repo.path()).args(args);
        call.env("PATH", real_agents_path()).patience(PATIENCE)
    }

    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) {
        let _ = self.call(args).run().success();
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.call(args).arg("--json").run().success().json()
    }

    pub(crate) fn task(&self, id: usize) -> Value {
        self.json(&["task", "show", &id.to_string()])
    }

    /// Nothing is wrong in the records, no process is left, and nobody but the model was asked for anything.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        assert_eq!(Records::read(self.repo.path()).report(), [""; 0]);
        assert_eq!(self.env.processes(), [""; 0]);
        assert_eq!(self.model.strange(), [""; 0]);
    }
}

fn make_dir(dir: &Utf8Path) {
    std::fs::create_dir_all(dir).unwrap();
}

/// The worktree that a program says it stands in.
fn worktree(turn: &Turn, trees: &Utf8Path) -> Utf8PathBuf {
    let body = turn.body.to_string();
    let rest = body.split_once(trees.as_str()).map_or("none", |(_, rest)| rest);
    let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    trees.join(name)
}
