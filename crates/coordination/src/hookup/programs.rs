//! Which files each agent program reads, and what of ours belongs into them.
//!
//! The forms are those of the programs' documentation; each was seen to be read by the version in `docs/agents.md`.

use serde_json::{Value, json};

use super::{
    NAME, Part,
    entry::{self, Whose},
    json::Member,
};

/// An agent program that can be told of biplane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookupProgram {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// Qwen Code.
    Qwen,
    /// OpenCode.
    OpenCode,
    /// GitHub Copilot CLI.
    Copilot,
}

impl HookupProgram {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Claude, Self::Codex, Self::Gemini, Self::Qwen, Self::OpenCode, Self::Copilot];

    /// Its name among the agents known by name, which is that of its program too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Qwen => "qwen",
            Self::OpenCode => "opencode",
            Self::Copilot => "copilot",
        }
    }

    /// What it is called.
    pub fn title(self) -> &'static str {
        biplane_execution::agents::presets::preset(self.as_str()).map_or(self.as_str(), |preset| preset.title)
    }

    /// What its owner has to do before it reads what we have written; `None` for nothing.
    pub(crate) fn consent(self) -> Option<&'static str> {
        match self {
            Self::Claude => Some("asks once whether the servers of `.mcp.json` may be used"),
            Self::Codex => Some("reads `.codex/config.toml` in a project that you have told it to trust"),
            Self::Gemini => {
                Some("starts servers of `.gemini/settings.json` in a folder that you have told it to trust")
            }
            Self::Copilot => Some("reads `.mcp.json` in a folder that you have told it to trust"),
            Self::Qwen | Self::OpenCode => None,
        }
    }

    /// The files that may have its servers, the usual one first.
    pub(crate) fn server_files(self) -> &'static [&'static str] {
        match self {
            Self::Claude | Self::Copilot => &[".mcp.json"],
            Self::Codex => &[".codex/config.toml"],
            Self::Gemini => &[GEMINI_SETTINGS],
            Self::Qwen => &[".qwen/settings.json"],
            Self::OpenCode => &["opencode.json", "opencode.jsonc"],
        }
    }

    /// The entry of our server in such a file, which has this text.
    pub(crate) fn server(self, text: Option<&str>, program: &str) -> Part {
        match self {
            Self::Codex => Part::CodexServer { program: program.to_owned() },
            Self::OpenCode => {
                let path: &[&str] =
                    if is_second_opencode(text) { &["mcp", "servers", NAME] } else { &["mcp", NAME] };
                let value = json!({ "type": "local", "command": [program, "mcp"] });
                Part::Member(Member { path, value, whose: whose_opencode })
            }
            Self::Claude | Self::Gemini | Self::Qwen | Self::Copilot => Part::Member(Member {
                path: &["mcpServers", NAME],
                value: json!({ "command": program, "args": ["mcp"] }),
                whose: whose_server,
            }),
        }
    }

    /// The file of instructions that it reads. `text` gives the text of a file.
    pub(crate) fn instructions(self, text: impl Fn(&str) -> Option<String>) -> String {
        match self {
            Self::Codex | Self::Qwen | Self::OpenCode | Self::Copilot => AGENTS.to_owned(),
            Self::Claude => {
                let imports = |line: &str| {
                    [format!("@{AGENTS}"), format!("@./{AGENTS}")].contains(&line.trim().to_owned())
                };
                let is_import = text(CLAUDE).is_some_and(|text| text.lines().any(imports));
                if is_import { AGENTS } else { CLAUDE }.to_owned()
            }
            Self::Gemini => gemini_instructions(text(GEMINI_SETTINGS).as_deref()),
        }
    }
}

/// The file that most programs read.
const AGENTS: &str = "AGENTS.md";
const CLAUDE: &str = "CLAUDE.md";
const GEMINI: &str = "GEMINI.md";
const GEMINI_SETTINGS: &str = ".gemini/settings.json";

/// The directories that such files lie in.
pub(crate) const DIRS: [&str; 4] = [".claude", ".codex", ".gemini", ".qwen"];

/// Where Claude Code's hooks are set.
pub(crate) const CLAUDE_SETTINGS: &str = ".claude/settings.json";

/// Claude Code's hooks that are ours: in the order in which they are put in. `program` is what a shell starts.
pub(crate) fn claude_hooks(program: &str) -> [Part; 2] {
    let hook = |path, whose, event: &str| {
        let command = format!("{} hook claude {event}", for_shell(program));
        let value = json!([{ "hooks": [{ "type": "command", "command": command }] }]);
        Part::Member(Member { path, value, whose })
    };
    [
        hook(&["hooks", "WorktreeCreate"], |value| whose_hook(value, "worktree-create"), "worktree-create"),
        hook(&["hooks", "WorktreeRemove"], |value| whose_hook(value, "worktree-remove"), "worktree-remove"),
    ]
}

/// A word for a shell.
fn for_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:=,".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Whether OpenCode's servers are in the form of its second generation, which reads the first one's too.
fn is_second_opencode(text: Option<&str>) -> bool {
    let servers = text.and_then(super::json::value).map(|value| value["mcp"]["servers"].clone());
    servers.is_some_and(|servers| servers.is_object() && !servers["type"].is_string())
}

/// The first of the files that Gemini is told to read, `AGENTS.md` before all others.
fn gemini_instructions(settings: Option<&str>) -> String {
    let settings = settings.and_then(super::json::value).unwrap_or_default();
    let names = match &settings["context"]["fileName"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(name) => vec![name.clone()],
        _ => Vec::new(),
    };
    let is_plain = |name: &String| {
        !name.starts_with('.')
            && name.len() <= 64
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let agents = names.iter().find(|name| *name == AGENTS);
    agents.or_else(|| names.iter().find(|name| is_plain(name))).cloned().unwrap_or_else(|| GEMINI.to_owned())
}

fn whose_server(value: &Value) -> Whose {
    let mut command: Vec<&str> = value["command"].as_str().into_iter().collect();
    command.extend(words(&value["args"]));
    entry::judge(&command, value.as_object().is_some_and(|entry| entry.len() > 2))
}

fn whose_opencode(value: &Value) -> Whose {
    let more = value["type"] != "local" || value.as_object().is_some_and(|entry| entry.len() > 2);
    entry::judge(&words(&value["command"]), more)
}

fn whose_hook(value: &Value, event: &str) -> Whose {
    let groups = value.as_array().map_or(&[][..], Vec::as_slice);
    let all: Vec<&Value> =
        groups.iter().flat_map(|group| group["hooks"].as_array().into_iter().flatten()).collect();
    let is_ours = |hook: &&Value| {
        let program = hook["command"].as_str().and_then(|c| c.strip_suffix(&format!(" hook claude {event}")));
        program.is_some_and(|program| entry::is_biplane(program.trim_matches('\'')))
    };
    let plain = |entry: &Value, most| entry.as_object().is_some_and(|entry| entry.len() <= most);
    match (groups, all.as_slice()) {
        ([group], [hook]) if is_ours(hook) && plain(group, 1) && plain(hook, 2) => Whose::Ours,
        (_, all) if all.iter().any(is_ours) => Whose::Changed,
        _ => Whose::Foreign,
    }
}

/// The texts of a list; an empty one stands for what is none.
fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|word| word.as_str().unwrap_or_default()).collect()
}
