//! Every bound of this crate.

/// The most bytes of a path.
pub const PATH: usize = 4096;
/// The most characters of a path, and of a line of a file, in a message.
pub const SHOWN: usize = 200;
/// The most bytes of a file that is read or written.
pub const FILE: usize = 16 << 20;
/// The most bytes of a patch.
pub const PATCH: usize = 4 << 20;
/// The most files that a patch changes.
pub const PATCH_FILES: usize = 1_000;
/// The most bytes that a patch holds in memory, old and new content together.
pub const PATCH_CONTENT: usize = 128 << 20;
