//! How the types that are written in a form of their own look in JSON, for the schemas of [`crate::view`].
//!
//! Each says its form where it is used, without a definition of its own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{
    Actor, AgentName, CommitId, Label, MailId, ProfileName, RepoName, RequestId, RunId, Seconds, Seq,
    SubmissionId, TaskId, Timestamp, WorktreeId, WorktreeName,
};

macro_rules! written_as {
    ($($form:tt: $($name:ident),+;)+) => { $($(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $form })
            }
        }
    )+)+ };
}

written_as! {
    "string": Actor, AgentName, CommitId, Label, MailId, ProfileName, RequestId, RepoName, RunId, SubmissionId, WorktreeId, WorktreeName;
    "number": Seconds, Timestamp;
    "integer": Seq;
    ["integer", "string"]: TaskId;
}
