//! Commands in the documentation.

/// The contents of the fenced blocks that directly follow a line `<!-- mark -->`, in their order.
///
/// # Panics
/// When something else than a block follows a mark.
pub fn marked_blocks(markdown: &str, mark: &str) -> Vec<String> {
    let mark = format!("<!-- {mark} -->");
    let mut lines = markdown.lines().enumerate();
    let mut blocks = Vec::new();
    while let Some((at, line)) = lines.next() {
        if line != mark {
            continue;
        }
        let opened = lines.next().is_some_and(|(_, next)| next.starts_with("```"));
        assert!(opened, "line {}: no block follows `{mark}`", at + 1);
        let block = lines.by_ref().map(|(_, l)| l).take_while(|l| !l.starts_with("```"));
        blocks.push(block.map(|l| format!("{l}\n")).collect());
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_by_their_mark() {
        let text = "<!-- a -->\n```sh\none\ntwo\n```\n```sh\nno mark\n```\n<!-- b -->\n```\nthree\n```\n<!-- a -->\n```sh\nfour\n```\n";
        assert_eq!(marked_blocks(text, "a"), ["one\ntwo\n", "four\n"]);
        assert_eq!(marked_blocks(text, "b"), ["three\n"]);
        assert!(marked_blocks(text, "c").is_empty());
    }

    #[test]
    #[should_panic(expected = "line 1: no block follows")]
    fn a_mark_without_a_block_is_an_error() {
        marked_blocks("<!-- a -->\ntext\n", "a");
    }
}
