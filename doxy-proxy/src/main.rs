//! The binary `doxy`: settings, signals, exit code. What it runs is the library's.

mod cli;
mod config;
mod log;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use doxy_proxy::{Engine, Policy, Proxy, Upstream, plain, probe, serve};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Args;
use crate::config::Config;

/// Failed while running.
const FAILED: u8 = 1;
/// Bad arguments, configuration or rules.
const MISUSED: u8 = 2;
/// How long the engine may take to accept a connection.
const ENGINE_PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => return complain(&cli::explain(&error), MISUSED),
        Err(help) => {
            // Fails when nobody reads it.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let config = match Config::check(args) {
        Ok(config) => config,
        Err(error) => return complain(&error, MISUSED),
    };
    let level = if config.debug {
        tracing::Level::DEBUG
    } else {
        tracing::Level::INFO
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(log::Stderr::default())
        // It would say so on the same stream, and end the process if that fails too.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, FAILED),
    };
    runtime.block_on(run(config))
}

async fn run(config: Config) -> ExitCode {
    // Before the socket exists: a signal in between would leave it behind.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return complain(&error, FAILED),
    };
    let listener = match config.bind.listen() {
        Ok(listener) => listener,
        Err(error) => return complain(&error, MISUSED),
    };
    if let Engine::Unix(engine) = &config.engine
        && listener.is_at(engine)
    {
        let what = format!(
            "--docker-socket {}: this leads to the proxy socket",
            engine.display()
        );
        return complain(
            &format!("{what}\nhelp: name the engine's own socket"),
            MISUSED,
        );
    }
    tracing::info!(
        "doxy {} listening on {} (mode {:04o}), Docker engine at {}, {} {} from {}",
        env!("CARGO_PKG_VERSION"),
        listener.path().display(),
        config.bind.mode,
        config.engine,
        config.rules.len(),
        if config.rules.len() == 1 {
            "rule"
        } else {
            "rules"
        },
        config.rules_from,
    );
    if let Engine::Unix(path) = &config.engine
        && let Err(error) = probe(path)
        && error.kind() != io::ErrorKind::WouldBlock
    {
        tracing::warn!(
            "the Docker engine at {} cannot be reached: {}; requests get 502 until it can (is \
             --docker-socket right?)",
            path.display(),
            plain(&error)
        );
    }
    let proxy = Proxy {
        policy: Policy::new(config.rules),
        upstream: Arc::new(Upstream::new(config.engine, ENGINE_PATIENCE)),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let served = serve(listener, proxy, config.grace, async {
        // An error says that the signals' side is gone, and then everything ends anyway.
        let _ = stopped.await;
    });
    tokio::select! {
        () = served => {}
        () = async {
            signals.next().await;
            let _ = stop.send(());
            signals.next().await;
            tracing::info!("stopping at once");
        } => {}
    }
    ExitCode::SUCCESS
}

/// The signals that stop doxy.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        // A terminal that is closed says the last: doxy goes with it, and takes its socket along.
        let [term, int, hangup] = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ]
        .map(signal);
        Ok(Self([term?, int?, hangup?]))
    }

    async fn next(&mut self) {
        let Self([term, int, hangup]) = self;
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Speaks to the person who started doxy, without the log, which may not be set up yet.
fn complain(error: &dyn Display, code: u8) -> ExitCode {
    // Fails when nobody reads it; the exit code says it too.
    let _ = writeln!(io::stderr(), "doxy: {error}");
    ExitCode::from(code)
}
