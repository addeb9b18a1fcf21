//! Unix sockets in special states: stale, full, or with a reader that has stopped.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

fn socket_at(path: &Path) -> (OwnedFd, SocketAddrUnix) {
    let address = SocketAddrUnix::new(path).unwrap();
    let socket = socket();
    rustix::net::bind(&socket, &address).unwrap();
    (socket, address)
}

fn socket() -> OwnedFd {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
}

/// A socket of TCP that connects from this address.
pub(crate) fn tcp_from(ip: IpAddr) -> OwnedFd {
    let family = match ip {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::new(ip, 0)).unwrap();
    socket
}

/// A listener with a full queue, and the connections in the queue.
pub(crate) fn full(path: &Path) -> (OwnedFd, Vec<OwnedFd>) {
    let (listener, address) = socket_at(path);
    rustix::net::listen(&listener, 0).unwrap();
    let mut queued = Vec::new();
    loop {
        let client = socket();
        match rustix::net::connect(&client, &address) {
            Ok(()) => queued.push(client),
            Err(Errno::AGAIN) => return (listener, queued),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Connects without waiting. None if the queue is full.
pub(crate) fn connect_now(path: &Path) -> Option<UnixStream> {
    let client = socket();
    match rustix::net::connect(&client, &SocketAddrUnix::new(path).unwrap()) {
        Ok(()) => {}
        Err(Errno::AGAIN) => return None,
        Err(error) => panic!("{error}"),
    }
    let stream = UnixStream::from(client);
    stream.set_nonblocking(false).unwrap();
    Some(stream)
}

/// Creates a stale socket at `path`: no process listens on it.
///
/// No process ever did. A listener that is dropped can stay open for a moment, in a fork that
/// another test makes before its `exec`.
pub(crate) fn stale(path: &Path) {
    drop(socket_at(path));
}

/// Offers bytes to a socket until its reader takes no more, and returns how many it took.
///
/// The socket being full for a moment proves nothing: its reader may not have had its turn yet. So
/// `work` gives the reader something else to do, and waits until that is done. The reader has
/// stopped when it did so many things in a row and took not one byte in between. A reader that
/// buffers without bound never stops.
#[track_caller]
pub(crate) fn offer(socket: &UnixStream, bytes: &[u8], mut work: impl FnMut()) -> usize {
    const ROUNDS: usize = 100;
    let (mut taken, mut rounds) = (0, 0);
    while taken < bytes.len() && rounds < ROUNDS {
        match rustix::net::send(socket, &bytes[taken..], SendFlags::DONTWAIT) {
            Ok(count) => (taken, rounds) = (taken + count, 0),
            Err(Errno::AGAIN) => {
                work();
                rounds += 1;
            }
            // The reader has closed; the test has to judge that.
            Err(Errno::PIPE | Errno::CONNRESET) => break,
            Err(error) => panic!("{error}"),
        }
    }
    taken
}
