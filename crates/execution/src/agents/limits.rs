//! Whether an error that a program tells of is its provider's wish to slow down.

/// What such errors say, in lower case: HTTP 429 and 529, and what providers and programs call them.
const SIGNS: [&str; 14] = [
    "429",
    "529",
    "too many requests",
    "rate limit",
    "rate_limit",
    "rate-limit",
    "usage limit",
    "usage_limit",
    "session limit",
    "weekly limit",
    "overloaded",
    "at capacity",
    "quota",
    "resource_exhausted",
];

/// Whether an error says that the provider is asked too much. Not to be asked about what an agent itself says.
pub(super) fn is_limit(error: &str) -> bool {
    let error = error.to_lowercase();
    SIGNS.iter().any(|sign| match sign.parse::<u16>() {
        Ok(_) => error.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == *sign),
        Err(_) => error.contains(sign),
    })
}

/// How many seconds it says to wait: `try again in 1.5s`, `retry after 20 seconds`, `in 2 hours`.
pub(super) fn wait_s(error: &str) -> Option<u64> {
    let error = error.to_lowercase();
    let places = ["again in ", "retry in ", "retry after ", "retry-after: "];
    let rest = places.iter().find_map(|place| error.split_once(place)).map(|(_, rest)| rest)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let number: f64 = rest[..digits].parse().ok()?;
    let unit: String = rest[digits..].trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    let scale = match unit.as_str() {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => 1.0,
    };
    Some((number * scale).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_from_other_errors() {
        let table = [
            ("API Error: Request rejected (429) · This request would exceed your rate limit", true),
            ("exceeded retry limit, last status: 429 Too Many Requests", true),
            ("unexpected status 529 <unknown status code>: Overloaded", true),
            ("You\u{2019}ve hit your usage limit. Upgrade to Pro", true),
            ("Selected model is at capacity. Please try a different model.", true),
            ("stream disconnected before completion: stream closed before response.completed", false),
            ("unexpected status 401 Unauthorized: bad key, url: http://127.0.0.1:44290/v1", false),
            ("exceeded context window", false),
        ];
        for (error, expected) in table {
            assert_eq!(is_limit(error), expected, "{error}");
        }
    }

    #[test]
    fn the_wait_is_read_where_it_is_told() {
        let table = [
            ("Rate limit reached. Please try again in 1.3s.", Some(2)),
            ("please try again in 20 minutes", Some(1200)),
            ("Retry after 350ms", Some(1)),
            ("try again in 2 hours 3 minutes", Some(7200)),
            ("try again later", None),
            ("try again in a while", None),
        ];
        for (error, expected) in table {
            assert_eq!(wait_s(error), expected, "{error}");
        }
    }
}
