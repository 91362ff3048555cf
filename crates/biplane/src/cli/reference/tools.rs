//! What `biplane mcp` gives to programs that speak the Model Context Protocol.

use biplane_mcp::{Faced, LEFT_OUT_OPTIONS, PARITY, tool_facts};

use super::{code, table};

pub(super) fn text() -> String {
    let tools = tool_facts().into_iter().map(|tool| {
        let argument = |(name, required): &(String, bool)| {
            if *required { format!("**{}**", code(name)) } else { code(name) }
        };
        let arguments = tool.arguments.iter().map(argument).collect::<Vec<_>>().join(", ");
        [code(tool.name), arguments, tool.about, tool.within_a_run.to_owned()]
    });
    let left_out = PARITY.iter().filter_map(|(command, faced)| match faced {
        Faced::LeftOut(why) => Some([code(&format!("biplane {command}")), (*why).to_owned()]),
        Faced::Tool(_) => None,
    });
    let options = LEFT_OUT_OPTIONS.iter().map(|(option, why)| [(*option).to_owned(), (*why).to_owned()]);
    format!(
        "The tools of [`biplane mcp`](../mcp.md). Arguments in bold have to be given; their meaning stands in the schema that \
         `tools/list` gives. An answer is an object in the form that [`--json`](json.md) prints; a list stands in it under its \
         name, with `next_cursor` where there is more. The last column says what may be done with a tool from within a run.\n\n{}\n\
         ## Errors\n\n\
         A tool that comes to nothing answers with `isError` and a text, and in `_meta` has an object under `biplane/error`: `error`, `hints`, `code` (`failed`, `usage`, \
         `refused`, `conflict`, `not_found`, `busy`) and `exit_code`, the [exit code](exit-codes.md) of the command line. An \
         unknown tool, and arguments that don't fit its schema, are errors of the protocol (-32602).\n\n\
         ## Resources and prompts\n\n\
         `biplane://events`, `biplane://task/ID`, `biplane://worktree/NAME`, `biplane://run/ID/log`. The prompts `lead` and \
         `work_on_task` (`task_id`).\n\n\
         ## Left out\n\n{}\n{}",
        table(["tool", "arguments", "what it does", "within a run"], tools),
        table(["command", "why it is no tool"], left_out),
        table(["option", "why no tool has it"], options),
    )
}
