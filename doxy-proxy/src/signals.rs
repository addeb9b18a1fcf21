//! The signals that doxy handles.
//!
//! It says which came; what they do is for `startup` to decide.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Handles SIGTERM, SIGINT and SIGHUP from now on, in place of their default of ending the process.
pub(crate) struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

/// What a signal tells doxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Stop,
    Reload,
}

impl Signals {
    pub(crate) fn handle() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.term.recv() => Told::Stop,
            _ = self.int.recv() => Told::Stop,
            _ = self.hup.recv() => Told::Reload,
        }
    }
}
