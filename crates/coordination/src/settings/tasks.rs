//! The settings that bound what the runs of one task may use.

use std::{ops::Range, time::Duration};

use biplane_control::board::TaskLimits;

use super::{agents::read_word, parse_duration};
use crate::{
    bounds,
    error::{Error, Result},
};

type At<'a> = &'a dyn Fn(Range<usize>, String) -> Error;
type Word = Option<toml::Spanned<String>>;

/// The limits, with defaults for what the table `[limits]` does not say.
pub(super) fn read(
    attempts: &Option<toml::Spanned<u32>>,
    cost: &Word,
    time: &Word,
    at: At<'_>,
) -> Result<TaskLimits> {
    let mut limits = default();
    let mut most = bounds::TASK_ATTEMPTS;
    read_number(attempts, &mut most, at)?;
    limits.attempts = Some(most);
    read_word(cost, &mut limits.cost_microusd, |text| parse_dollars(text).map(Some), at)?;
    read_word(time, &mut limits.time, |text| parse_duration(text).map(Some), at)?;
    Ok(limits)
}

/// What holds without a settings file.
pub(super) fn default() -> TaskLimits {
    TaskLimits { attempts: Some(bounds::TASK_ATTEMPTS), ..TaskLimits::default() }
}

/// Sets `value` to what `number` says, when it says something; 0 is refused.
pub(super) fn read_number(number: &Option<toml::Spanned<u32>>, value: &mut u32, at: At<'_>) -> Result<()> {
    match number {
        Some(number) if *number.get_ref() == 0 => Err(at(number.span(), "use 1 or more".to_owned())),
        Some(number) => {
            *value = *number.get_ref();
            Ok(())
        }
        None => Ok(()),
    }
}

/// The length of a lease.
pub(super) fn parse_lease(text: &str) -> std::result::Result<Duration, String> {
    let lease = parse_duration(text)?;
    if (bounds::LEAST_LEASE..=bounds::MOST_LEASE).contains(&lease) {
        return Ok(lease);
    }
    Err(format!("use {} s to {} s", bounds::LEAST_LEASE.as_secs(), bounds::MOST_LEASE.as_secs()))
}

/// Dollars such as `5` or `5.00`, as millionths of one; more than nothing.
fn parse_dollars(text: &str) -> std::result::Result<u64, String> {
    let shown = biplane_model::clip(&biplane_model::sanitize_line(text), 40);
    let fault =
        || format!("`{shown}` is no sum of dollars: use one such as `5.00`, up to {}", bounds::MOST_DOLLARS);
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let is_plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_plain(whole) || !is_plain(part) || part.len() > 6 {
        return Err(fault());
    }
    let whole: u64 = whole.parse().map_err(|_| fault())?;
    let part: u64 = format!("{part:0<6}").parse().map_err(|_| fault())?;
    let sum = whole.checked_mul(1_000_000).map(|micros| micros + part).ok_or_else(fault)?;
    if (1..=bounds::MOST_DOLLARS * 1_000_000).contains(&sum) { Ok(sum) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn dollars() {
        let table =
            [("5", 5_000_000), ("5.00", 5_000_000), ("0.5", 500_000), ("0.000001", 1), (" 1.25 ", 1_250_000)];
        for (text, micros) in table {
            assert_eq!(parse_dollars(text), Ok(micros), "{text}");
        }
        for text in [
            "",
            "0",
            "0.00",
            "-1",
            "$5",
            "5,00",
            "1.0000001",
            ".5",
            "5.",
            "1e3",
            "1000000.01",
            "99999999999999999999",
        ] {
            assert!(parse_dollars(text).is_err(), "{text}");
        }
    }

    #[test]
    fn leases_have_bounds() {
        for (text, is_good) in [("1s", false), ("2s", true), ("90s", true), ("1h", true), ("3601s", false)] {
            assert_eq!(parse_lease(text).is_ok(), is_good, "{text}");
        }
    }

    #[test]
    fn limits_are_read() {
        let read = |text: &str| Settings::parse(text).map(|settings| settings.task_limits);
        assert_eq!(read("").unwrap(), default());
        let all = read("[limits]\ntask_attempts = 3\ntask_cost = \"2.50\"\ntask_time = \"2h\"\n").unwrap();
        assert_eq!((all.attempts, all.cost_microusd), (Some(3), Some(2_500_000)));
        assert_eq!(all.time, Some(Duration::from_secs(7200)));
        let zero = read("[limits]\ntask_attempts = 0\n").unwrap_err().to_string();
        assert_eq!(zero, "`biplane.toml` line 2, key `task_attempts`: use 1 or more");
        let short = read("[up]\nlease = \"1s\"\n").unwrap_err().to_string();
        assert_eq!(short, "`biplane.toml` line 2, key `lease`: use 2 s to 3600 s");
    }
}
