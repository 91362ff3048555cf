//! Which command tests a project, guessed from what lies in its root.

use camino::Utf8Path;

/// The test command of the project at `root`: cargo, npm, go, pytest or make. `None` when nothing is certain enough.
pub fn guess_gate(root: &Utf8Path) -> Option<&'static str> {
    let has = |name: &str| root.join(name).is_file();
    let says = |name: &str, word: &str| {
        std::fs::read_to_string(root.join(name))
            .is_ok_and(|text| text.lines().any(|line| line.contains(word)))
    };
    if has("Cargo.toml") {
        return Some("cargo test");
    }
    if has("package.json") && has_npm_test(root) {
        return Some("npm test");
    }
    if has("go.mod") {
        return Some("go test ./...");
    }
    let pytest = has("pytest.ini")
        || has("conftest.py")
        || says("pyproject.toml", "[tool.pytest")
        || says("setup.cfg", "[tool:pytest]")
        || says("tox.ini", "[pytest]")
        || root.join("tests").join("conftest.py").is_file();
    if pytest {
        return Some("python3 -m pytest");
    }
    let makefile = ["GNUmakefile", "makefile", "Makefile"].into_iter().find(|name| has(name))?;
    let text = std::fs::read_to_string(root.join(makefile)).ok()?;
    let has_target =
        |target: &str| text.lines().any(|line| line.split(':').next() == Some(target) && line.contains(':'));
    if has_target("test") {
        return Some("make test");
    }
    has_target("check").then_some("make check")
}

/// Whether `package.json` has a test script other than the one that `npm init` writes.
fn has_npm_test(root: &Utf8Path) -> bool {
    let Ok(text) = std::fs::read_to_string(root.join("package.json")) else { return false };
    let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) else { return false };
    json["scripts"]["test"].as_str().is_some_and(|script| !script.contains("no test specified"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        for (name, text, gate) in [
            ("Cargo.toml", "", Some("cargo test")),
            ("package.json", r#"{"scripts":{"test":"vitest"}}"#, Some("npm test")),
            ("package.json", r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#, None),
            ("package.json", "{}", None),
            ("go.mod", "", Some("go test ./...")),
            ("pyproject.toml", "[tool.pytest.ini_options]\n", Some("python3 -m pytest")),
            ("pyproject.toml", "[project]\n", None),
            ("Makefile", "all:\n\ttrue\ntest: all\n\ttrue\n", Some("make test")),
            ("Makefile", "all:\n\ttest -e x\n", None),
            ("README.md", "", None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(name), text).unwrap();
            assert_eq!(guess_gate(Utf8Path::from_path(dir.path()).unwrap()), gate, "{name}: {text}");
        }
    }
}
