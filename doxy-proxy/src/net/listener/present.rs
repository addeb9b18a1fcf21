//! What is at the path of a socket before doxy creates its own: nothing, a stale socket, a live one, or
//! something that doxy must not touch.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

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
    program(&connect(SocketAddrUnix::new(path)).ok()?).map(|name| name.trim_end().to_owned())
}

/// A process that listens on a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListeningProcess {
    /// Its number, if it runs in the process namespace of this one.
    pub pid: Option<i32>,
    /// The number that it has for itself, in a namespace of its own or not, if that can be read.
    pub own_pid: Option<i32>,
    /// Its user when it began to listen.
    pub uid: u32,
    /// The name that it gives itself, if that can be read. Any process may take any.
    pub program: Option<String>,
    /// The file that it runs, if that can be read: of other users' processes only root can.
    pub file: Option<PathBuf>,
    /// Whether that is the file that this process runs.
    pub is_this_program: bool,
}

/// The process that listens at a path, as the kernel noted it when it began to.
///
/// # Errors
/// Those of [`try_connect`].
pub fn listening_process(path: &Path) -> io::Result<ListeningProcess> {
    let socket = connect(SocketAddrUnix::new(path))?;
    let credentials = credentials::of(&socket)?;
    let pid = (credentials.pid > 0).then_some(credentials.pid);
    // In a container the machine's `/proc` may be mounted, where a number is another process.
    let own = rustix::process::getpid().to_string();
    let seen = pid.filter(|_| fs::read_link("/proc/self").is_ok_and(|it| *it == *own));
    let of = |name: &str| seen.map(|pid| PathBuf::from(format!("/proc/{pid}/{name}")));
    let text = |name| fs::read_to_string(of(name)?).ok();
    Ok(ListeningProcess {
        pid,
        own_pid: text("status").as_deref().and_then(innermost),
        uid: credentials.uid,
        program: text("comm").map(|name| name.trim_end().to_owned()),
        file: of("exe").and_then(|link| fs::read_link(link).ok()),
        is_this_program: of("exe").is_some_and(|link| is_own(&link)),
    })
}

/// The number of a process in the innermost namespace that it is in. Source: proc_pid_status(5).
fn innermost(status: &str) -> Option<i32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

fn is_own(link: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    match (file(link), file(Path::new("/proc/self/exe"))) {
        (Ok(one), Ok(own)) => one == own,
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::innermost;

    #[test]
    fn the_number_that_a_process_has_for_itself() {
        for (status, expected) in [
            ("Name:\tdoxy\nPid:\t7\nNSpid:\t7\n", Some(7)),
            ("NSpid:\t4711\t12\t1\nNSpgid:\t9\n", Some(1)),
            ("Name:\tdoxy\nPid:\t7\n", None),
            ("NSpid:\n", None),
        ] {
            assert_eq!(innermost(status), expected, "{status}");
        }
    }
}
