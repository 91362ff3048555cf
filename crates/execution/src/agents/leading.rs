//! How a program is started as a lead: on a person's terminal, or for one turn, with our MCP server attached.
//!
//! Nothing is written into anybody's settings: the server stands in the arguments. What a person has set up for the program holds beside
//! it.

use super::{DriverName, ToolServer, claude, codex};

/// What a program leads with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leading {
    /// The program and the arguments that always come first.
    pub command: Vec<String>,
    /// Arguments of the user's that come behind ours.
    pub args: Vec<String>,
    /// Our MCP server.
    pub server: ToolServer,
    /// What it is told of its role, where it can be told without a word in the conversation.
    pub role: String,
    /// The tools of the server that it may call without asking anybody.
    pub free: Free,
    /// The conversation.
    pub which: Conversation,
    /// What it is told; nothing yet where a person is to say it.
    pub prompt: Option<String>,
    /// Whether a person is at its terminal.
    pub at: At,
}

/// Which tools of the server may be called without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Free {
    /// All of them.
    All,
    /// These.
    These(Vec<String>),
}

/// Which conversation a program goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conversation {
    /// A new one.
    New,
    /// Its last one.
    Newest,
    /// The one by this name of its own.
    Named(String),
}

/// Where a program leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// On a person's terminal, until that ends it.
    Terminal,
    /// For one turn, without anybody to ask.
    OneTurn,
}

/// What to start; nothing for a program that we can't attach to in its arguments.
pub fn command(driver: DriverName, leading: &Leading) -> Option<Vec<String>> {
    match driver {
        DriverName::Claude => Some(as_claude(leading)),
        DriverName::Codex => Some(as_codex(leading)),
        DriverName::Acp | DriverName::Builtin | DriverName::Command => None,
    }
}

fn as_claude(leading: &Leading) -> Vec<String> {
    let mut command = leading.command.clone();
    if leading.at == At::OneTurn {
        command.push("-p".to_owned());
    }
    match &leading.which {
        Conversation::New => {}
        Conversation::Newest => command.push("--continue".to_owned()),
        Conversation::Named(id) => command.extend(["--resume".to_owned(), id.clone()]),
    }
    // Both take every word up to the next option, so the prompt stands behind another one.
    command.extend(["--mcp-config".to_owned(), claude::servers(&leading.server).to_string()]);
    let rule = |tool: &str| format!("mcp__{}__{tool}", leading.server.name);
    let free = match &leading.free {
        Free::All => rule("*"),
        Free::These(tools) => tools.iter().map(|tool| rule(tool)).collect::<Vec<_>>().join(","),
    };
    command.extend(["--allowedTools".to_owned(), free]);
    command.extend(leading.args.iter().cloned());
    command.extend(["--append-system-prompt".to_owned(), leading.role.clone()]);
    command.extend(leading.prompt.iter().map(|prompt| not_an_option(prompt)));
    command
}

fn as_codex(leading: &Leading) -> Vec<String> {
    let mut command = leading.command.clone();
    if leading.at == At::OneTurn {
        command.push("exec".to_owned());
    }
    if leading.which != Conversation::New {
        command.push("resume".to_owned());
    }
    command.extend(codex::settings(&leading.server, &leading.free));
    command.extend(leading.args.iter().cloned());
    match &leading.which {
        Conversation::New => {}
        Conversation::Newest => command.push("--last".to_owned()),
        Conversation::Named(id) => command.push(id.clone()),
    }
    command.extend(leading.prompt.iter().map(|prompt| not_an_option(prompt)));
    command
}

/// The text, so that it is not taken for an option.
fn not_an_option(text: &str) -> String {
    if text.starts_with('-') { format!(" {text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leading() -> Leading {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Leading {
            command: words(&["it"]),
            args: words(&["--model", "m"]),
            server: ToolServer {
                name: "biplane",
                command: words(&["/bin/biplane", "-C", "/a b", "mcp"]),
                env: Default::default(),
            },
            role: "You lead.".to_owned(),
            free: Free::These(words(&["task_list", "task_create"])),
            which: Conversation::New,
            prompt: None,
            at: At::Terminal,
        }
    }

    #[test]
    fn claude_is_told_in_its_arguments() {
        let server = r#"{"mcpServers":{"biplane":{"type":"stdio","command":"/bin/biplane","args":["-C","/a b","mcp"],"env":{}}}}"#;
        let free = "mcp__biplane__task_list,mcp__biplane__task_create";
        let tail = ["--model", "m", "--append-system-prompt", "You lead."];
        let command = command(DriverName::Claude, &leading()).unwrap();
        let wanted = [&["it", "--mcp-config", server, "--allowedTools", free][..], &tail].concat();
        assert_eq!(command, wanted);
        let once = Leading {
            at: At::OneTurn,
            which: Conversation::Newest,
            prompt: Some("--help me".to_owned()),
            free: Free::All,
            ..leading()
        };
        let begin = ["it", "-p", "--continue", "--mcp-config", server, "--allowedTools", "mcp__biplane__*"];
        assert_eq!(as_claude(&once), [&begin[..], &tail, &[" --help me"]].concat());
    }

    #[test]
    fn codex_is_told_in_its_settings() {
        let own = ["--model", "m"];
        let settings = |free: &Free| codex::settings(&leading().server, free);
        let some = settings(&leading().free);
        assert!(some.contains(&"mcp_servers.biplane.args=[\"-C\",\"/a b\",\"mcp\"]".to_owned()), "{some:?}");
        assert!(
            some.contains(&"mcp_servers.biplane.tools.task_list.approval_mode=\"approve\"".to_owned()),
            "{some:?}"
        );
        assert!(!some.iter().any(|setting| setting.contains("default_tools_approval_mode")), "{some:?}");
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(as_codex(&leading()), [texts(&["it"]), some, texts(&own)].concat());
        let named = Conversation::Named("id-1".to_owned());
        let prompt = Some("Go on.".to_owned());
        let once = Leading { at: At::OneTurn, which: named, prompt, free: Free::All, ..leading() };
        let all =
            [texts(&["it", "exec", "resume"]), settings(&Free::All), texts(&own), texts(&["id-1", "Go on."])];
        assert_eq!(as_codex(&once), all.concat());
    }

    #[test]
    fn others_are_not_started_so() {
        for driver in [DriverName::Acp, DriverName::Builtin, DriverName::Command] {
            assert_eq!(command(driver, &leading()), None);
        }
    }
}
