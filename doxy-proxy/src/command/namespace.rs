//! User and mount namespaces of a process's own. It makes one unsafe call, and decides nothing.

use std::fs;
use std::io;

use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

/// Gives this process, which has one thread, a view of the files that it may change for itself. Its user and
/// group stay what they are, and there is no other user in the namespace.
#[expect(
    unsafe_code,
    reason = "rustix has no safe call: with other flags it takes descriptors from other threads"
)]
pub(super) fn enter() -> io::Result<()> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let flags = UnshareFlags::NEWUSER | UnshareFlags::NEWNS;
    // SAFETY: the table of descriptors is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))
}
