//! How a reading is shown.

/// A reading as text.
pub fn reading(celsius: f64) -> String {
    format!("{celsius}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_shown() {
        assert_eq!(reading(21.5), "21.5");
    }
}
