//! The real program, end to end: what it does to a repository and what a person reads.
//!
//! Each module is a promise or a hazard; each test starts the binary in a place of its own. Tests that need minutes or a
//! mount are ignored, and CI runs them too.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod adopt;
mod agents;
mod bases;
mod claims;
mod concurrency;
mod conflicts;
mod copies;
mod crash;
mod disk;
mod doctor;
mod feedback;
mod hooks;
mod hookup;
mod input;
mod lab;
mod leases;
mod ledger_file;
mod life;
mod logs;
mod mail;
mod mail_shown;
mod mail_views;
mod merge;
mod merge_checkouts;
mod merge_gate;
mod named_pipes;
mod outcome;
mod outside;
mod places;
mod plans;
mod pool;
mod pool_settings;
mod ports;
mod rebuild;
mod remove;
mod remove_hostile;
mod repositories;
mod restore;
mod run;
mod setup;
mod setup_commands;
mod several;
mod several_places;
mod shutdowns;
mod slips;
mod steering;
mod stop;
mod surroundings;
mod teams;
mod terminal;
mod trees_dir;
mod views;
mod watching;
