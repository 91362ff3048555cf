//! Rules for documents, and for texts of any kind.

use camino::Utf8Path;

use crate::tree::{File, Tree};

/// Relative links that lead to no file of the repository, or to no heading of it.
pub(crate) fn dead_links(file: &File, tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in prose(&file.text) {
        for target in targets(&line) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = target.split_once('#').map_or((target, None), |(p, h)| (p, Some(h)));
            let dir = file.path.parent().unwrap_or(Utf8Path::new(""));
            let there = if path.is_empty() { Some(file.path.clone()) } else { tree.has(&dir.join(path)) };
            let good = there.is_some_and(|there| match (heading, tree.get(&there)) {
                (Some(heading), Some(other)) => headings(&other.text).any(|h| h == heading),
                (heading, _) => heading.is_none(),
            });
            if !good {
                found.push(format!("{}:{number}: the link to `{target}` leads nowhere", file.path));
            }
        }
    }
    found
}

/// Lines that end in blanks.
pub(crate) fn trailing_space(file: &File) -> Vec<String> {
    (1..)
        .zip(file.text.split('\n'))
        .filter(|(_, line)| line.ends_with([' ', '\t', '\r']))
        .map(|(number, _)| format!("{}:{number}: ends in white space", file.path))
        .collect()
}

/// The numbered lines outside of fenced blocks, without what stands in backticks.
fn prose(markdown: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fenced = false;
    (1..).zip(markdown.lines()).filter_map(move |(number, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then(|| (number, line.split('`').step_by(2).collect::<Vec<_>>().join("``")))
    })
}

/// What the links of a line lead to.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let reference = line.starts_with('[').then(|| line.split_once("]: ")).flatten().map(|(_, target)| target);
    inline.chain(reference).map(|t| t.split_whitespace().next().unwrap_or_default())
}

/// The names under which the headings can be linked to.
fn headings(markdown: &str) -> impl Iterator<Item = String> {
    let lines = markdown
        .lines()
        .filter_map(|l| l.trim_start_matches('#').strip_prefix(' ').filter(|_| l.starts_with('#')));
    lines.map(|heading| {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    })
}

#[test]
fn a_dead_link_is_found() {
    let text = "# One `two`\n[a](b.md) [c](../d.md#no-such)\n`[not](a-link.md)`\n```\n[nor](this.md)\n```\n\
                [ok](../d.md#a-heading-or-two) [ok](https://example.com/x) [ok](#one-two) [e](f \"title\")\n[g]: h.md\n";
    let file = File::new("docs/a.md", text);
    let tree = Tree::new(vec![file.clone(), File::new("d.md", "## A heading, or two\n")]);
    let found = dead_links(&file, &tree);
    let expected = [("2", "b.md"), ("2", "../d.md#no-such"), ("7", "f"), ("8", "h.md")];
    assert_eq!(found, expected.map(|(n, t)| format!("docs/a.md:{n}: the link to `{t}` leads nowhere")));
}

#[test]
fn white_space_at_the_end_of_a_line_is_found() {
    let file = File::new("a.rs", "a \nb\nc\t\r\n\nd");
    assert_eq!(trailing_space(&file), ["a.rs:1: ends in white space", "a.rs:3: ends in white space"]);
}
