//! Ports leased to worktrees: no two live worktrees of this user have the same one.
//!
//! The ledger says which ports a worktree has. A registry of this user's (a file a port, in the directory for state)
//! keeps several repositories apart; where it can't be written, leases are kept apart within the repository alone.

use std::collections::BTreeSet;

use biplane_control::{LedgerError, View, WorktreeFilter, gate::Gate, gate::Pass};
use biplane_failpoint as failpoint;
use biplane_model::{ProcessIdentity, Worktree, WorktreeId};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::{io::Errno, net};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Service;
use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
    files,
    import::read::{self, Found},
    recovery::is_dead,
    settings::Ports,
};

/// Who has a port, as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    /// The directory of the home's state.
    home: Utf8PathBuf,
    /// The worktree's record; none for a gate.
    worktree: Option<u64>,
    /// The directory it is leased for.
    path: Utf8PathBuf,
    /// The process that leased it.
    by: ProcessIdentity,
}

/// The one place where ports are given out; whoever has it is alone there.
pub(crate) struct PortOffice<'a> {
    service: &'a Service,
    registry: Option<(Utf8PathBuf, Pass)>,
}

/// How many ports of the range somebody has.
#[derive(Default)]
struct Taken {
    here: usize,
    elsewhere: usize,
    in_use: usize,
}

impl Service {
    /// The office, when worktrees lease ports. It is taken before the ledger's gate, and held until the lease is in the ledger.
    pub(crate) fn port_office(&self) -> Result<Option<PortOffice<'_>>> {
        if self.settings().worktrees.ports.count == 0 {
            return Ok(None);
        }
        Ok(Some(PortOffice { service: self, registry: self.registry()? }))
    }

    fn registry(&self) -> Result<Option<(Utf8PathBuf, Pass)>> {
        let Some(dir) = self.registry_dir() else { return Ok(None) };
        if failpoint::around("ports' directory made", || std::fs::create_dir_all(&dir)).is_err() {
            return Ok(None);
        }
        let mut gate = Gate::at(dir.join("lock"), "the ports", bounds::PORTS_LOCK_WAIT);
        gate.on_wait = self.wait_notice("the ports");
        match gate.enter("leasing ports") {
            Ok(pass) => Ok(Some((dir, pass))),
            Err(error @ LedgerError::Busy { .. }) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// Where the registry lies, by the rule for such directories.
    fn registry_dir(&self) -> Option<Utf8PathBuf> {
        let absolute = |name| self.variable(name).map(Utf8PathBuf::from).filter(|path| path.is_absolute());
        let state =
            absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
        Some(state.join("biplane/ports"))
    }

    /// Leases ports for a gate, which runs where no worktree's ports are meant.
    pub(crate) fn lease_for_gate(&self, path: &Utf8Path) -> Result<Vec<u16>> {
        let Some(office) = self.port_office()? else { return Ok(Vec::new()) };
        self.look(|view| office.lease(view, None, path))
    }

    /// Takes ports out of the registry that are not leased any more. What can't be taken out now is found by the next who
    /// needs a port.
    pub(crate) fn return_ports(&self, ports: &[u16], worktree: Option<WorktreeId>) {
        if ports.is_empty() {
            return;
        }
        let Ok(Some((dir, _held))) = self.registry() else { return };
        let home = self.home().board().state_dir();
        for port in ports {
            let file = dir.join(port.to_string());
            if let Entry::Of(holder) = entry(&file)
                && holder.home == home
                && holder.worktree == worktree.map(|id| id.0)
            {
                let _ = failpoint::around("port returned", || std::fs::remove_file(&file));
            }
        }
    }
}

impl PortOffice<'_> {
    /// Leases as many ports as the settings say, for a worktree or a gate in the directory `path`.
    ///
    /// # Errors
    /// When the range has not enough that are free.
    pub(crate) fn lease(
        &self,
        view: &dyn View,
        worktree: Option<WorktreeId>,
        path: &Utf8Path,
    ) -> Result<Vec<u16>> {
        let range = self.service.settings().worktrees.ports;
        let live = view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?;
        let ours: BTreeSet<u16> = live.iter().flat_map(|w: &Worktree| w.ports.iter().copied()).collect();
        let holder = Holder {
            home: self.service.home().board().state_dir(),
            worktree: worktree.map(|id| id.0),
            path: path.to_owned(),
            by: self.service.me(),
        };
        let (mut chosen, mut taken) = (Vec::new(), Taken::default());
        for port in in_order(range, &self.service.home().root) {
            if chosen.len() == range.count {
                break;
            }
            if ours.contains(&port) {
                taken.here += 1;
            } else if self.is_held(port, &holder) {
                taken.elsewhere += 1;
            } else if !is_free(port) {
                taken.in_use += 1;
            } else {
                chosen.push(port);
            }
        }
        if chosen.len() < range.count {
            return Err(exhausted(range, chosen.len(), &taken));
        }
        if let Some((dir, _)) = &self.registry {
            let text = serde_json::to_vec(&holder).expect("a holder is plain data");
            for port in &chosen {
                // Without its file a port is still kept apart within the repository.
                failpoint::reach("port leased before");
                let _ = files::replace(&dir.join(port.to_string()), &text);
                failpoint::reach("port leased after");
            }
        }
        Ok(chosen)
    }

    /// Whether the registry says that somebody else has the port.
    fn is_held(&self, port: u16, us: &Holder) -> bool {
        let Some((dir, _)) = &self.registry else { return false };
        match entry(&dir.join(port.to_string())) {
            Entry::Nobody => false,
            // What can't be read is somebody's.
            Entry::Unknown => true,
            // The ledger knows better, and has been asked already.
            Entry::Of(holder) if holder.home == us.home && holder.worktree.is_some() => false,
            // Of a process that died, what counts is whether what it leased the port for is there.
            Entry::Of(holder) => {
                !is_dead(&holder.by)
                    || (holder.worktree.is_some() && holder.path.as_std_path().symlink_metadata().is_ok())
            }
        }
    }
}

enum Entry {
    Nobody,
    Unknown,
    Of(Holder),
}

fn entry(file: &Utf8Path) -> Entry {
    match read::file(file, bounds::HOLDER_BYTES) {
        Found::Nothing => Entry::Nobody,
        Found::Unread(_) => Entry::Unknown,
        Found::File(bytes) => serde_json::from_slice(&bytes).map_or(Entry::Unknown, Entry::Of),
    }
}

/// The ports of the range, from one on that differs from repository to repository.
fn in_order(range: Ports, root: &Utf8Path) -> impl Iterator<Item = u16> {
    let digest = Sha256::digest(root.as_str().as_bytes());
    let number = digest.iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    let size = u32::from(range.last - range.first) + 1;
    (0..size).map(move |step| {
        let at = (number % size + step) % size;
        range.first + u16::try_from(at).expect("the size of a range of ports fits")
    })
}

/// Whether nobody listens on the port of this machine, at the moment.
fn is_free(port: u16) -> bool {
    let bound = |family, address: std::net::SocketAddr| -> std::result::Result<(), Errno> {
        let socket = net::socket(family, net::SocketType::STREAM, None)?;
        // Without SO_REUSEADDR: with it some systems let two listen.
        net::bind(&socket, &address)
    };
    let here = (std::net::Ipv4Addr::LOCALHOST, port).into();
    let here6 = (std::net::Ipv6Addr::LOCALHOST, port).into();
    bound(net::AddressFamily::INET, here).is_ok()
        // A machine may have no IPv6.
        && !matches!(bound(net::AddressFamily::INET6, here6), Err(Errno::ADDRINUSE | Errno::ACCESS))
}

fn exhausted(range: Ports, free: usize, taken: &Taken) -> Error {
    let Ports { count, first, last } = range;
    let Taken { here, elsewhere, in_use } = taken;
    Error::new(
        ErrorKind::Busy,
        format!(
            "a worktree needs {count} ports, and of {first}-{last} only {free} are free: worktrees of this repository have {here}, \
             other repositories and gates {elsewhere}, other programs {in_use}"
        ),
    )
    .hint("remove worktrees, or widen `range` in `[ports]`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_of_the_range_once_and_from_another_on_elsewhere() {
        let range = Ports { count: 1, first: 20_000, last: 20_099 };
        let order = |root: &str| in_order(range, root.into()).collect::<Vec<_>>();
        let (mut a, b) = (order("/a"), order("/b"));
        assert_ne!(a[0], b[0]);
        a.sort_unstable();
        assert_eq!(a, (20_000..=20_099).collect::<Vec<_>>());
        assert_eq!(in_order(Ports { count: 1, first: 65_535, last: 65_535 }, "/a".into()).count(), 1);
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            // A machine without IPv6 has nothing to test there.
            let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            assert!(!is_free(port), "{address}");
        }
    }
}
