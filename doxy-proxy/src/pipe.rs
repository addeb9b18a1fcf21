//! Pipes for `splice(2)`, which moves pages between sockets instead of copying bytes.
//!
//! A pipe is taken when a tunnel has much to move and given back when it is still; a few are
//! kept. One that may hold bytes is never given back: they belong to one tunnel.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};

/// What a pipe holds unless it is told otherwise.
const CAPACITY: usize = 64 * 1024;
/// Pipes that wait for the next tunnel, two descriptors each.
const KEPT: usize = 8;

thread_local! {
    static IDLE: RefCell<Vec<(OwnedFd, OwnedFd)>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and how many bytes are in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    output: OwnedFd,
    input: OwnedFd,
    held: usize,
}

impl Pipe {
    /// An empty pipe.
    pub(crate) fn take() -> io::Result<Self> {
        let (output, input) = match IDLE.with_borrow_mut(Vec::pop) {
            Some(pipe) => pipe,
            None => pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?,
        };
        Ok(Self {
            output,
            input,
            held: 0,
        })
    }

    /// Keeps the pipe for the next one who needs it.
    pub(crate) fn give_back(self) {
        let Self {
            output,
            input,
            held,
        } = self;
        IDLE.with_borrow_mut(|idle| {
            if held == 0 && idle.len() < KEPT {
                idle.push((output, input));
            }
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves what there is from a socket into the empty pipe. Nought is the end of the socket.
    pub(crate) fn fill(&mut self, from: &impl AsFd) -> io::Result<usize> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        self.held = splice(from, None, &self.input, None, CAPACITY, flags)?;
        Ok(self.held)
    }

    /// Moves what the pipe holds, or a part of it, to a socket.
    pub(crate) fn drain(&mut self, to: &impl AsFd) -> io::Result<()> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        self.held -= splice(&self.output, None, to, None, self.held, flags)?;
        Ok(())
    }
}
