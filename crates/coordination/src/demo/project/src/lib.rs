//! A day's temperatures in a line.

pub mod format;
pub mod parse;
pub mod report;
pub mod stats;
