//! Whether a process has a file open, or is at work where it lies.
//!
//! **Contract.** Only looks. Processes of other users count for nothing; one of this user's that can't be looked at makes
//! the answer unknown.

use std::path::Path;

use super::proctable;

/// Whether something is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InUse {
    /// Surely not by a process of this user.
    No,
    /// By this one: its number and its command.
    By(u32, String),
    /// It can't be told.
    Unknown,
}

/// Whether a process but this one has a file open in `dir` or below, deleted files among them.
pub fn dir_in_use(dir: &Path) -> InUse {
    answer(proctable::openers(&|path| path.starts_with(dir)))
}

/// Whether git's lock file at `lock` is in use: open, or made by a git that is at work in one of `places`. Git closes a
/// lock file and goes on holding it, while it waits for an editor, say.
pub fn lock_in_use(lock: &Path, places: &[&Path]) -> InUse {
    let Some(mut users) = proctable::openers(&|path| path == lock) else { return InUse::Unknown };
    let own = std::process::id();
    let others = proctable::processes().into_iter().filter(|p| !p.ended && p.pid != own).map(|p| p.pid);
    users.extend(
        others.filter(|pid| is_git(*pid) && places.iter().any(|place| proctable::is_within(*pid, place))),
    );
    answer(Some(users))
}

fn is_git(pid: u32) -> bool {
    let line = proctable::command_line(pid);
    let program = line.split(' ').next().unwrap_or_default();
    let name = Path::new(program).file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name == "git" || name.starts_with("git-")
}

fn answer(users: Option<Vec<u32>>) -> InUse {
    match users {
        None => InUse::Unknown,
        Some(users) => match users.first() {
            None => InUse::No,
            Some(pid) => {
                let line = biplane_model::sanitize_line(&proctable::command_line(*pid));
                InUse::By(*pid, biplane_model::clip(&line, 80))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use biplane_testkit::TestEnv;

    #[test]
    #[cfg(target_os = "linux")]
    fn an_open_file_is_in_use_and_a_closed_one_is_not() {
        let env = TestEnv::new();
        let (file, dir) = (env.root().join("x.lock"), env.dir("d"));
        fs_err::write(&file, "").unwrap();
        assert_eq!(lock_in_use(file.as_std_path(), &[]), InUse::No);
        let script = format!("exec 9>{dir}/in; rm {dir}/in; touch {dir}/../ready; sleep 60");
        let running = env.program("sh").args(["-c", &script]).spawn();
        let began = std::time::Instant::now();
        while !env.root().join("ready").exists() && began.elapsed().as_secs() < 30 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(matches!(dir_in_use(dir.as_std_path()), InUse::By(..)), "a deleted file is open");
        drop(running);
    }
}
