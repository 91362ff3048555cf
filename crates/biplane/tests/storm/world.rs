//! Where the storm rages, and what is found afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::{Duration, Instant},
};

use biplane_testkit::{Call, Output, Records, TestEnv};
use camino::{Utf8Path, Utf8PathBuf};

const BIPLANE: &str = env!("CARGO_BIN_EXE_biplane");

/// The size of the disk.
const DISK: &str = "size=384m";

pub(crate) struct World {
    pub(crate) env: TestEnv,
    pub(crate) root: Utf8PathBuf,
    point: Utf8PathBuf,
    tokens: Mutex<BTreeSet<String>>,
    /// What failed commands said, and how often.
    heard: Mutex<BTreeMap<String, u64>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let env = TestEnv::new();
        let point = env.dir("small");
        let mount = env.program("mount").args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(&point).run();
        assert_eq!(mount.code, 0, "NOT RUN: this test needs to mount, which only root may\n{mount}");
        let repo = env.repo("small/app");
        let root = repo.path().to_owned();
        for number in 0..30 {
            repo.write(format!("src/file{number}.txt"), format!("file {number}\n").repeat(20));
        }
        repo.write("tracked.txt", "tracked\n");
        repo.write(".gitignore", ".env\n*.sqlite\ntarget/\n");
        repo.commit("files");
        let world = Self { env, root, point, tokens: Mutex::default(), heard: Mutex::default() };
        world.biplane(&["task", "create", "the first"]).run().success();
        world
    }

    pub(crate) fn biplane(&self, args: &[&str]) -> Call {
        // With the background at work, as people have it.
        self.env.biplane(BIPLANE).in_dir(&self.root).args(args).env_remove("BIPLANE_BACKGROUND")
    }

    pub(crate) fn wrote(&self, token: String) {
        self.tokens.lock().unwrap().insert(token);
    }

    pub(crate) fn written(&self) -> usize {
        self.tokens.lock().unwrap().len()
    }

    pub(crate) fn hear(&self, output: &Output) {
        if output.code != 0 {
            let line = output.stderr.lines().find(|l| l.starts_with("error")).unwrap_or("(nothing)");
            let line: String = line.chars().filter(|c| !c.is_ascii_digit()).take(110).collect();
            *self.heard.lock().unwrap().entry(format!("{} {line}", output.code)).or_default() += 1;
        }
    }

    /// Fills the disk to the last byte for a while.
    pub(crate) fn fill_the_disk(&self, duration: Duration) {
        use std::io::Write;
        let filler = self.point.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        let end = Instant::now() + duration;
        let block = vec![b'x'; 1 << 16];
        while Instant::now() < end {
            if file.write(&block).is_err() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        drop(file);
        let _ = std::fs::remove_file(&filler);
    }

    /// Lets everything that was begun come to its end.
    pub(crate) fn settle(&self) {
        for (line, count) in self.heard.lock().unwrap().iter() {
            println!("storm: {count} times: {line}");
        }
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let output = self.biplane(&["doctor", "--fix"]).env("BIPLANE_BACKGROUND", "0").run();
            if output.code == 0 || Instant::now() > end {
                output.success();
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        let again = self.biplane(&["doctor", "--json"]).env("BIPLANE_BACKGROUND", "0").run().success();
        assert!(!again.stdout.contains(r#""severity":"problem""#), "{again}");
    }

    /// What an agent wrote and nothing holds.
    pub(crate) fn lost(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        let listed = self.biplane(&["wt", "list", "--json"]).run().success().json();
        for worktree in listed.as_array().unwrap() {
            collect_below(Utf8Path::new(worktree["path"].as_str().unwrap()), &mut found);
        }
        self.collect_from_refs(&mut found);
        self.tokens.lock().unwrap().difference(&found).take(20).cloned().collect()
    }

    /// The tokens in everything that is reachable from a ref.
    fn collect_from_refs(&self, found: &mut BTreeSet<String>) {
        let git = |args: &[&str]| self.env.program("git").args(args).in_dir(&self.root);
        let objects = git(&["rev-list", "--objects", "--all"]).run().success().stdout;
        let ids: String =
            objects.lines().filter_map(|l| l.split(' ').next()).map(|id| format!("{id}\n")).collect();
        let contents = git(&["cat-file", "--batch", "--buffer"]).stdin(ids).run().success().stdout;
        collect(contents.as_bytes(), found);
    }

    /// Ledger, views and git agree.
    pub(crate) fn is_sound(&self) {
        assert_eq!(Records::read(&self.root).report(), [""; 0]);
        let fsck = self.env.program("git").args(["fsck", "--no-dangling"]).in_dir(&self.root);
        let fsck = fsck.run().success();
        assert_eq!(fsck.stderr.lines().filter(|l| !l.starts_with("notice")).collect::<Vec<_>>(), [""; 0]);
        let listed = self.biplane(&["wt", "list", "--json"]).run().success().json();
        let ours: BTreeSet<String> =
            listed.as_array().unwrap().iter().map(|w| w["path"].as_str().unwrap().to_owned()).collect();
        let output =
            self.env.program("git").args(["worktree", "list", "--porcelain"]).in_dir(&self.root).run();
        let gits: BTreeSet<String> = output
            .success()
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("worktree "))
            .skip(1)
            .map(str::to_owned)
            .collect();
        assert_eq!(ours, gits, "ledger and git disagree");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.env.program("umount").arg("--lazy").arg(&self.point).run();
    }
}

fn collect_below(directory: &Utf8Path, found: &mut BTreeSet<String>) {
    for entry in directory.read_dir_utf8().unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            collect_below(entry.path(), found);
        } else if kind.is_file() {
            collect(&std::fs::read(entry.path()).unwrap(), found);
        }
    }
}

fn collect(bytes: &[u8], found: &mut BTreeSet<String>) {
    let text = String::from_utf8_lossy(bytes);
    for part in text.split("<<").skip(1) {
        if let Some((inside, _)) = part.split_once(">>") {
            found.insert(format!("<<{inside}>>"));
        }
    }
}
