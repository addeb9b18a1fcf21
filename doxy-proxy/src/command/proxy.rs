//! The child that is the proxy: it serves the command's socket, and ends with the process that waits.

use std::fs::File;
use std::os::fd::OwnedFd;

use doxy_proxy::Denied;
use rustix::process::{
    DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal, setsid,
};
use tracing::Level;

use crate::command::order::{MISUSED, say};
use crate::command::tie;
use crate::config::{Config, Source};
use crate::notify::Notifier;
use crate::signals::Signals;
use crate::startup::{Bound, Failure, log_to_stderr, raise_descriptor_limit, runtime};

/// Waits until it is told to go on, and serves until it is told to stop. Says what was denied.
pub(super) fn run(source: Source, config: Config, tie: OwnedFd) -> u8 {
    let (text, code) = match serve(source, config, tie) {
        Ok(denied) => {
            summarize(&denied);
            return 0;
        }
        Err(Failure::Config(error)) => (error.to_string(), MISUSED),
        Err(Failure::Running(error)) => (error.to_string(), 1),
    };
    say(&text);
    code
}

fn serve(source: Source, config: Config, tie: OwnedFd) -> Result<Vec<Denied>, Failure> {
    // Ctrl-C is for the command, which may need the engine to end well.
    setsid().map_err(std::io::Error::from)?;
    // Another signal would wait for whoever has stopped this process.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(std::io::Error::from)?;
    // The command may have the same user: it is not to look into this process.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(std::io::Error::from)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?).map_err(std::io::Error::from)?;
    if !tie::answers(&tie)? {
        return Ok(vec![]);
    }
    let level = match config.shared.debug {
        true => Level::DEBUG,
        false => Level::WARN,
    };
    log_to_stderr(level);
    raise_descriptor_limit();
    runtime()?.block_on(async {
        // The command may be of the same user, and so may change the files and send signals.
        let signals = Signals::handle_without_reload()?;
        let notifier = Notifier::over(tie.try_clone()?);
        let bound = Bound::bind(source, config, &signals)?;
        // The socket is to be removed by a process that still has the right to, and nothing else is.
        if let Some(created) = bound.created() {
            tie::tell(&tie, created)?;
        }
        let serving = bound.confine()?.start()?;
        let denied = serving.denied();
        tokio::select! {
            () = serving.until_stopped(signals, &notifier) => {}
            // The death signal is lost if the proxy has become another user.
            ended = tie::ends(tie) => ended?,
        }
        Ok(denied)
    })
}

fn summarize(denied: &[Denied]) {
    let kinds: Vec<_> = denied.iter().flat_map(Denied::so_far).collect();
    let all: u64 = kinds.iter().map(|(count, _)| count).sum();
    if all > 0 {
        let mut text = format!(
            "denied {all} {}:",
            if all == 1 { "request" } else { "requests" }
        );
        for (count, what) in kinds {
            text.push_str(&format!("\n{count:>7}  {what}"));
        }
        say(&text);
    }
}
