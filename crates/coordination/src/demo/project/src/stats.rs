//! What is to be known of a day.

/// The mean of a day's readings.
pub fn mean(day: &[f64]) -> f64 {
    day.iter().sum::<f64>() / day.len().max(1) as f64
}

/// The highest of a day's readings.
pub fn peak(day: &[f64]) -> f64 {
    day.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_a_day() {
        assert_eq!(mean(&[18.0, 22.0]), 20.0);
    }

    #[test]
    fn the_peak_of_a_day() {
        assert_eq!(peak(&[18.0, 22.0, 19.0]), 22.0);
    }
}
