# A table in the format that tasks 1 and 2 have made.
say "looks at src/format.rs"
cat >src/week.rs <<'END'
//! A week in a table.

use crate::{format::reading, stats::peak};

/// A line for each day: its name and its peak.
pub fn table(days: &[(&str, Vec<f64>)]) -> String {
    days.iter().map(|(name, day)| format!("{name}{:>10}\n", reading(peak(day)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let week = [("Mon", vec![18.0, 22.0]), ("Tue", vec![9.25])];
        assert_eq!(table(&week), "Mon   22.0 °C\nTue    9.2 °C\n");
    }
}
END
echo 'pub mod week;' >>src/lib.rs
say "writes src/week.rs"
message="Print a week as a table"
