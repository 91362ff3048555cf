//! Applying a patch, and taking the last one back.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Spec, Tool, Wish, object, text};
use crate::{bounds, cancel::Cancel, patch::Patch, plan::Plan, tree::Tree};

/// `apply_patch`.
pub(super) struct ApplyPatch {
    pub(super) tree: Arc<Tree>,
    /// What takes back those that were applied, the last one last.
    pub(super) done: Vec<Plan>,
}

impl Tool for ApplyPatch {
    fn spec(&self) -> Spec {
        let properties = json!({
            "patch": {"type": "string", "description": "The patch, as `git diff` writes it, or between `*** Begin Patch` and `*** End Patch`."},
            "revert": {"type": "boolean", "description": "Take back the last patch instead."},
        });
        Spec {
            name: "apply_patch".to_owned(),
            description: "Changes text files in your directory: makes, edits, renames, deletes them, several at once. All of the patch is applied, or \
                          nothing. The lines around a change must stand in the file exactly as in the patch."
                .to_owned(),
            input: object(&[], properties),
        }
    }

    fn wish(&self, input: &Value) -> Wish {
        let parsed = input["patch"].as_str().and_then(|text| Patch::parse(text.as_bytes()).ok());
        if input["revert"] == json!(true) {
            let paths = self.done.last().into_iter().flat_map(Plan::changes);
            return Wish::Edit(paths.map(|change| change.path.to_string()).collect());
        }
        Wish::Edit(parsed.iter().flat_map(Patch::paths).map(ToString::to_string).collect())
    }

    fn call(&mut self, input: &Value, _: &Cancel) -> Answer {
        if input["revert"] == json!(true) {
            return self.revert();
        }
        match text(input, "patch") {
            Ok(text) => self.apply(text),
            Err(failure) => failure,
        }
    }
}

impl ApplyPatch {
    fn apply(&mut self, text: &str) -> Answer {
        let parsed = Patch::parse(text.as_bytes());
        let plan = parsed.and_then(|patch| Ok((patch.plan(&self.tree)?, patch.summary())));
        let (plan, summary) = match plan {
            Ok(found) => found,
            Err(fault) => return Answer::failed(format!("{fault}; nothing was changed")),
        };
        match plan.carry_out(&self.tree) {
            Ok(undo) => {
                if self.done.len() == bounds::UNDO {
                    self.done.remove(0);
                }
                self.done.push(undo);
                Answer::done(summary)
            }
            Err(fault) => Answer::failed(fault.to_string()),
        }
    }

    fn revert(&mut self) -> Answer {
        let Some(undo) = self.done.last() else {
            return Answer::failed("there is no patch to be taken back");
        };
        match undo.carry_out(&self.tree) {
            Ok(_) => {
                self.done.pop();
                Answer::done("the last patch is taken back")
            }
            Err(fault) => Answer::failed(fault.to_string()),
        }
    }
}
