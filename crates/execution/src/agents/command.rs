//! Any program: it gets the prompt, and what it says is passed on as it comes.

use serde::Deserialize;

use super::{Brief, Dialogue, Driver, Launch, Said, bounds, words};
use crate::supervise::Input;

/// How a program gets its prompt. `BIPLANE_PROMPT_FILE` names a file with it in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptBy {
    /// In the place of `{prompt}` in its arguments.
    Argument,
    /// On standard input.
    Stdin,
    /// Only by the file that `BIPLANE_PROMPT_FILE` names.
    File,
}

impl PromptBy {
    /// How `command` gets it when nothing is said: in an argument when one has the place, otherwise on standard input.
    pub fn usual(command: &[String]) -> Self {
        if command.iter().any(|word| word.contains("{prompt}")) { Self::Argument } else { Self::Stdin }
    }
}

/// The driver for any program. It has no say in what the program may do.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// How it gets the prompt.
    pub prompt: PromptBy,
}

impl Driver for Command {
    fn launch(&self, brief: &Brief) -> Launch {
        let words = brief.command.iter().chain(&brief.args);
        let fill = |word: &String| match self.prompt {
            PromptBy::Argument => word.replace("{prompt}", in_argument(&brief.prompt)),
            PromptBy::Stdin | PromptBy::File => word.clone(),
        };
        let input = match self.prompt {
            PromptBy::Stdin => Input::Bytes(brief.prompt.clone().into_bytes()),
            PromptBy::Argument | PromptBy::File => Input::Null,
        };
        Launch { command: words.map(fill).collect(), env: Default::default(), input }
    }

    fn dialogue(&self, _: &Brief) -> Box<dyn Dialogue> {
        Box::new(Passed)
    }
}

/// The prompt as it goes into an argument: whole, or pointing to its file when it is too long.
fn in_argument(prompt: &str) -> &str {
    if prompt.len() <= bounds::ARGUMENT {
        prompt
    } else {
        "Read the file that BIPLANE_PROMPT_FILE names and do what it says."
    }
}

/// Every line is passed on.
struct Passed;

impl Dialogue for Passed {
    fn line(&mut self, line: &[u8]) -> Said {
        Said { events: words::raw(line).into_iter().collect(), ..Said::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::tests::brief;

    fn launched(prompt: PromptBy, command: &[&str], text: &str) -> Launch {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let brief = Brief { command, args: vec!["--last".to_owned()], prompt: text.to_owned(), ..brief() };
        Command { prompt }.launch(&brief)
    }

    #[test]
    fn the_prompt_goes_where_it_is_wanted() {
        let launch = launched(PromptBy::Argument, &["aider", "--message", "{prompt}"], "do it");
        assert_eq!(launch.command, ["aider", "--message", "do it", "--last"]);
        assert!(matches!(launch.input, Input::Null));
        let launch = launched(PromptBy::Stdin, &["aider", "{prompt}"], "do it");
        assert_eq!(launch.command, ["aider", "{prompt}", "--last"]);
        assert!(matches!(launch.input, Input::Bytes(bytes) if bytes == b"do it"));
        assert!(matches!(launched(PromptBy::File, &["aider"], "do it").input, Input::Null));
    }

    #[test]
    fn a_long_prompt_is_left_in_its_file() {
        let launch = launched(PromptBy::Argument, &["a", "{prompt}"], &"x".repeat(bounds::ARGUMENT + 1));
        assert!(launch.command[1].contains("BIPLANE_PROMPT_FILE"), "{:?}", launch.command[1].len());
        let launch = launched(PromptBy::Argument, &["a", "{prompt}"], &"x".repeat(bounds::ARGUMENT));
        assert_eq!(launch.command[1].len(), bounds::ARGUMENT);
    }

    #[test]
    fn the_usual_way_follows_from_the_command() {
        assert_eq!(PromptBy::usual(&["a".to_owned(), "-m={prompt}".to_owned()]), PromptBy::Argument);
        assert_eq!(PromptBy::usual(&["a".to_owned()]), PromptBy::Stdin);
    }
}
