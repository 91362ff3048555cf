//! Orphans: below us they come to us, and whether that alone proves that something started here has left them.
//!
//! A child subreaper gets the orphans among its descendants and no others, see `prctl(2)`. So one that came to us descends from a
//! child of ours, and from one that was started here when all of them were. That fails
//! - for the first process of a namespace, which gets everybody's orphans;
//! - for a process that was something else before (`sh -c 'server & exec biplane up'`): it has children that it does not know,
//!   and gets their orphans;
//! - for a program in which others start processes too, as a test does.
//!
//! Then an orphan without any mark is left alone, unless it stands in the run's directory.

/// Makes orphans below us come to us instead of to the system's first process, so that descent from us is never lost. To be
/// called before anything is started that may leave some.
pub(super) fn adopt() {
    _ = are_ours();
}

/// Whether whatever is handed to us descends from something that was started here.
#[cfg(not(target_os = "linux"))]
pub(super) fn are_ours() -> bool {
    false
}

/// Whether whatever is handed to us descends from something that was started here.
#[cfg(target_os = "linux")]
pub(super) fn are_ours() -> bool {
    static OURS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *OURS.get_or_init(|| {
        // A system that refuses leaves the other proofs.
        let comes = rustix::process::set_child_subreaper(Some(rustix::process::getpid())).is_ok();
        comes && super::background_program().is_some() && std::process::id() != 1 && all_children_are_known()
    })
}

#[cfg(target_os = "linux")]
fn all_children_are_known() -> bool {
    use super::{detach, proctable, root};

    // The table first: what is being started meanwhile is known afterwards.
    let (table, us) = (proctable::processes(), std::process::id());
    let (children, detached) = (root::children(), detach::children());
    let is_known = |pid| children.pids.contains(&pid) || detached.contains(&pid);
    children.are_all && table.iter().filter(|p| p.parent == us).all(|p| is_known(p.pid))
}
