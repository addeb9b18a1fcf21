//! What is at the path of a socket before doxy creates its own: nothing, a stale socket, a live one, or
//! something that doxy must not touch.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::net::credentials;
use crate::net::reason::io_reason;

/// Whether there is a socket at `path`. Anything else there is an error.
pub(super) fn is_socket(path: &Path) -> Result<bool, (String, &'static str)> {
    let stat = match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err((errno_reason(error), "choose another path")),
        Ok(stat) => stat,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => Ok(true),
        FileType::Directory => Err((
            "there is a folder".to_owned(),
            "Docker makes a folder where a socket to be mounted is missing: remove the folder \
             (rmdir), start doxy before the container, and mount the folder around the socket; if \
             the folder is yours, name a file in it",
        )),
        _ => Err((
            "there is a file that is not a socket".to_owned(),
            "doxy removes nothing but its own sockets, choose another path or remove it",
        )),
    }
}

/// Removes a socket on which no process listens. Anything else at the path is an error.
pub(super) fn remove_stale(path: &Path) -> Result<(), (String, &'static str)> {
    if !is_socket(path)? {
        return Ok(());
    }
    match connect(path) {
        // Its queue may be full: a process listens.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => match error.kind() {
            io::ErrorKind::ConnectionRefused => rustix::fs::unlink(path).map_err(|error| {
                (
                    format!("cannot remove a stale socket: {}", errno_reason(error)),
                    "remove it by hand",
                )
            }),
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(unknown(&error)),
        },
        _ => Err((
            "another process is listening there already".to_owned(),
            "stop the other process, choose another path with --proxy-socket, or, if it is a doxy \
             that this one is to follow without a gap, start with --takeover",
        )),
    }
}

/// Refuses a socket on which a process listens that is not doxy: the engine, for one, must not lose
/// its socket.
pub(super) fn may_be_replaced(path: &Path) -> Result<(), (String, &'static str)> {
    let socket = match connect(path) {
        Ok(socket) => socket,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::NotFound
                | io::ErrorKind::WouldBlock => Ok(()),
                _ => Err(unknown(&error)),
            };
        }
    };
    let own = fs::read_to_string("/proc/self/comm").ok();
    match program(&socket) {
        Some(other) if own.as_deref() != Some(&*other) => Err((
            format!(
                "the process that listens there is not doxy but {}",
                other.trim_end()
            ),
            "only the socket of another doxy is taken over; choose another path",
        )),
        _ => Ok(()),
    }
}

fn unknown(error: &io::Error) -> (String, &'static str) {
    (
        format!(
            "cannot tell whether the socket there is in use: {}",
            io_reason(error)
        ),
        "choose another path, or remove the socket",
    )
}

/// Connects without waiting. A listener that does not accept gives `WouldBlock`.
///
/// # Errors
/// `ConnectionRefused` where no process listens, `NotFound`, `PermissionDenied`.
pub fn try_connect(path: &Path) -> io::Result<()> {
    connect(path).map(drop)
}

/// The name of the program that listens at a path, if it runs in doxy's process namespace.
pub fn listening_program(path: &Path) -> Option<String> {
    listening_process(path).ok()?.program
}

/// A process that listens on a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListeningProcess {
    /// Its number, if it runs in doxy's process namespace.
    pub pid: Option<i32>,
    /// The name of its program, if that can be read.
    pub program: Option<String>,
}

/// The process that listens at a path, as the kernel noted it when it began to.
///
/// # Errors
/// Those of [`try_connect`].
pub fn listening_process(path: &Path) -> io::Result<ListeningProcess> {
    let socket = connect(path)?;
    let pid = credentials::of(&socket)?.pid;
    Ok(ListeningProcess {
        pid: (pid > 0).then_some(pid),
        program: program(&socket).map(|name| name.trim_end().to_owned()),
    })
}

fn connect(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// The name of the program that listens at the other end, if it is in doxy's process namespace.
fn program(socket: &OwnedFd) -> Option<String> {
    let pid = credentials::of(socket).ok()?.pid;
    (pid > 0).then(|| fs::read_to_string(format!("/proc/{pid}/comm")).ok())?
}

fn errno_reason(error: Errno) -> String {
    io_reason(&error.into())
}
