//! Who has connected, as the kernel reports it.
//!
//! For a unix socket the kernel notes user and group of the process that connects, in doxy's own
//! user namespace. Both are sound to decide by. The process may since have exited, changed its user
//! or passed the connection on; its number may be another's by now, and it chooses its own command
//! name. Those two are for people to read: never decide by them.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use crate::clock::CoarseInstant;
use crate::net::credentials;

/// How long a command's name is reused for further connections of the same process.
const COMM_LIFETIME: Duration = Duration::from_secs(1);

/// The other end of a client's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A process of this machine.
    Unix(UnixPeer),
}

/// A process that has connected to a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnixPeer {
    /// Its user when it connected.
    pub(crate) uid: u32,
    /// Its primary group then.
    pub(crate) gid: u32,
    /// Its number; 0 if it is not in doxy's process namespace.
    pub(crate) pid: i32,
    /// Its command name then, which it chooses itself. Empty unless it was asked for.
    pub(crate) comm: String,
}

/// Whom connections, memory and time are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Identity {
    /// The processes of this user.
    User(u32),
    /// All processes whose user the kernel does not tell.
    Unknown,
}

/// The user that stands for all without a number in doxy's user namespace. Linux lets
/// administrators change it; nobody does.
const OVERFLOW_UID: u32 = 65_534;

/// Which peers may connect. Without any entry, everyone who can open the socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerAcl {
    /// Users.
    pub uids: Vec<u32>,
    /// Groups, primary or supplementary.
    pub gids: Vec<u32>,
}

impl Peer {
    /// Asks the kernel who has connected a unix socket.
    pub(crate) fn of(socket: &impl AsFd) -> io::Result<Self> {
        let credentials = credentials::of(socket)?;
        Ok(Self::Unix(UnixPeer {
            uid: credentials.uid,
            gid: credentials.gid,
            pid: credentials.pid,
            comm: String::new(),
        }))
    }

    /// Reads the command's name too, which costs more than a request.
    pub(crate) fn read_comm(&mut self) {
        let Self::Unix(peer) = self;
        if peer.pid > 0 {
            peer.comm = comm(peer.pid);
        }
    }

    /// A process in another process namespace has no number here, and its user may be another's.
    pub(crate) fn identity(&self) -> Identity {
        let Self::Unix(peer) = self;
        if peer.pid > 0 && peer.uid != OVERFLOW_UID {
            Identity::User(peer.uid)
        } else {
            Identity::Unknown
        }
    }
}

impl PeerAcl {
    /// Whether this peer may connect. If its groups cannot be read, it counts as having none.
    pub(crate) fn allows(&self, peer: &Peer, socket: &impl AsFd) -> bool {
        let Peer::Unix(peer) = peer;
        if self.uids.is_empty() && self.gids.is_empty() {
            return true;
        }
        if self.uids.contains(&peer.uid) || self.gids.contains(&peer.gid) {
            return true;
        }
        !self.gids.is_empty()
            && credentials::groups(socket)
                .is_ok_and(|groups| groups.iter().any(|group| self.gids.contains(group)))
    }
}

/// The command name of a process.
fn comm(pid: i32) -> String {
    thread_local! {
        static LAST: RefCell<Option<(i32, CoarseInstant, String)>> = const { RefCell::new(None) };
    }
    let now = CoarseInstant::now();
    LAST.with_borrow_mut(|last| match last {
        Some((known, read, comm)) if *known == pid && now.since(*read) < COMM_LIFETIME => {
            comm.clone()
        }
        _ => {
            let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            let comm = String::from_utf8_lossy(&comm).trim_end().to_owned();
            *last = Some((pid, now, comm.clone()));
            comm
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Identity, Peer, UnixPeer};

    #[test]
    fn only_a_user_that_the_kernel_tells_is_one() {
        for (uid, pid, identity) in [
            (0, 1, Identity::User(0)),
            (1000, 4711, Identity::User(1000)),
            // Its own number in another user namespace, or nobody's.
            (65_534, 4711, Identity::Unknown),
            // In another process namespace.
            (1000, 0, Identity::Unknown),
        ] {
            let comm = String::new();
            let peer = UnixPeer {
                uid,
                gid: 0,
                pid,
                comm,
            };
            assert_eq!(Peer::Unix(peer).identity(), identity, "{uid} {pid}");
        }
    }
}
