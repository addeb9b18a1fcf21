//! Takes descriptors that were open when the process started. It makes one system call, and decides
//! nothing.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

/// The descriptor of this number, which is closed when a program is started. An error if there is none.
///
/// To be called once for a number, before anything in the process has opened a file: the service
/// manager has passed the descriptor to doxy, so nobody else here has it.
#[expect(
    unsafe_code,
    reason = "the standard library has no safe way to own a descriptor that a variable names"
)]
pub(super) fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed. A number that is not open is an error.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, as the call above has shown, and the caller is the only one who
    // takes it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
