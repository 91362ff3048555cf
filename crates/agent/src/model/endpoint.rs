//! Where a model is, and by which key.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ModelError;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's chat completions, which most other servers speak too.
    Openai,
    /// OpenAI's responses.
    Responses,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Anthropic, Self::Openai, Self::Responses];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Openai => "openai",
            Self::Responses => "responses",
        }
    }

    /// The one with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == word)
    }

    /// Where its maker's server is.
    pub fn base(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::Openai | Self::Responses => "https://api.openai.com/v1",
        }
    }

    /// The variable of the environment in which its maker's key is, by custom.
    pub fn key_variable(self) -> &'static str {
        match self {
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::Openai | Self::Responses => "OPENAI_API_KEY",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A secret. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key in `text`, without white space around it; none when it is empty.
    pub fn new(text: &str) -> Option<Self> {
        Some(text.trim()).filter(|text| !text.is_empty()).map(|text| Self(text.to_owned()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A model on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The server's address, with or without the version in its path.
    pub base: String,
    /// The model's name there.
    pub model: String,
    /// What lets in; nothing for a server that asks for none.
    pub key: Option<Key>,
}

impl Endpoint {
    /// The address to ask at.
    ///
    /// # Errors
    /// When the base is no address of HTTP, has a user's name or a query in it, or would have a key sent unprotected over a network.
    pub(super) fn url(&self) -> Result<String, ModelError> {
        let base = self.base.trim_end_matches('/');
        let wrong = |why: &str| Err(ModelError::Endpoint(format!("the endpoint `{}` {why}", self.base)));
        let Some((secure, rest)) = self.behind_scheme() else {
            return wrong("begins with neither `https://` nor `http://`");
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || rest.contains(['?', '#', '@', ' ']) || rest.contains(char::is_control) {
            return wrong("is not a plain address, such as `https://api.example.com/v1`");
        }
        if !secure && self.key.is_some() && !is_this_machine(host) {
            return wrong("is not protected, and a key would be sent; use `https://`, or no key");
        }
        let version = if path.is_empty() { "/v1" } else { "" };
        Ok(match self.protocol {
            Protocol::Anthropic if path.ends_with("v1") => format!("{base}/messages"),
            Protocol::Anthropic => format!("{base}/v1/messages"),
            Protocol::Openai => format!("{base}{version}/chat/completions"),
            Protocol::Responses => format!("{base}{version}/responses"),
        })
    }

    /// Whether it is protected, and what stands behind that in its address.
    fn behind_scheme(&self) -> Option<(bool, &str)> {
        let base = self.base.trim_end_matches('/');
        let secure = base.strip_prefix("https://").map(|rest| (true, rest));
        secure.or_else(|| base.strip_prefix("http://").map(|rest| (false, rest)))
    }

    /// Whether its server is on this machine.
    pub(super) fn is_here(&self) -> bool {
        self.behind_scheme().is_some_and(|(_, rest)| is_this_machine(rest.split('/').next().unwrap_or(rest)))
    }

    /// Whether it is OpenAI's own server, which knows words that others don't.
    pub(super) fn is_openai(&self) -> bool {
        self.base.starts_with("https://api.openai.com")
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(protocol: Protocol, base: &str, key: Option<&str>) -> Result<String, String> {
        let key = key.and_then(Key::new);
        Endpoint { protocol, base: base.to_owned(), model: "m".to_owned(), key }
            .url()
            .map_err(|e| e.to_string())
    }

    #[test]
    fn addresses_are_completed() {
        let table = [
            (Protocol::Anthropic, "https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
            (Protocol::Anthropic, "http://127.0.0.1:1/v1/", "http://127.0.0.1:1/v1/messages"),
            (Protocol::Anthropic, "https://x.y/proxy", "https://x.y/proxy/v1/messages"),
            (Protocol::Openai, "http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
            (Protocol::Openai, "https://x.y/api/v3", "https://x.y/api/v3/chat/completions"),
            (Protocol::Responses, "https://api.openai.com/v1", "https://api.openai.com/v1/responses"),
        ];
        for (protocol, base, whole) in table {
            assert_eq!(url(protocol, base, Some("k")).unwrap(), whole);
        }
    }

    #[test]
    fn a_key_is_not_sent_in_the_clear() {
        for host in ["example.com", "192.168.0.1:8080", "localhost.evil.com", "127.0.0.1.evil.com", "[::2]:1"]
        {
            let base = format!("http://{host}");
            assert!(url(Protocol::Openai, &base, Some("k")).unwrap_err().contains("not protected"), "{host}");
            assert!(url(Protocol::Openai, &base, None).is_ok(), "{host}");
        }
        for host in ["127.0.0.1:1", "[::1]:8080", "localhost"] {
            assert!(url(Protocol::Openai, &format!("http://{host}"), Some("k")).is_ok(), "{host}");
        }
        for base in ["ftp://x", "x.y", "https://", "https://u:p@x", "https://x/?a=b", "https://x y"] {
            assert!(url(Protocol::Openai, base, None).is_err(), "{base}");
        }
        assert_eq!(format!("{:?}", Key::new(" secret\n").unwrap()), "Key(…)");
    }
}
