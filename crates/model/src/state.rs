//! What all state machines share.

/// A move that a state machine does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} can't go from `{from}` to `{to}`; allowed: {allowed}")]
pub struct IllegalMove {
    /// Which record: `task 7`, `worktree auth`.
    pub what: String,
    /// The state it is in.
    pub from: &'static str,
    /// The state that was asked for.
    pub to: &'static str,
    /// The states it could go to, or that there are none.
    pub allowed: String,
}

/// Defines a state machine: the enum, its words and the table of legal moves.
macro_rules! state_machine {
    (
        $(#[$doc:meta])* $name:ident {
            $( $(#[$vdoc:meta])* $variant:ident = $word:literal => [$($next:ident),*] ),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $( $(#[$vdoc])* #[serde(rename = $word)] $variant ),+
        }

        impl $name {
            /// Every state, in the order of a usual life.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for the state.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The states it can go to from here.
            pub fn next(self) -> &'static [Self] {
                match self { $(Self::$variant => &[$(Self::$next),*]),+ }
            }

            /// Moves to `to`, or says which moves are legal. `what` names the record for the message.
            ///
            /// # Errors
            /// [`IllegalMove`](crate::IllegalMove) when the table has no such move; staying where it is, is no move.
            pub fn to(self, to: Self, what: impl std::fmt::Display) -> Result<Self, crate::IllegalMove> {
                if self.next().contains(&to) {
                    return Ok(to);
                }
                let mut allowed = self.next().iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ");
                if allowed.is_empty() {
                    allowed = format!("none, `{self}` is final");
                }
                Err(crate::IllegalMove { what: what.to_string(), from: self.as_str(), to: to.as_str(), allowed })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|s| s.as_str() == text).ok_or_else(|| {
                    let all = Self::ALL.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ");
                    format!("`{}` is none of {all}", crate::clip(&crate::sanitize_line(text), 40))
                })
            }
        }
    };
}

pub(crate) use state_machine;
