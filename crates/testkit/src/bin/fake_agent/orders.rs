//! What it is told to do.

use std::time::Duration;

/// What comes next. The words that stand for it are in [`Order::parse`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    /// `write PATH [TEXT]`: writes a file, and the directories it needs.
    Write { path: String, text: String },
    /// `append PATH [TEXT]`
    Append { path: String, text: String },
    /// `delete PATH`
    Delete { path: String },
    /// `conflict PATH`: writes a file with the marks of a conflict.
    Conflict { path: String },
    /// `commit [MESSAGE]`: commits all there is.
    Commit { message: String },
    /// `say TEXT`
    Say { text: String },
    /// `run COMMAND`: a shell's command, its failure told as the protocol tells it.
    Run { command: String },
    /// `ask COMMAND`: the same, if it is allowed to.
    Ask { command: String },
    /// `tool NAME [JSON]`: a tool of the server that it was handed, with these arguments.
    Tool { name: String, arguments: String },
    /// `sleep SECONDS`
    Sleep { time: Duration },
    /// `await PATH`: waits for a file, at most five minutes.
    Await { path: String },
    /// `hang`: nothing more happens.
    Hang,
    /// `deaf`: from now on it ignores the signals that ask it to end.
    Deaf,
    /// `signal NUMBER`: sends itself a signal: 6 or 9 for a crash, 19 to stop.
    Signal { number: i32 },
    /// `child`: a child that sleeps, in its own process group.
    Child,
    /// `daemon [PATH]`: a process that wants to outlive everything: a session of its own, an empty environment, no parent. It
    /// writes to the file again and again.
    Daemon { path: String, away: bool },
    /// `outside main PATH`: writes into the main checkout. `outside sibling PATH`: into another worktree. `outside link PATH`:
    /// into the main checkout through a link. `outside at PATH`: anywhere.
    Outside { place: Place, path: String },
    /// `on-main PATH`: makes `main` its branch without a checkout, and commits a file there.
    OnMain { path: String },
    /// `move-main`: makes the branch `main` what it has committed.
    MoveMain,
    /// `flood`: messages without end.
    Flood,
    /// `flood-line`: one line without end.
    FloodLine,
    /// `garbage`: bytes that are no text, and what steers terminals.
    Garbage,
    /// `deny NUMBER`: tells of refused tools without asking.
    Deny { count: usize },
    /// `limit [SECONDS]`: the model's server refuses, and it gives up.
    Limit { wait: Duration },
    /// `usage INPUT OUTPUT [CENTS]`: what it says to have cost.
    Usage { input: u64, output: u64, cents: u64 },
    /// `code NUMBER`: the exit code, when all is said.
    Code { code: u8 },
    /// `exit NUMBER`: ends at once, in the middle of what it says.
    Exit { code: u8 },
    /// `first ORDER`, `again ORDER`: only in the first attempt at the task, or only in later ones. `resumed ORDER`: only when
    /// the session is an old one.
    Only { when: When, order: Box<Order> },
    /// What is none of these.
    Unknown { text: String },
}

/// Where something is written that is none of its business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Main,
    Sibling,
    Link,
    At,
}

/// When an order is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    First,
    Again,
    Resumed,
}

/// What it was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    /// Whether the session is an old one.
    pub(crate) resumed: bool,
    /// What that session was first asked.
    pub(crate) remembered: Option<String>,
}

/// The orders: those that were typed, those in the prompt, those of the session's first prompt, or those of an honest agent.
pub(crate) fn chosen(typed: Option<&str>, prompt: &Prompt) -> Vec<Order> {
    let remembered = prompt.remembered.as_deref().and_then(within);
    let honest = || {
        let task = std::env::var("BIPLANE_TASK_ID").unwrap_or_else(|_| "none".to_owned());
        format!("write task-{task}.txt; commit task {task}; say Done.")
    };
    let text = typed.or_else(|| within(&prompt.text)).or(remembered).map_or_else(honest, str::to_owned);
    parse(&text)
}

/// The orders in a prompt.
fn within(prompt: &str) -> Option<&str> {
    let (_, rest) = prompt.split_once("fake:")?;
    rest.lines().next()
}

fn parse(text: &str) -> Vec<Order> {
    text.split(';').map(str::trim).filter(|order| !order.is_empty()).map(Order::parse).collect()
}

impl Order {
    fn parse(text: &str) -> Self {
        let (verb, rest) = split(text);
        let (first, more) = split(rest);
        let (path, rest_owned) = (first.to_owned(), rest.to_owned());
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let content = || or(more, "by the fake agent") + "\n";
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        let seconds = Duration::from_secs_f64(rest.parse::<f64>().unwrap_or(1.0).clamp(0.0, 3600.0));
        let code = u8::try_from(number(first)).unwrap_or(1);
        let only = |when| Self::Only { when, order: Box::new(Self::parse(rest)) };
        match verb {
            "write" => Self::Write { path, text: content() },
            "append" => Self::Append { path, text: content() },
            "delete" => Self::Delete { path },
            "conflict" => Self::Conflict { path },
            "commit" => Self::Commit { message: or(rest, "work of the fake agent") },
            "say" => Self::Say { text: rest_owned },
            "run" => Self::Run { command: rest_owned },
            "ask" => Self::Ask { command: rest_owned },
            "tool" => Self::Tool { name: path, arguments: more.to_owned() },
            "sleep" => Self::Sleep { time: seconds },
            "await" => Self::Await { path },
            "hang" => Self::Hang,
            "deaf" => Self::Deaf,
            "signal" => Self::Signal { number: first.parse().unwrap_or(9) },
            "child" => Self::Child,
            "daemon" => Self::Daemon { path, away: false },
            "daemon-away" => Self::Daemon { path, away: true },
            "outside" => {
                let place = match first {
                    "main" => Place::Main,
                    "sibling" => Place::Sibling,
                    "link" => Place::Link,
                    "at" => Place::At,
                    _ => return Self::Unknown { text: text.to_owned() },
                };
                Self::Outside { place, path: more.to_owned() }
            }
            "on-main" => Self::OnMain { path },
            "move-main" => Self::MoveMain,
            "flood" => Self::Flood,
            "flood-line" => Self::FloodLine,
            "garbage" => Self::Garbage,
            "deny" => Self::Deny { count: usize::try_from(number(first)).unwrap_or(1).clamp(1, 1000) },
            "limit" => Self::Limit { wait: seconds },
            "usage" => {
                let (output, cents) = split(more);
                Self::Usage { input: number(first), output: number(output), cents: number(cents) }
            }
            "code" => Self::Code { code },
            "exit" => Self::Exit { code },
            "first" => only(When::First),
            "again" => only(When::Again),
            "resumed" => only(When::Resumed),
            _ => Self::Unknown { text: text.to_owned() },
        }
    }
}

/// The first word, and what is behind it.
fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_found_in_a_prompt() {
        let prompt = Prompt {
            text: "# Task 1: fake: write a/b hello you; again exit 3 ;; commit\n\nfake: hang".to_owned(),
            ..Prompt::default()
        };
        let write = Order::Write { path: "a/b".to_owned(), text: "hello you\n".to_owned() };
        let exit = Order::Only { when: When::Again, order: Box::new(Order::Exit { code: 3 }) };
        let commit = Order::Commit { message: "work of the fake agent".to_owned() };
        assert_eq!(chosen(None, &prompt), [write, exit, commit]);
        assert_eq!(chosen(Some("hang"), &prompt), [Order::Hang]);
        let remembered = Some("fake: flood".to_owned());
        let later = Prompt { text: "go on".to_owned(), resumed: true, remembered };
        assert_eq!(chosen(None, &later), [Order::Flood]);
        assert_eq!(chosen(None, &Prompt::default()).len(), 3);
        assert_eq!(parse("dance"), [Order::Unknown { text: "dance".to_owned() }]);
    }
}
