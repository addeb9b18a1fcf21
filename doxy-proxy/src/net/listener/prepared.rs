//! A unix socket that is created beside its path, and then takes its place: in that of a live one too, so
//! that no client is refused in between.
//!
//! It takes no lock, for it removes nothing of another process. The mode comes from the umask, and the
//! owner is changed only where it differs: in the sandbox doxy may change neither of a file. What it cannot
//! have at once is an error.

use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::fs::{AtFlags, Mode, chownat, fstat};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::umask;

use crate::net::listener::error::ListenError;
use crate::net::listener::place::{Refusal, SocketPlace};
use crate::net::listener::present::{is_socket, may_be_replaced};
use crate::net::listener::queue::BACKLOG;
use crate::net::listener::unix::{
    MAX_SOCKET_PATH, UnixListenConfig, UnixListener, cannot_bind, errno_reason, identity, own_inode,
};
use crate::net::reason::io_reason;

impl UnixListenConfig {
    /// Creates the socket beside its path and listens. [`UnixListener::move_in`] gives it the path.
    ///
    /// # Errors
    /// A path too long; a folder missing or not writable; somebody but doxy listening there already; a
    /// file there that is no socket; an owner or group that doxy may not set. Nothing is left behind.
    pub fn prepare(&self) -> Result<UnixListener, ListenError> {
        let fail = |(what, help)| ListenError { what, help };
        let place = SocketPlace::of(&self.path).map_err(fail)?;
        self.prepare_at(place).map_err(fail)
    }

    pub(super) fn prepare_at(&self, place: SocketPlace) -> Result<UnixListener, Refusal> {
        let reason = |error| (errno_reason(error), "check the limit on open files");
        if is_socket(&place)? {
            may_be_replaced(&place)?;
        }
        // No other process uses this name.
        let beside = place.beside(&format!(".{}", std::process::id()));
        let beside = beside.map_err(reason)?;
        let address = match beside.address() {
            Ok(address) if beside.path().as_os_str().len() <= MAX_SOCKET_PATH => address,
            _ => {
                return Err((
                    "the path is too long for a socket that takes a place".to_owned(),
                    "it has a longer name beside its path for a moment, of at most 107 bytes; choose a \
                     shorter path",
                ));
            }
        };
        if is_socket(&beside)? {
            // Left behind by a process that had the same number.
            let _ = beside.unlink();
        }
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .map_err(reason)?;
        // The new inode gets its mode at once. Nobody can connect before `listen`.
        let before = umask(Mode::from_raw_mode(!self.mode & 0o777));
        let bound = rustix::net::bind(&socket, &address);
        umask(before);
        bound.map_err(|error| (errno_reason(error), cannot_bind(&beside, error)))?;
        let inode = own_inode(&beside, self.mode & 0o777).map_err(|error| {
            let help = "choose a folder that only doxy may write to, and that has no access list";
            (errno_reason(error), help)
        })?;
        let identity = identity(inode.as_fd());
        let listening = self.hand_over_beside(inode.as_fd()).and_then(|()| {
            rustix::net::listen(&socket, BACKLOG)
                .map_err(|error| (errno_reason(error), "try again"))?;
            tokio::net::UnixStream::from_std(socket.into())
                .map_err(|error| (io_reason(&error), "check the limit on open files"))
        });
        match listening {
            Ok(inner) => Ok(UnixListener {
                inner,
                path: self.path.clone(),
                own: Some(beside),
                to_take: Some(place),
                identity,
            }),
            Err(refusal) => {
                beside.remove(identity);
                Err(refusal)
            }
        }
    }

    /// Gives the socket its owner, where that differs.
    fn hand_over_beside(&self, inode: BorrowedFd<'_>) -> Result<(), Refusal> {
        let stat = fstat(inode).map_err(|error| (errno_reason(error), "try again"))?;
        let owner = self.owner.filter(|owner| owner.as_raw() != stat.st_uid);
        let group = self.group.filter(|group| group.as_raw() != stat.st_gid);
        if owner.is_none() && group.is_none() {
            return Ok(());
        }
        chownat(inode, "", owner, group, AtFlags::EMPTY_PATH).map_err(|error| {
            let what = format!("cannot set owner and group: {}", errno_reason(error));
            let help = "restart doxy as root, or leave owner and group as they are";
            (what, help)
        })
    }
}

impl UnixListener {
    /// Takes its place, and that of the socket that is there.
    ///
    /// # Errors
    /// If the folder cannot be changed.
    pub fn move_in(&mut self) -> Result<(), ListenError> {
        if let (Some(beside), Some(place)) = (&self.own, &self.to_take) {
            beside.rename(place).map_err(|error| ListenError {
                what: errno_reason(error),
                help: "choose a folder that only doxy may write to",
            })?;
            self.own = self.to_take.take();
        }
        Ok(())
    }
}
