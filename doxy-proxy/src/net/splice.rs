//! `splice(2)`: moves pages from one socket to another through a pipe, without copying bytes.
//!
//! A connection takes a pipe while many bytes flow and returns it when the source is idle; a few are
//! kept. A pipe that may hold bytes is never returned: they belong to one connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::time::timeout;

use crate::net::stream::Stream;

/// The capacity of a pipe, in bytes. Measured: four times the default costs a tenth less.
const CAPACITY: usize = 256 * 1024;
/// How many free pipes a thread keeps, two descriptors each.
const KEPT: usize = 8;
/// How long the source may be silent before the connection returns its pipe.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

thread_local! {
    static SPARE: RefCell<Vec<(OwnedFd, OwnedFd)>> = const { RefCell::new(Vec::new()) };
}

/// Why splicing has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spliced {
    /// All is moved that was to be, or nothing has come for a while, or these sockets cannot be
    /// spliced: whatever is left has to be copied.
    Idle,
    /// The source has ended, and all it sent is written.
    End,
}

/// Which side has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Sink,
}

/// Moves up to `left` bytes through a pipe, without copying them, and counts `left` down.
pub(crate) async fn splice_some(
    from: &Stream,
    to: &Stream,
    left: &mut u64,
) -> Result<Spliced, Side> {
    // What TLS has on its socket is not what it carries.
    let (Some(from), Some(to)) = (from.plain(), to.plain()) else {
        return Ok(Spliced::Idle);
    };
    // Without descriptors left, bytes are copied.
    let Ok(mut pipe) = Pipe::take() else {
        return Ok(Spliced::Idle);
    };
    to.grow_sndbuf();
    while *left > 0 {
        let most = usize::try_from(*left).unwrap_or(CAPACITY).min(CAPACITY);
        match from.try_io(Interest::READABLE, || pipe.fill(from, most)) {
            Ok(0) => {
                pipe.give_back();
                return Ok(Spliced::End);
            }
            Ok(moved) => *left -= moved as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match timeout(IDLE_TIMEOUT, poll_fn(|cx| from.poll_readable(cx))).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(_)) => return Err(Side::Source),
                    Err(_) => break,
                }
            }
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(Side::Source),
        }
        while !pipe.is_empty() {
            match to.try_io(Interest::WRITABLE, || pipe.drain(to)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let writable = poll_fn(|cx| to.poll_writable(cx)).await;
                    writable.map_err(|_| Side::Sink)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Side::Sink),
            }
        }
        // Also gives other connections a turn when this one is always ready.
        tokio::task::consume_budget().await;
    }
    pipe.give_back();
    Ok(Spliced::Idle)
}

/// A pipe, and how many bytes are in it.
#[derive(Debug)]
struct Pipe {
    output: OwnedFd,
    input: OwnedFd,
    held: usize,
}

impl Pipe {
    /// An empty pipe.
    fn take() -> io::Result<Self> {
        let (output, input) = match SPARE.with_borrow_mut(Vec::pop) {
            Some(pipe) => pipe,
            None => {
                let pipe = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
                // Where the user has too many already it stays as it is, and holds less.
                let _ = fcntl_setpipe_size(&pipe.0, CAPACITY);
                pipe
            }
        };
        Ok(Self {
            output,
            input,
            held: 0,
        })
    }

    /// Returns the pipe for another connection.
    fn give_back(self) {
        let Self {
            output,
            input,
            held,
        } = self;
        SPARE.with_borrow_mut(|spare| {
            if held == 0 && spare.len() < KEPT {
                spare.push((output, input));
            }
        });
    }

    fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves bytes from a socket into the empty pipe; 0 is the end of the stream.
    fn fill(&mut self, from: &impl AsFd, most: usize) -> io::Result<usize> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        self.held = splice(from, None, &self.input, None, most, flags)?;
        Ok(self.held)
    }

    /// Moves bytes from the pipe to a socket, all or a part.
    fn drain(&mut self, to: &impl AsFd) -> io::Result<()> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        self.held -= splice(&self.output, None, to, None, self.held, flags)?;
        Ok(())
    }
}
