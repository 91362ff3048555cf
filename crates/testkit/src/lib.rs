//! What end-to-end tests stand on: a home and a git of their own, the real program, and an independent look at what it
//! has written.
//!
//! - [`TestEnv`] is a directory that is gone with the test; programs started in it see nothing of the machine but `PATH`.
//! - [`Repo`] is a git repository in it.
//! - [`Call`] starts a program; [`Output`] is what came of it, [`Running`] one that is still at work.
//! - [`eventually`] waits for something to become true.
//! - [`Records`] checks the lifecycle log and the tasks.
//! - [`large_repo`] makes a repository with as many files as asked for.
//! - [`standin::StandIn`] is a model server on loopback that does what a script says.
//! - [`fake_agent`] is an agent program with every vice, [`real_agent`] one that people use.
//! - [`photograph`], [`TestEnv::processes`] and [`steers`] look at what is there.
//! - [`marked_blocks`] finds the commands in the documentation.
//!
//! It panics where a test would fail, showing everything it knows. **Invariant:** it uses no crate of this workspace, so
//! that what it finds does not share their mistakes; and it is a dev-dependency only.
#![expect(clippy::disallowed_methods, reason = "tests start the real program and the real git")]
#![expect(clippy::panic, reason = "what is wrong here fails the test, with everything that is known")]

mod env;
mod repo;

mod call;
mod conversation;
mod output;
mod running;
mod wait;

mod agents;
mod checker;
mod large_repo;
mod look;
mod markdown;

pub mod standin;

pub use agents::{fake_agent, real_agent, real_agents_path};
pub use call::Call;
pub use checker::Records;
pub use conversation::Conversation;
pub use env::TestEnv;
pub use large_repo::{FileSource, LargeRepo, large_repo, registry_sources};
pub use look::{photograph, steers};
pub use markdown::marked_blocks;
pub use output::Output;
pub use repo::Repo;
pub use running::Running;
pub use rustix::process::Signal;
pub use wait::eventually;
