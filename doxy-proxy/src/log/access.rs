//! The access log: one record a request, in a file or the journal, which never hold up a request.
//!
//! Requests put records into memory, and a thread writes them. If the disk or the reader is too slow,
//! records are dropped and counted, and the log says how many as soon as it can be written again.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};

use crate::log::date;
use crate::log::journal::{self, Journal, append_entry};
use crate::net::reason::io_reason;

/// How long the thread gathers further records after it has written some.
const FLUSH_INTERVAL: Duration = Duration::from_millis(50);
/// So many bytes are written without gathering more. They stay in the processor's cache.
const BATCH: usize = 128 * 1024;
/// The most that is held in memory, in bytes.
const MAX_PENDING: usize = 4 * 1024 * 1024;
/// How long the last records may take to be written when doxy stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogDestination {
    /// Standard output.
    Stdout,
    /// A file, which is appended to, and reopened on request.
    File(PathBuf),
    /// The journal of systemd, at this socket.
    Journal(PathBuf),
}

impl fmt::Display for LogDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
            Self::Journal(_) => f.write_str("journal"),
        }
    }
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
    /// The fields of an entry of the journal, and nowhere else.
    Journald,
}

/// The access log. A clone is the same log; the log is complete when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct AccessLog(Arc<Log>);

#[derive(Debug)]
struct Log {
    shared: Arc<Shared>,
    format: Format,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Signalled when the thread has something to do.
    work: Condvar,
    /// Signalled when the thread has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    records: u64,
    lost: u64,
    /// Of all time.
    dropped: u64,
    /// Whether the thread waits for a first record, rather than gathers further ones.
    idle: bool,
    reopen: bool,
    closing: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessLog {
    /// Opens the log. Call it after privileges were dropped: its thread inherits the caller's.
    pub fn open(target: LogDestination, format: Format) -> io::Result<Self> {
        let journal = matches!(target, LogDestination::Journal(_));
        if journal != (format == Format::Journald) {
            let why = "the journal takes fields, and nothing else does";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let output = Output::open(&target)?;
        let shared = Arc::new(Shared::default());
        let log = Self(Arc::new(Log {
            shared: Arc::clone(&shared),
            format,
        }));
        thread::Builder::new()
            .name("access log".to_owned())
            .spawn(move || write_records(&shared, &target, output, format))?;
        Ok(log)
    }

    /// Reopens the file by its name, after log rotation has moved the old one away.
    pub fn reopen(&self) {
        self.0.shared.lock().reopen = true;
        self.0.shared.work.notify_one();
    }

    /// How many records could not be written so far.
    pub fn dropped(&self) -> u64 {
        self.0.shared.lock().dropped
    }

    /// How records are written.
    pub(crate) fn format(&self) -> Format {
        self.0.format
    }

    /// Adds a record: `render` appends it to the vector it gets.
    pub(crate) fn record(&self, render: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.shared.lock();
        if state.lines.len() >= MAX_PENDING {
            state.lost += 1;
            state.dropped += 1;
            return;
        }
        let before = state.lines.len();
        match self.format() {
            Format::Text | Format::Json => render(&mut state.lines),
            Format::Journald => append_entry(&mut state.lines, render),
        }
        let after = state.lines.len();
        state.records += 1;
        let first = std::mem::take(&mut state.idle);
        drop(state);
        if first || (before < BATCH && after >= BATCH) {
            self.0.shared.work.notify_one();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closing = true;
        self.shared.work.notify_one();
        // A slow disk does not keep doxy from stopping.
        let _ = self
            .shared
            .ended
            .wait_timeout_while(state, FLUSH_TIMEOUT, |state| !state.ended);
    }
}

/// What is written to.
enum Output {
    Stdout,
    File(File),
    Journal(Journal),
}

impl Output {
    fn open(target: &LogDestination) -> io::Result<Self> {
        let path = match target {
            LogDestination::Stdout => return Ok(Self::Stdout),
            LogDestination::Journal(path) => return Journal::connect(path).map(Self::Journal),
            LogDestination::File(path) => path,
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
        // Without NONBLOCK, opening a named pipe that nobody reads would block.
        let file = open(
            path,
            flags | OFlags::NONBLOCK,
            Mode::RUSR | Mode::WUSR | Mode::RGRP,
        )?;
        fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
        Ok(Self::File(File::from(file)))
    }

    /// Writes records. An error comes with how many were written before it, as far as that is known.
    fn write(&mut self, records: &[u8]) -> Result<(), (u64, io::Error)> {
        let written = match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(records).and_then(|()| stdout.flush())
            }
            Self::File(file) => file.write_all(records),
            Self::Journal(journal) => return journal.send_all(records),
        };
        written.map_err(|error| (0, error))
    }
}

/// The thread: writes records until the log is dropped.
fn write_records(shared: &Shared, target: &LogDestination, mut output: Output, format: Format) {
    let mut lines = Vec::new();
    let mut failing = false;
    loop {
        let mut state = shared.lock();
        // Records come in runs, so gather for a while before waiting to be woken by the next one.
        if !state.closing && !state.reopen && state.lines.len() < BATCH {
            let gathered = shared
                .work
                .wait_timeout_while(state, FLUSH_INTERVAL, |state| {
                    !state.closing && !state.reopen && state.lines.len() < BATCH
                });
            state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        while state.lines.is_empty() && !state.reopen && !state.closing {
            state.idle = true;
            state = wait(&shared.work, state);
        }
        std::mem::swap(&mut state.lines, &mut lines);
        let records = std::mem::take(&mut state.records);
        let lost = std::mem::take(&mut state.lost);
        let reopen = std::mem::take(&mut state.reopen);
        let closing = state.closing;
        drop(state);
        if lost > 0 {
            render_lost(&mut lines, lost, format);
        }
        if let Err((written, error)) = output.write(&lines) {
            let unwritten = records.saturating_sub(written);
            let mut state = shared.lock();
            state.lost += lost + unwritten;
            state.dropped += unwritten;
            drop(state);
            if !failing {
                tracing::warn!("the access log takes no records: {}", io_reason(&error));
            }
            failing = true;
        } else if failing && !lines.is_empty() {
            failing = false;
            tracing::warn!("the access log takes records again");
        }
        lines.clear();
        lines.shrink_to(BATCH * 4);
        if reopen {
            // Everything up to here belongs into the old file.
            match Output::open(target) {
                Ok(opened) => output = opened,
                Err(error) => tracing::warn!(
                    "cannot reopen the access log, it goes on in the old file: {}",
                    io_reason(&error)
                ),
            }
        }
        if closing {
            shared.lock().ended = true;
            shared.ended.notify_all();
            return;
        }
    }
}

fn wait<'a>(work: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    work.wait(state).unwrap_or_else(PoisonError::into_inner)
}

fn render_lost(lines: &mut Vec<u8>, lost: u64, format: Format) {
    let (before, between, behind) = match format {
        Format::Text => ("", " lost=", "\n"),
        Format::Json => ("{\"time\":\"", "\",\"lost\":", "}\n"),
        Format::Journald => return append_entry(lines, |entry| journal::lost(entry, lost)),
    };
    lines.extend_from_slice(before.as_bytes());
    date::append_rfc3339(lines);
    lines.extend_from_slice(between.as_bytes());
    lines.extend_from_slice(itoa::Buffer::new().format(lost).as_bytes());
    lines.extend_from_slice(behind.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{AccessLog, Format, LogDestination};

    #[test]
    fn a_record_after_a_pause_wakes_the_thread() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("log");
        let log = AccessLog::open(LogDestination::File(path.clone()), Format::Text)?;
        for count in 1..=3 {
            // As long as it waits for more it writes without being woken.
            while !log.0.shared.lock().idle {
                thread::yield_now();
            }
            log.record(|line| line.extend_from_slice(b"record\n"));
            let since = Instant::now();
            while fs::read(&path)?.len() < count * "record\n".len() {
                assert!(since.elapsed() < Duration::from_secs(20), "never written");
                thread::yield_now();
            }
        }
        Ok(())
    }
}
