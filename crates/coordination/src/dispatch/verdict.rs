//! What agents that verify and review say at their end, read from the last block of JSON in their words.
//!
//! Their words are hostile: bounded, nothing in them is evaluated, and what can't be read is no approval.

use biplane_model::{Findings, clip, sanitize_line};
use serde::Deserialize;

use crate::{bounds, settings::Severity};

/// What an agent that verified says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Verdict {
    pub(super) passed: bool,
    #[serde(default)]
    pub(super) summary: String,
}

/// What an agent that reviewed says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Review {
    pub(super) findings: Vec<Finding>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Finding {
    severity: Severity,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    line: Option<u64>,
    text: String,
}

/// The last block of JSON in `text` that is one.
pub(super) fn last_json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    let start = text.len().saturating_sub(bounds::VERDICT_BYTES);
    let text = &text[text.ceil_char_boundary(start)..];
    let blocks = text.split("```").skip(1).step_by(2).collect::<Vec<_>>();
    let fenced = blocks.into_iter().rev().map(|block| block.trim_start_matches("json"));
    fenced.chain([text]).find_map(|block| serde_json::from_str(block.trim()).ok())
}

impl Review {
    /// How many there are of each kind.
    pub(super) fn count(&self) -> Findings {
        let of = |severity| self.findings.iter().filter(|f| f.severity == severity).count() as u64;
        Findings { critical: of(Severity::Critical), major: of(Severity::Major), minor: of(Severity::Minor) }
    }

    /// The findings in words, the worst first; fit to be shown.
    pub(super) fn words(&self) -> String {
        let mut findings = self.findings.iter().collect::<Vec<_>>();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let line = |finding: &&Finding| {
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => format!(" `{}` line {line}:", clip(&sanitize_line(file), 200)),
                (Some(file), None) => format!(" `{}`:", clip(&sanitize_line(file), 200)),
                (None, _) => String::new(),
            };
            let text = clip(&sanitize_line(&finding.text), 500);
            format!("- {}:{place} {text}", finding.severity.as_str())
        };
        let shown = findings.iter().take(bounds::FINDINGS_TOLD).map(line).collect::<Vec<_>>();
        let more = findings.len().saturating_sub(bounds::FINDINGS_TOLD);
        let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
        format!("{}{more}", shown.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_counts() {
        let text = "I think\n```json\n{\"passed\": true}\n```\nno, wait:\n```json\n{\"passed\": false, \"summary\": \"two fail\"}\n```\n";
        let verdict: Verdict = last_json(text).unwrap();
        assert_eq!((verdict.passed, verdict.summary.as_str()), (false, "two fail"));
        assert_eq!(last_json::<Verdict>("{\"passed\": true}").map(|v| v.passed), Some(true));
        for nothing in ["", "it passed", "```json\n{\"passed\": \"yes\"}\n```", "``` {}"] {
            assert_eq!(last_json::<Verdict>(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn findings_are_counted_and_told_worst_first() {
        let text = r#"```json
            {"findings": [{"severity": "minor", "text": "a\nb"}, {"severity": "critical", "file": "x.rs", "line": 3, "text": "loses data"}]}
            ```"#;
        let review: Review = last_json(text).unwrap();
        assert_eq!(review.count(), Findings { critical: 1, major: 0, minor: 1 });
        assert_eq!(review.words(), "- critical: `x.rs` line 3: loses data\n- minor: a b");
    }
}
