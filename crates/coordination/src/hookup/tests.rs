//! What the edits make of texts, a table for each form; and that the way back leads to where one came from.

use proptest::prelude::*;

use super::{
    Edited, Fault, Part,
    programs::{HookupProgram, claude_hooks},
};

fn server(program: HookupProgram) -> Part {
    program.server(None, "biplane")
}

#[track_caller]
fn put(part: &Part, before: Option<&str>) -> String {
    let edited = part.put_in(before).expect("it can be put in");
    assert_eq!(edited.kept, None);
    let text = edited.text.expect("there is something in it");
    assert_eq!(part.put_in(Some(&text)), Ok(Edited::same(Some(&text))), "a second time changes nothing");
    assert!(part.is_in(&text));
    assert_eq!(part.take_out(Some(&text)), Ok(Edited::same(before)), "the way back from {text:?}");
    text
}

#[test]
fn a_file_is_made() {
    assert_eq!(
        put(&server(HookupProgram::Claude), None),
        "{\n  \"mcpServers\": {\n    \"biplane\": {\n      \"command\": \"biplane\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n"
    );
    assert_eq!(
        put(&server(HookupProgram::OpenCode), None),
        "{\n  \"mcp\": {\n    \"biplane\": {\n      \"type\": \"local\",\n      \"command\": [\"biplane\", \"mcp\"]\n    }\n  }\n}\n"
    );
    assert_eq!(
        put(&server(HookupProgram::Codex), None),
        "[mcp_servers.biplane]\ncommand = \"biplane\"\nargs = [\"mcp\"]\n"
    );
    let section = put(&Part::Section, None);
    assert!(section.lines().count() < 25 && section.ends_with("<!-- biplane:end -->\n"), "{section}");
}

#[test]
fn members_are_put_behind_the_last_in_its_manner() {
    let entry = r#""biplane": {"command": "biplane", "args": ["mcp"]}"#;
    let lines = "\"biplane\": {\n      \"command\": \"biplane\",\n      \"args\": [\"mcp\"]\n    }";
    let rows = [
        (r#"{"a":1}"#.to_owned(), format!(r#"{{"a":1,"mcpServers": {{{entry}}}}}"#)),
        (r#"{ "a": 1 }"#.to_owned(), format!(r#"{{ "a": 1, "mcpServers": {{{entry}}} }}"#)),
        ("{}".to_owned(), format!(r#"{{ "mcpServers": {{{entry}}} }}"#)),
        ("{\n}\n".to_owned(), format!("{{ \"mcpServers\": {{{entry}}} \n}}\n")),
        (r#"{"mcpServers": {}}"#.to_owned(), format!(r#"{{"mcpServers": {{ {entry} }}}}"#)),
        (
            "{\n  \"mcpServers\": {\n    \"x\": {}\n  }\n}".to_owned(),
            format!("{{\n  \"mcpServers\": {{\n    \"x\": {{}},\n    {lines}\n  }}\n}}"),
        ),
        (
            "{\n  \"mcpServers\": {\n    \"x\": {}, // why\n  },\n}\n".to_owned(),
            format!("{{\n  \"mcpServers\": {{\n    \"x\": {{}}, // why\n    {lines},\n  }},\n}}\n"),
        ),
        (
            "{\n  \"mcpServers\": {\n    \"x\": {} /* why */  \n  }\n}\n".to_owned(),
            format!("{{\n  \"mcpServers\": {{\n    \"x\": {{}}, /* why */\n    {lines}  \n  }}\n}}\n"),
        ),
    ];
    for (before, after) in rows {
        assert_eq!(put(&server(HookupProgram::Claude), Some(&before)), after);
        assert_eq!(
            put(&server(HookupProgram::Claude), Some(&before.replace('\n', "\r\n"))),
            after.replace('\n', "\r\n")
        );
    }
    let tabs = put(&server(HookupProgram::Gemini), Some("{\n\t\"a\": 1\n}\n"));
    assert!(tabs.contains("\n\t\"mcpServers\": {\n\t\t\"biplane\": {\n\t\t\t\"command\""), "{tabs}");
}

#[test]
fn a_file_that_is_empty_stays_when_ours_is_taken_out() {
    for before in ["", "\n", " \n", "\r\n"] {
        put(&server(HookupProgram::Qwen), Some(before));
        put(&server(HookupProgram::Codex), Some(before));
        put(&Part::Section, Some(before));
    }
}

#[test]
fn the_second_generation_of_opencode_keeps_its_form() {
    let before = "{\n  \"mcp\": {\n    \"servers\": {}\n  }\n}\n";
    let part = HookupProgram::OpenCode.server(Some(before), "biplane");
    let after = put(&part, Some(before));
    assert!(
        after.contains(r#""servers": { "biplane": {"type": "local", "command": ["biplane", "mcp"]} }"#),
        "{after}"
    );
    let first = "{\"mcp\": {\"servers\": {\"type\": \"remote\"}}}";
    assert!(
        put(&HookupProgram::OpenCode.server(Some(first), "biplane"), Some(first))
            .contains("},\"biplane\": {")
    );
}

#[test]
fn tables_of_codex() {
    let before = "# mine\nmodel = \"m\" # why\n\n[mcp_servers.x]\ncommand = 'y'";
    let after = put(&server(HookupProgram::Codex), Some(before));
    assert_eq!(after, format!("{before}\n\n[mcp_servers.biplane]\ncommand = \"biplane\"\nargs = [\"mcp\"]"));
    for before in [
        "mcp_servers.x.command = \"y\"\n",
        "[mcp_servers]\n",
        "s = \"\"\"\n[mcp_servers.biplane]\n\"\"\"\n",
        "a = 1\r\n",
    ] {
        put(&server(HookupProgram::Codex), Some(before));
    }
    // What somebody has put behind it stays.
    let further = format!("{after}\n\n# theirs\n[z]\n");
    let without = server(HookupProgram::Codex).take_out(Some(&further)).expect("it can be taken out").text;
    assert_eq!(without.as_deref(), Some(format!("{before}\n\n# theirs\n[z]\n").as_str()));
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    let claude = server(HookupProgram::Claude);
    let line = |part: &Part, text: &str| match (part.put_in(Some(text)), part.take_out(Some(text))) {
        (Err(Fault::Unparseable { line, why }), Err(Fault::Unparseable { .. })) => {
            assert!(!why.is_empty());
            line
        }
        other => panic!("{text:?}: {other:?}"),
    };
    assert_eq!(line(&claude, "{\n  \"a\": 1,\n  \"b\"\n}"), 4);
    for text in
        ["[]", "1", "\"x\"", "{\"a\": 0x1}", "{a: 1}", "{'a': 1}", "{}{}", "\u{feff}x", "{\"a\": .5}", "{,}"]
    {
        line(&claude, text);
    }
    line(&claude, &"[".repeat(100_000));
    assert_eq!(line(&server(HookupProgram::Codex), "a = 1\nb = \n"), 2);
    let inline = server(HookupProgram::Codex).put_in(Some("mcp_servers = { x = { command = \"y\" } }\n"));
    assert_eq!(inline, Err(Fault::Form), "an inline table can't be added to from outside");
    let shape = |at: &str, wanted| Err(Fault::Shape { at: at.to_owned(), wanted });
    assert_eq!(claude.put_in(Some("{\"mcpServers\": []}")), shape("mcpServers", "an object"));
    assert_eq!(
        server(HookupProgram::Codex).put_in(Some("mcp_servers = 1\n")),
        shape("mcp_servers", "a table")
    );
    let twice = claude.put_in(Some("{\"mcpServers\": {}, \"mcpServers\": {}}"));
    assert_eq!(twice, Err(Fault::Twice { at: "mcpServers".to_owned() }));
}

#[test]
fn what_bears_our_name_and_is_not_ours_is_left_alone() {
    let rows = [
        (HookupProgram::Claude, "mcpServers.biplane", r#"{"mcpServers": {"biplane": {"url": "https://x"}}}"#),
        (
            HookupProgram::Claude,
            "mcpServers.biplane",
            r#"{"mcpServers": {"biplane": {"command": "other", "args": ["mcp"]}}}"#,
        ),
        (HookupProgram::Claude, "mcpServers.biplane", r#"{"mcpServers": {"biplane": null}}"#),
        (HookupProgram::OpenCode, "mcp.biplane", r#"{"mcp": {"biplane": {"type": "remote", "url": "x"}}}"#),
        (HookupProgram::Codex, "mcp_servers.biplane", "[mcp_servers.biplane]\nurl = \"x\"\n"),
    ];
    for (program, at, text) in rows {
        let part = server(program);
        assert_eq!(part.put_in(Some(text)), Err(Fault::Foreign { at: at.to_owned() }), "{text}");
        assert_eq!(part.take_out(Some(text)), Ok(Edited::kept(text, at)), "{text}");
    }
    let theirs = r#"{"hooks": {"WorktreeCreate": [{"hooks": [{"type": "command", "command": "mk"}]}]}}"#;
    assert!(matches!(claude_hooks("biplane")[0].put_in(Some(theirs)), Err(Fault::Foreign { .. })));
}

#[test]
fn what_somebody_has_changed_is_left_as_it_is() {
    let rows = [
        (
            HookupProgram::Claude,
            r#"{"mcpServers": {"biplane": {"command": "biplane", "args": ["mcp"], "env": {"A": "b"}}}}"#,
        ),
        (
            HookupProgram::OpenCode,
            r#"{"mcp": {"biplane": {"type": "local", "command": ["biplane", "mcp"], "enabled": false}}}"#,
        ),
        (HookupProgram::Codex, "[mcp_servers.biplane]\ncommand = \"biplane\"\nargs = [\"mcp\", \"--x\"]\n"),
    ];
    for (program, text) in rows {
        for edited in [server(program).put_in(Some(text)), server(program).take_out(Some(text))] {
            let edited = edited.expect("it can be read");
            assert_eq!((edited.text.as_deref(), edited.kept.is_some()), (Some(text), true), "{text}");
        }
        assert!(server(program).is_in(text));
    }
}

#[test]
fn the_path_of_the_program_is_brought_up_to_date() {
    for program in HookupProgram::ALL {
        for before in [None, Some("")] {
            let old = program.server(None, "/opt/b in/biplane").put_in(before).expect("put in").text;
            let new = server(program).put_in(old.as_deref()).expect("put in").text;
            assert_eq!(new, server(program).put_in(before).expect("put in").text);
        }
    }
    let [create, _] = claude_hooks("/opt/b in/biplane");
    let old = create.put_in(Some("{\n    \"a\": 1\n}")).expect("put in").text.expect("a text");
    assert!(old.contains("'/opt/b in/biplane' hook claude worktree-create"), "{old}");
    let [create, _] = claude_hooks("biplane");
    assert_eq!(
        create.put_in(Some(&old)).expect("put in").text,
        create.put_in(Some("{\n    \"a\": 1\n}")).expect("put in").text
    );
}

#[test]
fn a_section_that_is_old_is_replaced_where_it_stands() {
    for eol in ["\n", "\r\n"] {
        let text =
            format!("# A{eol}{eol}<!-- biplane:begin -->{eol}old{eol}<!-- biplane:end -->{eol}{eol}after");
        let edited = Part::Section.put_in(Some(&text)).expect("put in").text.expect("a text");
        assert!(edited.starts_with(&format!("# A{eol}{eol}<!-- biplane:begin -->{eol}## ")), "{edited:?}");
        assert!(edited.ends_with(&format!("<!-- biplane:end -->{eol}{eol}after")));
        assert_eq!(edited.matches('\n').count(), edited.matches(eol).count());
        let without = Part::Section.take_out(Some(&edited)).expect("take out").text;
        assert_eq!(without, Some(format!("# A{eol}{eol}after")));
    }
}

#[test]
fn what_others_have_put_around_it_since_stays() {
    let ours = r#""biplane": {"command": "biplane", "args": ["mcp"]}"#;
    let ours_root = format!("\"mcpServers\": {{{ours}}}");
    let rows = [
        (format!("{{\"mcpServers\": {{{ours}, \"x\": {{}}}}}}"), "{\"mcpServers\": { \"x\": {}}}"),
        (format!("{{\n  \"mcpServers\": {{\n    {ours}\n  }}\n}}"), ""),
        (format!("{{\n  \"mcpServers\": {{\n    {ours}\n  }},\n  \"a\": 1\n}}\n"), "{\n  \"a\": 1\n}\n"),
        (
            format!("{{\n  \"mcpServers\": {{\n    // why\n    {ours} /* so */ ,\n    \"x\": 1,\n  }}\n}}\n"),
            "{\n  \"mcpServers\": {\n    // why\n /* so */ \n    \"x\": 1,\n  }\n}\n",
        ),
        (format!("{{\"mcpServers\": {{ // why\n{ours}}}}}"), "{\"mcpServers\": { // why\n}}"),
        (format!("{{\"a\": \"http://x\",\n{ours_root}}}"), "{\"a\": \"http://x\"}"),
        (format!("// top\n{{\"mcpServers\": {{{ours}}}}}\n"), "// top\n{}\n"),
        (format!("{{\"a\": 1 /* b */ , /* c */ \"mcpServers\": {{{ours}}}}}"), "{\"a\": 1 /* b */  /* c */}"),
    ];
    for (text, rest) in rows {
        let edited = server(HookupProgram::Claude).take_out(Some(&text));
        let rest = Some(rest).filter(|rest| !rest.is_empty()).map(str::to_owned);
        assert_eq!(edited, Ok(Edited::to(rest)), "{text}");
    }
}

#[test]
fn marks_without_their_other_half_are_refused() {
    let (begin, end) = ("<!-- biplane:begin -->\n", "<!-- biplane:end -->\n");
    for (text, line) in [
        (format!("x\n{begin}"), 2),
        (end.to_owned(), 1),
        (format!("{end}{begin}"), 1),
        (format!("{begin}{end}{begin}"), 3),
        (format!("{begin}{begin}{end}"), 1),
    ] {
        assert_eq!(Part::Section.put_in(Some(&text)), Err(Fault::Unpaired { line }), "{text}");
        assert_eq!(Part::Section.take_out(Some(&text)), Err(Fault::Unpaired { line }), "{text}");
    }
    // One that is spoken of is none.
    put(&Part::Section, Some("the mark `<!-- biplane:begin -->` begins it\n"));
}

#[test]
fn what_gemini_reads_instead() {
    let reads = |settings: &str| HookupProgram::Gemini.instructions(|_| Some(settings.to_owned()));
    assert_eq!(reads("{}"), "GEMINI.md");
    assert_eq!(reads(r#"{"context": {"fileName": ["X.md", "AGENTS.md"]}}"#), "AGENTS.md");
    assert_eq!(reads(r#"{"context": {"fileName": "X.md"}} // why"#), "X.md");
    assert_eq!(reads(r#"{"context": {"fileName": "../../etc/passwd"}}"#), "GEMINI.md");
    let claude = |text: &str| HookupProgram::Claude.instructions(|_| Some(text.to_owned()));
    assert_eq!(
        (claude("x\n@AGENTS.md\n"), claude("see @AGENTS.md\n")),
        ("AGENTS.md".to_owned(), "CLAUDE.md".to_owned())
    );
}

/// Blanks and comments between values.
fn blank() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ \t]{0,2}",
        4 => "(\r?\n)[ \t]{0,4}",
        1 => "[ ]{0,2}/\\*[ a\n]{0,3}\\*/[ ]{0,2}",
        1 => " ?// ?[a,}\"]{0,3} {0,2}\r?\n",
    ]
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("null".to_owned()),
        Just("[ 1,\n2 ]".to_owned()),
        "\"[a-z{},\\[/ ]{0,6}\""
    ];
    let name = prop_oneof![
        2 => Just("mcpServers"), 2 => Just("hooks"), 1 => Just("WorktreeRemove"), 1 => Just("mcp"), 1 => Just("servers"),
        4 => Just("a"), 2 => Just("b")
    ];
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        let member = (blank(), name.clone(), blank(), blank(), inner, blank());
        (prop::collection::vec(member, 0..4), blank(), any::<bool>()).prop_map(|(members, end, comma)| {
            let mut names = Vec::new();
            let mut out = Vec::new();
            for (a, name, b, c, value, d) in members {
                if !names.contains(&name) {
                    names.push(name);
                    out.push(format!("{a}\"{name}\"{b}:{c}{value}{d}"));
                }
            }
            let comma = if comma && !out.is_empty() { "," } else { "" };
            format!("{{{}{comma}{end}}}", out.join(","))
        })
    });
    (blank(), value, blank()).prop_map(|(a, value, b)| format!("{a}{value}{b}"))
}

fn parts() -> Vec<Vec<Part>> {
    let mut all: Vec<Vec<Part>> = HookupProgram::ALL.iter().map(|p| vec![server(*p)]).collect();
    all.push(claude_hooks("/opt/b in/biplane").to_vec());
    all.push(vec![HookupProgram::OpenCode.server(Some(r#"{"mcp":{"servers":{}}}"#), "biplane")]);
    all.push(vec![Part::Section]);
    all
}

/// Puts parts in and takes them out again, where they can be.
fn there_and_back(before: &str, parts: &[Part]) -> Result<bool, TestCaseError> {
    let mut text = before.to_owned();
    for part in parts {
        match part.put_in(Some(&text)) {
            Ok(Edited { text: Some(fresh), kept: None }) if fresh != text => text = fresh,
            _ => return Ok(false),
        }
    }
    for part in parts {
        prop_assert_eq!(part.put_in(Some(&text)), Ok(Edited::same(Some(&text))), "again");
    }
    let mut back = Some(text.clone());
    for part in parts.iter().rev() {
        back = part.take_out(back.as_deref()).expect("what was written can be read").text;
    }
    prop_assert_eq!(back.as_deref(), Some(before), "by way of {:?}", text);
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_way_back_from_any_json(text in json()) {
        for parts in parts() {
            there_and_back(&text, &parts)?;
        }
    }

    #[test]
    fn the_way_back_from_any_text(text in "[ab#\\[\\]={}\",\r\n \t\u{e9}]{0,40}") {
        for parts in parts() {
            there_and_back(&text, &parts)?;
        }
    }

    #[test]
    fn the_way_back_from_any_toml(lines in prop::collection::vec(
        prop::sample::select(vec!["", "# c", "[a]", "x = 1", "\"y\" = 'z' # d", "[mcp_servers.o]", "[mcp_servers]", "[[t]]", "  "]), 0..8),
        eol in prop::sample::select(vec!["\n", "\r\n"]), ends in any::<bool>())
    {
        let text = lines.join(eol) + if ends { eol } else { "" };
        for parts in parts() {
            there_and_back(&text, &parts)?;
        }
    }
}

#[test]
fn most_of_what_is_tried_can_be_edited() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut went = 0;
    for _ in 0..200 {
        let text = json().new_tree(&mut runner).expect("a text").current();
        went += parts().iter().filter(|parts| there_and_back(&text, parts).expect("back")).count();
    }
    assert!(went > 400, "{went}");
}
