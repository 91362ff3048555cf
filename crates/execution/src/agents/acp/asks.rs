//! An agent asks for permission.

use agent_client_protocol_schema::v1::{
    Error, PermissionOption, PermissionOptionKind, RequestPermissionOutcome, RequestPermissionRequest,
    RequestPermissionResponse, SelectedPermissionOutcome, ToolCallContent, ToolCallUpdateFields, ToolKind,
};
use biplane_model::AgentEvent;
use serde_json::Value;

use super::{
    super::{
        Said,
        permit::{Ground, Wish},
        words,
    },
    updates::{Tell, Updates},
};

/// Keys under which tools have paths.
const PATHS: [&str; 8] = [
    "file_path",
    "absolute_path",
    "path",
    "dir_path",
    "directory",
    "filePath",
    "notebook_path",
    "target_file",
];
/// Keys under which tools that run commands have the directory to do it in.
const DIRECTORIES: [&str; 4] = ["directory", "dir_path", "cwd", "workdir"];

/// The answer to a request for permission, and its events.
pub(super) fn answer(
    params: &Value,
    ground: &Ground,
    updates: &mut Updates,
    said: &mut Said,
) -> Result<RequestPermissionResponse, Error> {
    let request = serde_json::from_value::<RequestPermissionRequest>(params.clone())
        .map_err(|error| Error::invalid_params().data(error.to_string()))?;
    let id = request.tool_call.tool_call_id.to_string();
    let fields = &request.tool_call.fields;
    let call = updates.call_of(&id, fields, Tell::Now, said);
    let (tool, summary) = (call.tool.clone(), call.summary.clone());
    said.events.push(AgentEvent::PermissionAsked {
        id: words::summary(&id),
        tool: tool.clone(),
        summary: summary.clone(),
    });
    let permitted = permits(call.kind, fields, call.input.as_ref(), ground);
    let outcome = match choose(&request.options, permitted, ground) {
        Choice::Allow(option) => select(option),
        Choice::Refuse(option) => {
            updates.denied(&id);
            said.events.push(AgentEvent::PermissionDenied { tool, summary });
            option.map_or(RequestPermissionOutcome::Cancelled, select)
        }
    };
    Ok(RequestPermissionResponse::new(outcome))
}

fn select(option: &PermissionOption) -> RequestPermissionOutcome {
    RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.option_id.clone()))
}

enum Choice<'a> {
    Allow(&'a PermissionOption),
    Refuse(Option<&'a PermissionOption>),
}

/// The option to take. What is allowed for good would not be asked about again, so it is taken only where everything is.
fn choose<'a>(options: &'a [PermissionOption], permitted: bool, ground: &Ground) -> Choice<'a> {
    use PermissionOptionKind::{AllowAlways, AllowOnce, RejectAlways, RejectOnce};
    let of = |kind| options.iter().find(|option| option.kind == kind);
    let allow = || of(AllowOnce).or_else(|| of(AllowAlways).filter(|_| ground.permits(Wish::Other)));
    match permitted.then(allow).flatten() {
        Some(option) => Choice::Allow(option),
        None => Choice::Refuse(of(RejectOnce).or_else(|| of(RejectAlways))),
    }
}

fn permits(kind: ToolKind, fields: &ToolCallUpdateFields, input: Option<&Value>, ground: &Ground) -> bool {
    let input = fields.raw_input.as_ref().or(input).unwrap_or(&Value::Null);
    let mut paths: Vec<&str> = PATHS.iter().filter_map(|key| words::at(input, key)).collect();
    let listed = input["paths"].as_array().into_iter().flatten().filter_map(Value::as_str);
    paths.extend(listed);
    for location in fields.locations.iter().flatten() {
        // What is no text can't be judged, and the empty path is refused.
        paths.push(location.path.to_str().unwrap_or_default());
    }
    for content in fields.content.iter().flatten() {
        if let ToolCallContent::Diff(diff) = content {
            paths.push(diff.path.to_str().unwrap_or_default());
        }
    }
    match kind {
        ToolKind::Read | ToolKind::Search => {
            // A pattern may lead outside as well as a path.
            let pattern = words::at(input, "pattern").unwrap_or_default();
            let leads_out = pattern.starts_with(['/', '~']) || pattern.split('/').any(|part| part == "..");
            ground.permits(if leads_out { Wish::Other } else { Wish::Read(&paths) })
        }
        ToolKind::Edit | ToolKind::Delete | ToolKind::Move => ground.permits(Wish::Edit(&paths)),
        ToolKind::Execute => {
            let elsewhere =
                DIRECTORIES.iter().filter_map(|key| words::at(input, key)).any(|at| !ground.is_root(at));
            match command(input) {
                Some(command) if !elsewhere => ground.permits(Wish::Run(command)),
                _ => ground.permits(Wish::Other),
            }
        }
        ToolKind::Think => true,
        _ => ground.permits(Wish::Other),
    }
}

/// The line for the shell; an agent may give the shell too.
fn command(input: &Value) -> Option<&str> {
    match &input["command"] {
        Value::String(line) => Some(line),
        Value::Array(words) => match words.as_slice() {
            [Value::String(shell), Value::String(option), Value::String(line)]
                if matches!(shell.rsplit('/').next(), Some("bash" | "sh" | "zsh"))
                    && matches!(option.as_str(), "-c" | "-lc") =>
            {
                Some(line)
            }
            _ => None,
        },
        _ => None,
    }
}
