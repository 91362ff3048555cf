//! The section in a file of instructions, such as `AGENTS.md`: between two marks, beyond which nothing is touched.

use std::ops::Range;

use super::{Edited, Fault, block};

const BEGIN: &str = "<!-- biplane:begin -->";
const END: &str = "<!-- biplane:end -->";

/// The section, its marks included.
pub(super) const LINES: [&str; 21] = [
    BEGIN,
    "## Tasks and worktrees: biplane",
    "",
    "Several agents may be at work on this repository at once. `biplane` keeps them apart: each task has a git worktree of its own, and",
    "finished work is tested before it lands.",
    "",
    "- Work on a task in its worktree, not in the main checkout, and commit there what is to land.",
    "- Leave the making, moving and removing of worktrees to biplane. `.tasks/`, `.worktrees/index.json`, `.worktrees/events.jsonl` and",
    "  `.team/` are written by biplane; changing them changes nothing.",
    "- The MCP server `biplane` has tools for all this (`task_list`, `task_create`, `worktree_create`, …). Where it is not connected, the",
    "  commands do the same:",
    "",
    "      biplane task list                          what is to do, and who does it",
    "      biplane task create \"SUBJECT\"              a new task",
    "      biplane worktree create NAME --task ID     a worktree for it; prints where it is",
    "      biplane run NAME -- COMMAND                run a command there",
    "      biplane submit NAME                        have its commits tested and landed",
    "      biplane events                             what has happened",
    "",
    "`biplane COMMAND --help` says more; what is refused is refused with the next step.",
    END,
];

/// Puts the section in, or brings it up to date.
pub(super) fn put_in(text: Option<&str>) -> Result<Edited, Fault> {
    let Some((text, there)) = text.map(|text| Ok((text, find(text)?))).transpose()? else {
        return Ok(Edited::to(block::append(None, &LINES)));
    };
    let Some(there) = there else { return Ok(Edited::to(block::append(Some(text), &LINES))) };
    let fresh = block::joined(&LINES, block::line_break(&text[there.clone()]));
    Ok(Edited::to(format!("{}{fresh}{}", &text[..there.start], &text[there.end..])))
}

/// Takes the section out.
pub(super) fn take_out(text: &str) -> Result<Edited, Fault> {
    Ok(match find(text)? {
        Some(there) => Edited::to(block::cut(text, there)),
        None => Edited::same(Some(text)),
    })
}

/// Where the section is, without its last line break. A mark is a line of its own.
fn find(text: &str) -> Result<Option<Range<usize>>, Fault> {
    let marks: Vec<(usize, Range<usize>, bool)> = block::lines(text)
        .enumerate()
        .filter(|(_, (_, line))| [BEGIN, END].contains(&line.trim()))
        .map(|(n, (range, line))| (n + 1, range, line.trim() == BEGIN))
        .collect();
    match marks.as_slice() {
        [] => Ok(None),
        [(_, begin, true), (_, end, false)] => Ok(Some(begin.start..end.end)),
        [(_, _, true), (_, _, false), (line, ..), ..] | [(line, ..), ..] => {
            Err(Fault::Unpaired { line: *line })
        }
    }
}
