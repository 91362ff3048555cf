//! Servers that are busy, broken, endless or gone.

use std::time::{Duration, Instant};

use biplane_agent::{
    model::{Client, ModelError, Patience, Protocol},
    session::{Ended, Event, TurnError},
};
use biplane_testkit::standin::{Answer, Part, Turn, steps};
use serde_json::json;

use crate::lab::{Lab, Sort};

/// What the model answers.
type Script = fn(&Turn) -> Answer;

fn model(error: TurnError) -> ModelError {
    match error {
        TurnError::Model(error) => error,
        TurnError::Transcript(error) => ModelError::Form(format!("it is about the transcript: {error}")),
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    for (protocol, status) in Protocol::ALL.into_iter().zip([429, 529, 503]) {
        let mut lab = Lab::new(protocol, move |turn: &Turn| match turn.attempt {
            0 | 1 => Answer::refuse(status),
            _ => Answer::text("Done."),
        });
        assert_eq!(lab.turn("Go.").unwrap(), Ended::Done("Done.".to_owned()));
        let again = lab.seen.again();
        assert!(again.len() == 2 && again[0].contains(&status.to_string()), "{again:?}");
        assert!(lab.seen.events.iter().any(|e| matches!(e, Event::Again { busy: true, .. })));
    }
}

#[test]
fn a_server_that_stays_busy_is_given_up() {
    let mut lab = Lab::new(Protocol::Anthropic, |_: &Turn| Answer::refuse(529));
    let error = model(lab.turn("Go.").unwrap_err());
    assert!(matches!(error, ModelError::Busy { status: 529, retry_after_s: None, .. }), "{error}");
    assert_eq!(lab.model.turns().len(), 3);
}

#[test]
fn the_server_says_how_long_to_wait() {
    let mut lab = Lab::new(Protocol::Openai, |turn: &Turn| match turn.attempt {
        0 => Answer::refuse(429).retry_after(Duration::from_secs(1)),
        _ => Answer::text("Done."),
    });
    let begun = Instant::now();
    lab.turn("Go.").unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert!(matches!(lab.seen.events[0], Event::Again { wait_ms: 1000, .. }), "{:?}", lab.seen.events);
    // For so long nobody waits here: whoever started us knows better what to do meanwhile.
    let mut lab =
        Lab::new(Protocol::Openai, |_: &Turn| Answer::refuse(429).retry_after(Duration::from_secs(600)));
    let error = model(lab.turn("Go.").unwrap_err());
    assert!(matches!(error, ModelError::Busy { retry_after_s: Some(600), .. }), "{error}");
    assert_eq!(lab.model.turns().len(), 1);
}

#[test]
fn what_the_server_refuses_is_not_asked_again() {
    for (protocol, status) in Protocol::ALL.into_iter().zip([401, 400, 404]) {
        let mut lab = Lab::new(protocol, move |_: &Turn| Answer::refuse(status));
        let error = model(lab.turn("Go.").unwrap_err());
        assert!(matches!(error, ModelError::Refused { status: s, .. } if s == status), "{error}");
        assert!(error.to_string().contains("stand-in"), "{error}");
        assert_eq!(lab.model.turns().len(), 1);
    }
}

#[test]
fn a_stream_that_is_cut_is_asked_for_again_and_nothing_of_it_is_done() {
    for protocol in Protocol::ALL {
        let mut lab = Lab::new(protocol, |turn: &Turn| match (turn.number, turn.attempt) {
            (0, 0) => Answer::text("Half of")
                .and_call("write_file", json!({"path": "half.txt", "content": "x"}))
                .and(Part::Cut),
            (0, _) => Answer::call("write_file", json!({"path": "whole.txt", "content": "x"})),
            _ => Answer::text("Done."),
        });
        assert_eq!(lab.turn("Go.").unwrap(), Ended::Done("Done.".to_owned()), "{protocol}");
        assert!(!lab.repo.path().join("half.txt").exists() && lab.repo.path().join("whole.txt").exists());
        assert_eq!(lab.seen.again().len(), 1);
        // And the next request does not have it.
        assert!(!lab.model.turns().last().unwrap().body.to_string().contains("Half of"));
    }
}

#[test]
fn an_endless_answer_is_ended() {
    for protocol in Protocol::ALL {
        let mut lab =
            Lab::new(protocol, |_: &Turn| Answer::empty().and(Part::Endless("x".repeat(256 << 10))));
        let error = model(lab.turn("Go.").unwrap_err());
        assert!(matches!(error, ModelError::Endless(_)), "{protocol}: {error}");
        assert_eq!(lab.model.turns().len(), 1);
    }
}

#[test]
fn a_silent_server_is_not_waited_for_for_ever() {
    let mut lab = Lab::new(Protocol::Anthropic, |turn: &Turn| match turn.attempt {
        0 => Answer::text("Hm").and(Part::Hang),
        _ => Answer::text("Done."),
    });
    lab.patience.silence = Duration::from_millis(300);
    assert_eq!(lab.turn("Go.").unwrap(), Ended::Done("Done.".to_owned()));
}

#[test]
fn a_conversation_can_be_cut_at_any_moment() {
    let sorts: [(Sort, Script); 3] = [
        (|e| matches!(e, Event::Text(_)), |_| Answer::text("Hm").and(Part::Hang)),
        (|e| matches!(e, Event::Again { .. }), |_| Answer::refuse(429).retry_after(Duration::from_secs(4))),
        (
            |e| matches!(e, Event::Call { .. }),
            |_| {
                Answer::call("bash", json!({"command": "sleep 100"}))
                    .and_call("bash", json!({"command": "touch x"}))
            },
        ),
    ];
    for (sort, script) in sorts {
        let mut lab = Lab::new(Protocol::Anthropic, script);
        lab.seen.cancels_at = Some((sort, lab.cancel.clone()));
        let mut session = lab.session();
        let begun = Instant::now();
        assert_eq!(lab.turn_of(&mut session, "Go.").unwrap(), Ended::Cancelled);
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert!(!lab.repo.path().join("x").exists());
        // All calls have an answer, so that it can go on.
        let calls = session.messages().iter().flat_map(|m| m.calls()).count();
        let answers = session.messages().iter().flat_map(|m| &m.parts);
        let answers = answers.filter(|p| matches!(p, biplane_agent::model::Part::Result { .. })).count();
        assert_eq!(calls, answers);
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn nobody_there_is_told() {
    let mut lab = Lab::new(Protocol::Anthropic, steps([]));
    let mut endpoint = lab.endpoint();
    // A port that nothing listens at.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    endpoint.base = format!("http://{free}");
    let mut client = Client::new(endpoint, Patience { tries: 2, ..lab.patience }).unwrap();
    let request = biplane_agent::model::Request { system: "", messages: &[], tools: &[], max_tokens: 1 };
    let mut again = 0;
    let error = client.ask(&request, &lab.cancel, &mut |_| again += 1).unwrap_err();
    assert!(matches!(error, ModelError::Broken(_)), "{error}");
    assert_eq!(again, 1);
    assert!(lab.turn("Go.").is_ok());
}
