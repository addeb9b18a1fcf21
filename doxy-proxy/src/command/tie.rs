//! The tie between a process and its child: messages, and for both sides the other's end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

/// The two ends. Messages keep their boundaries, and the end of one side is the end of what the other reads.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok(pair)
}

/// Tells the child to go on. A child that has ended is told nothing.
pub(super) fn go(child: impl AsFd) -> io::Result<()> {
    match send(child, b"go", SendFlags::NOSIGNAL) {
        Err(Errno::PIPE | Errno::CONNRESET) | Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the next message of the other side. False if it has ended instead.
pub(super) fn answers(other: impl AsFd) -> io::Result<bool> {
    loop {
        match recv(&other, &mut [0_u8; 256][..], RecvFlags::empty()) {
            Ok((length, _)) => return Ok(length > 0),
            Err(Errno::CONNRESET) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Resolves when the other side has ended. To be called within a tokio runtime.
pub(super) async fn ends(other: OwnedFd) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&other, true)?;
    // To tokio a message is a piece of a stream.
    let mut other = UnixStream::from_std(other.into())?;
    while matches!(other.read(&mut [0; 256]).await, Ok(1..)) {}
    Ok(())
}
