//! The journal of systemd: a datagram for each record, in its native protocol.
//!
//! Only the thread of the access log calls this. It waits a moment for a journal that is full, never for
//! long, and finds one that was started anew.

use std::fs::File;
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, send, sendmsg, socket_with,
};

/// How long a full journal may take to have room for one more record. Meanwhile records gather in
/// memory.
const PATIENCE: Duration = Duration::from_millis(500);
/// Neither waits nor raises a signal.
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

// As syslog numbers them.
pub(super) const ERROR: u8 = 3;
pub(super) const WARNING: u8 = 4;
pub(super) const NOTICE: u8 = 5;
pub(super) const INFO: u8 = 6;

/// A connection to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    socket: OwnedFd,
}

/// Appends an entry, of the fields that `render` writes, behind its length.
pub(super) fn append_entry(entries: &mut Vec<u8>, render: impl FnOnce(&mut Vec<u8>)) {
    let start = entries.len();
    entries.extend_from_slice(&[0; size_of::<u32>()]);
    let before = entries.len();
    render(entries);
    let length = u32::try_from(entries.len() - before).unwrap_or(u32::MAX);
    if let Some(place) = entries.get_mut(start..before) {
        place.copy_from_slice(&length.to_ne_bytes());
    }
}

/// Appends a field, if there is anything to say. A value with line ends has its length before it.
pub(super) fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

pub(super) fn number(entry: &mut Vec<u8>, name: &str, value: impl itoa::Integer) {
    field(entry, name, itoa::Buffer::new().format(value));
}

/// The fields that every entry has.
pub(super) fn begin(entry: &mut Vec<u8>, priority: u8, message: &str) {
    field(entry, "MESSAGE", message);
    number(entry, "PRIORITY", priority);
    field(entry, "SYSLOG_IDENTIFIER", "doxy");
}

/// The entry that says how many records were lost.
pub(super) fn lost(entry: &mut Vec<u8>, lost: u64) {
    let message = format!("the access log has lost {lost} records");
    begin(entry, WARNING, &message);
    number(entry, "DOXY_LOST", lost);
}

impl Journal {
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            socket: connected(path)?,
        })
    }

    /// Sends entries as [`append_entry`] has made them. An error comes with how many were sent before it.
    pub(super) fn send_all(&mut self, entries: &[u8]) -> Result<(), (u64, io::Error)> {
        let mut sent = 0;
        let mut rest = entries;
        while let Some((length, behind)) = rest.split_first_chunk() {
            let length = u32::from_ne_bytes(*length) as usize;
            let (entry, more) = behind.split_at_checked(length).unwrap_or((behind, &[]));
            self.send(entry).map_err(|error| (sent, error))?;
            sent += 1;
            rest = more;
        }
        Ok(())
    }

    fn send(&mut self, entry: &[u8]) -> io::Result<()> {
        match self.send_patiently(entry) {
            // It may have been started anew since.
            Err(Errno::CONNREFUSED | Errno::CONNRESET | Errno::NOTCONN | Errno::PIPE) => {
                self.socket = connected(&self.path)?;
                Ok(self.send_patiently(entry)?)
            }
            Err(Errno::AGAIN) => {
                // One that hangs may have a successor.
                self.socket = connected(&self.path)?;
                let why = "the journal takes nothing in";
                Err(io::Error::new(io::ErrorKind::TimedOut, why))
            }
            sent => Ok(sent?),
        }
    }

    /// Waits for a while if the journal has no room.
    fn send_patiently(&self, entry: &[u8]) -> Result<(), Errno> {
        let until = Instant::now() + PATIENCE;
        loop {
            let sent = match send(&self.socket, entry, FLAGS) {
                Err(Errno::MSGSIZE | Errno::NOBUFS) => self.send_sealed(entry),
                sent => sent.map(drop),
            };
            let left = until.saturating_duration_since(Instant::now());
            if sent != Err(Errno::AGAIN) || left.is_zero() {
                return sent;
            }
            let left = Timespec {
                tv_sec: 0,
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut socket = [PollFd::new(&self.socket, PollFlags::OUT)];
            match poll(&mut socket, Some(&left)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends an entry that fits into no datagram: as memory that nobody can change any more.
    fn send_sealed(&self, entry: &[u8]) -> Result<(), Errno> {
        let memory = memfd_create("entry", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut memory = File::from(memory);
        memory.write_all(entry).map_err(|_| Errno::NOMEM)?;
        fcntl_add_seals(
            &memory,
            SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
        )?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [memory.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&self.socket, &[], &mut control, FLAGS).map(drop)
    }
}

fn connected(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
