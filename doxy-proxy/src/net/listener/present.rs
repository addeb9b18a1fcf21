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
use crate::net::listener::place::{Refusal, SocketPlace};
use crate::net::reason::io_reason;

/// Whether there is a socket. Anything else there is an error.
pub(super) fn is_socket(place: &SocketPlace) -> Result<bool, Refusal> {
    let stat = match place.stat() {
        Err(Errno::NOENT) => return Ok(false),
        // Nothing in the folder can be looked at.
        Err(Errno::ACCESS) => return Err(place.unusable(Errno::ACCESS)),
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

/// Removes a socket on which no process listens. Anything else there is an error.
pub(super) fn remove_stale(place: &SocketPlace) -> Result<(), Refusal> {
    if !is_socket(place)? {
        return Ok(());
    }
    match connect(place.address()) {
        // Its queue may be full: a process listens.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => match error.kind() {
            io::ErrorKind::ConnectionRefused => place.unlink().map_err(|error| {
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
pub(super) fn may_be_replaced(place: &SocketPlace) -> Result<(), Refusal> {
    let socket = match connect(place.address()) {
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

fn unknown(error: &io::Error) -> Refusal {
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
    connect(SocketAddrUnix::new(path)).map(drop)
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
    let socket = connect(SocketAddrUnix::new(path))?;
    let pid = credentials::of(&socket)?.pid;
    Ok(ListeningProcess {
        pid: (pid > 0).then_some(pid),
        program: program(&socket).map(|name| name.trim_end().to_owned()),
    })
}

fn connect(address: Result<SocketAddrUnix, Errno>) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address?)?;
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
