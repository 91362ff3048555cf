//! What a tool is: a name, a right, and a function from a typed input to a typed answer.

use std::sync::Arc;

use biplane_coordination::{Access, Error};
use rmcp::model::{JsonObject, ToolAnnotations};
use schemars::{JsonSchema, generate::SchemaSettings, transform::RecursiveTransform};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    call::Call,
    permit::{Concern, Concerns, Right},
};

/// What a call of a tool does to the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only answers.
    Reads,
    /// It adds or changes, and takes nothing away.
    Changes,
    /// It takes something away, if only to where it can be brought back from.
    Destroys,
}

/// What a second call with the same arguments does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Nothing more.
    Nothing,
    /// It does it once more, or fails.
    More,
}

/// What the tools of a sort share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sort {
    /// Whom it is for.
    pub(crate) right: Right,
    /// How it opens the home.
    pub(crate) access: Access,
    /// What it does.
    pub(crate) effect: Effect,
    /// What it does the second time.
    pub(crate) again: Again,
    /// Whether it starts programs of the project, which may reach anywhere.
    pub(crate) open_world: bool,
}

/// A tool.
pub(crate) struct Tool {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it shares with others.
    pub(crate) sort: Sort,
    /// As it is listed.
    pub(crate) listed: rmcp::model::Tool,
    prepare: Box<dyn Fn(JsonObject) -> Result<Prepared, String> + Send + Sync>,
}

/// A call whose arguments were understood.
pub(crate) struct Prepared {
    /// What it is about.
    pub(crate) concern: Concern,
    /// Does it.
    pub(crate) act: Act,
}

type Act = Box<dyn FnOnce(&Call) -> Result<Value, Error> + Send>;

impl Tool {
    /// The tool `name`, which does `act`; `about` says what it is for, in the words of the protocol its title comes first.
    pub(crate) fn new<I, O>(
        name: &'static str,
        sort: Sort,
        (title, about): (&'static str, &'static str),
        act: fn(&Call, I) -> Result<O, Error>,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema + Concerns + Send + 'static,
        O: Serialize + JsonSchema + 'static,
    {
        let annotations = ToolAnnotations::with_title(title)
            .read_only(sort.effect == Effect::Reads)
            .destructive(sort.effect == Effect::Destroys)
            .idempotent(sort.effect == Effect::Reads || sort.again == Again::Nothing)
            .open_world(sort.open_world);
        let listed = rmcp::model::Tool::new(name, about, schema::<I>(SchemaSettings::draft2020_12()))
            .with_title(title)
            .with_raw_output_schema(schema::<O>(SchemaSettings::draft2020_12().for_serialize()))
            .with_annotations(annotations);
        let prepare = move |arguments: JsonObject| {
            let input: I = serde_json::from_value(Value::Object(arguments)).map_err(|e| e.to_string())?;
            let concern = input.concern();
            let act: Act = Box::new(move |call: &Call| {
                let answer = act(call, input)?;
                serde_json::to_value(answer)
                    .map_err(|e| Error::failed(format!("the answer can't be written: {e}")))
            });
            Ok(Prepared { concern, act })
        };
        Self { name, sort, listed, prepare: Box::new(prepare) }
    }

    /// Understands the arguments.
    ///
    /// # Errors
    /// What is wrong with them, in a sentence.
    pub(crate) fn prepare(&self, arguments: JsonObject) -> Result<Prepared, String> {
        (self.prepare)(arguments)
    }
}

/// Takes the width of a number out, such as `uint64`: it is no word of JSON Schema, and programs tell of each that they don't
/// know it. The bounds stay.
fn without_width(schema: &mut schemars::Schema) {
    let is_width =
        |format: &str| format.starts_with("int") || format.starts_with("uint") || format == "double";
    if schema.get("format").and_then(|format| format.as_str()).is_some_and(is_width) {
        schema.remove("format");
    }
}

/// The schema of a type, without the name and the description of the type itself.
fn schema<T: JsonSchema>(settings: SchemaSettings) -> Arc<JsonObject> {
    let mut schema = settings
        .with_transform(RecursiveTransform(without_width))
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    let object = schema.as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut object: JsonObject =
        object.into_iter().filter(|(key, _)| key != "title" && key != "description").collect();
    // One that takes nothing still is an object.
    object.entry("type").or_insert_with(|| "object".into());
    Arc::new(object)
}
