//! Binding doxy's own socket: with the right mode from its first moment, and never on top of a
//! socket that somebody listens on.
//!
//! All steps are taken under a lock on the socket's folder, so that of two doxys started at
//! once on one path one wins. No file is left behind by the lock.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Gid, Mode, OFlags, RawMode, Uid};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixStream;

use crate::error::plain;

/// How long another process may hold the folder's lock; it takes doxy less than a millisecond.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// The longest path of a socket, in bytes.
pub const LONGEST_PATH: usize = 107;
/// Connections that may wait to be accepted; the kernel cuts it to its own limit.
const BACKLOG: i32 = 4096;

/// Where to listen, and who may connect.
#[derive(Debug, Clone)]
pub struct Bind {
    /// The path of the socket.
    pub path: PathBuf,
    /// Permission bits of the socket; connecting takes the right to write.
    pub mode: RawMode,
    /// The user that the socket belongs to; doxy's own if there is none.
    pub owner: Option<Uid>,
    /// The group that the socket belongs to; doxy's own if there is none.
    pub group: Option<Gid>,
}

/// A socket that is listened on. Dropped, it removes the socket, if it is still its own.
#[derive(Debug)]
pub struct Listener {
    inner: tokio::net::UnixListener,
    path: PathBuf,
    /// Device and inode of the socket that was bound here.
    identity: (u64, u64),
}

/// Why doxy cannot listen: what is wrong with the path, and what to do.
#[derive(Debug)]
pub struct BindError {
    path: PathBuf,
    what: String,
    help: &'static str,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "proxy socket {}: {}\nhelp: {}",
            self.path.display(),
            self.what,
            self.help
        )
    }
}

impl std::error::Error for BindError {}

impl Bind {
    /// Creates the socket and listens on it. To be called within a tokio runtime.
    ///
    /// # Errors
    /// Path too long; folder missing or not writable; somebody listening there already; a file
    /// there that is no socket; owner or group that may not be set. Nothing is left behind.
    pub fn listen(&self) -> Result<Listener, BindError> {
        let fail = |what: String, help| BindError {
            path: self.path.clone(),
            what,
            help,
        };
        // One byte less than the kernel takes: many clients want to end it with a NUL.
        if self.path.as_os_str().len() > LONGEST_PATH {
            return Err(fail(
                "the path is too long for a socket".to_owned(),
                "a socket's path has at most 107 bytes, choose a shorter one",
            ));
        }
        let address = SocketAddrUnix::new(&self.path)
            .map_err(|error| fail(reason(error), "name a path such as /run/doxy/doxy.sock"))?;
        let _lock = lock_folder(&self.path).map_err(|(what, help)| fail(what, help))?;
        make_way(&self.path).map_err(|(what, help)| fail(what, help))?;

        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .map_err(|error| fail(reason(error), "check the limit on open files"))?;
        // The new inode takes its mode from here, less the umask. It is for nobody until it has
        // its owner; and nobody can connect before `listen`.
        let bound = rustix::fs::fchmod(&socket, Mode::empty())
            .and_then(|()| rustix::net::bind(&socket, &address));
        bound.map_err(|error| {
            fail(
                reason(error),
                "choose a folder in which doxy may create files",
            )
        })?;

        let identity = self.hand_over().and_then(|identity| {
            rustix::net::listen(&socket, BACKLOG).map_err(|error| (reason(error), "try again"))?;
            Ok(identity)
        });
        let listening = identity.and_then(|identity| {
            let inner = tokio::net::UnixListener::from_std(socket.into())
                .map_err(|error| (plain(&error), "check the limit on open files"))?;
            Ok(Listener {
                inner,
                path: self.path.clone(),
                identity,
            })
        });
        listening.map_err(|(what, help)| {
            let _ = rustix::fs::unlink(&self.path);
            fail(what, help)
        })
    }

    /// Gives the bound socket its owner and mode; returns its device and inode.
    ///
    /// By a descriptor of the very inode: a path could be exchanged for a link meanwhile.
    fn hand_over(&self) -> Result<(u64, u64), (String, &'static str)> {
        let own = "start doxy as root, or leave out --socket-owner and --socket-group";
        let open = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let step = |error| {
            (
                reason(error),
                "choose a folder that only doxy's user may write to",
            )
        };
        let inode = rustix::fs::open(&self.path, open, Mode::empty()).map_err(step)?;
        let stat = rustix::fs::fstat(&inode).map_err(step)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Socket
            || stat.st_uid != rustix::process::geteuid().as_raw()
        {
            return Err(step(Errno::BUSY));
        }
        if self.owner.is_some() || self.group.is_some() {
            rustix::fs::chownat(&inode, "", self.owner, self.group, AtFlags::EMPTY_PATH).map_err(
                |error| {
                    (
                        format!("cannot set owner and group: {}", reason(error)),
                        own,
                    )
                },
            )?;
        }
        chmod(inode.as_fd(), &self.path, self.mode).map_err(step)?;
        Ok((stat.st_dev, stat.st_ino))
    }
}

impl Listener {
    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does `path`, by whatever links, lead to this socket?
    pub fn is_at(&self, path: &Path) -> bool {
        rustix::fs::stat(path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity)
    }

    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        self.inner.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Without the lock it is better left where it is: the next doxy sees that it is stale.
        if let Ok(_lock) = lock_folder(&self.path)
            && let Ok(stat) = rustix::fs::lstat(&self.path)
            && (stat.st_dev, stat.st_ino) == self.identity
        {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

/// An inode opened by path alone has no mode to set but through `/proc`.
fn chmod(inode: BorrowedFd<'_>, path: &Path, mode: RawMode) -> Result<(), Errno> {
    use std::os::fd::AsRawFd as _;
    let mode = Mode::from_raw_mode(mode);
    let link = format!("/proc/self/fd/{}", inode.as_raw_fd());
    match rustix::fs::chmod(&link, mode) {
        Err(Errno::NOENT) => rustix::fs::chmodat(CWD, path, mode, AtFlags::empty()),
        done => done,
    }
}

/// Locks the folder that `path` is in, until the descriptor is dropped.
fn lock_folder(path: &Path) -> Result<OwnedFd, (String, &'static str)> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let lock = rustix::fs::open(folder, open, Mode::empty()).map_err(|error| {
        let help = match error {
            Errno::NOENT => "create the folder first, or choose another path",
            _ => "choose a folder that doxy may read and write",
        };
        (
            format!("folder {}: {}", folder.display(), reason(error)),
            help,
        )
    })?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => {
                return Err((
                    format!(
                        "folder {}: cannot be locked: {}",
                        folder.display(),
                        reason(error)
                    ),
                    "another process holds a lock on it, choose another folder",
                ));
            }
        }
    }
}

/// Removes a socket that nobody answers on. Anything else that is in the way is an error.
fn make_way(path: &Path) -> Result<(), (String, &'static str)> {
    match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err((reason(error), "choose another path")),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Socket => {
            return Err((
                "there is a file that is not a socket".to_owned(),
                "doxy removes nothing but its own sockets, choose another path or remove it",
            ));
        }
        Ok(_) => {}
    }
    match probe(path) {
        Ok(()) => {}
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                return rustix::fs::unlink(path).map_err(|error| {
                    (
                        format!("cannot remove a stale socket: {}", reason(error)),
                        "remove it by hand",
                    )
                });
            }
            io::ErrorKind::NotFound => return Ok(()),
            // Its queue is full: somebody is there.
            io::ErrorKind::WouldBlock => {}
            _ => {
                return Err((
                    format!(
                        "cannot tell whether the socket there is in use: {}",
                        plain(&error)
                    ),
                    "choose another path, or remove the socket",
                ));
            }
        },
    }
    Err((
        "somebody is listening there already".to_owned(),
        "stop the other process, or choose another path with --proxy-socket",
    ))
}

/// Tries to connect, without waiting for a listener that does not accept (`WouldBlock`).
///
/// # Errors
/// `ConnectionRefused` where nobody listens, `NotFound`, `PermissionDenied`.
pub fn probe(path: &Path) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?)
}

fn reason(error: Errno) -> String {
    plain(&error.into())
}
