//! The tools of biplane that an agent's program is handed: `biplane mcp`, started and ended by it.
//!
//! **Contract.** The server needs no word about whom it serves: it finds the run that it descends from, and is kept to that
//! (`service/scope.rs`). It belongs to the run's processes, as whatever its agent starts: it ends when its agent hangs up, or with the run.

use std::collections::BTreeMap;

use biplane_execution::{agents::ToolServer, supervise};

use crate::{service::Service, settings::Agent, variables};

/// What programs call the server, as `biplane init --agent` does.
const NAME: &str = "biplane";

impl Service {
    /// The server that `agent` is handed; none when it takes none, or where this is a library and not the program.
    pub(super) fn tool_server(&self, agent: &Agent) -> Option<ToolServer> {
        if agent.takes_server() { self.own_server() } else { None }
    }

    /// The server, for whoever has a use for it; none where this is a library and not the program.
    pub(crate) fn own_server(&self) -> Option<ToolServer> {
        let program = supervise::background_program()?;
        // Some programs start it elsewhere, and without `BIPLANE_ROOT`.
        let root = self.home().board().root.as_str();
        let command = [program.as_str(), "-C", root, "mcp"].map(str::to_owned).to_vec();
        let found = |name: &str| Some((name.to_owned(), self.variable(name)?.to_owned()));
        let env: BTreeMap<_, _> = variables::FOR_SERVER.into_iter().filter_map(found).collect();
        Some(ToolServer { name: NAME, command, env })
    }
}

/// What a prompt says of the tools of the server that its reader is handed.
pub(super) fn tools_words(server: Option<&ToolServer>) -> String {
    match server {
        Some(ToolServer { name, .. }) => format!(
            " The tools of the server `{name}` are yours to use: they read the board, write to the others of the team, and change this task; the \
             rest they refuse."
        ),
        None => String::new(),
    }
}
