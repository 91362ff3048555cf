//! The programs that are known by name: which driver speaks with them, how they are started, had and checked.

use super::{DriverName, find::Version};

/// A program that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// The driver that speaks with it.
    pub driver: DriverName,
    /// The program, as it is found on `PATH`.
    pub program: &'static str,
    /// The arguments that always come first.
    pub args: &'static [&'static str],
    /// Variables that are set in its environment, unless the user sets them: no update while it works, no reports home.
    pub env: &'static [(&'static str, &'static str)],
    /// The oldest version that was seen to work.
    pub oldest: Version,
    /// The command that installs it.
    pub install: &'static str,
    /// The memory that one of it usually needs, in bytes, in a small session.
    pub memory: u64,
}

const MIB: u64 = 1 << 20;

/// What OpenCode asks for.
const OPENCODE_ASKS: &str =
    r#"{"edit":"ask","bash":"ask","webfetch":"ask","websearch":"ask","external_directory":"ask"}"#;

/// Every program that is known by name.
pub const PRESETS: [Preset; 6] = [
    Preset {
        name: "claude",
        title: "Claude Code",
        driver: DriverName::Claude,
        program: "claude",
        args: &[],
        env: &[
            ("DISABLE_AUTOUPDATER", "1"),
            ("DISABLE_TELEMETRY", "1"),
            ("DISABLE_ERROR_REPORTING", "1"),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            // Commands are judged as of the worktree's own directory.
            ("CLAUDE_BASH_MAINTAIN_PROJECT_WORKING_DIR", "1"),
        ],
        oldest: Version { major: 2, minor: 1, patch: 197 },
        install: "npm install -g @anthropic-ai/claude-code",
        memory: 400 * MIB,
    },
    Preset {
        name: "codex",
        title: "Codex",
        driver: DriverName::Codex,
        program: "codex",
        args: &[],
        env: &[],
        oldest: Version { major: 0, minor: 169, patch: 0 },
        install: "npm install -g @openai/codex",
        memory: 250 * MIB,
    },
    Preset {
        name: "gemini",
        title: "Gemini CLI",
        driver: DriverName::Acp,
        program: "gemini",
        args: &["--acp", "--approval-mode", "default"],
        env: &[("GEMINI_TELEMETRY_ENABLED", "false")],
        oldest: Version { major: 0, minor: 61, patch: 0 },
        install: "npm install -g @google/gemini-cli",
        memory: 500 * MIB,
    },
    Preset {
        name: "qwen",
        title: "Qwen Code",
        driver: DriverName::Acp,
        program: "qwen",
        args: &["--acp", "--approval-mode", "default"],
        env: &[("GEMINI_TELEMETRY_ENABLED", "false"), ("QWEN_TELEMETRY_ENABLED", "false")],
        oldest: Version { major: 0, minor: 15, patch: 10 },
        install: "npm install -g @qwen-code/qwen-code",
        memory: 500 * MIB,
    },
    Preset {
        name: "opencode",
        title: "OpenCode",
        driver: DriverName::Acp,
        program: "opencode",
        args: &["acp"],
        env: &[
            ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
            // It does all of this without asking otherwise.
            ("OPENCODE_PERMISSION", OPENCODE_ASKS),
        ],
        oldest: Version { major: 1, minor: 18, patch: 33 },
        install: "npm install -g opencode-ai",
        memory: 800 * MIB,
    },
    Preset {
        name: "copilot",
        title: "GitHub Copilot CLI",
        driver: DriverName::Acp,
        program: "copilot",
        args: &["--acp", "--disable-client-telemetry"],
        env: &[("COPILOT_AUTO_UPDATE", "false"), ("COPILOT_ALLOW_ALL", "false")],
        oldest: Version { major: 1, minor: 0, patch: 102 },
        install: "npm install -g @github/copilot",
        memory: 500 * MIB,
    },
];

/// The preset called `name`.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Preset {
    /// The program and the arguments that always come first.
    pub fn command(&self) -> Vec<String> {
        std::iter::once(&self.program).chain(self.args).map(|word| (*word).to_owned()).collect()
    }
}
