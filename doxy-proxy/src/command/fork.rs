//! Makes a child of this process. It makes one system call, and decides nothing.

use std::fs;
use std::io;

use rustix::process::Pid;

/// The child's number, or `None` in the child.
///
/// # Errors
/// If there is another thread: the child would be without it, and could wait for ever for a lock that it held.
#[expect(
    unsafe_code,
    reason = "the standard library only starts programs; the child goes on with settings that are checked"
)]
pub(super) fn fork() -> io::Result<Option<Pid>> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("there are other threads"));
    }
    // SAFETY: there is one thread, so the child has all of this process. No memory is passed.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}
