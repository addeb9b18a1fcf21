//! The log of the process, on standard error.
//!
//! Logging never delays a request and never ends the proxy. A line that cannot be written at once (a
//! full pipe, a full disk) is dropped, and the next line that is written comes after the number of
//! dropped ones.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::fmt::MakeWriter;

/// Writes each line with one system call, and counts those that it drops.
#[derive(Debug, Default)]
pub struct Stderr {
    dropped: AtomicU64,
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let dropped = self.dropped.swap(0, Relaxed);
        let counted = (dropped > 0).then(|| format!("({dropped} lines of log lost)\n"));
        let printed = counted.is_none_or(|line| write(line.as_bytes()));
        if !printed || !write(line) {
            self.dropped.fetch_add(dropped + 1, Relaxed);
        }
        // The caller could do nothing about an error.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line if that does not block. A pipe that is ready for writing has room for 4 KiB.
fn write(line: &[u8]) -> bool {
    let stderr = rustix::stdio::stderr();
    let mut fds = [PollFd::from_borrowed_fd(stderr, PollFlags::OUT)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let ready = poll(&mut fds, Some(&now)).is_ok_and(|count| count > 0)
        && fds.iter().all(|fd| fd.revents().contains(PollFlags::OUT));
    ready && rustix::io::write(stderr, line).is_ok_and(|written| written == line.len())
}
