//! What a person is shown of a change.

use similar::TextDiff;

/// A unified diff with three lines of context, its line breaks plain; empty when nothing differs but the kind of line breaks.
pub(crate) fn unified(path: &str, before: Option<&str>, after: Option<&str>) -> String {
    let name = |text: Option<&str>, side: &str| {
        text.map_or_else(|| "/dev/null".to_owned(), |_| format!("{side}/{path}"))
    };
    let plain = |text: Option<&str>| text.unwrap_or_default().replace("\r\n", "\n");
    let (old, new) = (plain(before), plain(after));
    let diff = TextDiff::from_lines(&old, &new);
    diff.unified_diff().context_radius(3).header(&name(before, "a"), &name(after, "b")).to_string()
}
