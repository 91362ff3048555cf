//! Resources: tasks, worktrees, logs of runs and the events, to be read by their addresses.

use std::{sync::Arc, time::Duration};

use biplane_coordination::{Access, Error, EventQuery, RunQuery, Service, TaskFilter};
use biplane_model::{RunId, Seq, clip, sanitize_line};
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Setting, answer, bounds,
    call::Call,
    page,
    permit::{Concern, Right, permit},
    prompts::as_protocol,
    tools,
};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

/// The forms of the addresses.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    let template = |form: &str, name: &str, about: &str, kind: &str| {
        ResourceTemplate::new(form, name).with_description(about).with_mime_type(kind)
    };
    vec![
        template("biplane://task/{id}", "task", "A task", JSON),
        template("biplane://worktree/{name}", "worktree", "A worktree and what is in it", JSON),
        template("biplane://run/{id}/log", "run-log", "The end of what a run wrote", TEXT),
    ]
}

/// A resource in a list, as far as a page needs it.
#[derive(Serialize)]
struct Listed {
    uri: String,
    name: String,
    title: String,
    kind: &'static str,
}

/// The resources behind `cursor`, and what leads to more.
///
/// # Errors
/// When the ledger can't be read, or the cursor is none.
pub(crate) fn list(call: &Call, cursor: Option<&str>) -> Result<(Vec<Resource>, Option<String>), ErrorData> {
    let all = listed(call).map_err(|e| as_protocol(&e))?;
    let page = page::page("resources", all, |r| r.uri.clone(), cursor, bounds::PAGE)
        .map_err(|fault| ErrorData::invalid_params(fault, None))?;
    let resource = |r: Listed| Resource::new(r.uri, r.name).with_title(r.title).with_mime_type(r.kind);
    Ok((page.records.into_iter().map(resource).collect(), page.next))
}

fn listed(call: &Call) -> Result<Vec<Listed>, Error> {
    let mut all = vec![Listed {
        uri: "biplane://events".to_owned(),
        name: "events".to_owned(),
        title: "The newest events".to_owned(),
        kind: JSON,
    }];
    for listed in call.service.task_list(&TaskFilter::default())? {
        let id = &listed.task.id;
        all.push(Listed {
            uri: format!("biplane://task/{id}"),
            name: format!("task {id}"),
            title: clip(&sanitize_line(&listed.task.subject), 100),
            kind: JSON,
        });
    }
    for worktree in call.service.worktree_list(false)? {
        all.push(Listed {
            uri: format!("biplane://worktree/{}", worktree.name),
            name: format!("worktree {}", worktree.name),
            title: format!("{} on {}", worktree.status, sanitize_line(&worktree.branch)),
            kind: JSON,
        });
    }
    for run in call.service.runs(&RunQuery::default())? {
        all.push(Listed {
            uri: format!("biplane://run/{}/log", run.id),
            name: format!("log of {}", run.id),
            title: clip(&sanitize_line(&run.command), 100),
            kind: TEXT,
        });
    }
    Ok(all)
}

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Events,
    Task(biplane_model::TaskId),
    Worktree(biplane_model::WorktreeName),
    Log(RunId),
}

fn parse(uri: &str) -> Option<Address> {
    let rest = uri.strip_prefix("biplane://")?;
    match *rest.split('/').collect::<Vec<_>>() {
        ["events"] => Some(Address::Events),
        ["task", id] => id.parse().ok().map(Address::Task),
        ["worktree", name] => name.parse().ok().map(Address::Worktree),
        ["run", id, "log"] => id.parse().ok().map(Address::Log),
        _ => None,
    }
}

/// Whether `uri` has the form of a resource, there or not.
pub(crate) fn is_one(uri: &str) -> bool {
    parse(uri).is_some()
}

/// Tells of those of `uris` that change, until nobody listens.
///
/// # Errors
/// When the home can't be opened, or the ledger can't be read.
pub(crate) fn watch(
    setting: &Setting,
    uris: &[String],
    stop: &CancellationToken,
    tell: &mpsc::Sender<String>,
) -> Result<(), Error> {
    let known: Vec<(Address, &String)> = uris.iter().filter_map(|uri| Some((parse(uri)?, uri))).collect();
    let service = Service::open((setting.outside)(Arc::new(|_| {})), Access::Read)?;
    let mut seq = service.wait_for_events(Seq(u64::MAX >> 1), Duration::ZERO)?;
    while !stop.is_cancelled() {
        let newest = service.wait_for_events(seq, bounds::EVENTS_WAIT)?;
        if newest <= seq {
            continue;
        }
        let query = EventQuery { since: Some(seq), ..EventQuery::default() };
        let mut touched = vec![Address::Events];
        for event in service.events(&query)? {
            touched.extend(event.fact.task.map(|task| Address::Task(task.id)));
            touched.extend(event.fact.worktree.map(|worktree| Address::Worktree(worktree.name)));
            touched.extend(event.fact.run.map(|run| Address::Log(run.id)));
        }
        for (_, uri) in known.iter().filter(|(address, _)| touched.contains(address)) {
            if tell.blocking_send((*uri).clone()).is_err() {
                return Ok(());
            }
        }
        seq = newest;
    }
    Ok(())
}

/// What stands at `uri`.
///
/// # Errors
/// When there is nothing, or the caller's scope has no room for it.
pub(crate) fn read(call: &Call, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let Some(address) = parse(uri) else {
        let shown = clip(&sanitize_line(uri), 200);
        return Err(ErrorData::resource_not_found(
            format!("there is no resource `{shown}`; `resources/templates/list` shows the forms"),
            None,
        ));
    };
    let (text, kind) = contents(call, &address).map_err(|e| as_protocol(&e))?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(kind)]))
}

fn contents(call: &Call, address: &Address) -> Result<(String, &'static str), Error> {
    // As the tools that give the same.
    let tool = |name: &str, arguments: serde_json::Value| -> Result<(String, &'static str), Error> {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let (tool, prepared) = tools::understand(name, arguments).map_err(Error::usage)?;
        Ok((call.carry_out(tool, prepared)?.to_string(), JSON))
    };
    match address {
        Address::Events => {
            let query = EventQuery { limit: Some(bounds::PAGE), ..EventQuery::default() };
            let mut value = serde_json::to_value(tools::events_of(call, &query)?)
                .map_err(|e| Error::failed(e.to_string()))?;
            answer::clean(&mut value);
            Ok((value.to_string(), JSON))
        }
        Address::Task(id) => tool("task_get", serde_json::json!({ "task_id": id })),
        Address::Worktree(name) => tool("worktree_status", serde_json::json!({ "name": name })),
        Address::Log(id) => {
            let concern = Concern { runs: vec![id.to_string()], ..Concern::default() };
            permit(&call.scope, ("run_output", Right::Look), &concern, &call.service)?;
            call.service.find_run(&id.to_string())?;
            Ok((answer::middle_cut(&tools::whole_output(call, *id)?, bounds::OUTPUT).0, TEXT))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(parse("biplane://events"), Some(Address::Events));
        assert_eq!(parse("biplane://task/7"), Some(Address::Task("7".parse().unwrap())));
        assert_eq!(parse("biplane://run/r3/log"), Some(Address::Log(RunId(3))));
        for uri in [
            "",
            "biplane://",
            "biplane://task",
            "biplane://task/7/x",
            "biplane://worktree/..",
            "file:///etc/passwd",
            "biplane://task/%37",
        ] {
            assert_eq!(parse(uri), None, "{uri}");
        }
    }
}
