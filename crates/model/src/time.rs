//! A point in time, handed in from outside: this crate has no clock.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Microseconds since the Unix epoch.
///
/// Serialised as seconds with a fraction, the form the views use (`1763640000.123456`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since the Unix epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Seconds since the Unix epoch with the fraction.
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The point `seconds` after this one; the largest one where that would overflow.
    pub fn plus_seconds(self, seconds: u64) -> Self {
        let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Self(self.0.saturating_add(micros))
    }

    /// From seconds with a fraction; `None` for what is no sensible time (not finite, or outside the years 1970 to 9999).
    pub fn from_seconds_f64(seconds: f64) -> Option<Self> {
        let sensible = seconds.is_finite() && (0.0..253_402_300_800.0).contains(&seconds);
        sensible.then(|| Self((seconds * 1e6).round() as i64))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_seconds_f64())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Self::from_seconds_f64(seconds).ok_or_else(|| serde::de::Error::custom("not a time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_round_trip_keeps_microseconds() {
        let t = Timestamp(1_763_640_000_123_456);
        let text = serde_json::to_string(&t).unwrap();
        assert_eq!(text, "1763640000.123456");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), t);
        assert_eq!(serde_json::from_str::<Timestamp>("12").unwrap(), Timestamp(12_000_000));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(
            Timestamp::from_seconds_f64(f64::NAN).is_none() && Timestamp::from_seconds_f64(-1.0).is_none()
        );
    }
}
