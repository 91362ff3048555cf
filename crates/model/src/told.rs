//! What an agent told of its run, as far as the outcome and the place of its work ask for it.
//!
//! **Contract.** Bounded, whatever the agent writes, and made safe to show. It is the agent's word: it may make an outcome
//! worse, never better.

use std::collections::{BTreeSet, VecDeque};

use crate::{AgentEvent, clip, sanitize_line};

/// The most tool calls that are named in a reason.
const MOST_NAMED: usize = 3;
/// The most characters of one.
const NAME_CHARS: usize = 80;
/// The most tool calls whose answers are waited for.
const MOST_OPEN: usize = 256;
/// The most paths that are kept.
const MOST_PATHS: usize = 10_000;
/// The most bytes of one; a longer one is none.
const PATH_BYTES: usize = 4_096;
/// The most characters of its last words that are kept.
const WORDS_CHARS: usize = 300;

/// Tool calls that came to nothing: how many, and the first of them by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many.
    pub count: u64,
    /// The first few different ones: `Bash: cargo test`.
    pub names: Vec<String>,
}

impl Calls {
    fn add(&mut self, name: String) {
        self.count = self.count.saturating_add(1);
        if self.names.len() < MOST_NAMED && !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

/// What an agent says of the end of its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whether it says that it succeeded.
    pub success: bool,
    /// In its words, cut and made safe to show.
    pub words: String,
}

/// What an agent told of its run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// What it was refused.
    pub denied: Calls,
    /// What it did in vain, refusals not among it.
    pub failed: Calls,
    /// What it says of the end.
    pub claim: Option<Claim>,
    /// The files that its tool calls named, as it names them. Not made safe to show.
    pub paths: BTreeSet<String>,
    /// Tool calls without an answer yet: id and name.
    open: VecDeque<(String, String)>,
    /// The last refusals, whose answers are no failures of their own.
    refused: VecDeque<String>,
}

impl Told {
    /// Takes in what the agent tells next.
    pub fn hear(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::ToolCall { id, tool, summary, paths } => {
                push(&mut self.open, (clip(id, NAME_CHARS), name(tool, summary)));
                for path in paths.iter().filter(|path| path.len() <= PATH_BYTES) {
                    if self.paths.len() < MOST_PATHS {
                        self.paths.insert(path.clone());
                    }
                }
            }
            AgentEvent::ToolResult { id, failed, .. } => {
                let id = clip(id, NAME_CHARS);
                let at = self.open.iter().rposition(|(open, _)| *open == id);
                let call = at.and_then(|at| self.open.remove(at)).map(|(_, name)| name);
                let was_refused = call.as_ref().and_then(|name| self.refused.iter().position(|r| r == name));
                match (failed, was_refused) {
                    (true, Some(at)) => drop(self.refused.remove(at)),
                    (true, None) => self.failed.add(call.unwrap_or_else(|| "a tool call".to_owned())),
                    (false, _) => {}
                }
            }
            AgentEvent::PermissionDenied { tool, summary } => {
                let name = name(tool, summary);
                push(&mut self.refused, name.clone());
                self.denied.add(name);
            }
            AgentEvent::Finished { success, text } => {
                let words = clip(sanitize_line(text).trim(), WORDS_CHARS);
                self.claim = Some(Claim { success: *success, words });
            }
            _ => {}
        }
    }
}

/// A tool call in few words.
fn name(tool: &str, summary: &str) -> String {
    let text = if summary.trim().is_empty() { tool.to_owned() } else { format!("{tool}: {summary}") };
    clip(sanitize_line(&text).trim(), NAME_CHARS)
}

fn push<T>(queue: &mut VecDeque<T>, one: T) {
    if queue.len() == MOST_OPEN {
        queue.pop_front();
    }
    queue.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, summary: &str) -> AgentEvent {
        let (tool, paths) = ("Bash".to_owned(), vec![format!("{summary}.rs")]);
        AgentEvent::ToolCall { id: id.to_owned(), tool, summary: summary.to_owned(), paths }
    }

    fn answer(id: &str, failed: bool) -> AgentEvent {
        AgentEvent::ToolResult { id: id.to_owned(), failed, text: String::new() }
    }

    fn denied(summary: &str) -> AgentEvent {
        AgentEvent::PermissionDenied { tool: "Bash".to_owned(), summary: summary.to_owned() }
    }

    #[test]
    fn a_refusal_is_counted_once_and_a_failure_by_its_name() {
        let mut told = Told::default();
        for event in [
            call("1", "cargo test"),
            denied("cargo test"),
            answer("1", true),
            call("2", "make"),
            answer("2", true),
            call("3", "ls"),
            answer("3", false),
            answer("9", true),
            AgentEvent::Finished { success: true, text: "All\ndone \u{1b}[1m".to_owned() },
        ] {
            told.hear(&event);
        }
        assert_eq!(told.denied, Calls { count: 1, names: vec!["Bash: cargo test".to_owned()] });
        assert_eq!(
            told.failed,
            Calls { count: 2, names: vec!["Bash: make".to_owned(), "a tool call".to_owned()] }
        );
        assert_eq!(told.claim, Some(Claim { success: true, words: "All done \u{fffd}[1m".to_owned() }));
        assert_eq!(told.paths.len(), 3);
    }

    #[test]
    fn it_is_bounded_whatever_is_told() {
        let mut told = Told::default();
        for n in 0..20_000 {
            told.hear(&call(&n.to_string(), &"x".repeat(n % 300)));
            told.hear(&denied(&n.to_string()));
        }
        assert_eq!((told.denied.count, told.denied.names.len()), (20_000, MOST_NAMED));
        assert!(told.open.len() <= MOST_OPEN && told.refused.len() <= MOST_OPEN);
        assert!(told.paths.len() <= MOST_PATHS && told.denied.names.iter().all(|n| n.len() <= NAME_CHARS));
    }
}
