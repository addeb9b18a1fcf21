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

impl Signals {
    pub(crate) fn handle() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT. Calls `reload` on each SIGHUP that comes before.
    pub(crate) async fn stop(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.term.recv() => return,
                _ = self.int.recv() => return,
                _ = self.hup.recv() => reload(),
            }
        }
    }
}
