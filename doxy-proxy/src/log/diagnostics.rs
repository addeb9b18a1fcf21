//! Where the log goes: standard error, as far as somebody takes it.
//!
//! A log never holds up a request and never ends the proxy. A line that would have to wait, for a
//! pipe that nobody empties or a disk that is full, is dropped and counted, and the next one that
//! gets through is preceded by the count.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::fmt::MakeWriter;

/// The log. Every line is one write.
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
        let said = counted.is_none_or(|line| write(line.as_bytes()));
        if !said || !write(line) {
            self.dropped.fetch_add(dropped + 1, Relaxed);
        }
        // Whoever logs has done so: there is nothing that could be done about it there.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line if that takes no waiting. A pipe that can be written to has room for 4 KiB.
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
