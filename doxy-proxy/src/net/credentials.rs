//! What the kernel noted of a unix socket's peer when it connected: `SO_PEERCRED`, `SO_PEERGROUPS`
//! and `SO_PEERPIDFD`. It has all `unsafe` calls on the way of a request, makes one system call and
//! nothing else: rustix fails for a peer of another process namespace, and has no binding for the
//! others.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};

/// Not in libc for every target. Source: the kernel's `asm-generic/socket.h`; Linux 6.5.
const SO_PEERPIDFD: libc::c_int = 77;
/// More groups than any kernel lets a process have.
const MOST: usize = 65_536;

/// User, group and process; the number is 0 for a process in another process namespace. Source:
/// unix(7), socket(7).
pub(crate) fn of(socket: &impl AsFd) -> io::Result<libc::ucred> {
    let mut fields = [0; 3];
    let length = option(socket, libc::SO_PEERCRED, &mut fields)?;
    let [pid, uid, gid] = fields;
    if length != size_of_val(&fields) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let pid = pid.cast_signed();
    Ok(libc::ucred { pid, uid, gid })
}

/// The supplementary groups. Source: unix(7), socket(7); Linux 4.13.
pub(crate) fn groups(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0; 64];
    loop {
        // The kernel gives the length of the list in both cases.
        match option(socket, libc::SO_PEERGROUPS, &mut groups) {
            Ok(length) => {
                groups.truncate(length / size_of::<u32>());
                return Ok(groups);
            }
            Err(error) => {
                let most = groups.len() >= MOST;
                if error.raw_os_error() != Some(libc::ERANGE) || most {
                    return Err(error);
                }
                groups.resize(groups.len() * 4, 0);
            }
        }
    }
}

/// The process that connected, as a descriptor that stays its own when its number becomes another's.
/// None if the kernel has no such option.
#[expect(
    unsafe_code,
    reason = "no maintained crate offers this socket option; the kernel has just made the descriptor"
)]
pub(crate) fn process(socket: &impl AsFd) -> io::Result<Option<OwnedFd>> {
    let mut fields = [0];
    match option(socket, SO_PEERPIDFD, &mut fields) {
        Ok(length) if length == size_of_val(&fields) => {}
        Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => return Ok(None),
        Err(error) => return Err(error),
    }
    let [descriptor] = fields.map(u32::cast_signed);
    if descriptor < 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: the call succeeded, so this is a new descriptor, and nothing else owns it.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// Reads a socket option that consists of 32-bit fields. Gives its length in bytes.
#[expect(
    unsafe_code,
    reason = "no maintained crate offers these socket options; the buffer is the call's for its length"
)]
fn option(socket: &impl AsFd, name: libc::c_int, fields: &mut [u32]) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(size_of_val(fields)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open while it is borrowed; pointer and length describe the slice's
    // own initialised memory, and the kernel writes at most `length` bytes of it, any of which are
    // valid in a `u32`.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            fields.as_mut_ptr().cast(),
            &raw mut length,
        )
    } != 0;
    if failed {
        Err(io::Error::last_os_error())
    } else {
        usize::try_from(length).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    #[test]
    fn they_are_those_of_this_process() -> std::io::Result<()> {
        let (one, _other) = UnixStream::pair()?;
        let mut groups = super::groups(&one)?;
        let mut own: Vec<u32> = rustix::process::getgroups()?
            .into_iter()
            .map(rustix::process::Gid::as_raw)
            .collect();
        groups.sort_unstable();
        own.sort_unstable();
        assert_eq!(groups, own);
        let peer = super::of(&one)?;
        let own = (
            rustix::process::getpid().as_raw_nonzero().get(),
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        assert_eq!((peer.pid, peer.uid, peer.gid), own);
        Ok(())
    }
}
