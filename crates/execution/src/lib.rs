//! The execution plane: where work is done.
//!
//! **Contract.** [`git`] is the only module that runs git, [`supervise`] the only one that starts processes,
//! [`worktrees`] the only one that makes or removes worktrees. [`agents`] knows how agent programs are driven,
//! [`mask`] takes secrets out of what they write, [`files`] reads what others may have replaced, [`dir`] holds directories by handle,
//! [`machine`] tells what there is to spare.
//!
//! **Deliberately absent:** task texts, dependencies, owners, the ledger, settings files.

pub mod agents;
pub mod dir;
pub mod files;
pub mod git;
pub mod machine;
pub mod mask;
pub mod supervise;
pub mod worktrees;
