//! The binary `doxy`: settings, signals, exit code. What it runs is the library's.

mod cli;
mod config;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use doxy_proxy::log::diagnostics::Stderr;
use doxy_proxy::privilege::drop_privileges;
use doxy_proxy::{
    AccessLog, Listener, LogDestination, Service, Upstream, UpstreamAddr, io_reason, serve,
    try_connect,
};
use rustix::process::{Resource, getrlimit, setrlimit};
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
        .with_writer(Stderr::default())
        // It would say so on the same stream, and end the process if that fails too.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(false)
        .init();
    for name in cli::unknown_variables() {
        tracing::warn!("the variable {name} is not one of doxy's: `doxy --help` has their names");
    }
    raise_descriptors();
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

async fn run(mut config: Config) -> ExitCode {
    // Before the socket exists: a signal in between would leave it behind.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return complain(&error, FAILED),
    };
    // Before anything exists that a refusal would leave behind.
    let run_as = config.run_as.take();
    let credentials = match run_as.map(|user| user.credentials(&config.engine)) {
        Some(Ok(credentials)) => credentials,
        Some(Err(error)) => return complain(&error, MISUSED),
        None => None,
    };
    if let Some(credentials) = &credentials {
        credentials.default_owner(&mut config.bind);
    }
    let listener = match config.bind.listen() {
        Ok(listener) => Listener::Unix(listener),
        Err(error) => return complain(&error, MISUSED),
    };
    if let UpstreamAddr::Unix(engine) = &config.engine
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
    // Before there is another thread, and a client.
    let credentials = credentials.as_ref();
    let sandbox = match drop_privileges(credentials, config.sandbox, &config.engine, &config.needs)
    {
        Ok(in_force) => in_force,
        Err(error) => return complain(&error, MISUSED),
    };
    tracing::info!("sandbox: {sandbox}");
    let access = match config.access {
        Some((target, format)) => match AccessLog::open(target.clone(), format) {
            Ok(log) => Some(log),
            Err(error) => return complain(&no_access_log(&target, &error), MISUSED),
        },
        None => None,
    };
    tracing::info!(
        "doxy {} listening on {} (mode {:04o}), Docker engine at {}, {}",
        env!("CARGO_PKG_VERSION"),
        listener,
        config.bind.mode,
        config.engine,
        config.loaded.described,
    );
    if let UpstreamAddr::Unix(path) = &config.engine
        && let Err(error) = try_connect(path)
        && error.kind() != io::ErrorKind::WouldBlock
    {
        tracing::warn!(
            "the Docker engine at {} cannot be reached: {}; requests get 502 until it can (is \
             --docker-socket right?)",
            path.display(),
            io_reason(&error)
        );
    }
    let upstream = Upstream::new(config.engine, ENGINE_PATIENCE);
    let mut service = Service::new(&config.source.socket, config.loaded.policy, upstream);
    service.peers = config.peers;
    service.limits = config.limits;
    service.access_log = access.clone();
    let policy = service.policy.clone();
    let reload = || {
        if let Some(log) = &access {
            log.reopen();
        }
        match config.source.load() {
            Ok(loaded) => {
                policy.replace(loaded.policy);
                tracing::info!("reloaded: {}", loaded.described);
            }
            Err(error) => {
                let error = error.to_string().replace('\n', "; ");
                tracing::error!("not reloaded, the policy in force stays: {error}");
            }
        }
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let served = serve(
        vec![(listener, service)],
        config.threads,
        config.grace,
        async {
            // An error says that the signals' side is gone, and then everything ends anyway.
            let _ = stopped.await;
        },
    );
    tokio::select! {
        served = served => if let Err(error) = served {
            return complain(&format!("cannot start a thread: {error}"), FAILED);
        },
        () = async {
            signals.stop(&reload).await;
            let _ = stop.send(());
            signals.stop(&reload).await;
            tracing::info!("stopping at once");
        } => {}
    }
    ExitCode::SUCCESS
}

fn no_access_log(target: &LogDestination, error: &io::Error) -> String {
    let name = match target {
        LogDestination::Stdout => "stdout".to_owned(),
        LogDestination::File(path) => path.display().to_string(),
    };
    let help = "name a file that doxy may write to, in a folder that exists";
    format!("--access-log {name}: {}\nhelp: {help}", io_reason(error))
}

/// As many descriptors as the system lets doxy have: each connection needs two, a tunnel up to six.
fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // It stays as it was, and connections beyond it wait.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// The signals that doxy listens to.
struct Signals {
    stop: [Signal; 2],
    reload: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let [term, int, reload] = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ]
        .map(signal);
        Ok(Self {
            stop: [term?, int?],
            reload: reload?,
        })
    }

    /// Waits until doxy is to stop; until then calls `reload` on SIGHUP.
    async fn stop(&mut self, reload: impl Fn()) {
        let [term, int] = &mut self.stop;
        loop {
            tokio::select! {
                _ = term.recv() => return,
                _ = int.recv() => return,
                _ = self.reload.recv() => reload(),
            }
        }
    }
}

/// Speaks to the person who started doxy, without the log, which may not be set up yet.
fn complain(error: &dyn Display, code: u8) -> ExitCode {
    // Fails when nobody reads it; the exit code says it too.
    let _ = writeln!(io::stderr(), "doxy: {error}");
    ExitCode::from(code)
}
