//! A day in a line.

use crate::{format::reading, stats};

/// The mean of a day.
pub fn line(name: &str, day: &[f64]) -> String {
    format!("{name}: mean {}", reading(stats::mean(day)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_in_a_line() {
        assert!(line("Mon", &[18.5, 22.5]).starts_with("Mon: mean 20"));
    }
}
