//! What is there: files, processes, and what a text would do to a terminal.

use std::{fs, path::Path};

use camino::Utf8Path;

use crate::TestEnv;

impl TestEnv {
    /// The processes that have to do with this environment: those that stand in its directory, and those whose arguments or
    /// environment name it. Each as its directory in `/proc` and its arguments.
    pub fn processes(&self) -> Vec<String> {
        let mark = self.root().as_str().as_bytes();
        let holds = |bytes: &[u8]| bytes.windows(mark.len()).any(|w| w == mark);
        let is_ours = |place: &Path| {
            let stands = fs::read_link(place.join("cwd")).is_ok_and(|cwd| cwd.starts_with(self.root()));
            let has = |file| fs::read(place.join(file)).is_ok_and(|bytes| holds(&bytes));
            stands || has("environ") || has("cmdline")
        };
        let places = fs::read_dir("/proc").expect("the system has it").flatten().map(|entry| entry.path());
        let command = |place: &Path| {
            let words = fs::read_to_string(place.join("cmdline")).unwrap_or_default();
            format!("{} {}", place.display(), words.replace('\0', " "))
        };
        places.filter(|place| is_ours(place)).map(|place| command(&place)).collect()
    }
}

/// All files below `root` with what is in them, by their path from there, in order; but for those directories of `root`.
/// A link is what it leads to. What can't be read is left out.
pub fn photograph(root: &Utf8Path, without: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().into_iter().flatten().flatten() {
            let path = entry.path();
            if dir == root && without.contains(&entry.file_name()) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path.to_owned());
            } else if let Ok(bytes) = fs::read(path) {
                files.push((path.strip_prefix(root).expect("it is below").to_string(), bytes));
            }
        }
    }
    files.sort_unstable();
    files
}

/// The first character of the text that could steer a terminal.
pub fn steers(text: &str) -> Option<char> {
    text.chars().find(|c| (c.is_control() && !"\n\t".contains(*c)) || *c == '\u{202e}')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::eventually;

    const DEADLINE: Duration = Duration::from_secs(20);

    #[test]
    fn a_process_is_found_by_each_trace() {
        let env = TestEnv::new();
        assert_eq!(env.processes(), [""; 0]);
        let name = env.root().join("name");
        let clean = || env.program("env").arg("-i").in_dir("/");
        for call in [
            clean().args(["sleep", "600"]).in_dir(env.home()),
            clean().args(["sh", "-c", "sleep 600; :", name.as_str()]),
            clean().args([&format!("A={name}"), "sleep", "600"]),
        ] {
            let running = call.spawn();
            eventually(DEADLINE, "it is seen", || env.processes().iter().any(|p| p.contains("sleep 600")));
            drop(running);
            eventually(DEADLINE, "it is gone", || env.processes().is_empty());
        }
    }

    #[test]
    fn files_are_seen_and_what_is_left_out_is_not() {
        let env = TestEnv::new();
        let dir = env.dir("app");
        for file in ["a", "sub/b", "not/c"] {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let seen = [("a".to_owned(), b"a".to_vec()), ("sub/b".to_owned(), b"sub/b".to_vec())];
        assert_eq!(photograph(&dir, &["not"]), seen);
    }

    #[test]
    fn what_steers_is_found() {
        assert_eq!(steers("text\n\twith ü"), None);
        assert_eq!(["\u{1b}[2J", "\r", "\u{202e}x", "\u{9b}"].map(|text| steers(text).is_some()), [true; 4]);
    }
}
