//! Which variables of an environment hold secrets.
//!
//! **Contract.** A guess by names, as people give them, and what the settings name beside. What no name gives away, and no
//! URL with a password in it, is not known to be one. What is too short is no secret: it would be masked everywhere.

/// Words that a secret's name has, at the end of one of its words: `GITHUB_TOKEN`, `DBPASSWORD`.
const WORDS: [&str; 9] =
    ["TOKEN", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASSPHRASE", "APIKEY", "CREDENTIAL", "CREDENTIALS"];
/// Words that a secret's name ends with.
const LAST: [&str; 5] = ["KEY", "PASS", "PWD", "PAT", "AUTH"];
/// Words that the name of something about a secret ends with, which is none.
const ABOUT: [&str; 30] = [
    "FILE", "FILES", "PATH", "DIR", "SOCK", "SOCKET", "USER", "USERNAME", "NAME", "REGION", "PROFILE",
    "HOST", "PORT", "MODE", "TYPE", "TTL", "COMMAND", "CMD", "HELPER", "PROVIDER", "ID", "ENABLED",
    "DISABLED", "VERSION", "COUNT", "LENGTH", "LIMIT", "URL", "URI", "ENDPOINT",
];

/// The fewest bytes of a value that is taken for a secret by its variable's name.
const LEAST: usize = 8;
/// The fewest bytes of a user's name in a URL that is taken for a token.
const LEAST_TOKEN: usize = 20;

/// The secrets among these variables; `named` are names of further ones.
pub(crate) fn secrets<'a>(
    env: impl IntoIterator<Item = (&'a str, &'a str)>,
    named: &[String],
) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (name, value) in env {
        let value = value.trim();
        if named.iter().any(|one| one == name) || (is_secret(name) && value.len() >= LEAST) {
            found.push(value);
        } else if let Some(part) = of_url(value) {
            found.push(part);
        }
    }
    found
}

/// Whether a variable with this name holds a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    let Some((last, before)) = words.split_last() else { return false };
    if matches!(before, [.., "ACCESS", "KEY"]) && *last == "ID" {
        return true;
    }
    let has_word = || words.iter().any(|word| WORDS.iter().any(|secret| word.ends_with(secret)));
    !ABOUT.contains(last) && (has_word() || (!before.is_empty() && LAST.contains(last)))
}

/// The password in a URL, or the token that stands in the place of the user.
fn of_url(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    match user.split_once(':') {
        Some((_, password)) => Some(password).filter(|password| password.len() >= LEAST),
        None => Some(user).filter(|token| token.len() >= LEAST_TOKEN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_give_a_secret_away() {
        for name in [
            "ANTHROPIC_API_KEY",
            "GITHUB_TOKEN",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SESSION_TOKEN",
            "DBPASSWORD",
            "PGPASSWORD",
            "MYSQL_PWD",
            "npm_config_authToken",
            "CLIENT_SECRET",
            "SECRET",
            "OPENAI_APIKEY",
            "GITLAB_PAT",
            "GOOGLE_CREDENTIALS",
            "TOKEN",
            "SECRET_KEY_BASE_SECRET",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "PATH",
            "PWD",
            "OLDPWD",
            "HOME",
            "SSH_AUTH_SOCK",
            "AWS_REGION",
            "AWS_PROFILE",
            "GOOGLE_APPLICATION_CREDENTIALS_FILE",
            "TOKENIZERS_PARALLELISM",
            "MAX_THINKING_TOKENS",
            "KEY",
            "VAULT_TOKEN_PATH",
            "GIT_AUTHOR_NAME",
            "",
            "_",
            "XAUTHORITY",
            "MONKEY",
            "PASSENGER",
            "COMPASS",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn values_that_are_masked() {
        let env = [
            ("API_TOKEN", "  12345678\n"),
            ("B_TOKEN", "1234567"),
            ("MINE", "abcd"),
            ("DATABASE_URL", "postgres://ann:s3cr3t-enough@db/x?y=@"),
            ("OTHER_URL", "postgres://ann:short@db/x"),
            ("ORIGIN", "https://aTokenOfTwentyLetters@example.com/x"),
            ("DOCS", "https://example.com/@ann:what-is-no-password"),
        ];
        let found = secrets(env, &["MINE".to_owned()]);
        assert_eq!(found, ["12345678", "abcd", "s3cr3t-enough", "aTokenOfTwentyLetters"]);
    }
}
