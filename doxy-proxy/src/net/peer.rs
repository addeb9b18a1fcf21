//! Who has connected, as the kernel says it, and who may.
//!
//! The kernel notes user and group of a process when it connects, in doxy's own user namespace.
//! That is sound. The process may since have exited, changed its user, or handed the connection
//! on; its number may be another's by now, and it chooses its own comm name: these are for
//! people to read, never to decide by.

use std::cell::RefCell;
use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;

use crate::net::peer_groups;

/// How long a comm's name is taken for true.
const FRESH: Duration = Duration::from_secs(1);

/// The process that connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its user when it connected.
    pub(crate) uid: u32,
    /// Its primary group then.
    pub(crate) gid: u32,
    /// Its number; 0 if it is not in doxy's process namespace.
    pub(crate) pid: i32,
    /// What it was called when it connected. It chooses that itself. Empty if nobody is to read it.
    pub(crate) comm: String,
    /// All this as records have it, in the one format of the log, once the first of a connection was written.
    pub(crate) written: OnceLock<Box<[u8]>>,
}

/// Who may connect. Without any entry everybody may who can open the socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerAcl {
    /// Users.
    pub uids: Vec<u32>,
    /// Groups, primary or supplementary.
    pub gids: Vec<u32>,
}

impl Peer {
    /// Asks the kernel, which goes on knowing; `named` also reads the comm's name.
    pub(crate) fn of(stream: &UnixStream, named: bool) -> std::io::Result<Self> {
        let peer = stream.peer_cred()?;
        let pid = peer.pid().unwrap_or_default();
        let comm = if named && pid > 0 {
            comm(pid)
        } else {
            String::new()
        };
        Ok(Self {
            uid: peer.uid(),
            gid: peer.gid(),
            pid,
            comm,
            written: OnceLock::new(),
        })
    }
}

impl PeerAcl {
    /// May anybody connect who can open the socket?
    pub(crate) fn are_all(&self) -> bool {
        self.uids.is_empty() && self.gids.is_empty()
    }

    /// May this one connect? If its groups cannot be learnt, it is as if it had none.
    pub(crate) fn allow(&self, caller: &Peer, stream: &UnixStream) -> bool {
        if self.are_all() {
            return true;
        }
        if self.uids.contains(&caller.uid) || self.gids.contains(&caller.gid) {
            return true;
        }
        !self.gids.is_empty()
            && peer_groups::of(stream)
                .is_ok_and(|groups| groups.iter().any(|group| self.gids.contains(group)))
    }
}

/// What a process is called. Asked once a second of one that connects again and again: finding it
/// out costs more than a request.
fn comm(pid: i32) -> String {
    thread_local! {
        static LAST: RefCell<Option<(i32, Instant, String)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| match last {
        Some((known, when, comm)) if *known == pid && when.elapsed() < FRESH => comm.clone(),
        _ => {
            let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            let comm = String::from_utf8_lossy(&comm).trim_end().to_owned();
            *last = Some((pid, Instant::now(), comm.clone()));
            comm
        }
    })
}
