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
    reloads: bool,
}

/// What a signal tells doxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// By the signal of this name.
    Stop(&'static str),
    Reload,
}

impl Signals {
    pub(crate) fn handle() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            reloads: true,
        })
    }

    /// The same, but SIGHUP means nothing: for settings that hold for as long as the process lives.
    pub(crate) fn handle_without_reload() -> io::Result<Self> {
        Ok(Self {
            reloads: false,
            ..Self::handle()?
        })
    }

    /// Waits for a signal.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.term.recv() => Told::Stop("SIGTERM"),
            _ = self.int.recv() => Told::Stop("SIGINT"),
            _ = self.hup.recv(), if self.reloads => Told::Reload,
        }
    }
}
