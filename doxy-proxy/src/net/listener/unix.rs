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

/// A socket that is listened on. Dropped, it removes the socket, if it is still its own.
#[derive(Debug)]
pub struct Listener {
    inner: tokio::net::UnixListener,
    path: PathBuf,
    /// Device and inode of the socket that was bound here.
    identity: Option<(u64, u64)>,
}

/// Why doxy cannot listen: what is wrong with the path, and what to do.
#[derive(Debug)]
pub struct ListenError {
    path: PathBuf,
    what: String,
    help: &'static str,
}

impl fmt::Display for ListenError {
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

impl std::error::Error for ListenError {}

impl UnixListenConfig {
    /// Creates the socket and listens on it. To be called within a tokio runtime.
    ///
    /// # Errors
    /// Path too long; folder missing or not writable; somebody listening there already; a file
    /// there that is no socket; owner or group that may not be set. Nothing is left behind.
    pub fn listen(&self) -> Result<Listener, ListenError> {
        let fail = |what: String, help| ListenError {
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
        remove_stale(&self.path).map_err(|(what, help)| fail(what, help))?;

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

        let inode = own_inode(&self.path)
            .map_err(|error| fail(reason(error), "choose a folder that only doxy may write to"))?;
        let listening = self.hand_over(inode.as_fd()).and_then(|()| {
            rustix::net::listen(&socket, BACKLOG).map_err(|error| (reason(error), "try again"))?;
            let inner = tokio::net::UnixListener::from_std(socket.into())
                .map_err(|error| (plain(&error), "check the limit on open files"))?;
            let (path, identity) = (self.path.clone(), identity(inode.as_fd()));
            Ok(Listener {
                inner,
                path,
                identity,
            })
        });
        listening.map_err(|(what, help)| {
            remove(&self.path, identity(inode.as_fd()));
            fail(what, help)
        })
    }

    /// Gives the bound socket its owner and mode.
    ///
    /// By a descriptor of the very inode: a path could be exchanged for a link meanwhile.
    fn hand_over(&self, inode: BorrowedFd<'_>) -> Result<(), (String, &'static str)> {
        if self.owner.is_some() || self.group.is_some() {
            rustix::fs::chownat(inode, "", self.owner, self.group, AtFlags::EMPTY_PATH).map_err(
                |error| {
                    let what = format!("cannot set owner and group: {}", reason(error));
                    (
                        what,
                        "start doxy as root, or leave out --socket-owner and --socket-group",
                    )
                },
            )?;
        }
        chmod(inode, &self.path, self.mode).map_err(|error| {
            (
                format!("cannot set the mode: {}", reason(error)),
                "try again",
            )
        })
    }
}

impl Listener {
    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does `path`, by whatever links, lead to this socket?
    pub fn is_at(&self, path: &Path) -> bool {
        rustix::fs::stat(path).is_ok_and(|stat| Some((stat.st_dev, stat.st_ino)) == self.identity)
    }

    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        self.inner.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Requests may still be in service: never wait here. Whoever holds the lock is about to
        // take this path, and finds the socket stale.
        if let Ok(Ok(_lock)) = open_folder(&self.path).map(try_lock) {
            remove(&self.path, self.identity);
        }
    }
}

/// The socket just bound at `path`, and nothing that was put in its place.
fn own_inode(path: &Path) -> Result<OwnedFd, Errno> {
    let open = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inode = rustix::fs::open(path, open, Mode::empty())?;
    let stat = rustix::fs::fstat(&inode)?;
    let socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
    let own = stat.st_uid == rustix::process::geteuid().as_raw();
    if socket && own {
        Ok(inode)
    } else {
        Err(Errno::BUSY)
    }
}

/// Device and inode; nothing has the identity of what cannot be looked at.
fn identity(inode: BorrowedFd<'_>) -> Option<(u64, u64)> {
    rustix::fs::fstat(inode)
        .ok()
        .map(|stat| (stat.st_dev, stat.st_ino))
}

/// Removes the socket at `path` if it is the one with this identity.
fn remove(path: &Path, identity: Option<(u64, u64)>) {
    if let Ok(stat) = rustix::fs::lstat(path)
        && identity == Some((stat.st_dev, stat.st_ino))
    {
        let _ = rustix::fs::unlink(path);
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
    let mut folder = open_folder(path)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        folder = match try_lock(folder) {
            Ok(lock) => return Ok(lock),
            Err((folder, Errno::WOULDBLOCK)) if Instant::now() < deadline => folder,
            Err((_, error)) => {
                return Err((
                    format!("its folder cannot be locked: {}", reason(error)),
                    "another process holds a lock on the folder, choose one of doxy's own",
                ));
            }
        };
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn open_folder(path: &Path) -> Result<OwnedFd, (String, &'static str)> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(folder, open, Mode::empty()).map_err(|error| {
        let help = match error {
            Errno::NOENT => "create the folder first, or choose another path",
            _ => "choose a folder that doxy may read and write",
        };
        (
            format!("folder {}: {}", folder.display(), reason(error)),
            help,
        )
    })
}

fn try_lock(folder: OwnedFd) -> Result<OwnedFd, (OwnedFd, Errno)> {
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(folder),
        Err(error) => Err((folder, error)),
    }
}

/// Removes a socket that nobody answers on. Anything else that is in the way is an error.
fn remove_stale(path: &Path) -> Result<(), (String, &'static str)> {
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
    match try_connect(path) {
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
pub fn try_connect(path: &Path) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?)
}

fn reason(error: Errno) -> String {
    plain(&error.into())
}
