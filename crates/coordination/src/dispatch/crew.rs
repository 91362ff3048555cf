//! The agents of one `up`: which of them takes a task, how many of each are at work, and which have to wait.
//!
//! Pure: the moment comes from outside.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use biplane_model::{AgentName, Task};

use crate::{
    bounds,
    settings::{Agent, Profile},
};

/// An agent of this `up`.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: AgentName,
    pub(super) agent: Agent,
    takes: Takes,
    /// How many are at work.
    running: usize,
    /// Until when none is started, because its provider asked to slow down.
    until: Option<Instant>,
    /// How often in a row it was asked to.
    strikes: u32,
}

/// Which tasks an agent takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Any that suit it.
    Any,
    /// Only those whose owner or profile names it.
    Named,
}

/// Why no agent takes a task now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwanted {
    /// None of this `up` ever will: by its owner, its profile or its labels.
    Never,
    /// One would, when it has a place again.
    Later,
}

/// The agents, those that are preferred first.
#[derive(Debug, Clone)]
pub(super) struct Crew(Vec<Member>);

impl Crew {
    pub(super) fn new(agents: Vec<(AgentName, Agent, Takes)>) -> Self {
        let member =
            |(name, agent, takes)| Member { name, agent, takes, running: 0, until: None, strikes: 0 };
        Self(agents.into_iter().map(member).collect())
    }

    pub(super) fn member(&self, name: &AgentName) -> Option<&Member> {
        self.0.iter().find(|member| member.name == *name)
    }

    /// The agent that takes the task at this moment; none of those who are away.
    pub(super) fn taker(
        &self,
        task: &Task,
        profile: &Profile,
        away: &HashSet<AgentName>,
        now: Instant,
    ) -> Result<&Member, Unwanted> {
        let is_named = task.owner.is_some() || profile.implement.is_some();
        let suits = |member: &&Member| {
            !away.contains(&member.name)
                && (is_named || member.takes == Takes::Any)
                && task.owner.as_ref().is_none_or(|owner| *owner == member.name)
                && profile.implement.as_ref().is_none_or(|name| *name == member.name)
        };
        let knows = |member: &&Member| member.agent.labels.iter().any(|label| task.labels.contains(label));
        let is_general = |member: &&Member| member.agent.labels.is_empty();
        let mut takers = self.0.iter().filter(suits).filter(|m| knows(m)).collect::<Vec<_>>();
        takers.extend(self.0.iter().filter(suits).filter(|m| !knows(m) && (is_named || is_general(m))));
        if takers.is_empty() {
            return Err(Unwanted::Never);
        }
        takers.into_iter().find(|member| member.has_place(now)).ok_or(Unwanted::Later)
    }

    /// Whether one more of `name` may start; it counts as at work then.
    pub(super) fn enter(&mut self, name: &AgentName, now: Instant) -> bool {
        let Some(member) = self.0.iter_mut().find(|m| m.name == *name) else { return true };
        let may = member.has_place(now);
        member.running += usize::from(may);
        may
    }

    /// One of `name` is done.
    pub(super) fn leave(&mut self, name: &AgentName) {
        if let Some(member) = self.0.iter_mut().find(|m| m.name == *name) {
            member.running = member.running.saturating_sub(1);
        }
    }

    /// The provider of `name` asked to slow down. Gives how long none is started.
    pub(super) fn slow_down(&mut self, name: &AgentName, asked: Option<Duration>, now: Instant) -> Duration {
        let Some(member) = self.0.iter_mut().find(|m| m.name == *name) else { return Duration::ZERO };
        // Several that were at work at once are told the same: one strike.
        let is_new = member.until.is_none_or(|until| until <= now);
        member.strikes = member.strikes.saturating_add(u32::from(is_new));
        let rest = asked.unwrap_or_default().max(back_off(member.strikes)).min(bounds::MOST_BACK_OFF);
        let until = now + rest;
        member.until = Some(member.until.map_or(until, |before| before.max(until)));
        rest
    }

    /// The agent `name` was at work without being told to slow down.
    pub(super) fn went_well(&mut self, name: &AgentName) {
        if let Some(member) = self.0.iter_mut().find(|m| m.name == *name) {
            member.strikes = 0;
        }
    }

    /// The moment at which the next agent that rests may be started again.
    pub(super) fn next_rested(&self, now: Instant) -> Option<Instant> {
        self.0.iter().filter_map(|m| m.until).filter(|until| *until > now).min()
    }
}

impl Member {
    fn has_place(&self, now: Instant) -> bool {
        self.running < self.agent.max && self.until.is_none_or(|until| until <= now)
    }
}

/// How long an agent rests after it was asked to slow down so often in a row.
fn back_off(strikes: u32) -> Duration {
    bounds::BACK_OFF.saturating_mul(1 << strikes.saturating_sub(1).min(16))
}

#[cfg(test)]
mod tests {
    use biplane_control::ledger::conformance::task;
    use biplane_model::Label;

    use super::*;

    fn labels(names: &[&str]) -> Vec<Label> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    /// A generalist, one for the front end of which there may be one, and one for Rust.
    fn crew() -> Crew {
        let agent =
            |max, known: &[&str]| Agent { max, labels: labels(known), ..Agent::new(vec!["x".into()], None) };
        let named = |name: &str, agent| (name.parse().unwrap(), agent, Takes::Any);
        Crew::new(vec![
            named("any", agent(2, &[])),
            named("front", agent(1, &["web", "css"])),
            named("rust", agent(9, &["rust"])),
            ("reviewer".parse().unwrap(), agent(9, &[]), Takes::Named),
        ])
    }

    fn taker(crew: &Crew, task: &Task, profile: &Profile) -> Result<String, Unwanted> {
        crew.taker(task, profile, &HashSet::new(), Instant::now()).map(|member| member.name.to_string())
    }

    #[test]
    fn who_knows_goes_before_who_takes_anything() {
        let (mut crew, none) = (crew(), Profile::default());
        let of = |names: &[&str]| Task { labels: labels(names), ..task("1") };
        let table = [(&[][..], "any"), (&["css"], "front"), (&["rust", "web"], "front"), (&["other"], "any")];
        for (names, expected) in table {
            assert_eq!(taker(&crew, &of(names), &none).as_deref(), Ok(expected), "{names:?}");
        }
        let front = "front".parse().unwrap();
        assert!(crew.enter(&front, Instant::now()) && !crew.enter(&front, Instant::now()));
        assert_eq!(taker(&crew, &of(&["css"]), &none).as_deref(), Ok("any"), "there may be one of it");
        crew.leave(&front);
        assert_eq!(taker(&crew, &of(&["css"]), &none).as_deref(), Ok("front"));
    }

    #[test]
    fn who_is_named_takes_it_whatever_its_labels() {
        let crew = crew();
        let owned = |owner: &str| Task { owner: Some(owner.parse().unwrap()), ..task("1") };
        let by = |name: &str| Profile { implement: Some(name.parse().unwrap()), ..Profile::default() };
        assert_eq!(taker(&crew, &owned("rust"), &Profile::default()).as_deref(), Ok("rust"));
        assert_eq!(taker(&crew, &owned("ann"), &Profile::default()), Err(Unwanted::Never));
        assert_eq!(taker(&crew, &task("1"), &by("front")).as_deref(), Ok("front"));
        assert_eq!(taker(&crew, &owned("any"), &by("front")), Err(Unwanted::Never));
        assert_eq!(taker(&crew, &task("1"), &by("reviewer")).as_deref(), Ok("reviewer"));
    }

    #[test]
    fn who_is_shut_down_takes_nothing() {
        let crew = crew();
        let away: HashSet<AgentName> = ["any", "front"].map(|name| name.parse().unwrap()).into();
        let css = Task { labels: labels(&["css"]), ..task("1") };
        let named = Task { owner: Some("any".parse().unwrap()), ..task("1") };
        for task in [&css, &task("1"), &named] {
            let taker = crew.taker(task, &Profile::default(), &away, Instant::now());
            assert_eq!(taker.map(|member| member.name.clone()), Err(Unwanted::Never));
        }
        let rust = Task { labels: labels(&["rust"]), ..task("1") };
        assert!(crew.taker(&rust, &Profile::default(), &away, Instant::now()).is_ok());
    }

    #[test]
    fn who_is_asked_to_slow_down_rests_longer_each_time() {
        let mut crew =
            Crew::new(vec![("any".parse().unwrap(), Agent::new(vec!["x".into()], None), Takes::Any)]);
        let (any, begin) = ("any".parse().unwrap(), Instant::now());
        assert_eq!(crew.slow_down(&any, None, begin), bounds::BACK_OFF);
        // A second one that was at work at the same time says the same.
        assert_eq!(crew.slow_down(&any, None, begin), bounds::BACK_OFF);
        let (none, away) = (Profile::default(), HashSet::new());
        assert_eq!(crew.taker(&task("1"), &none, &away, begin).map(|_| ()), Err(Unwanted::Later));
        let rested = begin + bounds::BACK_OFF;
        assert!(crew.taker(&task("1"), &none, &away, rested).is_ok());
        assert_eq!(crew.slow_down(&any, None, rested), 2 * bounds::BACK_OFF);
        let later = rested + 2 * bounds::BACK_OFF;
        assert_eq!(crew.slow_down(&any, Some(Duration::from_secs(100_000)), later), bounds::MOST_BACK_OFF);
        crew.went_well(&any);
        let much_later = later + bounds::MOST_BACK_OFF;
        assert_eq!(crew.slow_down(&any, Some(Duration::from_secs(90)), much_later), Duration::from_secs(90));
    }
}
