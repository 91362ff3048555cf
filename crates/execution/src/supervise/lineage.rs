//! Which processes this one descends from, and which marks it has come by.

use std::collections::BTreeSet;

use biplane_model::ProcessIdentity;

use super::{family::ancestors, identity, proctable};

/// This process and those that it descends from, as far as they are there.
pub fn lineage() -> Vec<ProcessIdentity> {
    ancestors(std::process::id(), &proctable::processes()).into_iter().filter_map(identity::of).collect()
}

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
    fn a_process_is_of_its_own_line() {
        assert!(lineage().contains(&identity::current()) && lineage().len() > 1);
    }

    #[test]
    fn what_a_process_was_started_with_is_found() {
        let path = std::env::var("PATH").expect("tests are started with one");
        assert!(inherited("PATH").contains(&path));
        assert!(inherited("NO_SUCH_VARIABLE").is_empty());
    }
}
