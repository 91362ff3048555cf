//! Members of JSON files, comments and trailing commas allowed: put in and taken out by cutting the text, so that the rest of it stays.
//!
//! **Contract.** A member is put behind the last one, in the manner of that: on a line of its own or not, with a trailing comma or not.
//! An object that lacks for it begins with its line break or its first name. Where an object was there and empty, it begins with a blank: so
//! the way back tells which objects were ours. What was put in or taken out is read once more, and given up when anything else would be
//! different by it.

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{self, Object, ObjectProp},
    common::Ranged,
    parse_to_ast,
};
use serde_json::{Map, Value};

use super::{
    Edited, Fault, block,
    entry::Whose,
    json_text::{
        BLANKS, Layout, after_comments, blank_before, ends_in_line_comment, indent_of_line, skip, written,
    },
};

/// A member of an object in the file.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The names that lead to it, from the outermost.
    pub(crate) path: &'static [&'static str],
    /// What it is.
    pub(crate) value: Value,
    /// Whose one is that is there.
    pub(crate) whose: fn(&Value) -> Whose,
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.value == other.value
    }
}

impl Member {
    fn at(&self) -> String {
        self.path.join(".")
    }

    /// The member with the objects around it that are `depth` names deep or deeper.
    fn wrapped(&self, depth: usize) -> Value {
        let wrap = |value, name: &&str| Value::Object([((*name).to_owned(), value)].into_iter().collect());
        self.path[depth..].iter().rev().fold(self.value.clone(), wrap)
    }
}

/// What a person would write by hand.
pub(super) fn by_hand(member: &Member) -> String {
    written(&member.wrapped(0), Layout::LINES, "")
}

/// Puts the member in, or brings it up to date.
pub(super) fn put_in(text: Option<&str>, member: &Member) -> Result<Edited, Fault> {
    let edited = put(text, member)?;
    let is_in = edited.kept.is_some()
        || edited.text.as_deref().and_then(value).is_some_and(|v| at(&v, member) == Some(&member.value));
    if is_in && nothing_else(text, edited.text.as_deref(), member) { Ok(edited) } else { Err(Fault::Form) }
}

/// Takes the member out, and the objects around it that were made for it.
pub(super) fn take_out(text: &str, member: &Member) -> Result<Edited, Fault> {
    let edited = take(text, member)?;
    let is_out = edited.kept.is_some()
        || edited.text.as_deref().and_then(value).is_none_or(|v| at(&v, member).is_none());
    if is_out && nothing_else(Some(text), edited.text.as_deref(), member) {
        Ok(edited)
    } else {
        Err(Fault::Form)
    }
}

fn at<'a>(value: &'a Value, member: &Member) -> Option<&'a Value> {
    member.path.iter().try_fold(value, |value, name| value.get(name))
}

/// Whether two texts differ in nothing but the member and objects around it that have nothing else.
fn nothing_else(before: Option<&str>, after: Option<&str>, member: &Member) -> bool {
    let without = |text: Option<&str>| {
        let text = text.filter(|text| !text.trim_matches(BLANKS).is_empty());
        let mut value = text.map_or_else(|| Some(Value::Object(Map::new())), value)?;
        prune(&mut value, member.path);
        Some(value)
    };
    without(before).is_some_and(|before| Some(before) == without(after))
}

/// Takes what the names lead to out of an object, and whatever has nothing left then.
fn prune(value: &mut Value, path: &[&str]) {
    let (Some(object), Some((name, rest))) = (value.as_object_mut(), path.split_first()) else { return };
    if let Some(inner) = object.get_mut(*name) {
        prune(inner, rest);
        if rest.is_empty() || inner.as_object().is_some_and(Map::is_empty) {
            object.remove(*name);
        }
    }
}

fn put(text: Option<&str>, member: &Member) -> Result<Edited, Fault> {
    let fresh = |eol| written(&member.wrapped(0), Layout { eol, ..Layout::LINES }, "");
    let Some(text) = text else { return Ok(Edited::to(fresh("\n") + "\n")) };
    if text.trim_matches(BLANKS).is_empty() {
        let eol = block::line_break(text);
        return Ok(Edited::to(format!("{text}{eol}{}{eol}", fresh(eol))));
    }
    let root = parse(text)?;
    let mut object = &root;
    for (depth, name) in member.path.iter().enumerate() {
        let Some(there) = only(object, name, member, depth)? else {
            let unit = indent_unit(text, &root);
            return Ok(Edited::to(inserted(text, object, name, &member.wrapped(depth + 1), unit)));
        };
        if depth + 1 < member.path.len() {
            object = as_object(&there.value, member, depth)?;
            continue;
        }
        let value = Value::from(there.value.clone());
        return match (member.whose)(&value) {
            Whose::Foreign => Err(Fault::Foreign { at: member.at() }),
            Whose::Changed => Ok(Edited::kept(text, member.at())),
            Whose::Ours if value == member.value => Ok(Edited::same(Some(text))),
            Whose::Ours => {
                let range = there.value.range();
                let layout = if range.text(text).contains('\n') {
                    Layout { eol: block::line_break(range.text(text)), unit: indent_unit(text, &root) }
                } else {
                    Layout::ONE_LINE
                };
                let fresh = written(&member.value, layout, indent_of_line(text, there.start()));
                Ok(Edited::to(format!("{}{fresh}{}", &text[..range.start], &text[range.end..])))
            }
        };
    }
    Ok(Edited::same(Some(text)))
}

fn take(text: &str, member: &Member) -> Result<Edited, Fault> {
    if text.trim_matches(BLANKS).is_empty() {
        return Ok(Edited::same(Some(text)));
    }
    let root = parse(text)?;
    let mut way: Vec<(&Object<'_>, usize)> = Vec::new();
    let mut object = &root;
    for (depth, name) in member.path.iter().enumerate() {
        let Some(there) = only(object, name, member, depth)? else { return Ok(Edited::same(Some(text))) };
        way.push((
            object,
            object.properties.iter().position(|p| p.name.as_str() == *name).unwrap_or_default(),
        ));
        if depth + 1 < member.path.len() {
            let Ok(inner) = as_object(&there.value, member, depth) else {
                return Ok(Edited::same(Some(text)));
            };
            object = inner;
        } else if (member.whose)(&Value::from(there.value.clone())) != Whose::Ours {
            return Ok(Edited::kept(text, member.at()));
        }
    }
    while let Some((object, at)) = way.pop() {
        if !is_made_for_one(text, object) {
            return Ok(Edited::to(removed(text, object, at)));
        }
        if way.is_empty() {
            return Ok(Edited::to(without_root(text, object)));
        }
    }
    Ok(Edited::same(Some(text)))
}

/// The text's value, when it can be read.
pub(super) fn value(text: &str) -> Option<Value> {
    parse(text).ok().map(|root| Value::from(ast::Value::Object(root)))
}

fn parse(text: &str) -> Result<Object<'_>, Fault> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed =
        parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| Fault::Unparseable {
            line: error.line_display(),
            why: biplane_model::clip(
                &biplane_model::sanitize_line(&error.kind().to_string().to_lowercase()),
                200,
            ),
        })?;
    match parsed.value {
        Some(ast::Value::Object(root)) => Ok(root),
        _ => Err(Fault::Unparseable { line: 1, why: "it is no object".to_owned() }),
    }
}

fn only<'a, 't>(
    object: &'a Object<'t>,
    name: &str,
    member: &Member,
    depth: usize,
) -> Result<Option<&'a ObjectProp<'t>>, Fault> {
    let mut found = object.properties.iter().filter(|p| p.name.as_str() == name);
    match (found.next(), found.next()) {
        (there, None) => Ok(there),
        (_, Some(_)) => Err(Fault::Twice { at: member.path[..=depth].join(".") }),
    }
}

fn as_object<'a, 't>(
    value: &'a ast::Value<'t>,
    member: &Member,
    depth: usize,
) -> Result<&'a Object<'t>, Fault> {
    value.as_object().ok_or_else(|| Fault::Shape { at: member.path[..=depth].join("."), wanted: "an object" })
}

/// What the file indents by.
fn indent_unit<'t>(text: &'t str, root: &Object<'_>) -> &'t str {
    let first = root.properties.first().map(|p| &text[root.start() + 1..p.start()]);
    let indent = first.and_then(|lead| lead.rsplit_once('\n')).map(|(_, indent)| indent);
    indent
        .filter(|indent| !indent.is_empty() && indent.chars().all(|c| c == ' ' || c == '\t'))
        .unwrap_or("  ")
}

/// The text with a further member in `object`.
fn inserted(text: &str, object: &Object<'_>, name: &str, value: &Value, unit: &str) -> String {
    let key = Value::from(name);
    let Some(last) = object.properties.last() else {
        let at = object.start() + 1;
        return format!("{} {key}: {} {}", &text[..at], written(value, Layout::ONE_LINE, ""), &text[at..]);
    };
    let before = object.properties.iter().rev().nth(1).map_or(object.start() + 1, Ranged::end);
    let lead = &text[before..last.start()];
    let blank = blank_before(text, last.start());
    let (apart, layout, indent) = match lead.rfind('\n') {
        Some(at) => {
            let eol = if lead[..at].ends_with('\r') { "\r\n" } else { "\n" };
            let line = &lead[at + 1..];
            let indent = &line[..line.len() - line.trim_start().len()];
            (format!("{eol}{indent}"), Layout { eol, unit }, indent)
        }
        None => (text[blank..last.start()].to_owned(), Layout::ONE_LINE, ""),
    };
    let fresh = format!("{apart}{key}: {}", written(value, layout, indent));
    let behind = |at| if layout == Layout::ONE_LINE { at } else { after_comments(text, at) };
    let comma = skip(text, last.end());
    if text[comma..].starts_with(',') {
        let at = behind(comma + 1);
        format!("{}{fresh},{}", &text[..at], &text[at..])
    } else {
        let at = behind(last.end());
        format!("{},{}{fresh}{}", &text[..last.end()], &text[last.end()..at], &text[at..])
    }
}

/// Whether there is nothing in `object` but one member, and it is not in the form for an object that was there before.
fn is_made_for_one(text: &str, object: &Object<'_>) -> bool {
    let [only] = object.properties.as_slice() else { return false };
    let (before, after) = (&text[object.start() + 1..only.start()], &text[only.end()..object.end() - 1]);
    !before.starts_with(' ')
        && before.trim().is_empty()
        && after.trim_matches([',', ' ', '\t', '\r', '\n']).is_empty()
}

/// The text without one member of `object`.
fn removed(text: &str, object: &Object<'_>, at: usize) -> String {
    let member = &object.properties[at];
    let mut start = blank_before(text, member.start());
    let comma = skip(text, member.end());
    let behind = match text[comma..].starts_with(',') {
        true => format!("{}{}", &text[member.end()..comma], &text[comma + 1..]),
        false => text[member.end()..].to_owned(),
    };
    let gap = object.properties[..at].last().map_or(object.start() + 1, Ranged::end);
    if ends_in_line_comment(&text[gap..start])
        && !behind.trim_start_matches([' ', '\t', '\r']).starts_with('\n')
    {
        // Its line break has to stay: what follows would be in the comment.
        start += text[start..].find('\n').map_or(0, |n| n + 1);
    }
    let has_comma = text[comma..].starts_with(',');
    if object.properties.len() == 1 {
        return format!("{}{}", &text[..start], behind.strip_prefix(' ').unwrap_or(&behind));
    }
    if at + 1 < object.properties.len() || has_comma {
        return format!("{}{behind}", &text[..start]);
    }
    // The last one, without a comma behind it: the one before it takes its own along.
    let before = object.properties[at - 1].end();
    let comma = skip(text, before);
    format!("{}{}{behind}", &text[..comma], &text[comma + 1..start])
}

/// The text without the object that is all of it: nothing, or what was there before.
fn without_root(text: &str, root: &Object<'_>) -> Option<String> {
    let (before, after) = (&text[..root.start()], &text[root.end()..]);
    if !before.trim().is_empty() || !after.trim().is_empty() {
        return Some(format!("{before}{{}}{after}"));
    }
    let eol = block::line_break(&text[root.start()..root.end()]);
    before.strip_suffix(eol).map(str::to_owned)
}
