//! A unix socket that is created beside its path, and then takes its place: in that of a live one too, so
//! that no client is refused in between.
//!
//! It takes no lock, for it removes nothing of another process. The mode comes from the umask, and the
//! owner is changed only where it differs: in the sandbox doxy may change neither of a file. What it cannot
//! have at once is an error.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, fstat};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::umask;

use crate::net::listener::error::ListenError;
use crate::net::listener::present::{is_socket, may_be_replaced};
use crate::net::listener::queue::BACKLOG;
use crate::net::listener::unix::{
    MAX_SOCKET_PATH, UnixListenConfig, UnixListener, errno_reason, identity, own_inode, remove,
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
        if is_socket(&self.path).map_err(fail)? {
            may_be_replaced(&self.path).map_err(fail)?;
        }
        let at = beside(&self.path);
        let address = match SocketAddrUnix::new(&at) {
            Ok(address) if at.as_os_str().len() <= MAX_SOCKET_PATH => address,
            _ => {
                return Err(fail((
                    "the path is too long for a socket that takes a place".to_owned(),
                    "it has a longer name beside its path for a moment, of at most 107 bytes; choose a \
                     shorter path",
                )));
            }
        };
        if is_socket(&at).map_err(fail)? {
            // Left behind by a process that had the same number.
            let _ = rustix::fs::unlink(&at);
        }
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .map_err(|error| fail((errno_reason(error), "check the limit on open files")))?;
        // The new inode gets its mode at once. Nobody can connect before `listen`.
        let before = umask(Mode::from_raw_mode(!self.mode & 0o777));
        let bound = rustix::net::bind(&socket, &address);
        umask(before);
        bound.map_err(|error| {
            let help = "choose a folder in which doxy may create files";
            fail((errno_reason(error), help))
        })?;
        let inode = own_inode(&at).map_err(|error| {
            let help = "choose a folder that only doxy may write to";
            fail((errno_reason(error), help))
        })?;
        let identity = identity(inode.as_fd());
        let listening = (|| {
            let stat = fstat(&inode).map_err(|error| (errno_reason(error), "try again"))?;
            let owner = self.owner.filter(|owner| owner.as_raw() != stat.st_uid);
            let group = self.group.filter(|group| group.as_raw() != stat.st_gid);
            if owner.is_some() || group.is_some() {
                rustix::fs::chownat(&inode, "", owner, group, AtFlags::EMPTY_PATH).map_err(
                    |error| {
                        let what = format!("cannot set owner and group: {}", errno_reason(error));
                        (
                            what,
                            "restart doxy as root, or leave owner and group as they are",
                        )
                    },
                )?;
            }
            rustix::net::listen(&socket, BACKLOG)
                .map_err(|error| (errno_reason(error), "try again"))?;
            let inner = tokio::net::UnixStream::from_std(socket.into())
                .map_err(|error| (io_reason(&error), "check the limit on open files"))?;
            Ok(UnixListener {
                inner,
                path: self.path.clone(),
                beside: Some(at.clone()),
                identity,
                is_own: true,
            })
        })();
        listening.map_err(|error| {
            remove(&at, identity);
            fail(error)
        })
    }
}

impl UnixListener {
    /// Takes its place, and that of the socket that is there.
    ///
    /// # Errors
    /// If the folder cannot be changed.
    pub fn move_in(&mut self) -> Result<(), ListenError> {
        if let Some(beside) = &self.beside {
            rustix::fs::rename(beside, &self.path).map_err(|error| ListenError {
                what: errno_reason(error),
                help: "choose a folder that only doxy may write to",
            })?;
            self.beside = None;
        }
        Ok(())
    }
}

/// A name for a socket beside this path, which no other process uses.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}
