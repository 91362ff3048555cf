//! The bounds of the ledger: how long it waits and how much it keeps.

use std::time::Duration;

/// How long a writer waits for its turn before it gives up.
pub(crate) const WRITE_WAIT: Duration = Duration::from_secs(30);
/// How long a writer waits before it says for whom.
pub(crate) const TELL_AFTER: Duration = Duration::from_secs(1);
/// How long the engine itself waits for a lock that is held by something that does not go through the gate.
pub(crate) const ENGINE_WAIT: Duration = Duration::from_secs(10);
/// How often `wait` looks for a new event.
pub(crate) const POLL: Duration = Duration::from_millis(50);
/// Connections that are kept open while nobody uses them.
pub(crate) const IDLE_CONNECTIONS: usize = 4;
/// Prepared statements that a connection keeps.
pub(crate) const CACHED_STATEMENTS: usize = 64;
/// The most bytes of the gate's file that are read to learn who holds it.
pub(crate) const HOLDER_BYTES: u64 = 400;
/// The most characters of a holder's name that are shown.
pub(crate) const HOLDER_CHARS: usize = 120;
/// Pages of the ledger that a connection keeps in memory at most, in KiB. A process has several connections, and the
/// system keeps the file's pages as well: `up` is not to become larger with the ledger.
pub(crate) const CACHE_KIB: i64 = 512;
/// The most faults that the engine names when it checks itself.
pub(crate) const FAULTS: u32 = 20;
