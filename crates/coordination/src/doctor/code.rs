//! The stable words for what an examination finds, so that a program can act on them.

use serde::{Serialize, Serializer};

use super::Area;

macro_rules! codes {
    ($($area:ident { $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal ),+ $(,)? })+) => {
        /// What a finding is about. The words are stable; new ones may come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($( $(#[doc = $doc])+ $variant ),+),+ }

        impl Code {
            /// Every code, by area.
            pub const ALL: &'static [Self] = &[$($(Self::$variant),+),+];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $($(Self::$variant => $word),+),+ }
            }

            /// Where it belongs.
            pub fn area(self) -> Area {
                match self { $($(Self::$variant => Area::$area),+),+ }
            }

            /// What it says, for the reference.
            pub fn meaning(self) -> String {
                let lines: &[&str] = match self { $($(Self::$variant => &[$($doc),+]),+),+ };
                lines.iter().map(|l| l.trim()).collect::<Vec<_>>().join(" ")
            }
        }
    };
}

codes! {
    Environment {
        /// A whole part was looked at, and nothing is wrong in it; the area is that of the part.
        Examined = "examined",
        /// A part could not be looked at, so that it is unknown; the area is that of the part.
        Unexamined = "unexamined",
        /// The git program.
        EnvironmentGit = "environment.git",
        /// The shell that gates need.
        EnvironmentShell = "environment.shell",
        /// The directory that the ledger lies in.
        EnvironmentPlace = "environment.place",
        /// Free space.
        EnvironmentSpace = "environment.space",
        /// The kind of the file system.
        EnvironmentFileSystem = "environment.file_system",
        /// File locks.
        EnvironmentLocks = "environment.locks",
        /// Replacing a file by renaming another.
        EnvironmentRenaming = "environment.renaming",
        /// Times of modification.
        EnvironmentTimes = "environment.times",
        /// Names that differ in case only.
        EnvironmentNames = "environment.names",
        /// `biplane.toml` can't be read; the rest was examined with the values that hold without it.
        SettingsBroken = "settings.broken",
    }
    Ledger {
        /// The ledger is whole.
        LedgerWhole = "ledger.whole",
        /// There is no ledger and no board yet.
        LedgerNone = "ledger.none",
        /// There is no ledger, or an empty one, but there are views that biplane has written.
        LedgerLost = "ledger.lost",
        /// The ledger is damaged.
        LedgerDamaged = "ledger.damaged",
        /// The ledger can't be used by this program: it is newer, busy, or can't be read.
        LedgerUnusable = "ledger.unusable",
        /// There is a board that biplane's ledger does not know.
        BoardForeign = "board.foreign",
        /// A run's supervisor died.
        RunDead = "run.dead",
        /// A worktree was half created.
        WorktreeHalfCreated = "worktree.half_created",
        /// A worktree was half removed.
        WorktreeHalfRemoved = "worktree.half_removed",
        /// A submission was being tested or landed by a process that died.
        SubmissionDead = "submission.dead",
        /// A claim is void: its holder died, or its lease ran out.
        ClaimVoid = "claim.void",
        /// A directory or a file that biplane made for itself was left behind.
        ScratchLeft = "scratch.left",
        /// Something else that a dead process had begun and not ended.
        IntentOpen = "intent.open",
        /// Whether the process that is at something lives can't be told from here.
        ProcessUnknown = "process.unknown",
        /// A task and the worktree that is bound to it say different things.
        BindingMismatch = "binding.mismatch",
        /// A worktree is bound to a task that does not exist.
        BindingDangling = "binding.dangling",
        /// A task waits for one that does not exist.
        DependencyMissing = "dependency.missing",
        /// A submission waits whose worktree is removed.
        SubmissionOrphan = "submission.orphan",
    }
    Views {
        /// A view is not what the ledger says.
        ViewDamaged = "view.damaged",
        /// A file stands among the views of tasks that the ledger does not know.
        ViewForeign = "view.foreign",
        /// An entry is missing that keeps the views out of commits.
        ViewNotExcluded = "view.not_excluded",
        /// Git tracks views or worktrees.
        ViewTracked = "view.tracked",
    }
    Git {
        /// A further repository is not there, is none, or belongs to another home.
        RepositoryOutOfReach = "repository.out_of_reach",
        /// A further repository does not know its home yet.
        RepositoryUnclaimed = "repository.unclaimed",
        /// A further repository belongs to a home that is not where it was.
        RepositoryHomeMoved = "repository.home_moved",
        /// Records are about a further repository that the settings don't list.
        RepositoryUnlisted = "repository.unlisted",
        /// The home is no git repository.
        RepositoryNone = "repository.none",
        /// The repository, or the directory of its worktrees, was moved or copied: a worktree's links name the old place.
        RepositoryMoved = "repository.moved",
        /// A worktree was moved, and git knows where to.
        WorktreeMoved = "worktree.moved",
        /// A worktree's directory, git's entry and the record don't name each other.
        WorktreeUnproved = "worktree.unproved",
        /// The branch of a worktree is gone.
        WorktreeBranchGone = "worktree.branch_gone",
        /// A worktree is on another branch than its own.
        WorktreeOtherBranch = "worktree.other_branch",
        /// Git has a worktree locked against removal.
        WorktreeLocked = "worktree.locked",
        /// Git has a worktree that the ledger does not know.
        WorktreeStranger = "worktree.stranger",
        /// An entry of git's for a worktree names a directory that is not there, and the ledger does not know it.
        EntryMissing = "entry.missing",
        /// An entry of git's for a worktree lacks what an entry must have.
        EntryHalfDeleted = "entry.half_deleted",
        /// An entry is locked as by a git that is just adding it, and none is.
        EntryInitializing = "entry.initializing",
        /// A branch of a removed worktree is left, and the target has all of it.
        BranchLeftover = "branch.leftover",
        /// A branch below `wt/` belongs to no worktree.
        BranchOrphan = "branch.orphan",
        /// A ref holds a commit for a submission that the ledger does not know.
        PinUnknown = "pin.unknown",
        /// The ref of a submission that is over is left.
        PinLeftover = "pin.leftover",
        /// No ref holds the commit of a submission that waits.
        PinMissing = "pin.missing",
        /// The commit of a submission that waits is not in the repository.
        CommitMissing = "commit.missing",
        /// A lock of git's is old, nobody holds it, and it stops git.
        LockStale = "lock.stale",
        /// A lock of git's is old, and whether somebody holds it can't be told.
        LockUnknown = "lock.unknown",
        /// There is no target.
        TargetMissing = "target.missing",
        /// The target has commits since the last landing that did not land through biplane.
        TargetMoved = "target.moved",
        /// The main checkout is on no branch.
        CheckoutDetached = "checkout.detached",
        /// The main checkout shows the files from before something landed.
        CheckoutLagging = "checkout.lagging",
        /// `core.bare` says that a repository with a checkout has none.
        ConfigBare = "config.bare",
        /// `core.worktree` in the shared configuration names another directory than the main checkout.
        ConfigWorktree = "config.worktree",
        /// `core.hooksPath` in the shared configuration lets every checkout run what lies there.
        ConfigHooks = "config.hooks",
        /// The shared configuration defines a filter, which runs a command at each checkout.
        ConfigFilter = "config.filter",
        /// The repository has an extension that biplane does not know.
        ConfigExtension = "config.extension",
        /// Git is told to forget missing worktrees at once.
        ConfigPrune = "config.prune",
    }
    Disk {
        /// A worktree's directory and git's entry are both gone.
        WorktreeGone = "worktree.gone",
        /// A worktree's directory is not there, but git's entry is.
        WorktreeMissing = "worktree.missing",
        /// A worktree can't be looked at.
        WorktreeUnreadable = "worktree.unreadable",
        /// A directory lies among the worktrees that neither the ledger nor git knows.
        DirectoryOrphan = "directory.orphan",
        /// A directory of a run is there, and no record of it.
        RunUnrecorded = "run.unrecorded",
        /// A run's record is there, and no directory with its log.
        RunWithoutLog = "run.without_log",
        /// How much the worktrees and what lies beside them take.
        DiskUse = "disk.use",
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_have_a_meaning() {
        let mut seen = std::collections::HashSet::new();
        for &code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code:?}");
            assert!(code.meaning().ends_with('.'), "{code:?}: {}", code.meaning());
        }
    }
}
