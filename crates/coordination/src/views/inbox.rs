//! `.team/inbox/<agent>.jsonl`: what waits for one recipient, a message a line, the oldest first.
//!
//! What was delivered is not in it any more, as where the tutorial's tools read an inbox and empty it. A name is whatever an agent
//! is called, so the file's name is made of harmless characters; see [`file_name`].

use biplane_control::{Ledger, LedgerError, LedgerExt, MailFilter, View};
use biplane_model::{AgentName, Mail, Member, view::MailView};
use camino::Utf8PathBuf;

use super::{
    Repaired, Scope,
    stamp::{carries, carries_one_of, stamp},
};
use crate::{error::Result, files, home::Home};

/// How many revisions back a file is still known as one of ours.
const KNOWN_REVISIONS: u64 = 4096;

/// How a view differs from the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no file.
    Missing,
    /// It is of another revision, or not ours.
    Differs,
}

/// The view of what waits for `name`, relative to the home's root. Letters, digits, `_`, `-` and dots within stand as they are;
/// every other byte is `%` and two hexadecimal digits, so that no name leaves the directory and no two share a file.
pub(crate) fn file_name(name: &AgentName) -> Utf8PathBuf {
    format!(".team/inbox/{}.jsonl", harmless(name)).into()
}

/// The name in characters that are harmless in a file's name; no two names share one.
pub(crate) fn harmless(name: &AgentName) -> String {
    let mut file = String::new();
    for (at, byte) in name.as_str().bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && at > 0) {
            file.push(char::from(byte));
        } else {
            file.push_str(&format!("%{byte:02X}"));
        }
    }
    file
}

pub(super) fn stale(
    home: &Home,
    view: &dyn View,
    scope: Scope<'_>,
) -> std::result::Result<Vec<(AgentName, Fault)>, LedgerError> {
    let members = match scope {
        Scope::All => view.members()?,
        Scope::Changed(committed) => {
            let mut list = Vec::new();
            for name in &committed.members {
                list.extend(view.member(name)?);
            }
            list
        }
    };
    let fault = |member: Member| {
        let path = home.root.join(file_name(&member.name));
        match carries(&path, member.name.as_str(), member.rev) {
            Some(true) => None,
            Some(false) => Some((member.name, Fault::Differs)),
            None => Some((member.name, Fault::Missing)),
        }
    };
    Ok(members.into_iter().filter_map(fault).collect())
}

pub(super) fn write(
    home: &Home,
    ledger: &dyn Ledger,
    stale: &[(AgentName, Fault)],
    repaired: &mut Repaired,
) -> Result<()> {
    for (name, fault) in stale {
        let Some((member, mail)) = ledger.look(|view| newest(view, name))? else { continue };
        let file = file_name(name);
        let path = home.root.join(&file);
        let key = name.as_str();
        let is_damage = match fault {
            // One that was never written may just be on its way.
            Fault::Missing => member.rev > 1,
            Fault::Differs => {
                let oldest = member.rev.saturating_sub(KNOWN_REVISIONS).max(1);
                !carries_one_of(&path, key, oldest..=member.rev)
            }
        };
        if is_damage {
            repaired.files.push(file);
        }
        let mut lines = Vec::with_capacity(mail.len() * 256);
        for one in &mail {
            serde_json::to_writer(&mut lines, &MailView::from(one)).expect("a view is plain data");
            lines.push(b'\n');
        }
        files::replace_stamped(&path, &lines, stamp(key, member.rev, member.updated_at.0))?;
    }
    Ok(())
}

fn newest(
    view: &dyn View,
    name: &AgentName,
) -> std::result::Result<Option<(Member, Vec<Mail>)>, LedgerError> {
    let Some(member) = view.member(name)? else { return Ok(None) };
    let filter = MailFilter { to: Some(name.clone()), waiting: true, ..MailFilter::default() };
    Ok(Some((member, view.mail(&filter)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_directory_and_no_two_share_a_file() {
        let table = [
            ("bob", "bob.jsonl"),
            ("Claude Code", "Claude%20Code.jsonl"),
            ("v1.2_x-y", "v1.2_x-y.jsonl"),
            ("..", "%2E..jsonl"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd.jsonl"),
            (".git", "%2Egit.jsonl"),
            ("/etc/x", "%2Fetc%2Fx.jsonl"),
            ("a%2Fb", "a%252Fb.jsonl"),
            ("a/b", "a%2Fb.jsonl"),
            ("bösë", "b%C3%B6s%C3%AB.jsonl"),
        ];
        let mut seen = std::collections::HashSet::new();
        for (name, file) in table {
            let found = file_name(&name.parse().unwrap());
            assert_eq!(found, format!(".team/inbox/{file}"));
            assert!(seen.insert(found));
        }
        let longest = file_name(&"ä".repeat(32).parse().unwrap());
        assert!(longest.file_name().unwrap().len() < 255 - ".new".len());
    }
}
