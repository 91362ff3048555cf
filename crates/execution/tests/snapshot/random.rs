//! Random sequences of what agents do, each state saved, removed and brought back.

use proptest::prelude::*;

use biplane_execution::worktrees::Held;

use crate::lab::{Lab, is_equal};

const NAMES: [&str; 8] = ["a.txt", "b.txt", "dir/c.txt", "link", "x y", "deep/er/z", ".env", "-n"];

/// Something that an agent may do with the path `p` (and `q`), as a script; what fails does nothing.
const DEEDS: [&str; 24] = [
    "echo $RANDOM_WORD >> \"$p\"",
    "echo $RANDOM_WORD > \"$p\"",
    "rm -rf -- \"$p\"",
    "git add -- \"$p\"",
    "git add -f -- \"$p\"",
    "git add -N -- \"$p\"",
    "git add -A",
    "git rm -rq --cached -- \"$p\"",
    "git mv -- \"$p\" \"$q\"",
    "mv -- \"$p\" \"$q\"",
    "chmod +x -- \"$p\"",
    "chmod 600 -- \"$p\"",
    "ln -sfn -- \"$q\" \"$p\"",
    "rm -rf -- \"$p\"; mkdir -- \"$p\"",
    "rm -rf -- \"$p\"; mkdir -- \"$p\"; echo $RANDOM_WORD > \"$p/in\"",
    "git commit -qam work",
    "git checkout -q --detach",
    "git checkout -q wt/w",
    "git branch -f side; git checkout -q side",
    "git merge -q side || git merge -q --no-ff wt/w",
    "git cherry-pick wt/w",
    "git reset -q --soft HEAD~1",
    "git update-index --assume-unchanged -- \"$p\"",
    "git update-index --skip-worktree -- \"$p\"",
];

fn script() -> impl Strategy<Value = String> {
    let deed = (0..DEEDS.len(), 0..NAMES.len(), 0..NAMES.len(), 0..1000u32);
    prop::collection::vec(deed, 1..16).prop_map(|deeds| {
        let lines = deeds.into_iter().map(|(deed, p, q, word)| {
            let (p, q, deed) = (NAMES[p], NAMES[q], DEEDS[deed].replace("$RANDOM_WORD", &word.to_string()));
            format!("p='./{p}'; q='./{q}'; mkdir -p \"$(dirname \"$p\")\" || :; {{ {deed}; }} >&2 || :")
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// Each takes a second; more are for who has time.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_state_comes_back(script in script()) {
        let lab = Lab::new();
        let place = lab.worktree(&script);
        let before = lab.picture();
        let snapshot = lab.take(&place, Held::ByNothing).unwrap().expect("its head is held by nothing");
        lab.remove(&place);
        lab.restore(&snapshot);
        is_equal(&before, &lab.picture(), &script);
    }
}
