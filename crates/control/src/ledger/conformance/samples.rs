//! Records to store.

use biplane_model::{
    EventKind, Mail, MailId, MailKind, Member, NewEvent, ProcessIdentity, RepoName, Request, RequestId,
    RequestStatus, Run, RunId, RunKind, RunStatus, ShutdownStatus, Strategy, Submission, SubmissionId,
    SubmissionStatus, Task, TaskStatus, Usage, Worktree, WorktreeId, WorktreeState, WorktreeStatus,
};

use super::AT;

/// A commit's id made of one digit.
pub(super) fn commit_id(digit: char) -> biplane_model::CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

/// A process.
pub(super) fn process(pid: u32) -> ProcessIdentity {
    ProcessIdentity { boot_id: "7d1c0a52 boot".to_owned(), pid, start_time: u64::MAX - 1 }
}

/// A new pending task.
pub fn task(id: &str) -> Task {
    Task {
        id: id.parse().unwrap(),
        repo: RepoName::default(),
        subject: format!("Do {id}"),
        description: String::new(),
        status: TaskStatus::Pending,
        owner: None,
        assignee: None,
        priority: 0,
        labels: Vec::new(),
        after: Vec::new(),
        worktree: None,
        worktree_state: WorktreeState::Unbound,
        last_worktree: None,
        closeout: None,
        reason: String::new(),
        gate: None,
        profile: None,
        plan: None,
        epoch: 0,
        lease_until: None,
        holder: None,
        run: None,
        attempts: 0,
        opened_at: AT,
        created_at: AT,
        updated_at: AT,
        rev: 0,
    }
}

/// A new active worktree.
pub fn worktree(id: u64, name: &str) -> Worktree {
    Worktree {
        id: WorktreeId(id),
        repo: RepoName::default(),
        name: name.parse().unwrap(),
        branch: format!("wt/{name}"),
        base: commit_id('a'),
        base_ref: "HEAD".to_owned(),
        path: format!(".worktrees/{name}"),
        git_entry: String::new(),
        ports: Vec::new(),
        status: WorktreeStatus::Active,
        task: None,
        operation: None,
        reason: String::new(),
        created_at: AT,
        updated_at: AT,
        kept_at: None,
        removed_at: None,
        looked_at: None,
        last_entered_at: None,
        last_command_at: None,
        last_command_preview: String::new(),
        rev: 0,
    }
}

/// A new running command in worktree `worktree`.
pub fn run(id: u64, worktree: u64) -> Run {
    Run {
        id: RunId(id),
        repo: RepoName::default(),
        worktree: format!("wt{worktree}").parse().unwrap(),
        worktree_id: WorktreeId(worktree),
        task: None,
        epoch: 0,
        kind: RunKind::Command,
        agent: None,
        role: None,
        base: None,
        session: None,
        usage: Usage::default(),
        stop_by: None,
        command: "true".to_owned(),
        status: RunStatus::Running,
        supervisor: process(1),
        child: None,
        started_at: AT,
        ended_at: None,
        exit_code: None,
        signal: None,
        error: String::new(),
        rate_limited: false,
        evidence: None,
        rev: 0,
    }
}

/// A new queued submission from worktree `worktree`.
pub fn submission(id: u64, worktree: u64) -> Submission {
    Submission {
        id: SubmissionId(id),
        repo: RepoName::default(),
        worktree: format!("wt{worktree}").parse().unwrap(),
        worktree_id: WorktreeId(worktree),
        task: None,
        epoch: 0,
        branch: format!("wt/wt{worktree}"),
        head: commit_id('b'),
        target: "main".to_owned(),
        strategy: Strategy::Merge,
        gate: None,
        status: SubmissionStatus::Queued,
        onto: None,
        candidate: None,
        worker: None,
        reason: String::new(),
        created_at: AT,
        updated_at: AT,
        rev: 0,
    }
}

/// A new member to whom nothing was sent.
pub fn member(name: &str) -> Member {
    Member {
        name: name.parse().unwrap(),
        role: String::new(),
        waiting: 0,
        joined_at: AT,
        updated_at: AT,
        rev: 0,
    }
}

/// A new message that waits for `to`.
pub fn mail(id: u64, to: &str) -> Mail {
    Mail {
        id: MailId(id),
        kind: MailKind::Message,
        from: "lead".parse().unwrap(),
        to: to.parse().unwrap(),
        content: "hello".to_owned(),
        request: None,
        answer: None,
        task: None,
        sent_at: AT,
        delivered_at: None,
        run: None,
        rev: 0,
    }
}

/// A new request to shut `to` down.
pub fn request(id: u64, to: &str) -> Request {
    Request {
        id: RequestId(id),
        status: RequestStatus::Shutdown(ShutdownStatus::Requested),
        from: "lead".parse().unwrap(),
        to: to.parse().unwrap(),
        task: None,
        epoch: 0,
        run: None,
        content: "done".to_owned(),
        feedback: String::new(),
        created_at: AT,
        decided_at: None,
        rev: 0,
    }
}

/// An event about nothing.
pub fn event() -> NewEvent {
    NewEvent::new(EventKind::Recovered)
}
