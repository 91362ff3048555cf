//! Why a submission bounces, in words.

use biplane_execution::git::ConflictedFile;
use biplane_model::sanitize_line;

use super::land::GateReport;
use crate::bounds;

/// Two sides contradict each other.
pub(super) fn conflict_reason(target: &str, files: &[ConflictedFile]) -> String {
    let named = files.iter().take(bounds::CONFLICTS_NAMED).map(|f| {
        if f.path.is_empty() {
            "directories moved differently on the two sides".to_owned()
        } else {
            format!("`{}` {}", sanitize_line(&f.path), f.sides())
        }
    });
    let more = files.len().saturating_sub(bounds::CONFLICTS_NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("conflict with `{}`: {}{more}", sanitize_line(target), named.collect::<Vec<_>>().join(", "))
}

/// The gate is red.
pub(super) fn gate_reason(report: &GateReport) -> String {
    format!("the gate `{}` failed on the merged result: {}", sanitize_line(&report.command), report.tail)
}
