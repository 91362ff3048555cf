//! Programs that are there, missing, old, or silent.

use std::{ffi::OsString, os::unix::fs::PermissionsExt};

use biplane_execution::{
    agents::{
        DriverName,
        find::{Fitness, Version, check, find},
        presets::{PRESETS, preset},
    },
    supervise::EnvChanges,
};

#[test]
fn versions_are_found_in_what_programs_say() {
    let table = [
        ("2.1.197 (Claude Code)", Some((2, 1, 197))),
        ("codex-cli 0.169.0\n", Some((0, 169, 0))),
        ("GitHub Copilot CLI 1.0.102.\nCommit: 1234", Some((1, 0, 102))),
        ("v0.15.10-nightly.1", Some((0, 15, 10))),
        ("1.2", None),
        ("", None),
    ];
    for (text, expected) in table {
        let expected = expected.map(|(major, minor, patch)| Version { major, minor, patch });
        assert_eq!(Version::in_text(text), expected, "{text}");
    }
    assert!(Version::in_text("0.9.20") < Version::in_text("0.10.1"));
}

#[test]
fn presets_are_consistent() {
    for known in &PRESETS {
        assert_eq!(preset(known.name), Some(known));
        assert_ne!(known.driver, DriverName::Command);
        assert!(known.install.starts_with("npm install -g ") && known.memory > 0);
        assert_eq!(known.command()[0], known.program);
    }
    assert_eq!(preset("aider"), None);
}

#[test]
fn a_program_is_judged_by_its_version() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = OsString::from(format!("/nowhere:{}", dir.path().display()));
    let file = dir.path().join("claude");
    let claude = preset("claude").expect("it is known");
    let judge = || check(claude, claude.program, Some(&path), &EnvChanges::default());
    assert!(matches!(judge(), Fitness::Missing));
    let say = |script: &str, mode| {
        fs_err::write(&file, format!("#!/bin/sh\n{script}\n")).expect("it can be written");
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("it is ours");
        judge()
    };
    assert!(matches!(say("echo 9.0.0", 0o644), Fitness::Missing));
    assert!(
        matches!(say("echo 9.0.1", 0o755), Fitness::Fits { version, .. } if version.to_string() == "9.0.1")
    );
    assert!(matches!(say("echo 0.9.9", 0o755), Fitness::TooOld { version, .. } if version.minor == 9));
    assert!(matches!(say("echo 9.0.1; exit 1", 0o755), Fitness::Unknown { .. }));
    assert!(matches!(say("echo hello", 0o755), Fitness::Unknown { .. }));
    assert_eq!(find("sh", None), None);
    assert_eq!(find("/bin/sh", None), Some("/bin/sh".into()));
}
