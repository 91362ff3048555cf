//! What it is told by its arguments.

/// How it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    Plain,
    Claude,
    Codex,
    Acp,
}

/// What was typed, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) speech: Speech,
    pub(crate) version: bool,
    /// Orders that take the place of those in the prompt.
    pub(crate) orders: Option<String>,
    /// The prompt; without one it is read.
    pub(crate) prompt: Option<String>,
    /// Whether prompts come as lines of JSON.
    pub(crate) reads_json: bool,
    /// A session that is to be new.
    pub(crate) session: Option<String>,
    /// A session to go on with.
    pub(crate) resume: Option<String>,
    /// Whether it may do all it likes.
    pub(crate) all_allowed: bool,
    /// Whether it may ask.
    pub(crate) may_ask: bool,
    /// It is a daemon of an agent's: which stage, and what it writes to.
    pub(crate) daemon: Option<Vec<String>>,
}

/// Options of the real programs that take a value.
const WITH_VALUE: [&str; 20] = [
    "--output-format",
    "--input-format",
    "--permission-mode",
    "--permission-prompt-tool",
    "--session-id",
    "--resume",
    "--model",
    "-m",
    "--mcp-config",
    "--disallowedTools",
    "--allowedTools",
    "--append-system-prompt",
    "--approval-mode",
    "-c",
    "--cd",
    "-C",
    "-s",
    "--sandbox",
    "--do",
    "--speak",
];

impl Arguments {
    pub(crate) fn parse(typed: Vec<String>) -> Self {
        if typed.first().is_some_and(|first| first == "--daemon") {
            return Self { daemon: Some(typed[1..].to_vec()), ..Self::of(&[]) };
        }
        Self::of(&typed)
    }

    fn of(typed: &[String]) -> Self {
        let has = |word: &str| typed.iter().any(|w| w == word);
        let value = |option: &str| {
            let at = typed.iter().position(|w| w == option)?;
            typed.get(at + 1).cloned()
        };
        let starts = |word: &str| typed.first().is_some_and(|w| w == word);
        let mut words = Vec::new();
        let mut rest = typed.iter();
        while let Some(word) = rest.next() {
            if WITH_VALUE.contains(&word.as_str()) {
                rest.next();
            } else if word == "-" || !word.starts_with('-') {
                words.push(word.clone());
            }
        }
        let speech = match value("--speak").as_deref() {
            Some("claude") => Speech::Claude,
            Some("codex") => Speech::Codex,
            Some("acp") => Speech::Acp,
            Some(_) => Speech::Plain,
            None if has("--output-format") => Speech::Claude,
            None if starts("exec") => Speech::Codex,
            None if has("--acp") || has("--experimental-acp") || starts("acp") => Speech::Acp,
            None => Speech::Plain,
        };
        let mut resume = value("--resume");
        if speech == Speech::Codex && words.get(1).is_some_and(|w| w == "resume") {
            resume = words.get(2).cloned();
            words.drain(..words.len().min(3));
        } else if matches!(speech, Speech::Codex | Speech::Acp) && !words.is_empty() {
            words.remove(0);
        }
        let all = ["bypassPermissions", "danger-full-access", "yolo", "sandbox_mode=danger-full-access"];
        let free = ["--dangerously-skip-permissions", "--dangerously-bypass-approvals-and-sandbox", "--yolo"];
        Self {
            speech,
            version: has("--version"),
            orders: value("--do"),
            prompt: words.pop().filter(|word| word != "-"),
            reads_json: value("--input-format").is_some_and(|format| format == "stream-json"),
            session: value("--session-id"),
            resume,
            all_allowed: all.iter().chain(&free).any(|word| has(word)),
            may_ask: has("--permission-prompt-tool"),
            daemon: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Arguments {
        Arguments::parse(line.split('|').filter(|w| !w.is_empty()).map(str::to_owned).collect())
    }

    #[test]
    fn it_speaks_as_it_is_called() {
        let table = [
            ("do it", Speech::Plain, Some("do it"), None),
            ("", Speech::Plain, None, None),
            (
                "-p|--output-format|stream-json|--verbose|--input-format|stream-json",
                Speech::Claude,
                None,
                None,
            ),
            ("-p|do it|--resume|s1|--output-format|stream-json", Speech::Claude, Some("do it"), Some("s1")),
            ("exec|--json|-s|read-only|do it", Speech::Codex, Some("do it"), None),
            ("exec|--json|-c|a=b|-", Speech::Codex, None, None),
            ("exec|resume|--json|s1|do it", Speech::Codex, Some("do it"), Some("s1")),
            ("--acp", Speech::Acp, None, None),
            ("acp", Speech::Acp, None, None),
            ("--speak|codex|exec|x", Speech::Codex, Some("x"), None),
        ];
        for (line, speech, prompt, resume) in table {
            let arguments = parsed(line);
            assert_eq!(arguments.speech, speech, "{line}");
            assert_eq!(arguments.prompt.as_deref(), prompt, "{line}");
            assert_eq!(arguments.resume.as_deref(), resume, "{line}");
        }
        assert!(parsed("-p|--permission-mode|bypassPermissions").all_allowed);
        assert!(!parsed("-p|--permission-mode|acceptEdits").all_allowed);
    }
}
