//! From text to readings.

/// The readings in a list with commas between; `None` when one is no number.
pub fn readings(text: &str) -> Option<Vec<f64>> {
    text.split(',').map(|word| word.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read() {
        assert_eq!(readings("19, 21.5"), Some(vec![19.0, 21.5]));
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(readings("19, warm"), None);
    }
}
