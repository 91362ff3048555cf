//! Mail between the lead and agents.
//!
//! **Contract.** A message is in the ledger when `mail_send` returns. It is handed out once, in its order: in the prompt of its
//! recipient's next run (see [`crate::dispatch`]), or by `mail_read`, which marks it as delivered once it was shown. While one reader is
//! shown its mail, no other one of that name is given any. What is read in a run belongs to that run: it waits again when the run is lost.

use biplane_control::{
    MailFilter,
    board::{self, NewMail, Waiting},
    gate::Pass,
};
use biplane_failpoint as failpoint;
use biplane_model::{AgentName, MailId, RequestId, view::MailView};

use super::Service;
use crate::{
    bounds,
    error::{Error, Result},
    locks,
};

/// A message that is to be sent to one.
#[derive(Debug, Clone)]
pub struct MailRequest {
    /// Who sends it; whoever calls when absent. In an agent's run that is the agent.
    pub from: Option<AgentName>,
    /// Who it is to.
    pub to: AgentName,
    /// What it says.
    pub content: String,
}

/// What became of a message to everybody.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// The messages, one for each who gets it.
    pub mail: Vec<MailView>,
    /// Who does not get it, because too much waits for them.
    pub skipped: Vec<AgentName>,
}

/// How much is handed out at once.
#[derive(Debug, Clone, Copy)]
pub struct MailShare {
    /// The most messages; 50 when absent.
    pub count: Option<usize>,
    /// The most bytes of what they say; one that is longer comes alone.
    pub bytes: usize,
}

impl MailShare {
    /// So many messages, of a MiB in all.
    pub fn of(count: Option<usize>) -> Self {
        Self { count, bytes: bounds::MAIL_READ_BYTES }
    }

    fn waiting(self) -> Result<Waiting> {
        Ok(Waiting { count: count(self.count)?, bytes: self.bytes })
    }
}

/// What was delivered to one.
#[derive(Debug, Clone)]
pub struct MailBox {
    /// Whose it is.
    pub of: AgentName,
    /// The messages, in the order in which they were sent.
    pub mail: Vec<MailView>,
    /// How many still wait.
    pub left: u64,
}

/// Which messages to list.
#[derive(Debug, Clone, Default)]
pub struct MailQuery {
    /// Only to this recipient. In an agent's run always the agent.
    pub to: Option<AgentName>,
    /// Only from this sender.
    pub from: Option<AgentName>,
    /// Only those that wait.
    pub waiting: bool,
    /// Only about this request.
    pub request: Option<RequestId>,
    /// The newest so many; 50 when absent.
    pub limit: Option<usize>,
}

impl Service {
    /// Sends a message to one: the lead, an agent of the settings, who owns a task, or who has sent mail.
    ///
    /// # Errors
    /// Not found when nobody is called so; usage for a text out of bounds; busy when too much waits for the recipient.
    pub fn mail_send(&self, request: &MailRequest) -> Result<MailView> {
        let new = NewMail {
            from: self.speaker(request.from.as_ref())?,
            to: request.to.clone(),
            content: request.content.clone(),
            task: self.own_task(),
        };
        let roster = self.roster();
        self.change(|view, now| {
            let (changes, mail) = board::send(view, &roster, &new, now)?;
            Ok((changes, MailView::from(&mail)))
        })
    }

    /// Sends a message to all of the team but the sender.
    ///
    /// # Errors
    /// Usage for a text out of bounds, and when there is nobody else.
    pub fn mail_broadcast(&self, from: Option<&AgentName>, content: &str) -> Result<Broadcast> {
        let (from, roster) = (self.speaker(from)?, self.roster());
        self.change(|view, now| {
            let (changes, mail, skipped) = board::broadcast(view, &roster, &from, content, now)?;
            Ok((changes, Broadcast { mail: mail.iter().map(MailView::from).collect(), skipped }))
        })
    }

    /// Delivers what waits for `of`, or for whoever calls: `show` is given it, and it is marked as delivered when that says that it was
    /// shown. When it was not, or this process dies before that, it waits on.
    ///
    /// # Errors
    /// Refused when an agent reads what is another's; busy while somebody is shown the same mail; what `show` says.
    pub fn mail_read(
        &self,
        of: Option<&AgentName>,
        share: MailShare,
        show: impl FnOnce(&MailBox) -> Result<()>,
    ) -> Result<()> {
        let of = self.speaker(of)?;
        let most = share.waiting()?;
        let Some(_pass) = self.open_inbox(&of)? else {
            return show(&MailBox { of, mail: Vec::new(), left: 0 });
        };
        let mailbox = self.what_waits(&of, most)?;
        failpoint::around("mail shown", || show(&mailbox))?;
        let ids: Vec<MailId> = mailbox.mail.iter().map(|mail| mail.id).collect();
        let run = self.own_run();
        self.change(|view, now| Ok((board::deliver_shown(view, &of, &ids, run, now)?, ())))
    }

    /// The right to hand out what waits for `of`; none when nothing does.
    fn open_inbox(&self, of: &AgentName) -> Result<Option<Pass>> {
        // Nearly always nothing waits for who polls: no lock is taken for that.
        if self.look(|view| Ok(view.member(of)?.is_none_or(|member| member.waiting == 0)))? {
            return Ok(None);
        }
        locks::inbox(self.home().board(), of, &format!("reading the mail of `{of}`")).map(Some)
    }

    /// What [`Service::mail_read`] would deliver, delivering none of it.
    ///
    /// # Errors
    /// As there.
    pub fn mail_peek(&self, of: Option<&AgentName>, share: MailShare) -> Result<MailBox> {
        let of = self.speaker(of)?;
        self.what_waits(&of, share.waiting()?)
    }

    fn what_waits(&self, of: &AgentName, most: Waiting) -> Result<MailBox> {
        self.look(|view| {
            let mail: Vec<MailView> = most.of(view, of)?.iter().map(MailView::from).collect();
            let waiting = view.member(of)?.map_or(0, |member| member.waiting);
            Ok(MailBox { of: of.clone(), left: waiting.saturating_sub(mail.len() as u64), mail })
        })
    }

    /// Lists mail, the newest last, whether delivered or not; delivers none.
    ///
    /// # Errors
    /// Refused when an agent lists what is another's.
    pub fn mail_list(&self, query: &MailQuery) -> Result<Vec<MailView>> {
        let own = self.own_agent()?;
        if let (Some(own), Some(to)) = (&own, &query.to)
            && own != to
        {
            return Err(Error::refused(format!("`{own}` can't read the mail of `{to}`")));
        }
        let filter = MailFilter {
            to: own.or_else(|| query.to.clone()),
            from: query.from.clone(),
            waiting: query.waiting,
            request: query.request,
            newest: Some(count(query.limit)?),
            ..MailFilter::default()
        };
        self.look(|view| Ok(view.mail(&filter)?.iter().map(MailView::from).collect()))
    }
}

fn count(limit: Option<usize>) -> Result<usize> {
    let limit = limit.unwrap_or(bounds::MAIL_SHOWN);
    if (1..=bounds::MOST_MAIL_SHOWN).contains(&limit) {
        return Ok(limit);
    }
    Err(Error::usage(format!("a limit is 1 to {}", bounds::MOST_MAIL_SHOWN)))
}
