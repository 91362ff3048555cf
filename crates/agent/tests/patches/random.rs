//! Random edits of random files: what git says of them is applied, and taken back.

use biplane_agent::tree::Tree;

use crate::lab::{Lab, Seen, apply, look};

/// How many edits in all, and how many of them go into one patch.
const EDITS: usize = 10_000;
const FILES: usize = 200;

/// Numbers that are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A line out of few, so that places look like each other.
    fn line(&mut self) -> Vec<u8> {
        let texts: [&[u8]; 9] =
            [b"", b"}", b"  return;", b"a", b"\xff\xfe", b"-- ", b"+x", b"\\ No newline", b"\t"];
        let end: &[u8] = if self.one_in(5) { b"\r\n" } else { b"\n" };
        let mut line = texts[self.below(texts.len())].to_vec();
        if self.one_in(3) {
            line.extend(self.below(1000).to_string().bytes());
        }
        line.extend(end);
        line
    }

    fn file(&mut self) -> Vec<Vec<u8>> {
        let length = if self.one_in(10) { 0 } else { self.below(60) };
        (0..length).map(|_| self.line()).collect()
    }

    fn edit(&mut self, lines: &mut Vec<Vec<u8>>) {
        for _ in 0..=self.below(4) {
            let at = self.below(lines.len() + 1);
            match self.below(4) {
                0 => lines.insert(at, self.line()),
                1 if at < lines.len() => drop(lines.remove(at)),
                2 if at < lines.len() => lines[at] = self.line(),
                _ => {
                    let more: Vec<_> = (0..self.below(6)).map(|_| self.line()).collect();
                    let end = (at + self.below(6)).min(lines.len());
                    drop(lines.splice(at..end, more));
                }
            }
        }
    }

    /// The bytes; the last line may lack its end.
    fn bytes(&mut self, lines: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = lines.concat();
        if self.one_in(4) {
            bytes.truncate(bytes.len() - bytes.ends_with(b"\n") as usize);
        }
        bytes
    }
}

/// The files, as git sees them.
fn content(seen: Seen) -> Vec<(Vec<u8>, u32, Option<Vec<u8>>)> {
    let files = seen.into_iter().filter(|(_, (_, bytes))| bytes.is_some());
    files.map(|(path, (mode, bytes))| (path, mode & 0o100, bytes)).collect()
}

fn show((path, mode, bytes): &(Vec<u8>, u32, Option<Vec<u8>>)) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    format!("{} {mode:o} {}", text(path), text(bytes.as_deref().unwrap_or_default()))
}

#[test]
fn ten_thousand_random_edits_are_applied_and_taken_back_to_the_byte() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let lab = Lab::new();
    let dir = lab.repo.path().to_owned();
    for round in 0..EDITS / FILES {
        let mut files: Vec<_> = (0..FILES).map(|_| dice.file()).collect();
        for (n, lines) in files.iter().enumerate() {
            let path = format!("d{}/f{n}", n % 7);
            lab.repo.write(&path, dice.bytes(lines));
            lab.make_program(&path, [0o644, 0o600, 0o755, 0o700][dice.below(4)]);
        }
        lab.repo.commit("before");
        let before = look(&dir);
        for (n, lines) in files.iter_mut().enumerate() {
            let path = format!("d{}/f{n}", n % 7);
            if dice.one_in(12) {
                fs_err::remove_file(dir.join(&path)).unwrap();
                if dice.one_in(2) {
                    lab.repo.write(format!("new{round}/f{n}"), dice.bytes(lines));
                }
                continue;
            }
            dice.edit(lines);
            lab.repo.write(&path, dice.bytes(lines));
        }
        lab.repo.git(&["add", "-A"]);
        let context = format!("-U{}", 1 + dice.below(5));
        let text = lab.diff(&["--cached", "--text", "-M", &context]);
        let after = look(&dir);
        lab.repo.git(&["reset", "-q"]);
        // Back to the beginning, with its permissions, which git keeps only half.
        fs_err::remove_dir_all(dir.join(format!("new{round}"))).unwrap_or_default();
        for (path, (mode, bytes)) in &before {
            let path = std::str::from_utf8(path).unwrap();
            match bytes {
                Some(bytes) => {
                    lab.repo.write(path, bytes);
                    lab.make_program(path, *mode);
                }
                None => fs_err::create_dir_all(dir.join(path)).unwrap(),
            }
        }
        assert!(look(&dir) == before, "round {round}: the test itself is wrong");
        let shown = String::from_utf8_lossy(&text);
        let undo = apply(&dir, &text).unwrap_or_else(|why| panic!("round {round}: {why}\n{shown}"));
        let now = look(&dir);
        let (now, after) = (content(now), content(after));
        for (ours, gits) in now.iter().zip(&after) {
            assert!(ours == gits, "round {round}: {:?} and not {:?}\n{shown}", show(ours), show(gits));
        }
        assert_eq!(now.len(), after.len(), "round {round}\n{shown}");
        undo.carry_out(&Tree::open(&dir).unwrap()).unwrap();
        assert!(look(&dir) == before, "round {round}: not taken back\n{shown}");
    }
}
