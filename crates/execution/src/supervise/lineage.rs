//! Which marks this process has come by: its own and those of the processes that it descends from.

use std::collections::BTreeSet;

use super::{family::ancestors, proctable};

/// What the variable `name` was set to when this process was started, and the processes that it descends from, each value
/// once. Neither changing the environment nor the directory on the way takes a value out of it.
///
/// A process of somebody else's shows nothing; one that has left its parent behind descends from whoever took it in.
pub fn inherited(name: &str) -> BTreeSet<String> {
    let line: Vec<u32> = ancestors(std::process::id(), &proctable::processes()).into_iter().collect();
    proctable::marks(&line, name).into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_was_started_with_is_found() {
        let path = std::env::var("PATH").expect("tests are started with one");
        assert!(inherited("PATH").contains(&path));
        assert!(inherited("BIPLANE_TEST_NO_SUCH_VARIABLE").is_empty());
    }
}
