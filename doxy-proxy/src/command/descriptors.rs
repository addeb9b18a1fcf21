//! Descriptors that a program is not to inherit: all but the three of standard input, output and error.
//!
//! A descriptor of a folder leads past everything that is laid over its path later, one of a socket leads past
//! every check, and one that only names a file (`O_PATH`) may name the engine's socket.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, getpeername};

/// Has every descriptor but the first three closed when this process becomes a program.
pub(super) fn close_at_exec() -> io::Result<()> {
    let open: Vec<_> = fs::read_dir("/proc/self/fd")?.collect::<io::Result<_>>()?;
    for entry in open {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let number: RawFd = number.ok_or_else(|| io::Error::other("/proc/self/fd is strange"))?;
        if number > 2 {
            close_one(number)?;
        }
    }
    Ok(())
}

#[expect(
    unsafe_code,
    reason = "the standard library has no safe way to name a descriptor that somebody else has opened"
)]
fn close_one(number: RawFd) -> io::Result<()> {
    // SAFETY: no memory is passed, and nothing is closed here: the flag is for the next program.
    match unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } {
        // The descriptor by which the folder was read.
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EBADF) => Ok(()),
            error => Err(error),
        },
        _ => Ok(()),
    }
}

/// Which of the three is a folder or only names a file, by its name.
pub(super) fn way_among_three() -> Option<&'static str> {
    let is_way = |descriptor: &dyn AsFd| {
        let descriptor = descriptor.as_fd();
        match (fstat(descriptor), fcntl_getfl(descriptor)) {
            (Ok(stat), Ok(flags)) => {
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                    || flags.contains(OFlags::PATH)
            }
            // It is closed.
            (Err(error), _) | (_, Err(error)) => error != Errno::BADF,
        }
    };
    let mut three = three().into_iter();
    three
        .find(|(_, descriptor)| is_way(descriptor))
        .map(|(name, _)| name)
}

/// Which of the three is a connection to a unix socket with a path, and that path as the other side has named it.
pub(super) fn connected() -> Vec<(&'static str, PathBuf)> {
    let path = |descriptor: &dyn AsFd| {
        let peer = getpeername(descriptor.as_fd()).ok()??;
        let peer = SocketAddrUnix::try_from(peer).ok()?;
        Some(PathBuf::from(OsStr::from_bytes(peer.path_bytes()?)))
    };
    let three = three().into_iter();
    three
        .filter_map(|(name, descriptor)| Some((name, path(&descriptor)?)))
        .collect()
}

/// The three, with their names. They are open for as long as the process lives, or closed.
fn three() -> [(&'static str, BorrowedFd<'static>); 3] {
    [
        ("standard input", rustix::stdio::stdin()),
        ("standard output", rustix::stdio::stdout()),
        ("standard error", rustix::stdio::stderr()),
    ]
}
