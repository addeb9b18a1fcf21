//! A unix socket of doxy's own: it has the right mode from its first moment, and never replaces a
//! socket on which a process listens.
//!
//! All steps run under a lock on the path. Of two doxys that start at once on one path, one wins.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};

use rustix::fs::{AtFlags, FileType, Gid, Mode, RawMode, Uid};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::thread::CapabilitySet;
use tokio::io::Interest;

use crate::net::listener::error::ListenError;
use crate::net::listener::lock::PathLock;
use crate::net::listener::place::{Refusal, SocketPlace, cannot_create, root_lacks};
use crate::net::listener::present::{is_socket, remove_stale};
use crate::net::listener::queue::{self, BACKLOG};
use crate::net::reason::io_reason;

/// The longest path of a socket, in bytes.
pub const MAX_SOCKET_PATH: usize = 107;

/// Where to listen, and who may open the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixListenConfig {
    /// The path of the socket.
    pub path: PathBuf,
    /// Permission bits of the socket; connecting takes the right to write.
    pub mode: RawMode,
    /// The user that the socket belongs to; doxy's own if there is none.
    pub owner: Option<Uid>,
    /// The group that the socket belongs to; doxy's own if there is none.
    pub group: Option<Gid>,
}

/// A unix socket that doxy listens on. Dropped, it removes the socket if doxy has created it and the
/// path still leads to it.
#[derive(Debug)]
pub struct UnixListener {
    /// A stream to tokio, which only has to tell when it is readable: tokio's own listener has its
    /// runtime watch every connection, even one that is closed at once.
    pub(super) inner: tokio::net::UnixStream,
    pub(super) path: PathBuf,
    /// Where it is, if doxy has created it, and so removes it.
    pub(super) own: Option<SocketPlace>,
    /// The place that it is to take.
    pub(super) to_take: Option<SocketPlace>,
    /// Device and inode of the socket that was bound here.
    pub(super) identity: Option<(u64, u64)>,
}

impl UnixListenConfig {
    /// Creates the socket and listens on it. To be called within a tokio runtime.
    ///
    /// # Errors
    /// Path too long; folder missing or not writable; somebody listening there already; a file
    /// there that is no socket; owner or group that may not be set. Nothing is left behind.
    pub fn listen(&self) -> Result<UnixListener, ListenError> {
        let fail = |(what, help)| ListenError { what, help };
        // One byte less than the kernel takes: many clients end the path with a NUL.
        if self.path.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(fail((
                "the path is too long for a socket".to_owned(),
                "a socket's path has at most 107 bytes, choose a shorter one",
            )));
        }
        let place = SocketPlace::of(&self.path).map_err(fail)?;
        self.listen_at(place).map_err(fail)
    }

    pub(super) fn listen_at(&self, place: SocketPlace) -> Result<UnixListener, Refusal> {
        let address = place.address().map_err(|error| {
            let help = "name a path such as /run/doxy/doxy.sock";
            (errno_reason(error), help)
        })?;
        // Beside what is named by mistake there is to be no lock file, not for a moment.
        is_socket(&place)?;
        let _lock = PathLock::take(&place)?;
        remove_stale(&place)?;

        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .map_err(|error| (errno_reason(error), "check the limit on open files"))?;
        // The new inode takes its mode from here, less the umask. Nobody may open it until it has its
        // owner, and nobody can connect before `listen`.
        rustix::fs::fchmod(&socket, Mode::empty())
            .and_then(|()| rustix::net::bind(&socket, &address))
            .map_err(|error| (errno_reason(error), cannot_bind(&place, error)))?;

        let inode = own_inode(&place, 0).map_err(|error| {
            let help = "choose a folder that only doxy may write to";
            (errno_reason(error), help)
        })?;
        let identity = identity(inode.as_fd());
        let listening = self.hand_over(inode.as_fd(), &place).and_then(|()| {
            rustix::net::listen(&socket, BACKLOG)
                .map_err(|error| (errno_reason(error), "try again"))?;
            tokio::net::UnixStream::from_std(socket.into())
                .map_err(|error| (io_reason(&error), "check the limit on open files"))
        });
        match listening {
            Ok(inner) => Ok(UnixListener {
                inner,
                path: self.path.clone(),
                own: Some(place),
                to_take: None,
                identity,
            }),
            Err(refusal) => {
                place.remove(identity);
                Err(refusal)
            }
        }
    }

    /// Gives the bound socket its owner and mode, through a descriptor of that very inode: its name could
    /// become a link meanwhile.
    fn hand_over(&self, inode: BorrowedFd<'_>, place: &SocketPlace) -> Result<(), Refusal> {
        if self.owner.is_some() || self.group.is_some() {
            rustix::fs::chownat(inode, "", self.owner, self.group, AtFlags::EMPTY_PATH).map_err(
                |error| {
                    let what = format!("cannot set owner and group: {}", errno_reason(error));
                    let help = if root_lacks(CapabilitySet::CHOWN) {
                        "root lacks the capability CHOWN here; add it (in a compose file \
                         `cap_add: [CHOWN, FOWNER]`), or leave out --socket-owner, --socket-group \
                         and --user"
                    } else {
                        "make doxy's user a member of that group and restart doxy, start doxy as \
                         root, or leave out --socket-owner and --socket-group"
                    };
                    (what, help)
                },
            )?;
        }
        self.chmod(inode, place).map_err(|error| {
            let help = if root_lacks(CapabilitySet::FOWNER) {
                "root lacks the capability FOWNER here; add it (in a compose file \
                 `cap_add: [CHOWN, FOWNER]`), or leave out --socket-owner and --user"
            } else if error == Errno::NOENT {
                "mount /proc, or name a folder that only doxy may write to, and no owner"
            } else {
                "try again"
            };
            (
                format!("cannot set the mode: {}", errno_reason(error)),
                help,
            )
        })
    }

    /// Sets the mode of an inode opened with `O_PATH`, which works only through `/proc`. Without that the name
    /// must do, where nobody else can have put anything in its place.
    fn chmod(&self, inode: BorrowedFd<'_>, place: &SocketPlace) -> Result<(), Errno> {
        use std::os::fd::AsRawFd as _;
        let mode = Mode::from_raw_mode(self.mode);
        let link = format!("/proc/self/fd/{}", inode.as_raw_fd());
        match rustix::fs::chmod(&link, mode) {
            Err(Errno::NOENT) if place.is_private() && self.owner.is_none() => place.chmod(mode),
            done => done,
        }
    }
}

impl UnixListener {
    /// Takes over a socket that listens already and does not block. It stays where it is at the end.
    pub(super) fn inherited(socket: OwnedFd) -> io::Result<Self> {
        let address = SocketAddrUnix::try_from(rustix::net::getsockname(&socket)?)?;
        let path = address.path_bytes().map(OsStr::from_bytes);
        let path = PathBuf::from(path.unwrap_or_default());
        let there = rustix::fs::stat(&path).ok();
        Ok(Self {
            inner: tokio::net::UnixStream::from_std(socket.into())?,
            path,
            own: None,
            to_take: None,
            identity: there.map(|stat| (stat.st_dev, stat.st_ino)),
        })
    }

    /// Device and inode of the socket at its path.
    pub fn identity(&self) -> Option<(u64, u64)> {
        self.identity
    }

    /// The path it was bound to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `path`, through any links, leads to this socket.
    pub fn is_at(&self, path: &Path) -> bool {
        rustix::fs::stat(path).is_ok_and(|stat| Some((stat.st_dev, stat.st_ino)) == self.identity)
    }

    /// What tells whether this socket is still the one at its path, if doxy has created it.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.own.as_ref().map(|_| Mark {
            path: self.path.clone(),
            identity: self.identity,
        })
    }

    /// Accepts a connection. No runtime watches it yet, so that it can be closed at little cost.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        loop {
            ready!(self.inner.poll_read_ready(cx))?;
            match self
                .inner
                .try_io(Interest::READABLE, || accept(&self.inner))
            {
                Err(error) if queue::is_empty(&error) => {}
                accepted => return Poll::Ready(accepted),
            }
        }
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// Accepts a connection, without waiting for one.
fn accept(listener: &impl AsFd) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::accept_with(listener, flags)?.into())
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        // It takes no lock: this socket is closed only after this, and until then no doxy takes it for a
        // stale one that may be replaced.
        if let Some(place) = &self.own {
            place.remove(self.identity);
        }
    }
}

/// A socket, and the path that it was created at.
#[derive(Debug)]
pub(crate) struct Mark {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Mark {
    /// Whether another socket has taken its place.
    pub(crate) fn was_replaced(&self) -> bool {
        rustix::fs::lstat(&self.path).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::Socket
                && Some((stat.st_dev, stat.st_ino)) != self.identity
        })
    }
}

/// The socket that was just bound here with this mode, or an error if something else has taken its place:
/// a new one has one name, and the user and the mode that it was bound with.
pub(super) fn own_inode(place: &SocketPlace, mode: RawMode) -> Result<OwnedFd, Errno> {
    let inode = place.inode()?;
    let stat = rustix::fs::fstat(&inode)?;
    let socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
    let own = stat.st_uid == rustix::process::geteuid().as_raw();
    if socket && own && stat.st_mode & 0o7777 == mode && stat.st_nlink == 1 {
        Ok(inode)
    } else {
        Err(Errno::BUSY)
    }
}

/// What to do if a socket cannot be bound.
pub(super) fn cannot_bind(place: &SocketPlace, error: Errno) -> &'static str {
    match place.is_private() {
        // The folder is there, so it is the way to it that is missing.
        false if error == Errno::NOENT => {
            "mount /proc, or choose a folder that only doxy may write to"
        }
        _ => cannot_create(error),
    }
}

/// Device and inode, if they can be read.
pub(super) fn identity(inode: BorrowedFd<'_>) -> Option<(u64, u64)> {
    rustix::fs::fstat(inode)
        .ok()
        .map(|stat| (stat.st_dev, stat.st_ino))
}

pub(super) fn errno_reason(error: Errno) -> String {
    io_reason(&error.into())
}
