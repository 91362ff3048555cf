//! Durations and sizes as people write them.

use std::time::Duration;

/// A duration such as `90`, `90s`, `5m`, `2h`, `1d`; at least a second, at most a year.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let shown = biplane_model::clip(&biplane_model::sanitize_line(text), 40);
    let fault = || format!("`{shown}` is no duration: use a number with `s`, `m`, `h` or `d`, such as `90s`");
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().map_err(|_| fault())?;
    let unit_s = match unit.trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(fault()),
    };
    let seconds = number.checked_mul(unit_s).ok_or_else(fault)?;
    if (1..=366 * 86_400).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(format!("`{shown}` is out of bounds: use one second to one year"))
    }
}

/// A size in bytes such as `4096`, `64K`, `10M`, `2G`; at least 4 KiB.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let shown = biplane_model::clip(&biplane_model::sanitize_line(text), 40);
    let fault =
        || format!("`{shown}` is no size: use a number with `K`, `M` or `G`, such as `10M`, from `4K` on");
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().map_err(|_| fault())?;
    let shift = match unit.trim() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(fault()),
    };
    number.checked_mul(1 << shift).filter(|bytes| *bytes >= 4096).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let of = |t| parse_duration(t).map(|d| d.as_secs());
        assert_eq!(
            (of("90"), of("90s"), of("5m"), of("2h"), of("1d")),
            (Ok(90), Ok(90), Ok(300), Ok(7200), Ok(86_400))
        );
        for text in ["", "0", "-1", "1.5s", "5 minutes", "99999999999999999999d", "400d", "s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!((parse_bytes("10M"), parse_bytes("4096")), (Ok(10 << 20), Ok(4096)));
        for text in ["", "1K", "5T", "99999999999G", "-4K"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
