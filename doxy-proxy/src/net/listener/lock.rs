//! The lock under which a socket is created: a file beside it, which only doxy's own user may open.
//!
//! A lock on the folder, or on a file that others may read, could be held by anyone for ever. The file
//! has mode 0600 from its first moment, is there only while the lock is held, and nothing is ever
//! written to it. What doxy has not made itself is an error: it is neither opened, followed nor
//! removed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, RawMode, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::net::listener::place::{Refusal, SocketPlace, cannot_create};
use crate::net::reason::io_reason;

/// How long another process may hold the lock; it takes doxy less than a millisecond.
const TIMEOUT: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(5);
const OWNER_ONLY: RawMode = 0o600;

/// The lock on a socket's path. Dropped, its file is removed, and then it is free.
#[derive(Debug)]
pub(super) struct PathLock {
    file: OwnedFd,
    place: SocketPlace,
}

impl PathLock {
    /// Takes the lock on the place of a socket, and waits for it if another doxy is starting there.
    pub(super) fn take(socket: &SocketPlace) -> Result<Self, Refusal> {
        let place = socket
            .beside(".lock")
            .map_err(|error| (io_reason(&error.into()), "check the limit on open files"))?;
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match attempt(&place) {
                Ok(file) => return Ok(Self { file, place }),
                Err(Attempt::Refused(refusal)) => return Err(refusal),
                Err(Attempt::Busy) if Instant::now() < deadline => std::thread::sleep(RETRY),
                Err(Attempt::Busy) => {
                    return Err((
                        format!(
                            "another process holds its lock file {}",
                            place.path().display()
                        ),
                        "wait until the other doxy has started, or stop the process",
                    ));
                }
            }
        }
    }
}

impl Drop for PathLock {
    fn drop(&mut self) {
        // While it is locked: whoever waits for it finds that the file is gone, and tries again.
        if is_at(&self.place, self.file.as_fd()) {
            let _ = self.place.unlink();
        }
    }
}

/// Why there is no lock yet, or never will be.
enum Attempt {
    Busy,
    Refused(Refusal),
}

fn attempt(place: &SocketPlace) -> Result<OwnedFd, Attempt> {
    let file = match place.stat() {
        Ok(stat) => {
            acceptable(place, &stat)?;
            open(place, OFlags::empty())?
        }
        Err(Errno::NOENT) => {
            // Another process may create it now, or remove the one that was there.
            let file = open(place, OFlags::CREATE | OFlags::EXCL)?;
            // The umask may have taken even the owner's rights.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(OWNER_ONLY))
                .map_err(|error| unusable(place, error))?;
            file
        }
        Err(error) => return Err(unusable(place, error)),
    };
    // What was opened need not be what was looked at before.
    let stat = rustix::fs::fstat(&file).map_err(|error| unusable(place, error))?;
    acceptable(place, &stat)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK | Errno::INTR) => return Err(Attempt::Busy),
        Err(error) => return Err(unusable(place, error)),
    }
    // Who held it has removed the file: another process may have made and locked a new one.
    if !is_at(place, file.as_fd()) {
        return Err(Attempt::Busy);
    }
    Ok(file)
}

/// Without `CREATE` for a file that exists: the kernel refuses that for a file of another user in a
/// folder such as /tmp, whatever the file's mode.
fn open(place: &SocketPlace, how: OFlags) -> Result<OwnedFd, Attempt> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | how;
    let opened = place.open(flags, Mode::from_raw_mode(OWNER_ONLY));
    opened.map_err(|error| {
        match error {
            // Created or removed by another process since it was looked for.
            Errno::EXIST | Errno::LOOP => Attempt::Busy,
            Errno::NOENT if how.is_empty() => Attempt::Busy,
            // Another doxy of this user has created it just now, under a umask of 777.
            Errno::ACCESS if how.is_empty() => Attempt::Busy,
            error => unusable(place, error),
        }
    })
}

/// Refuses a file that doxy has not made, or that others may open.
fn acceptable(place: &SocketPlace, stat: &Stat) -> Result<(), Attempt> {
    let own = geteuid().as_raw();
    let why = if stat.st_uid != own {
        format!("belongs to another user (uid {})", stat.st_uid)
    } else if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => "is a link, which doxy does not follow".to_owned(),
            FileType::Directory => "is a folder".to_owned(),
            _ => "is not a plain file".to_owned(),
        }
    } else if stat.st_mode & 0o177 != 0 {
        "may be opened by others".to_owned()
    } else if stat.st_nlink > 1 {
        "has a second name (a hard link)".to_owned()
    } else if stat.st_size > 0 {
        "has something in it, so doxy did not make it".to_owned()
    } else {
        return Ok(());
    };
    Err(Attempt::Refused((
        format!("its lock file {} {why}", place.path().display()),
        "remove it, or choose a folder that only doxy may write to",
    )))
}

fn unusable(place: &SocketPlace, error: Errno) -> Attempt {
    // Without the right to search a folder, nothing in it can be looked at either.
    Attempt::Refused(match place.stat() {
        Err(Errno::ACCESS) => place.unusable(error),
        _ => (io_reason(&io::Error::from(error)), cannot_create(error)),
    })
}

/// Whether this very file is there.
fn is_at(place: &SocketPlace, file: BorrowedFd<'_>) -> bool {
    let file = rustix::fs::fstat(file).map(|stat| (stat.st_dev, stat.st_ino));
    file.ok().is_some_and(|file| place.identity() == Some(file))
}
