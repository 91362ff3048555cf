//! What the settings may say of the built-in agent, and what is said when they don't.

use biplane_testkit::standin::{Answer, Turn};

use crate::lab::Lab;

fn said(settings: &str, code: i32) -> String {
    let lab = Lab::new("anthropic", "edits", "", |_: &Turn| Answer::text("Done."));
    lab.ok(&["task", "create", "do it"]);
    lab.repo.write("biplane.toml", settings);
    lab.call(&["up", "--no-gate"]).env_remove("ANTHROPIC_API_KEY").run().fails_with(code).stderr
}

#[test]
fn what_is_missing_or_makes_no_sense_is_told_before_anything_is_begun() {
    let table = [
        ("agent = \"builtin\"", 2, "agent `builtin` has no model"),
        ("agent = \"builtin\"\n[agents.builtin]\nmax = 2", 2, "the built-in agent needs a `model`"),
        (
            "agent = \"builtin\"\n[agents.builtin]\nmodel = \"m\"",
            5,
            "the variable `ANTHROPIC_API_KEY` holds no key for its model",
        ),
        (
            "agent = \"b\"\n[agents.b]\ndriver = \"builtin\"\nmodel = \"m\"\nkey = \"NOT_THERE\"",
            5,
            "the variable `NOT_THERE` holds no key",
        ),
        (
            "[agents.builtin]\nmodel = \"m\"\nkey = \"sk-ant-1234\"",
            2,
            "the name of the variable that holds the key, not the key",
        ),
        ("[agents.builtin]\nmodel = \"m\"\ncontext = 1", 2, "use 4000 to 10000000"),
        ("[agents.builtin]\nmodel = \"m\"\nprotocol = \"smtp\"", 2, "smtp"),
        ("[agents.claude]\nmodel = \"m\"", 2, "are for the built-in agent"),
    ];
    for (settings, code, expected) in table {
        let said = said(settings, code);
        assert!(said.contains(expected), "{settings}: {said}");
    }
}
