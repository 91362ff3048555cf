//! Reading, writing and editing one file.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Spec, Tool, Wish, named, number, object, text};
use crate::{
    bounds,
    cancel::Cancel,
    path::RelPath,
    plan::{Change, Content, FileMode, Plan},
    tree::{FileState, Tree},
};

fn path_of(tree: &Tree, input: &Value) -> Result<RelPath, Answer> {
    RelPath::given(text(input, "path")?, tree.path().as_str())
        .map_err(|fault| Answer::failed(fault.to_string()))
}

/// Puts `bytes` at `path`, where `before` is.
fn put(tree: &Tree, path: &RelPath, before: Option<FileState>, bytes: Vec<u8>) -> Result<(), Answer> {
    if bytes.len() > bounds::FILE {
        return Err(Answer::failed(format!("a file may have at most {} bytes", bounds::FILE)));
    }
    let mode = before.as_ref().map_or(FileMode::Plain, |file| FileMode::Exact(file.mode));
    let change = Change { path: path.clone(), before, after: Some(Content { bytes, mode }) };
    Plan::new(vec![change]).carry_out(tree).map(drop).map_err(|fault| Answer::failed(fault.to_string()))
}

/// `read_file`.
pub(super) struct ReadFile {
    pub(super) tree: Arc<Tree>,
}

impl Tool for ReadFile {
    fn spec(&self) -> Spec {
        let properties = json!({
            "path": {"type": "string", "description": "The file, relative to your directory."},
            "offset": {"type": "integer", "minimum": 1, "description": "The first line, counted from 1."},
            "limit": {"type": "integer", "minimum": 1, "description": "How many lines."},
        });
        Spec {
            name: "read_file".to_owned(),
            description: "Reads a text file in your directory.".to_owned(),
            input: object(&["path"], properties),
        }
    }

    fn wish(&self, input: &Value) -> Wish {
        Wish::Read(named(input))
    }

    fn call(&mut self, input: &Value, _: &Cancel) -> Answer {
        self.read(input).unwrap_or_else(|failure| failure)
    }
}

impl ReadFile {
    fn read(&self, input: &Value) -> Result<Answer, Answer> {
        let path = path_of(&self.tree, input)?;
        let first = number(input, "offset")?.unwrap_or(1).max(1);
        let limit = number(input, "limit")?.unwrap_or(bounds::LINES);
        let file = self.tree.need(&path).map_err(|fault| Answer::failed(fault.to_string()))?;
        if file.bytes.contains(&0) {
            return Err(Answer::failed(format!("`{path}` is no text; it has {} bytes", file.bytes.len())));
        }
        let lines: Vec<&[u8]> = file.bytes.split_inclusive(|byte| *byte == b'\n').collect();
        if lines.is_empty() {
            return Ok(Answer::done(format!("[`{path}` is empty]")));
        }
        let mut shown = String::new();
        let mut last = first - 1;
        for line in lines.iter().skip(last).take(limit) {
            let line = String::from_utf8_lossy(line);
            // One line is shown whatever its length.
            if last >= first && shown.len() + line.len() > bounds::ANSWER - 200 {
                break;
            }
            shown.push_str(&line);
            last += 1;
        }
        if last < first {
            return Err(Answer::failed(format!("`{path}` has {} lines", lines.len())));
        }
        if last < lines.len() || first > 1 {
            let end = if shown.ends_with('\n') { "" } else { "\n" };
            shown.push_str(&format!("{end}[lines {first} to {last} of {}]", lines.len()));
        }
        Ok(Answer::done(shown))
    }
}

/// `write_file`.
pub(super) struct WriteFile {
    pub(super) tree: Arc<Tree>,
}

impl Tool for WriteFile {
    fn spec(&self) -> Spec {
        let properties = json!({
            "path": {"type": "string", "description": "The file, relative to your directory."},
            "content": {"type": "string", "description": "All of its content."},
        });
        Spec {
            name: "write_file".to_owned(),
            description:
                "Makes a file in your directory, or replaces it whole. Directories that it needs are made."
                    .to_owned(),
            input: object(&["path", "content"], properties),
        }
    }

    fn wish(&self, input: &Value) -> Wish {
        Wish::Edit(named(input))
    }

    fn call(&mut self, input: &Value, _: &Cancel) -> Answer {
        self.write(input).unwrap_or_else(|failure| failure)
    }
}

impl WriteFile {
    fn write(&self, input: &Value) -> Result<Answer, Answer> {
        let path = path_of(&self.tree, input)?;
        let content = text(input, "content")?;
        let before = self.tree.read(&path).map_err(|fault| Answer::failed(fault.to_string()))?;
        let verb = if before.is_some() { "replaced" } else { "made" };
        put(&self.tree, &path, before, content.as_bytes().to_vec())?;
        Ok(Answer::done(format!("{verb} `{path}`, {} bytes", content.len())))
    }
}

/// `edit_file`.
pub(super) struct EditFile {
    pub(super) tree: Arc<Tree>,
}

impl Tool for EditFile {
    fn spec(&self) -> Spec {
        let properties = json!({
            "path": {"type": "string", "description": "The file, relative to your directory."},
            "old_text": {"type": "string", "description": "What stands there, to the byte; it must stand there once."},
            "new_text": {"type": "string", "description": "What is to stand there instead."},
        });
        Spec {
            name: "edit_file".to_owned(),
            description: "Replaces a piece of a text file in your directory.".to_owned(),
            input: object(&["path", "old_text", "new_text"], properties),
        }
    }

    fn wish(&self, input: &Value) -> Wish {
        Wish::Edit(named(input))
    }

    fn call(&mut self, input: &Value, _: &Cancel) -> Answer {
        self.edit(input).unwrap_or_else(|failure| failure)
    }
}

impl EditFile {
    fn edit(&self, input: &Value) -> Result<Answer, Answer> {
        let path = path_of(&self.tree, input)?;
        let (old, new) = (text(input, "old_text")?.as_bytes(), text(input, "new_text")?.as_bytes());
        if old.is_empty() {
            return Err(Answer::failed("`old_text` is empty; use `write_file` to make a file"));
        }
        if old == new {
            return Err(Answer::failed("`old_text` and `new_text` are the same"));
        }
        let file = self.tree.need(&path).map_err(|fault| Answer::failed(fault.to_string()))?;
        let places = places(&file.bytes, old);
        let [at] = places[..] else {
            return Err(Answer::failed(match places.first() {
                None if !places_with_crlf(&file.bytes, old).is_empty() => {
                    format!("`old_text` is not in `{path}`: its lines end with \\r\\n; write them so")
                }
                None => format!("`old_text` is not in `{path}`; read the file again"),
                Some(_) => format!(
                    "`old_text` stands in `{path}` {} times; give more of what is around it",
                    places.len()
                ),
            }));
        };
        let bytes = [&file.bytes[..at], new, &file.bytes[at + old.len()..]].concat();
        let line = file.bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        put(&self.tree, &path, Some(file), bytes)?;
        Ok(Answer::done(format!("edited `{path}` at line {line}")))
    }
}

/// Where `piece` stands, overlapping places too, as far as that matters.
fn places(bytes: &[u8], piece: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], piece) {
        found.push(from + at);
        from += at + 1;
    }
    found
}

fn places_with_crlf(bytes: &[u8], piece: &[u8]) -> Vec<usize> {
    let piece = String::from_utf8_lossy(piece).replace('\n', "\r\n");
    places(bytes, piece.as_bytes())
}

fn find(bytes: &[u8], piece: &[u8]) -> Option<usize> {
    // The first byte is looked for fast; most places fail at the second.
    let first = *piece.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(piece) {
            return Some(at);
        }
        from = at + 1;
    }
}
