//! What a process needs that serves: a log, a runtime, and as many open files as it may have.
//!
//! It reads no settings.

use std::io;

use doxy_proxy::log::diagnostics::{self, Stderr};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tracing::Level;

/// Has the log go to standard error, from this level on. To be called once in a process.
pub(crate) fn log_to_stderr(level: Level) {
    let journal = stderr_is_journal();
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(Stderr::new(journal))
        // It would print them to the same stream, and end the process if that fails too.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(false);
    match journal {
        // It notes the time itself.
        true => log.without_time().init(),
        false => log.init(),
    }
}

/// Whether standard error is the journal of systemd.
pub(crate) fn stderr_is_journal() -> bool {
    diagnostics::stderr_is_journal(std::env::var_os("JOURNAL_STREAM").as_deref())
}

/// Raises the limit on open files as far as doxy may: each connection takes two, a tunnel up to six.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If this fails the limit stays, and connections beyond it wait.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// A runtime on this thread. There must be no other: users and capabilities are changed for the calling
/// thread alone.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
}
