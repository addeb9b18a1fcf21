//! The log of the process, on standard error.
//!
//! If that is systemd's journal, each line begins with its priority (`<4>`, as `sd-daemon` says), and
//! the journal notes the time.
//!
//! Logging never delays a request and never ends the proxy. A line that cannot be written at once (a
//! full pipe, a full disk) is dropped, and the next line that is written comes after the number of
//! dropped ones.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How many bytes a pipe takes without blocking if it is ready for writing.
const ROOM: usize = 4096;

/// Whether standard error is the journal of systemd, which says in the variable `JOURNAL_STREAM` which
/// file that is: somebody may have put another in its place since.
pub fn stderr_is_journal(journal_stream: Option<&OsStr>) -> bool {
    let Some((device, inode)) = journal_stream
        .and_then(OsStr::to_str)
        .and_then(|text| text.split_once(':'))
    else {
        return false;
    };
    rustix::fs::fstat(rustix::stdio::stderr())
        .is_ok_and(|stat| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// A text for the journal: the priority of an error before each line.
pub fn error_with_priority(text: &str) -> String {
    let mut marked = Vec::new();
    mark(text.as_bytes(), Level::ERROR, &mut marked);
    String::from_utf8_lossy(&marked).into_owned()
}

/// Writes each line with one system call, and counts those that it drops.
#[derive(Debug, Default)]
pub struct Stderr {
    dropped: AtomicU64,
    /// Whether lines begin with their priority.
    journal: bool,
}

/// Writes the lines of one event.
#[derive(Debug)]
pub struct EventWriter<'a> {
    stderr: &'a Stderr,
    level: Level,
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = EventWriter<'a>;

    fn make_writer(&'a self) -> EventWriter<'a> {
        EventWriter {
            stderr: self,
            level: Level::INFO,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> EventWriter<'a> {
        EventWriter {
            stderr: self,
            level: *event.level(),
        }
    }
}

impl Write for EventWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.stderr.emit(line, self.level, write);
        // The caller could do nothing about an error.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stderr {
    /// Lines for the journal, with priorities, or for anybody else.
    pub fn new(journal: bool) -> Self {
        Self {
            dropped: AtomicU64::new(0),
            journal,
        }
    }

    /// Has a line written by `write`, which says whether it could, after the number of lines that were
    /// dropped before.
    fn emit(&self, line: &[u8], level: Level, write: impl Fn(&[u8]) -> bool) {
        let write = |line: &[u8], level| {
            if !self.journal {
                return write(&cut(line));
            }
            let mut marked = Vec::new();
            mark(line, level, &mut marked);
            write(&cut(&marked))
        };
        let dropped = self.dropped.swap(0, Relaxed);
        let counted = (dropped > 0).then(|| format!("({dropped} lines of log lost)\n"));
        if counted.is_some_and(|count| !write(count.as_bytes(), Level::WARN)) {
            self.dropped.fetch_add(dropped + 1, Relaxed);
        } else if !write(line, level) {
            // The others have been reported.
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// Appends lines, each behind its priority.
fn mark(lines: &[u8], level: Level, marked: &mut Vec<u8>) {
    let priority = match level {
        Level::ERROR => b"<3>",
        Level::WARN => b"<4>",
        Level::INFO => b"<6>",
        // Below all else.
        _ => b"<7>",
    };
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        marked.extend_from_slice(priority);
        marked.extend_from_slice(line);
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

    use tracing::Level;

    use super::{ROOM, Stderr, cut};

    /// Offers lines to a log that takes only those writes that `takes` says, one after the other.
    fn written(lines: &[&str], takes: &[bool]) -> String {
        written_to(&Stderr::new(false), Level::INFO, lines, takes)
    }

    fn written_to(log: &Stderr, level: Level, lines: &[&str], takes: &[bool]) -> String {
        let (out, takes) = (RefCell::new(vec![]), RefCell::new(takes.iter()));
        for line in lines {
            log.emit(line.as_bytes(), level, |line| {
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

    #[test]
    fn the_journal_gets_a_priority_for_each_line() {
        for (level, expected) in [
            (Level::ERROR, "<3>a\n<3>b\n"),
            (Level::WARN, "<4>a\n<4>b\n"),
            (Level::INFO, "<6>a\n<6>b\n"),
            (Level::DEBUG, "<7>a\n<7>b\n"),
        ] {
            let log = Stderr::new(true);
            assert_eq!(written_to(&log, level, &["a\nb\n"], &[]), expected);
            let log = Stderr::new(false);
            assert_eq!(written_to(&log, level, &["a\nb\n"], &[]), "a\nb\n");
        }
        let log = Stderr::new(true);
        let written = written_to(&log, Level::INFO, &["a\n", "b\n"], &[false]);
        assert_eq!(written, "<4>(1 lines of log lost)\n<6>b\n");
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
