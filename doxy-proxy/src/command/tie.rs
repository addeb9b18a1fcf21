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
    Ok(next(other, &mut [0; 256])? > 0)
}

/// Tells the other side which socket was created: its device and inode.
pub(super) fn tell(other: impl AsFd, (device, inode): (u64, u64)) -> io::Result<()> {
    let message = [device.to_ne_bytes(), inode.to_ne_bytes()].concat();
    send(other, &message, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits until the other side has told that. None if it has ended instead.
pub(super) fn told(other: impl AsFd) -> io::Result<Option<(u64, u64)>> {
    let mut numbers = [0; 16];
    if next(other, &mut numbers)? != numbers.len() {
        return Ok(None);
    }
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_ne_bytes);
    let (device, inode) = numbers.split_at(8);
    Ok(number(device).ok().zip(number(inode).ok()))
}

/// The length of the next message; 0 if there is no other side any more.
fn next(other: impl AsFd, message: &mut [u8]) -> io::Result<usize> {
    loop {
        match recv(&other, &mut *message, RecvFlags::empty()) {
            Ok((length, _)) => return Ok(length),
            Err(Errno::CONNRESET) => return Ok(0),
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
