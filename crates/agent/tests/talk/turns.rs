//! Turns that go as they should, in each protocol.

use biplane_agent::{
    model::{Message, Part, Protocol},
    session::{Ended, Event, Limit, Session},
    tools::Wish,
    transcript::Transcript,
};
use biplane_model::Usage;
use biplane_testkit::standin::{self, Answer, Part as Say, steps};
use serde_json::json;

use crate::lab::Lab;

#[test]
fn tools_are_called_in_order_and_answered_in_every_protocol() {
    for protocol in Protocol::ALL {
        let script = steps([
            Answer::text("I look.")
                .and_call("read_file", json!({"path": "a.txt"}))
                .and_call("write_file", json!({"path": "new/b.txt", "content": "b\n"})),
            Answer::call("edit_file", json!({"path": "new/b.txt", "old_text": "b", "new_text": "c"}))
                .costs(standin::Usage { input: 50, cached: 7, output: 3 }),
        ]);
        let mut lab = Lab::new(protocol, script);
        lab.repo.write("a.txt", "hello\n");
        let ended = lab.turn("Do it.").unwrap();
        assert_eq!(ended, Ended::Done("Done.".to_owned()), "{protocol}");
        assert_eq!(lab.repo.read("new/b.txt"), "c\n");
        let answers: Vec<_> = lab.seen.answers();
        assert_eq!(answers[0], ("hello\n".to_owned(), false));
        let wish = |path: &str| vec![path.to_owned()];
        assert_eq!(
            lab.seen.wishes,
            [Wish::Read(wish("a.txt")), Wish::Edit(wish("new/b.txt")), Wish::Edit(wish("new/b.txt"))]
        );
        let used = lab.seen.events.iter().filter_map(|event| match event {
            Event::Used(usage) => Some(*usage),
            _ => None,
        });
        let sum = used.fold(Usage::default(), |mut sum, usage| {
            sum += usage;
            sum
        });
        let expected = Usage { input_tokens: 250, cached_tokens: 7, output_tokens: 23, cost_microusd: 0 };
        assert_eq!(sum, expected, "{protocol}");
        // The server was told what the tools said, in their order, and who the agent is.
        let turns = lab.model.turns();
        let results: Vec<_> = turns[1].results.iter().map(|result| result.text.as_str()).collect();
        assert_eq!(results, ["hello\n", "made `new/b.txt`, 2 bytes"], "{protocol}");
        let body = turns[2].body.to_string();
        for words in ["Your name: ann", "Your role: implementer", "Your task: t7", "Be brief."] {
            assert!(body.contains(words), "{protocol}: {words}");
        }
        assert_eq!((turns.len(), turns[0].prompt.as_str()), (3, "Do it."));
        let texts: Vec<_> = lab.seen.events.iter().filter(|e| matches!(e, Event::Message(_))).collect();
        assert_eq!(texts, [&Event::Message("I look.".to_owned()), &Event::Message("Done.".to_owned())]);
    }
}

#[test]
fn what_is_denied_is_not_done_and_the_model_is_told() {
    let script = steps([Answer::call("write_file", json!({"path": "a.txt", "content": "x"}))]);
    let mut lab = Lab::new(Protocol::Anthropic, script);
    lab.seen.denies = true;
    lab.turn("Do it.").unwrap();
    assert!(!lab.repo.path().join("a.txt").exists());
    assert_eq!(lab.seen.answers(), [("Not here.".to_owned(), true)]);
    assert!(lab.model.turns()[1].results[0].error);
}

#[test]
fn calls_that_make_no_sense_are_answered() {
    let script = steps([Answer::call("fly", json!({}))
        .and_call("read_file", json!({}))
        .and_call("read_file", json!("no object"))
        .and_call("read_file", json!({"path": "../x"}))]);
    let mut lab = Lab::new(Protocol::Openai, script);
    lab.turn("Do it.").unwrap();
    let answers = lab.seen.answers();
    let expected = ["no tool `fly`", "`path` is missing", "no JSON object", "leads outside"];
    for ((text, failed), expected) in answers.iter().zip(expected) {
        assert!(*failed && text.contains(expected), "{text}");
    }
    assert_eq!(answers.len(), 4);
}

#[test]
fn limits_end_a_turn() {
    let again = |_: &standin::Turn| Answer::call("search", json!({}));
    let mut lab = Lab::new(Protocol::Anthropic, again);
    lab.limits.answers = 3;
    assert_eq!(lab.turn("Go.").unwrap(), Ended::Limit(Limit::Answers));
    assert_eq!(lab.model.turns().len(), 3);
    lab.limits.tokens = 250;
    lab.limits.answers = 100;
    assert_eq!(lab.turn("Go.").unwrap(), Ended::Limit(Limit::Tokens));
    assert_eq!(lab.model.turns().len(), 6);
    lab.limits.time = std::time::Duration::ZERO;
    assert_eq!(lab.turn("Go.").unwrap(), Ended::Limit(Limit::Time));
    assert_eq!(lab.model.turns().len(), 6);
}

#[test]
fn a_long_conversation_is_put_together_and_who_it_is_said_again() {
    for protocol in Protocol::ALL {
        let script =
            |turn: &standin::Turn| match turn.number {
                // As the server counts, it is nearly full.
                0 if turn.earlier.is_empty() && !turn.prompt.contains("put together") => {
                    Answer::call("write_file", json!({"path": "a.txt", "content": "x"}))
                        .costs(standin::Usage { input: 7_000, cached: 1_000, output: 10 })
                }
                _ => Answer::text("Done."),
            };
        let mut lab = Lab::new(protocol, script);
        (lab.limits.context, lab.limits.answer) = (10_000, 500);
        let mut session = lab.session();
        lab.turn_of(&mut session, "The task: write a.txt.").unwrap();
        assert!(lab.seen.events.contains(&Event::Compacted), "{protocol}");
        let turns = lab.model.turns();
        assert_eq!(turns.len(), 2, "{protocol}");
        let prompt = &turns[1].prompt;
        // The stand-in says so when it is asked without tools.
        for words in ["Your name: ann", "Your task: t7", "The task: write a.txt.", "Stand-in"] {
            assert!(prompt.contains(words), "{protocol}: {prompt}");
        }
        assert!(turns[1].results.is_empty());
        assert_eq!(session.messages().len(), 2);
    }
}

#[test]
fn a_conversation_is_gone_on_with_from_its_transcript() {
    for protocol in Protocol::ALL {
        let mut lab = Lab::new(protocol, steps([Answer::call("search", json!({}))]));
        let dir = lab.env.root().join("sessions");
        let transcript = Transcript::begin(&dir, "s-1").unwrap();
        let mut session = Session::new(Default::default(), Some(transcript), Vec::new());
        lab.turn_of(&mut session, "First.").unwrap();
        drop(session);
        let (transcript, messages) = Transcript::resume(&dir, "s-1").unwrap();
        assert_eq!(messages.len(), 4);
        let mut session = Session::new(Default::default(), Some(transcript), messages);
        assert_eq!(session.id(), Some("s-1"));
        lab.turn_of(&mut session, "Second.").unwrap();
        let turns = lab.model.turns();
        let last = turns.last().unwrap();
        assert_eq!((last.prompt.as_str(), &last.earlier[..]), ("Second.", &["First.".to_owned()][..]));
        assert!(Transcript::resume(&dir, "s-1").is_err(), "it is under way");
        drop(session);
        assert_eq!(Transcript::resume(&dir, "s-1").unwrap().1.len(), 8);
    }
}

#[test]
fn calls_that_were_broken_off_are_answered_when_it_goes_on() {
    let mut lab = Lab::new(Protocol::Anthropic, |_: &standin::Turn| Answer::text("Done."));
    let call = json!({"by": "model", "parts": [{"type": "call", "id": "c1", "name": "bash", "input": {}}]});
    let messages = vec![Message::prompt("First."), serde_json::from_value(call).unwrap()];
    let mut session = Session::new(Default::default(), None, messages);
    lab.turn_of(&mut session, "Second.").unwrap();
    let parts = &session.messages()[2].parts;
    assert!(matches!(&parts[..], [Part::Result { id, failed: true, .. }] if id == "c1"), "{parts:?}");
}

#[test]
fn an_answer_that_is_cut_at_its_bound_goes_on() {
    // Nothing is said at all: that is the end, and no error.
    let mut lab = Lab::new(Protocol::Anthropic, |_: &standin::Turn| Answer::empty());
    assert_eq!(lab.turn("Go.").unwrap(), Ended::Done(String::new()));
    let mut lab = Lab::new(
        Protocol::Openai,
        steps([Answer::empty().and(Say::Text("one ".to_owned())).and(Say::Text("two".to_owned()))]),
    );
    assert_eq!(lab.turn("Go.").unwrap(), Ended::Done("one two".to_owned()));
}
