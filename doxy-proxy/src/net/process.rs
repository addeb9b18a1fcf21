//! The process at the other end of a unix socket, held so that nothing is read of another one that
//! got its number.
//!
//! Linux 6.5 has a descriptor for it. Before, doxy goes by the time when the process with that number
//! was started, which tells a new one only from when it is asked first.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use rustix::time::{ClockId, clock_gettime};

use crate::net::cgroup::Cgroups;
use crate::net::credentials;

/// The longest file of `/proc` that is read. Sixteen hierarchies with the longest paths fit.
const MAX_FILE: u64 = 80 << 10;
/// The unit of times in `/proc`: the same on every machine that doxy is built for. Source: the
/// kernel's `USER_HZ`.
const TICKS_A_SECOND: u64 = 100;

/// A process that has connected.
#[derive(Debug)]
pub(crate) struct PeerProcess {
    pid: i32,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// Its own descriptor.
    Descriptor(OwnedFd),
    /// When it was started.
    Started(Ticks),
}

/// A time since the machine was started, as `/proc` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(u64);

impl PeerProcess {
    /// The process with this number that has connected to the other end of `socket`.
    pub(crate) fn of(pid: i32, socket: &impl AsFd) -> io::Result<Self> {
        let held = match credentials::process(socket)? {
            Some(descriptor) => Held::Descriptor(descriptor),
            None => Held::Started(started(pid)?),
        };
        Ok(Self { pid, held })
    }

    /// Its cgroups. None if it has ended.
    pub(crate) fn cgroups(&self) -> io::Result<Option<Cgroups>> {
        let cgroups = cgroups(self.pid)?;
        // Only now is it sure that they were those of this process.
        Ok(self.has_its_number()?.then_some(cgroups))
    }

    fn has_its_number(&self) -> io::Result<bool> {
        match &self.held {
            Held::Descriptor(descriptor) => {
                let info = read(&format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd()))?;
                Ok(number_in(&info) == Some(self.pid))
            }
            Held::Started(began) => Ok(started(self.pid)? == *began),
        }
    }
}

impl Ticks {
    /// The time now.
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or_default();
        Self(seconds * TICKS_A_SECOND + nanoseconds * TICKS_A_SECOND / 1_000_000_000)
    }
}

/// The cgroups of the process that had this number at `then`. None if another has it now.
pub(crate) fn cgroups_then(pid: i32, then: Ticks) -> io::Result<Option<Cgroups>> {
    let began = started(pid)?;
    let cgroups = cgroups(pid)?;
    Ok((began <= then && started(pid)? == began).then_some(cgroups))
}

fn cgroups(pid: i32) -> io::Result<Cgroups> {
    let text = read(&format!("/proc/{pid}/cgroup"))?;
    Cgroups::parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// When a process was started.
fn started(pid: i32) -> io::Result<Ticks> {
    let text = read(&format!("/proc/{pid}/stat"))?;
    started_in(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Field 22 of `/proc/PID/stat`. The name of a command, in field 2, may have anything in it. Source:
/// proc_pid_stat(5).
fn started_in(stat: &str) -> Option<Ticks> {
    let (_, behind) = stat.rsplit_once(')')?;
    let field = behind.split_ascii_whitespace().nth(22 - 3)?;
    field.parse().ok().map(Ticks)
}

/// The number in `/proc/self/fdinfo` of a process's descriptor: -1 if it has ended, 0 if it is not in
/// doxy's process namespace. Source: pidfd_open(2).
fn number_in(fdinfo: &str) -> Option<i32> {
    let number = fdinfo.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    number.trim().parse().ok()
}

/// A whole file of `/proc`.
fn read(path: &str) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    match u64::try_from(read) {
        Ok(read) if read < MAX_FILE => Ok(text),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::process;

    use super::*;

    #[test]
    fn a_peer_is_held_in_both_ways() -> io::Result<()> {
        let (one, _other) = UnixStream::pair()?;
        let pid = process::id().cast_signed();
        let own = cgroups(pid)?;
        let began = started(pid)?;
        let another = Ticks(began.0 + 1);
        for (held, expected) in [
            (PeerProcess::of(pid, &one)?.held, true),
            (Held::Started(began), true),
            // Another process has got the number.
            (Held::Started(another), false),
        ] {
            let cgroups = PeerProcess { pid, held }.cgroups()?;
            assert_eq!(cgroups, expected.then(|| own.clone()));
        }
        Ok(())
    }

    /// The descriptor of one process says nothing of what another number has.
    #[test]
    fn a_descriptor_is_of_one_process() -> io::Result<()> {
        let (one, _other) = UnixStream::pair()?;
        let Some(descriptor) = credentials::process(&one)? else {
            return Ok(()); // an old kernel
        };
        let held = Held::Descriptor(descriptor);
        let first = PeerProcess { pid: 1, held };
        assert_eq!(first.cgroups()?, None);
        Ok(())
    }

    #[test]
    fn a_process_that_began_later_had_no_number_then() -> io::Result<()> {
        let pid = process::id().cast_signed();
        let began = started(pid)?;
        assert!(began <= Ticks::now());
        assert!(cgroups_then(pid, Ticks::now())?.is_some());
        assert!(cgroups_then(pid, began)?.is_some());
        assert_eq!(cgroups_then(pid, Ticks(began.0 - 1))?, None);
        Ok(())
    }

    #[test]
    fn fields_of_proc() {
        let numbers: String = (4..=52).map(|field| format!(" {field}")).collect();
        for (stat, expected) in [
            (format!("7 (a) S{numbers}\n"), Some(Ticks(22))),
            (format!("7 (a) (b) R 1 ) S{numbers}\n"), Some(Ticks(22))),
            ("7 (a) S 4 5\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(started_in(&stat), expected, "{stat}");
        }
        for (info, expected) in [
            (
                "pos:\t0\nflags:\t02000002\nPid:\t123\nNSpid:\t123\t7\n",
                Some(123),
            ),
            ("pos:\t0\nPid:\t-1\nNSpid:\t-1\n", Some(-1)),
            ("pos:\t0\nNSpid:\t7\n", None),
            ("", None),
        ] {
            assert_eq!(number_in(info), expected, "{info}");
        }
    }
}
