//! As any command: words on standard output.

use std::{io, time::Duration};

use super::{Tool, Voice, What, error_line, line, prompt_of};
use crate::{act::Done, arguments::Arguments, files::Came, orders::Prompt};

pub(super) struct Plain {
    prompt: Option<io::Result<String>>,
    limited: bool,
}

impl Plain {
    pub(super) fn new(arguments: &Arguments) -> Self {
        Self { prompt: Some(prompt_of(arguments)), limited: false }
    }
}

impl Voice for Plain {
    fn next(&mut self) -> io::Result<Option<Prompt>> {
        let text = self.prompt.take().transpose()?;
        Ok(text.map(|text| Prompt { text, ..Prompt::default() }))
    }

    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        line(&text)
    }

    fn call(&mut self, tool: &Tool) -> io::Result<()> {
        match &tool.what {
            What::Edit { path, .. } => line(&format!("> edits {path}")),
            What::Command { command } => line(&format!("> {command}")),
        }
    }

    fn ask(&mut self, _: &Tool) -> io::Result<bool> {
        Ok(true)
    }

    fn denied(&mut self, _: &Tool) -> io::Result<()> {
        line(&"permission denied")
    }

    fn result(&mut self, _: &Tool, came: &Came) -> io::Result<()> {
        line(&format!("{} (exit code {})", came.text.trim_end(), came.code))
    }

    fn limit(&mut self, wait: Duration) -> io::Result<()> {
        self.limited = true;
        error_line(&format!("429 Too Many Requests, retry after {} s", wait.as_secs()))
    }

    fn end(&mut self, _: &Done) -> io::Result<()> {
        Ok(())
    }

    fn exit_code(&self, code: u8) -> u8 {
        if self.limited { 1 } else { code }
    }
}
