//! Signals that are for the command, and the news that a child has ended.
//!
//! The command has no terminal that sends it signals: Ctrl-C reaches doxy alone, which passes it on.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Handles these signals from now on.
pub(super) struct Passed {
    hup: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
    usr1: tokio::signal::unix::Signal,
    usr2: tokio::signal::unix::Signal,
    winch: tokio::signal::unix::Signal,
    child: tokio::signal::unix::Signal,
}

/// What has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Signal(Signal),
    /// A child has ended, or more than one.
    Child,
}

impl Passed {
    pub(super) fn handle() -> io::Result<Self> {
        Ok(Self {
            hup: signal(SignalKind::hangup())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            term: signal(SignalKind::terminate())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
            winch: signal(SignalKind::window_change())?,
            child: signal(SignalKind::child())?,
        })
    }

    pub(super) async fn next(&mut self) -> Came {
        tokio::select! {
            _ = self.hup.recv() => Came::Signal(Signal::HUP),
            _ = self.int.recv() => Came::Signal(Signal::INT),
            _ = self.quit.recv() => Came::Signal(Signal::QUIT),
            _ = self.term.recv() => Came::Signal(Signal::TERM),
            _ = self.usr1.recv() => Came::Signal(Signal::USR1),
            _ = self.usr2.recv() => Came::Signal(Signal::USR2),
            _ = self.winch.recv() => Came::Signal(Signal::WINCH),
            _ = self.child.recv() => Came::Child,
        }
    }
}
