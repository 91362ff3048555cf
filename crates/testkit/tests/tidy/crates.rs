//! Which crate may use which.

use toml::{Table, Value};

use crate::tree::Tree;

/// The crates of the workspace, and which of them each may use.
const LAYERS: [(&str, &[&str]); 10] = [
    ("biplane-failpoint", &[]),
    ("biplane-model", &[]),
    ("biplane-control", &["biplane-failpoint", "biplane-model"]),
    ("biplane-execution", &["biplane-failpoint", "biplane-model"]),
    ("biplane-coordination", &["biplane-control", "biplane-execution", "biplane-failpoint", "biplane-model"]),
    ("biplane-mcp", &["biplane-coordination", "biplane-model"]),
    ("biplane-agent", &["biplane-execution", "biplane-failpoint", "biplane-model"]),
    ("biplane-chat", &["biplane-agent", "biplane-coordination", "biplane-mcp", "biplane-model"]),
    ("biplane", &["biplane-agent", "biplane-chat", "biplane-coordination", "biplane-mcp", "biplane-model"]),
    (TESTKIT, &[]),
];

/// What every crate but the lowest may use in its tests.
const TESTKIT: &str = "biplane-testkit";

/// A crate and the crates of the workspace that it uses.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    name: String,
    normal: Vec<String>,
    dev: Vec<String>,
}

/// The manifests under `crates/`.
pub(crate) fn manifests(tree: &Tree) -> Vec<Manifest> {
    let manifests = tree.ending_in("Cargo.toml").filter(|f| f.path.starts_with("crates"));
    manifests.map(|f| Manifest::parse(&f.text)).collect()
}

impl Manifest {
    fn parse(text: &str) -> Self {
        let manifest: Table = text.parse().expect("cargo has read it before");
        let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
        let mut found = Self { name, ..Self::default() };
        found.add(&manifest);
        for target in tables(manifest.get("target")) {
            found.add(target);
        }
        found
    }

    fn add(&mut self, section: &Table) {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let into = if kind == "dev-dependencies" { &mut self.dev } else { &mut self.normal };
            for (key, value) in section.get(kind).and_then(Value::as_table).into_iter().flatten() {
                // A dependency may bear another name here.
                let name = value.get("package").and_then(Value::as_str).unwrap_or(key);
                if name.starts_with("biplane") {
                    into.push(name.to_owned());
                }
            }
        }
    }
}

fn tables(value: Option<&Value>) -> impl Iterator<Item = &Table> {
    value.and_then(Value::as_table).into_iter().flat_map(|t| t.values()).filter_map(Value::as_table)
}

/// Uses that [`LAYERS`] does not allow, and crates it does not know.
pub(crate) fn boundaries(manifests: &[Manifest]) -> Vec<String> {
    let mut found = Vec::new();
    for Manifest { name, normal, dev } in manifests {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| layer == name) else {
            found.push(format!("{name}: say in `LAYERS` what it may use"));
            continue;
        };
        let good = |used: &&String| allowed.contains(&used.as_str());
        let lowest = name == "biplane-model" || name == TESTKIT;
        let good_in_tests = |used: &&String| good(used) || (!lowest && used.as_str() == TESTKIT);
        found.extend(normal.iter().filter(|u| !good(u)).map(|u| format!("{name} may not use {u}")));
        found.extend(
            dev.iter().filter(|u| !good_in_tests(u)).map(|u| format!("{name} may not test with {u}")),
        );
    }
    for (layer, _) in LAYERS {
        if !manifests.iter().any(|m| m.name == layer) {
            found.push(format!("{layer}: it is in `LAYERS`, but not in the workspace"));
        }
    }
    found
}

#[test]
fn a_use_across_layers_is_found() {
    let table = [
        (
            "biplane-control",
            "[dependencies]\nbiplane-execution.workspace = true",
            "control may not use biplane-execution",
        ),
        (
            "biplane-execution",
            "[dependencies.x]\npackage = \"biplane-control\"",
            "execution may not use biplane-control",
        ),
        (
            "biplane-model",
            "[dev-dependencies]\nbiplane-testkit.workspace = true",
            "may not test with biplane-testkit",
        ),
        (
            "biplane",
            "[target.'cfg(unix)'.dependencies]\nbiplane-control = \"1\"",
            "biplane may not use biplane-control",
        ),
        (
            "biplane",
            "[build-dependencies]\nbiplane-execution = \"1\"",
            "biplane may not use biplane-execution",
        ),
        ("biplane-control", "[dependencies]\nbiplane-testkit = \"1\"", "control may not use biplane-testkit"),
        (
            "biplane-control",
            "[dev-dependencies]\nbiplane-execution = \"1\"",
            "may not test with biplane-execution",
        ),
        ("biplane-extra", "", "say in `LAYERS`"),
        ("biplane", "[dependencies]\nbiplane-model = \"1\"\n[dev-dependencies]\nbiplane-testkit = \"1\"", ""),
    ];
    for (name, rest, expected) in table {
        let manifest = Manifest::parse(&format!("[package]\nname = \"{name}\"\n{rest}\n"));
        let found = boundaries(&[manifest]);
        let found = found.iter().filter(|f| !f.contains("not in the workspace")).collect::<Vec<_>>();
        match expected {
            "" => assert!(found.is_empty(), "{found:?}"),
            _ => assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}"),
        }
    }
    assert_eq!(boundaries(&[]).len(), LAYERS.len());
}
