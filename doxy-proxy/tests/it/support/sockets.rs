//! Unix sockets that are hard to come by: stale ones, and full ones.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

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

/// A listener that has no room for another connection, and what fills it.
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

/// Leaves a socket at `path` that nobody listens on.
///
/// Nobody ever has: a listener that is dropped lives on for as long as another test's thread
/// takes from `fork` to `exec`.
pub(crate) fn stale(path: &Path) {
    drop(socket_at(path));
}
