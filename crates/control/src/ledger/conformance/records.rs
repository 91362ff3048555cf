//! Every field of every record comes back.

use biplane_model::{
    Actor, Answer, Closeout, CloseoutAction, EventKind, Findings, Mail, MailKind, Member, NewEvent,
    Operation, OperationKind, PlanPolicy, PlanStatus, Request, RequestId, RequestStatus, Role, Run,
    RunEvidence, RunId, RunKind, RunStatus, Seq, Strategy, Submission, SubmissionStatus, Task, TaskStatus,
    Timestamp, Usage, Worktree, WorktreeState, WorktreeStatus,
};

use super::{
    AT, Store, commit,
    samples::{commit_id, event, mail, member, process, request, run, submission, task, worktree},
};
use crate::{Changes, EventFilter, Ledger, LedgerError, LedgerExt, MailFilter, RequestFilter};

fn full_task() -> Task {
    Task {
        repo: "other".parse().expect("it is a legal name"),
        subject: "Säubern \"it\"".to_owned(),
        description: "line\nline\n\0 null and 🦀".to_owned(),
        status: TaskStatus::InReview,
        owner: Some("Claude Code".parse().unwrap()),
        assignee: Some("bob".parse().unwrap()),
        priority: -3,
        labels: vec!["z \"q\"".parse().unwrap(), "ä\\".parse().unwrap()],
        after: vec!["auth_001".parse().unwrap(), "3".parse().unwrap()],
        worktree: Some("Auth.x".parse().unwrap()),
        worktree_state: WorktreeState::Kept,
        last_worktree: Some("auth-0".parse().unwrap()),
        closeout: Some(Closeout { action: CloseoutAction::Keep, reason: String::new(), at: Timestamp(7) }),
        reason: "because".to_owned(),
        gate: Some("cargo test".to_owned()),
        profile: Some("careful".parse().unwrap()),
        plan: Some(PlanPolicy::Required),
        epoch: 12,
        lease_until: Some(Timestamp(1_763_640_000_999_999)),
        holder: Some(process(4711)),
        run: Some(RunId(17)),
        attempts: u32::MAX,
        opened_at: Timestamp(8),
        created_at: Timestamp(1),
        updated_at: Timestamp(2),
        ..task("7")
    }
}

fn full_worktree() -> Worktree {
    Worktree {
        git_entry: "auth1".to_owned(),
        ports: vec![20_000, 65_535],
        status: WorktreeStatus::Merged,
        task: Some("7".parse().unwrap()),
        operation: Some(Operation { kind: OperationKind::Remove, by: process(4711) }),
        reason: "done".to_owned(),
        kept_at: Some(Timestamp(3)),
        removed_at: Some(Timestamp(4)),
        looked_at: Some(Timestamp(3)),
        last_entered_at: Some(Timestamp(5)),
        last_command_at: Some(Timestamp(6)),
        last_command_preview: "git status".to_owned(),
        ..worktree(3, "Auth.x")
    }
}

fn full_run() -> Run {
    Run {
        task: Some("7".parse().unwrap()),
        epoch: 12,
        kind: RunKind::Agent,
        agent: Some("alice".parse().unwrap()),
        role: Some(Role::Review),
        base: Some(commit_id('f')),
        session: Some("5f9c \"x\"".to_owned()),
        usage: Usage { input_tokens: 1, output_tokens: 2, cached_tokens: 3, cost_microusd: u64::MAX },
        stop_by: Some(Actor::new("ann")),
        status: RunStatus::TimedOut,
        child: Some(biplane_model::ProcessIdentity { boot_id: String::new(), ..process(2) }),
        ended_at: Some(Timestamp(9)),
        exit_code: Some(i32::MIN),
        signal: Some(9),
        error: "too slow".to_owned(),
        rate_limited: true,
        evidence: Some(RunEvidence {
            head: commit_id('c'),
            commits: 2,
            dirty_files: 3,
            new_commits: 4,
            denied: 5,
            failed_calls: 6,
            output_hash: Some("e3b0".to_owned()),
            findings: Some(Findings { critical: 7, major: 8, minor: 9 }),
        }),
        ..run(17, 3)
    }
}

fn full_submission() -> Submission {
    Submission {
        task: Some("7".parse().unwrap()),
        epoch: 12,
        strategy: Strategy::Rebase,
        gate: Some("make\ntest".to_owned()),
        status: SubmissionStatus::Testing,
        onto: Some(commit_id('d')),
        candidate: Some(commit_id('e')),
        worker: Some(process(5)),
        reason: "later".to_owned(),
        ..submission(4, 3)
    }
}

fn full_team() -> Changes {
    let member = Member { role: "ä \"q\"\\".to_owned(), waiting: u64::MAX, ..member("../x y") };
    let mail = Mail {
        kind: MailKind::PlanApprovalResponse,
        from: "a".parse().unwrap(),
        content: "\0\u{202e}\n🦀".to_owned(),
        request: Some(RequestId(u64::MAX)),
        answer: Some(Answer::Reject),
        task: Some("7".parse().unwrap()),
        delivered_at: Some(Timestamp(1)),
        run: Some(RunId(17)),
        ..mail(u64::MAX, "../x y")
    };
    let request = Request {
        status: RequestStatus::Plan(PlanStatus::Rejected),
        task: Some("7".parse().unwrap()),
        epoch: u64::MAX,
        run: Some(RunId(17)),
        content: "first\nthen".to_owned(),
        feedback: "no".to_owned(),
        decided_at: Some(Timestamp(2)),
        ..request(1, "lead")
    };
    Changes { members: vec![member], mail: vec![mail], requests: vec![request], ..Changes::default() }
}

/// Every field of a member, of a message and of a request, set and unset, and every word of theirs.
pub fn the_team_comes_back(store: &impl Store) {
    let ledger = store.open();
    let mut all = full_team();
    all.members.push(member("b"));
    all.mail.push(mail(1, "b"));
    all.requests.push(request(2, "b"));
    for (n, kind) in (10..).zip(MailKind::ALL) {
        all.mail.push(Mail { kind, answer: Some(Answer::Approve), ..mail(n, "b") });
    }
    for (n, status) in (10..).zip(RequestStatus::all()) {
        all.requests.push(Request { status, ..request(n, "b") });
    }
    for rev in 1..=2 {
        let committed = commit(&*ledger, &all).unwrap();
        assert_eq!(committed.members, all.members.iter().map(|m| m.name.clone()).collect::<Vec<_>>());
        all.members.iter_mut().for_each(|m| m.rev = rev);
        all.mail.iter_mut().for_each(|m| m.rev = rev);
        all.requests.iter_mut().for_each(|r| r.rev = rev);
        ledger
            .read(&mut |view| {
                assert_eq!(view.members()?, all.members);
                assert_eq!(view.mail(&MailFilter::default())?, all.mail);
                assert_eq!(view.requests(&RequestFilter::default())?, all.requests);
                assert_eq!(view.member(&all.members[0].name)?.as_ref(), Some(&all.members[0]));
                assert_eq!(view.request(RequestId(1))?.as_ref(), Some(&all.requests[0]));
                assert_eq!(view.member(&"nobody".parse().unwrap())?, None);
                assert_eq!(view.request(RequestId(99))?, None);
                Ok(())
            })
            .unwrap();
        // The other way round: what was set is unset.
        let id = all.mail[0].id;
        all.mail[0] = Mail { id, rev, ..mail(0, "../x y") };
        all.requests[0] = Request { rev, ..request(1, "lead") };
        all.members[0] = Member { rev, ..member("../x y") };
    }
}

/// Every field of every record and event, set and unset, first as new and then as changed.
pub fn every_field_comes_back(store: &impl Store) {
    let ledger = store.open();
    let (t, w, r, s) = (full_task(), full_worktree(), full_run(), full_submission());
    let fact = NewEvent::new(EventKind::WorktreeRunTimeout)
        .task(&t)
        .worktree(&w)
        .run(&r)
        .submission(&s)
        .error("no\nluck")
        .with("list", vec![1, 2])
        .with("text", "ä");
    let plain = [(task("8"), worktree(4, "plain"), run(18, 4), submission(5, 4))];
    let mut changes = Changes { events: vec![fact.clone(), event()], ..Changes::default() };
    for (t, w, r, s) in [(t, w, r, s)].into_iter().chain(plain) {
        changes.tasks.push(t);
        changes.worktrees.push(w);
        changes.runs.push(r);
        changes.submissions.push(s);
    }
    let committed = commit(&*ledger, &changes).unwrap();
    assert_eq!((committed.seq, committed.tasks.len()), (Seq(2), 2));
    assert_stored(&*ledger, &mut changes);
    // The other way round: what was set is unset, and what was unset is set.
    let swap = |changes: &mut Changes| {
        changes.tasks[0] = Task { id: "7".parse().unwrap(), rev: 1, ..task("8") };
        changes.tasks[1] = Task { id: "8".parse().unwrap(), rev: 1, ..full_task() };
        let (w0, w1) = (changes.worktrees[0].id, changes.worktrees[1].id);
        changes.worktrees[0] = Worktree { id: w0, rev: 1, ..worktree(4, "plain") };
        changes.worktrees[1] = Worktree { id: w1, rev: 1, ..full_worktree() };
        let (r0, r1) = (changes.runs[0].id, changes.runs[1].id);
        changes.runs[0] = Run { id: r0, rev: 1, ..run(18, 4) };
        changes.runs[1] = Run { id: r1, rev: 1, ..full_run() };
        let (s0, s1) = (changes.submissions[0].id, changes.submissions[1].id);
        changes.submissions[0] = Submission { id: s0, rev: 1, ..submission(5, 4) };
        changes.submissions[1] = Submission { id: s1, rev: 1, ..full_submission() };
    };
    swap(&mut changes);
    changes.events.clear();
    commit(&*ledger, &changes).unwrap();
    assert_stored(&*ledger, &mut changes);
    let events =
        ledger.look(|v| -> Result<_, LedgerError> { v.events(Seq(0), &EventFilter::default(), 9) }).unwrap();
    assert_eq!(events[0].fact, fact);
    assert_eq!((events[0].at, events[0].actor.as_str(), events[0].seq), (AT, "tester", Seq(1)));
    assert_eq!(events[1].fact, event());
}

fn assert_stored(ledger: &dyn Ledger, changes: &mut Changes) {
    changes.tasks.iter_mut().for_each(|t| t.rev += 1);
    changes.worktrees.iter_mut().for_each(|w| w.rev += 1);
    changes.runs.iter_mut().for_each(|r| r.rev += 1);
    changes.submissions.iter_mut().for_each(|s| s.rev += 1);
    ledger
        .read(&mut |view| {
            for task in &changes.tasks {
                assert_eq!(view.task(&task.id)?.as_ref(), Some(task));
            }
            for worktree in &changes.worktrees {
                assert_eq!(view.worktree(worktree.id)?.as_ref(), Some(worktree));
            }
            for run in &changes.runs {
                assert_eq!(view.run(run.id)?.as_ref(), Some(run));
            }
            for submission in &changes.submissions {
                assert_eq!(view.submission(submission.id)?.as_ref(), Some(submission));
            }
            Ok(())
        })
        .unwrap();
}

/// Numbers at the ends of their ranges, and a long text.
pub fn extreme_numbers_come_back(store: &impl Store) {
    let ledger = store.open();
    let mut extreme = Task {
        priority: i64::MIN,
        epoch: u64::MAX,
        run: Some(RunId(u64::MAX)),
        lease_until: Some(Timestamp(i64::MAX)),
        created_at: Timestamp(i64::MIN),
        description: "x".repeat(Task::MAX_DESCRIPTION),
        ..task("18446744073709551615")
    };
    let counters = vec![("big".to_owned(), u64::MAX)];
    let runs = vec![run(u64::MAX, u64::MAX)];
    commit(&*ledger, &Changes { tasks: vec![extreme.clone()], runs, counters, ..Changes::default() })
        .unwrap();
    extreme.rev = 1;
    ledger
        .read(&mut |view| {
            assert_eq!(view.task(&extreme.id)?.as_ref(), Some(&extreme));
            assert_eq!(view.counter("big")?, u64::MAX);
            assert_eq!(view.run(RunId(u64::MAX))?.unwrap().worktree_id.0, u64::MAX);
            Ok(())
        })
        .unwrap();
}
