//! Command lines that are plain enough to be judged.
//!
//! A line is plain when every shell (`bash`, `zsh`, `dash`) takes it for the same words: quotes, globs, `&&`, `||`, `;`, `|`, output
//! thrown away (`2>/dev/null`, `2>&1`), and a quoted text from `cat` as message, which agents like: `"$(cat <<'EOF' … EOF
//! )"`. Everything else (variables, substitutions, redirections, braces, escapes, the background) makes it not plain. The grammar is that
//! of POSIX.1-2017, Shell Command Language, 2.2 and 2.3.

use std::{iter::Peekable, str::Chars};

/// A word of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// As the command gets it, unless a glob in it becomes other words.
    pub(super) text: String,
    /// Whether it has an unquoted `*`, `?` or `[`.
    pub(super) glob: bool,
}

/// The commands of a plain line, each at least one word; `None` when it is not plain.
pub(super) fn commands(line: &str) -> Option<Vec<Vec<Word>>> {
    let mut reader = Reader {
        chars: line.chars().peekable(),
        done: Vec::new(),
        command: Vec::new(),
        word: None,
        quoted: false,
    };
    reader.read()?;
    Some(reader.done)
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    done: Vec<Vec<Word>>,
    command: Vec<Word>,
    word: Option<Word>,
    /// Whether a part of the word is quoted.
    quoted: bool,
}

impl Reader<'_> {
    fn read(&mut self) -> Option<()> {
        // Whether the line can't end here.
        let mut open = false;
        while let Some(c) = self.chars.next() {
            let begins = self.word.is_none();
            match c {
                ' ' | '\t' => self.end_word(),
                '\n' if self.command.is_empty() && begins => {}
                '\n' => self.end_command()?,
                ';' => self.end_command()?,
                '&' => match self.chars.next()? {
                    '&' => {
                        self.end_command()?;
                        open = true;
                        continue;
                    }
                    '>' => self.thrown_away(&["/dev/null"])?,
                    _ => return None,
                },
                '|' => {
                    self.chars.next_if_eq(&'|');
                    if self.chars.next_if_eq(&'&').is_some() {
                        return None;
                    }
                    self.end_command()?;
                    open = true;
                    continue;
                }
                '>' => {
                    match self.word.as_ref().map(|word| word.text.as_str()) {
                        Some("1" | "2") if !self.quoted => self.word = None,
                        Some(number) if number.bytes().all(|b| b.is_ascii_digit()) => return None,
                        _ => {}
                    }
                    self.thrown_away(&["/dev/null", "&1", "&2"])?;
                }
                '\'' => self.single_quoted()?,
                '"' => self.double_quoted()?,
                '~' | '#' | '=' if begins => return None,
                '*' | '?' | '[' => {
                    let word = self.word();
                    word.glob = true;
                    word.text.push(c);
                }
                '<' | '(' | ')' | '{' | '}' | '$' | '`' | '\\' | '!' => return None,
                c if c.is_ascii_graphic() => self.word().text.push(c),
                _ => return None,
            }
            open &= self.command.is_empty() && self.word.is_none();
        }
        let trailing = self.command.is_empty() && self.word.is_none();
        if trailing && !open && !self.done.is_empty() { Some(()) } else { self.end_command() }
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn end_word(&mut self) {
        self.quoted = false;
        self.command.extend(self.word.take());
    }

    fn end_command(&mut self) -> Option<()> {
        self.end_word();
        let command = std::mem::take(&mut self.command);
        (!command.is_empty()).then(|| self.done.push(command))
    }

    /// Behind a `>`: one of `targets`.
    fn thrown_away(&mut self, targets: &[&str]) -> Option<()> {
        self.end_word();
        while self.chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let mut target = String::new();
        while let Some(c) =
            self.chars.next_if(|c| !matches!(c, ' ' | '\t' | '\n' | ';' | '|') && target.len() < 16)
        {
            target.push(c);
        }
        targets.contains(&target.as_str()).then_some(())
    }

    fn single_quoted(&mut self) -> Option<()> {
        self.word();
        self.quoted = true;
        loop {
            match self.chars.next()? {
                '\'' => return Some(()),
                c => self.keep(c)?,
            }
        }
    }

    fn double_quoted(&mut self) -> Option<()> {
        self.word();
        self.quoted = true;
        loop {
            match self.chars.next()? {
                '"' => return Some(()),
                '`' => return None,
                '$' => self.text_from_cat()?,
                '\\' => match self.chars.next()? {
                    c @ ('"' | '\\' | '$' | '`') => self.keep(c)?,
                    '\n' => return None,
                    c => {
                        self.keep('\\')?;
                        self.keep(c)?;
                    }
                },
                c => self.keep(c)?,
            }
        }
    }

    fn keep(&mut self, c: char) -> Option<()> {
        (c == '\n' || c == '\t' || !c.is_control()).then(|| self.word().text.push(c))
    }

    /// `(cat <<'EOF'`, lines, `EOF`, `)`, behind a `$` in double quotes: the lines as they stand.
    fn text_from_cat(&mut self) -> Option<()> {
        for expected in "(cat <<'".chars() {
            self.chars.next_if_eq(&expected)?;
        }
        let mut end = String::new();
        loop {
            match self.chars.next()? {
                '\'' => break,
                c if c.is_ascii_alphanumeric() || c == '_' => end.push(c),
                _ => return None,
            }
        }
        self.chars.next_if_eq(&'\n')?;
        let mut body = String::new();
        loop {
            let mut line = String::new();
            loop {
                match self.chars.next()? {
                    '\n' => break,
                    c => line.push(c),
                }
            }
            if line == end {
                break;
            }
            body.push_str(&line);
            body.push('\n');
        }
        // The bash of macOS (3.2) looks for the closing parenthesis without knowing that this is a text.
        let odd: &[char] =
            if cfg!(target_os = "macos") { &['\'', '"', '`', '(', ')', '\\', '$'] } else { &[] };
        if end.is_empty() || body.contains(odd) {
            return None;
        }
        while self.chars.next_if(|c| matches!(c, ' ' | '\n')).is_some() {}
        self.chars.next_if_eq(&')')?;
        body.trim_end_matches('\n').chars().try_for_each(|c| self.keep(c).ok_or(())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Option<Vec<Vec<String>>> {
        let texts = |command: Vec<Word>| command.into_iter().map(|word| word.text).collect();
        Some(commands(line)?.into_iter().map(texts).collect())
    }

    #[test]
    fn plain_lines_are_read() {
        let table: &[(&str, &[&[&str]])] = &[
            ("ls", &[&["ls"]]),
            ("ls  -la\tsrc", &[&["ls", "-la", "src"]]),
            ("a && b || c; d | e\nf", &[&["a"], &["b"], &["c"], &["d"], &["e"], &["f"]]),
            ("\n\na\n\n", &[&["a"]]),
            ("a;", &[&["a"]]),
            ("echo 'a b'\"c d\"e ''", &[&["echo", "a bc de", ""]]),
            (r#"echo "a \"b\" \n $""#, &[]),
            (r#"echo "a \"b\" \n \$x""#, &[&["echo", "a \"b\" \\n $x"]]),
            ("cargo test 2>&1 | tail -5", &[&["cargo", "test"], &["tail", "-5"]]),
            ("ls x 2>/dev/null", &[&["ls", "x"]]),
            ("ls x > /dev/null; b", &[&["ls", "x"], &["b"]]),
            ("ls &>/dev/null", &[&["ls"]]),
            ("git show HEAD~1 a=b", &[&["git", "show", "HEAD~1", "a=b"]]),
            (
                "git commit -m \"$(cat <<'EOF'\nTitle $x `y`\n\nIt's done.\nEOF\n)\" -q",
                &[&["git", "commit", "-m", "Title $x `y`\n\nIt's done.", "-q"]],
            ),
        ];
        for (line, expected) in table {
            if cfg!(target_os = "macos") && line.contains("cat <<") {
                continue;
            }
            let found = texts(line);
            let found: Option<Vec<Vec<&str>>> = found
                .as_ref()
                .map(|all| all.iter().map(|c| c.iter().map(String::as_str).collect()).collect());
            let expected: Vec<Vec<&str>> = expected.iter().map(|c| c.to_vec()).collect();
            assert_eq!(found.unwrap_or_default(), expected, "{line:?}");
        }
        assert!(commands("ls *.rs").unwrap()[0][1].glob);
        assert!(!commands("ls '*.rs'").unwrap()[0][1].glob);
    }

    #[test]
    fn what_is_not_plain_is_not_read() {
        let lines = [
            "",
            "\n",
            ";",
            "a &",
            "a & b",
            "a &&",
            "a && && b",
            "| a",
            "a |& b",
            "$(a)",
            "a $b",
            "a `b`",
            "a \"$b\"",
            "a \"`b`\"",
            "a > b",
            "a >> b",
            "a 2> b",
            "a 3>/dev/null",
            "a >/dev/nullx",
            "a > /dev/null$x",
            "a <b",
            "a <<EOF\nx\nEOF",
            "(a)",
            "{ a; }",
            "a {b,c}",
            "a \\b",
            "a 'b",
            "a \"b",
            "~/a",
            "a ~",
            "a # b",
            "a; ;b",
            "=a",
            "! a",
            "a \u{a0}b",
            "a\u{7}",
            "a \"\u{1b}\"",
            "a\r\nb",
            "a > &1 b\0",
            "a \"$(cat <<EOF\nx\nEOF\n)\"",
            "a \"$(cat <<'EOF'\nx\nEOF\n; b)\"",
            "a \"$(cat <<'EOF'\nx\n)\"",
            "a \"$(cat <<''\nx\n\n)\"",
            "a $(cat <<'EOF'\nx\nEOF\n)",
            "a >&b",
            "a 2>&",
        ];
        for line in lines {
            assert_eq!(commands(line), None, "{line:?}");
        }
    }
}
