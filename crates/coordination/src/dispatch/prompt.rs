//! The prompt an agent gets: a template with places, filled in from the task and what has happened to it.
//!
//! What the repository itself tells agents (`AGENTS.md`, `CLAUDE.md`) is left to them: they read it.

use biplane_control::{RunFilter, SubmissionFilter, WorktreeFilter, board};
use biplane_execution::agents::ToolServer;
use biplane_model::{
    AgentName, Mail, Role, Run, RunKind, RunStatus, SubmissionStatus, Task, TaskId, Worktree, sanitize,
    sanitize_line,
};

use super::{address::mail_words, tools::tools_words};
use crate::{
    bounds,
    error::Result,
    service::{Service, tail},
    settings::template,
};

/// What the prompt of who is to plan the work is made from.
const PLAN: &str = "\
# Plan task {task}: {subject}
{description}{dependencies}{findings}{plan}{mail}
## What is wanted

{identity}

Before anything is changed, a plan has to be approved. Read what you need in the current directory, a git worktree on branch `{branch}`, and say how you \
would do the work. Change no file and commit nothing: what you change now is set aside. The answer is in the next prompt.{tools}

End with your plan, as the last thing you say, in this form:

```plan
what you would change, in which files, in which order, and how it is tested
```
";

/// What the prompt of who does the work is made from.
const IMPLEMENT: &str = "\
# Task {task}: {subject}
{description}{dependencies}{plan}{findings}{progress}{mail}
## Where and how

{identity} Work only in the current directory, a git worktree on branch `{branch}`. {finish}{tools}
";

/// What the prompt of who tests it is made from.
const VERIFY: &str = "\
# Verify task {task}: {subject}
{description}
## What was done

{diff}{mail}
## Where and how

{identity} The work lies in the current directory, a git worktree on branch `{branch}`. Find out whether it does what the task asks for: build it, run its tests, try it. \
Change no file that git tracks and commit nothing.{tools}

End with your verdict, as the last thing you say, in this form:

```json
{{\"passed\": false, \"summary\": \"what you have run, and what was wrong\"}}
```
";

/// What the prompt of who reads it is made from.
const REVIEW: &str = "\
# Review task {task}: {subject}
{description}
## What was done

{diff}{mail}
## Where and how

{identity} The work lies in the current directory, a git worktree on branch `{branch}`. Read the change and look for what is wrong with it: faults, missing cases, \
missing tests, what the task asks for and is not there. Change no file and commit nothing.{tools}

End with your findings, as the last thing you say, in this form; the list is empty when there are none. `severity` is `critical` (must not land), `major` or \
`minor`:

```json
{{\"findings\": [{{\"severity\": \"major\", \"file\": \"src/lib.rs\", \"line\": 12, \"text\": \"what is wrong\"}}]}}
```
";

/// What is known of the work that is there already.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The worktree holds the work of an earlier attempt.
    pub(crate) has_work: bool,
    /// The target was merged into it, and these files have conflicts that are to be resolved.
    pub(crate) conflicts: Vec<String>,
}

/// Who gets a prompt, and what waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    /// The agent, when it is known.
    pub(crate) agent: Option<AgentName>,
    /// The messages that stand in the prompt.
    pub(crate) mail: Vec<Mail>,
    /// The server that it is handed.
    pub(crate) server: Option<ToolServer>,
}

impl Service {
    /// The prompt that an agent would get for a task now, in a role.
    ///
    /// # Errors
    /// When there is no such task, or git can't be asked.
    pub fn task_prompt(&self, id: &TaskId, role: Role) -> Result<String> {
        let (task, worktree) = self.look(|view| {
            let task = view.task(id)?.ok_or_else(|| biplane_control::BoardError::NoTask(id.clone()))?;
            let bound = WorktreeFilter { live: true, task: Some(id.clone()), ..WorktreeFilter::default() };
            Ok((task, view.worktrees(&bound)?.into_iter().next()))
        })?;
        let has_work = worktree.as_ref().is_some_and(|worktree| self.has_work(worktree).unwrap_or(false));
        // Who would get it as things stand; nothing is delivered by looking.
        let agent = task.owner.clone().or_else(|| self.settings().agent.clone());
        let addressee = agent.as_ref().filter(|agent| self.may_see_mail_of(agent, id));
        let mail = addressee.map_or(Ok(Vec::new()), |agent| self.mail_for_prompt(agent, role))?;
        let progress = Progress { has_work, ..Progress::default() };
        let known = agent.as_ref().and_then(|agent| self.settings().agent(agent));
        let server = known.and_then(|known| self.tool_server(&known));
        self.prompt(&task, worktree.as_ref(), role, &progress, &Reader { agent, mail, server })
    }

    /// The prompt for an attempt at `task` in `worktree`, or in one that is still to be made.
    pub(crate) fn prompt(
        &self,
        task: &Task,
        worktree: Option<&Worktree>,
        role: Role,
        progress: &Progress,
        reader: &Reader,
    ) -> Result<String> {
        if let Some(there) = self.elsewhere(&task.repo)? {
            return there.prompt(task, worktree, role, progress, reader);
        }
        let template = self.prompt_template(role);
        let wants = |place: &str| template.contains(&format!("{{{place}}}"));
        let dependencies = if wants("dependencies") { self.dependencies_words(task)? } else { String::new() };
        let diff = match worktree {
            Some(worktree) if wants("diff") => self.diff_words(worktree)?,
            _ => String::new(),
        };
        let plan = if wants("plan") { self.plan_words(task, role)? } else { String::new() };
        // A plan that was rejected is told with the plan.
        let is_told = role == Role::Plan && !plan.is_empty() && board::is_rejected_plan(&task.reason);
        let findings = if wants("findings") && !is_told { self.findings_words(task)? } else { String::new() };
        let identity =
            if wants("identity") { self.identity_words(task, worktree, reader)? } else { String::new() };
        let branch = worktree
            .map_or_else(|| super::worktree::name_for(task, 1).branch(), |worktree| worktree.branch.clone());
        let filled = template::fill_prompt(template, |place| match place {
            "task" => task.id.to_string(),
            "subject" => sanitize_line(&task.subject),
            "description" => block(task.description.trim()),
            "dependencies" => dependencies.clone(),
            "findings" => findings.clone(),
            "progress" => progress_words(progress, &self.target().unwrap_or_default()),
            "branch" => branch.clone(),
            "diff" => diff.clone(),
            "finish" => self.finish_words(),
            "identity" => identity.clone(),
            "tools" => tools_words(reader.server.as_ref()),
            "plan" => plan.clone(),
            "mail" => mail_words(&reader.mail),
            _ => String::new(),
        });
        Ok(filled)
    }

    /// What a prompt of this role is made from.
    pub(super) fn prompt_template(&self, role: Role) -> &str {
        let prompts = &self.settings().prompts;
        let (own, built_in) = match role {
            Role::Plan => (&prompts.plan, PLAN),
            Role::Implement => (&prompts.implement, IMPLEMENT),
            Role::Verify => (&prompts.verify, VERIFY),
            Role::Review => (&prompts.review, REVIEW),
        };
        own.as_deref().unwrap_or(built_in)
    }

    fn finish_words(&self) -> String {
        let leave = if self.settings().commit_leftovers {
            "Commit what is to be merged to that branch; what you leave uncommitted is committed when you end."
        } else {
            "Commit what is to be merged to that branch; what you leave uncommitted does not count."
        };
        format!("{leave} Do not push, merge into other branches, or switch branches.")
    }

    /// What came of the tasks that this one waited for.
    fn dependencies_words(&self, task: &Task) -> Result<String> {
        if task.after.is_empty() {
            return Ok(String::new());
        }
        let mut text = "\n## What was done before\n\n".to_owned();
        for id in task.after.iter().take(bounds::DEPENDENCIES_TOLD) {
            let filter = SubmissionFilter { task: Some(id.clone()), ..SubmissionFilter::default() };
            let (before, landed) = self.look(|view| {
                let landed = view.submissions(&filter)?.into_iter().rev();
                Ok((view.task(id)?, landed.into_iter().find(|s| s.status == SubmissionStatus::Landed)))
            })?;
            let Some(before) = before else { continue };
            text.push_str(&format!("- Task {id}: {}", sanitize_line(&before.subject)));
            // What landed in a repository that is out of reach can't be looked into.
            let there = landed.as_ref().and_then(|s| self.in_repo(&s.repo).ok());
            match landed.as_ref().and_then(|s| Some((s.onto.as_ref()?, s.candidate.as_ref()?, there?))) {
                Some((onto, candidate, there)) => {
                    let git = there.home().git()?;
                    let (paths, count) =
                        git.paths_between(onto.as_str(), candidate.as_str(), bounds::PATHS_TOLD)?;
                    text.push_str(&format!(
                        ", landed as {}: {}\n",
                        candidate.short(),
                        paths_words(&paths, count)
                    ));
                }
                None => text.push_str(&format!(", {}\n", before.status)),
            }
        }
        let more = task.after.len().saturating_sub(bounds::DEPENDENCIES_TOLD);
        if more > 0 {
            text.push_str(&format!("- and {more} more\n"));
        }
        Ok(text)
    }

    /// Why the last attempt was sent back, with the end of the gate's output where the gate has failed.
    fn findings_words(&self, task: &Task) -> Result<String> {
        if task.reason.trim().is_empty() {
            return Ok(String::new());
        }
        let mut text = format!("\n## An earlier attempt was sent back\n\n{}\n", sanitize(task.reason.trim()));
        if let Some(gate) = self.failed_gate(task)? {
            let log = self.home().run_dir(gate.id).join("output.log");
            let end = tail::tail(&log, bounds::FINDINGS_TAIL);
            if !end.is_empty() {
                text.push_str(&format!("\nThe end of what it wrote:\n\n```text\n{}\n```\n", unfenced(&end)));
            }
        }
        Ok(text)
    }

    /// The run of the gate, or of what tests the work before, that failed last, when nothing was tried since.
    fn failed_gate(&self, task: &Task) -> Result<Option<Run>> {
        let filter = RunFilter { task: Some(task.id.clone()), ..RunFilter::default() };
        let runs = self.look(|view| Ok(view.runs(&filter)?))?;
        let tests = |run: &Run| run.kind == RunKind::Gate || run.role == Some(Role::Verify);
        let last = runs.into_iter().rev().find(|run| tests(run) || run.role == Some(Role::Implement));
        Ok(last.filter(|run| tests(run) && run.status != RunStatus::Succeeded))
    }

    /// What the branch changes, in words.
    fn diff_words(&self, worktree: &Worktree) -> Result<String> {
        let git = self.home().git()?;
        let head = git.commit_of(&format!("refs/heads/{}", worktree.branch))?;
        let (paths, count) = git.paths_between(worktree.base.as_str(), head.as_str(), bounds::PATHS_TOLD)?;
        Ok(format!(
            "The change is what `git diff {} {}` shows: {}.\n",
            worktree.base.short(),
            head.short(),
            paths_words(&paths, count)
        ))
    }
}

fn paths_words(paths: &[String], count: usize) -> String {
    let named = paths.iter().map(|path| format!("`{}`", sanitize_line(path))).collect::<Vec<_>>().join(", ");
    match count.saturating_sub(paths.len()) {
        _ if count == 0 => "no file".to_owned(),
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn progress_words(progress: &Progress, target: &str) -> String {
    let mut text = String::new();
    if progress.has_work {
        text.push_str("\nThe worktree holds the work of an earlier attempt; go on from there.\n");
    }
    if !progress.conflicts.is_empty() {
        let shown = &progress.conflicts[..progress.conflicts.len().min(bounds::PATHS_TOLD)];
        text.push_str(&format!(
            "\nThe branch `{}` has been merged into the worktree, because both have changed the same places. The merge is not committed: these files have \
             conflicts, marked with `<<<<<<<` and `>>>>>>>`: {}. Resolve them so that both changes have their effect, and leave no mark behind.\n",
            sanitize_line(target),
            paths_words(shown, progress.conflicts.len())
        ));
    }
    text
}

/// A text as a paragraph of its own; nothing when it is empty.
fn block(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("\n{}\n", sanitize(text)) }
}

/// A text that can't end the fence around it.
fn unfenced(text: &str) -> String {
    text.replace("```", "'''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_is_told() {
        assert_eq!(progress_words(&Progress::default(), "main"), "");
        let conflicts = vec!["a.rs".to_owned(), "b\u{1b}.rs".to_owned()];
        let text = progress_words(&Progress { has_work: true, conflicts }, "main");
        assert!(text.contains("go on from there") && text.contains("`a.rs`, `b\u{fffd}.rs`"), "{text}");
    }

    #[test]
    fn lists_of_paths_say_how_many_more() {
        assert_eq!(paths_words(&[], 0), "no file");
        assert_eq!(paths_words(&["a".to_owned()], 1), "`a`");
        assert_eq!(paths_words(&["a".to_owned(), "b".to_owned()], 9), "`a`, `b` and 7 more");
    }

    #[test]
    fn built_in_templates_have_only_places_that_mean_something() {
        for text in [PLAN, IMPLEMENT, VERIFY, REVIEW] {
            template::check_prompt(text).unwrap();
            assert!(text.contains("{identity}") && text.contains("{mail}"), "{text}");
        }
    }
}
