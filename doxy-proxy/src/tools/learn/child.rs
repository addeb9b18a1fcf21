//! The command that is run, and the signals that it gets.
//!
//! It inherits the terminal and the process group. What the terminal sends to the group, Ctrl-C, it has
//! got already; all else is passed on.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use doxy_proxy::io_reason;
use rustix::process::{Pid, getpgrp, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::ConfigError;
use crate::startup::Failure;
use crate::tools::docker_host::lead_to;

/// The signals that are handled from now on.
pub(super) struct Signalled {
    term: Signal,
    int: Signal,
    quit: Signal,
    hup: Signal,
    child: Signal,
}

/// What came.
enum Came {
    Sent(rustix::process::Signal),
    /// A process has ended.
    Child,
}

impl Signalled {
    pub(super) fn handle() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hup: signal(SignalKind::hangup())?,
            child: signal(SignalKind::child())?,
        })
    }

    async fn next(&mut self) -> Came {
        use rustix::process::Signal;
        tokio::select! {
            _ = self.term.recv() => Came::Sent(Signal::TERM),
            _ = self.int.recv() => Came::Sent(Signal::INT),
            _ = self.quit.recv() => Came::Sent(Signal::QUIT),
            _ = self.hup.recv() => Came::Sent(Signal::HUP),
            _ = self.child.recv() => Came::Child,
        }
    }
}

/// Waits for the first signal, but no longer than this.
pub(super) async fn until(time: Duration, signals: &mut Signalled) {
    let stopped = async { while matches!(signals.next().await, Came::Child) {} };
    // Either is the end.
    let _ = tokio::time::timeout(time, stopped).await;
}

/// Runs a command with this socket for its engine. Returns its exit code: 128 and the signal's number
/// if a signal ended it.
pub(super) async fn run(
    program: &OsStr,
    arguments: &[OsString],
    socket: &Path,
    signals: &mut Signalled,
) -> Result<u8, Failure> {
    let mut command = Command::new(program);
    lead_to(command.args(arguments), socket);
    let mut child = command.spawn().map_err(|error| {
        let program = program.to_string_lossy();
        let help = "name a command that can be run, behind `--`";
        ConfigError::new(program, io_reason(&error), help)
    })?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(code(status));
        }
        match signals.next().await {
            Came::Child => {}
            Came::Sent(signal) => {
                use rustix::process::Signal;
                let keys = [Signal::INT, Signal::QUIT].contains(&signal);
                // Not reaped yet, so the number is still its own.
                if let Some(pid) = pid.filter(|_| !(keys && is_in_foreground())) {
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

/// Whether the terminal sends what its keys mean to this process group.
fn is_in_foreground() -> bool {
    rustix::termios::tcgetpgrp(rustix::stdio::stdin()).is_ok_and(|group| group == getpgrp())
}

fn code(status: ExitStatus) -> u8 {
    let by_signal = || status.signal().map_or(1, |signal| 128 + signal);
    u8::try_from(status.code().unwrap_or_else(by_signal)).unwrap_or(1)
}
