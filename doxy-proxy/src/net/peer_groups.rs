//! The supplementary groups of a unix socket's peer: `SO_PEERGROUPS`, for which no crate has a safe
//! binding. This is the only file with `unsafe` in it. It makes one system call and nothing else.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd as _};

/// More than any kernel lets a process have.
const MOST: usize = 65_536;

/// The groups at the time of connecting. Source: unix(7), socket(7); Linux 4.13.
#[expect(
    unsafe_code,
    reason = "no maintained crate offers this socket option; the buffer is the call's for its length"
)]
pub(crate) fn of(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut length = libc::socklen_t::try_from(groups.len() * size_of::<libc::gid_t>())
            .map_err(io::Error::other)?;
        // SAFETY: the descriptor is open while it is borrowed; pointer and length describe the
        // vector's own initialised memory, and the kernel writes at most `length` bytes of it.
        let failed = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        } != 0;
        // The kernel gives the length of the list in both cases.
        let count = usize::try_from(length).map_err(io::Error::other)? / size_of::<libc::gid_t>();
        if !failed {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > MOST {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    #[test]
    fn they_are_those_of_this_process() -> std::io::Result<()> {
        let (one, _other) = UnixStream::pair()?;
        let mut groups = super::of(&one)?;
        let mut own: Vec<u32> = rustix::process::getgroups()?
            .into_iter()
            .map(rustix::process::Gid::as_raw)
            .collect();
        groups.sort_unstable();
        own.sort_unstable();
        assert_eq!(groups, own);
        Ok(())
    }
}
