//! The log of the process, on standard error.
//!
//! Logging never delays a request and never ends the proxy. A line that cannot be written at once (a
//! full pipe, a full disk) is dropped, and the next line that is written comes after the number of
//! dropped ones.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::fmt::MakeWriter;

/// How many bytes a pipe takes without blocking if it is ready for writing.
const ROOM: usize = 4096;

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
        self.emit(line, write);
        // The caller could do nothing about an error.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stderr {
    /// Has a line written by `write`, which says whether it could, after the number of lines that were
    /// dropped before.
    fn emit(&self, line: &[u8], write: impl Fn(&[u8]) -> bool) {
        let dropped = self.dropped.swap(0, Relaxed);
        let counted = (dropped > 0).then(|| format!("({dropped} lines of log lost)\n"));
        if counted.is_some_and(|count| !write(count.as_bytes())) {
            self.dropped.fetch_add(dropped + 1, Relaxed);
        } else if !write(&cut(line)) {
            // The others have been reported.
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// A line that fits into [`ROOM`].
fn cut(line: &[u8]) -> Cow<'_, [u8]> {
    const END: &[u8] = "\u{2026}\n".as_bytes();
    match line.get(..ROOM - END.len()) {
        Some(start) if line.len() > ROOM => {
            // Not in the middle of a character.
            let whole = start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            Cow::Owned([whole.as_bytes(), END].concat())
        }
        _ => Cow::Borrowed(line),
    }
}

/// Writes a line if that does not block.
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{ROOM, Stderr, cut};

    /// Offers lines to a log that takes only those writes that `takes` says, one after the other.
    fn written(lines: &[&str], takes: &[bool]) -> String {
        let log = Stderr::default();
        let (out, takes) = (RefCell::new(vec![]), RefCell::new(takes.iter()));
        for line in lines {
            log.emit(line.as_bytes(), |line| {
                let taken = *takes.borrow_mut().next().unwrap_or(&true);
                if taken {
                    out.borrow_mut().extend_from_slice(line);
                }
                taken
            });
        }
        String::from_utf8_lossy(&out.into_inner()).into_owned()
    }

    #[test]
    fn each_dropped_line_is_counted_once() {
        let lost = |count| format!("({count} lines of log lost)\n");
        let lines = &["a\n", "b\n", "c\n", "d\n"];
        assert_eq!(written(lines, &[]), "a\nb\nc\nd\n");
        let expected = format!("{}c\nd\n", lost(2));
        assert_eq!(written(lines, &[false, false]), expected);
        // The count of the first line gets through, the line behind it does not.
        let expected = format!("{}{}c\nd\n", lost(1), lost(1));
        assert_eq!(written(lines, &[false, true, false]), expected);
        let expected = format!("{}{}d\n", lost(1), lost(2));
        assert_eq!(written(lines, &[false, true, false, false]), expected);
    }

    /// More would block on a pipe that has room for this much.
    #[test]
    fn long_lines_are_cut() {
        let line = |length: usize| "\u{e4}".repeat(length / 2 - 1) + "x\n";
        assert_eq!(&*cut(line(ROOM).as_bytes()), line(ROOM).as_bytes());
        for length in [ROOM + 2, ROOM + 4, 100_000] {
            let line = line(length);
            let cut = cut(line.as_bytes());
            let text = str::from_utf8(&cut).unwrap_or_default();
            assert!(cut.len() <= ROOM && text.ends_with("\u{e4}\u{2026}\n"));
        }
    }
}
