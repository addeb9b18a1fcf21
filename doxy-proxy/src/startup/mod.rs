//! From settings to a running proxy: bound, then confined, then serving.
//!
//! Each state is a type that only the one before it makes, so the order cannot be changed by accident:
//! signals are handled before a socket exists, privileges are dropped before there is a second thread
//! or a client. It reads no settings from anywhere and ends no process.

mod engine;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use doxy_proxy::privilege::{Credentials, drop_privileges};
use doxy_proxy::{
    AccessLog, Listener, LogDestination, PolicyHandle, Server, Service, Upstream, UpstreamAddr,
    io_reason,
};

use crate::config::{
    AccessLogConfig, Bind, Config, ConfigError, ListenConfig, Setting, Shared, SocketConfig, Source,
};
use crate::signals::Signals;

/// How long the engine may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The sockets exist. Dropped, they are removed.
pub(crate) struct Bound {
    source: Source,
    shared: Shared,
    sockets: Vec<(Vec<Listener>, SocketConfig)>,
    /// What to run as, if that is another user.
    credentials: Option<Credentials>,
}

impl Bound {
    /// Creates the sockets. It takes the signals as a proof that they are handled: one that ended the
    /// process by default would leave the sockets behind.
    ///
    /// Must be called within a tokio runtime.
    pub(crate) fn bind(source: Source, config: Config, _: &Signals) -> Result<Self, ConfigError> {
        let Config {
            mut shared,
            sockets,
            warnings,
        } = config;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        // Whatever can be refused is refused before there is a socket.
        refuse_what_is_to_come(&shared, &sockets)?;
        let distinct = engines(sockets.iter());
        let proxies = sockets.iter().flat_map(|socket| &socket.binds);
        let proxies: HashSet<_> = proxies.filter_map(Bind::path).map(engine::real).collect();
        for (setting, address) in &distinct {
            if let UpstreamAddr::Unix(path) = address {
                engine::check(setting, path, &proxies)?;
            }
        }
        let addresses: Vec<_> = distinct.into_iter().map(|(_, address)| address).collect();
        let credentials = match shared.run_as.take() {
            Some(user) => user.credentials(&addresses)?,
            None => None,
        };
        let bind = |mut socket: SocketConfig| {
            let mut listeners = vec![];
            for bind in &mut socket.binds {
                let listener = match &mut bind.listen {
                    ListenConfig::Unix(unix) => {
                        if let Some(credentials) = &credentials {
                            credentials.default_owner(unix);
                        }
                        unix.listen().map(Listener::Unix)
                    }
                    ListenConfig::Tcp(_) | ListenConfig::Inherited(_) => {
                        return Err(to_come(&bind.setting));
                    }
                };
                listeners.push(listener.map_err(|it| bind.setting.wrong(it.what, it.help))?);
            }
            Ok((listeners, socket))
        };
        let sockets: Vec<_> = sockets
            .into_iter()
            .map(bind)
            .collect::<Result<_, ConfigError>>()?;
        // A link that led nowhere may lead to a new socket: doxy would forward to itself, endlessly.
        for (setting, address) in engines(sockets.iter().map(|(_, socket)| socket)) {
            let mut listeners = sockets.iter().flat_map(|(listeners, _)| listeners);
            if let UpstreamAddr::Unix(engine) = address
                && listeners.any(|listener| listener.is_at(engine))
            {
                return Err(setting.wrong(
                    "this leads to the proxy socket",
                    "name the engine's own socket",
                ));
            }
        }
        Ok(Self {
            source,
            shared,
            sockets,
            credentials,
        })
    }

    /// Becomes another user if the settings say so, drops capabilities and enters the sandbox.
    pub(crate) fn confine(self) -> Result<Confined, ConfigError> {
        let Self {
            source,
            shared,
            sockets,
            credentials,
        } = self;
        let engines: Vec<_> = engines(sockets.iter().map(|(_, socket)| socket))
            .into_iter()
            .map(|(_, address)| address)
            .collect();
        let sandbox = drop_privileges(
            credentials.as_ref(),
            shared.sandbox,
            &shared.sandbox_setting,
            &engines,
            &shared.needs,
        )?;
        tracing::info!("sandbox: {sandbox}");
        Ok(Confined {
            source,
            shared,
            sockets,
        })
    }
}

/// Only the rights that serving takes are left.
pub(crate) struct Confined {
    source: Source,
    shared: Shared,
    sockets: Vec<(Vec<Listener>, SocketConfig)>,
}

impl Confined {
    /// Opens the access log and makes a service of each socket.
    pub(crate) fn start(self) -> Result<Serving, ConfigError> {
        let Shared {
            threads,
            connections,
            grace,
            ..
        } = self.shared;
        let mut access_logs: Vec<(LogDestination, AccessLog)> = vec![];
        let mut sockets = vec![];
        let mut policies = vec![];
        for (listeners, socket) in self.sockets {
            for (listener, bind) in listeners.iter().zip(&socket.binds) {
                let mode = match &bind.listen {
                    ListenConfig::Unix(unix) => format!(" (mode {:04o})", unix.mode),
                    _ => String::new(),
                };
                tracing::info!(
                    "doxy {} listening on {listener}{mode}, Docker engine at {}, {}",
                    env!("CARGO_PKG_VERSION"),
                    socket.engine,
                    socket.policy.described,
                );
            }
            socket.policy.warn();
            let setting = socket.engine_setting;
            let upstream = Upstream::new(socket.engine, CONNECT_TIMEOUT);
            let policy = Arc::clone(&socket.policy.policy);
            let mut service = Service::new(&socket.name, policy, upstream);
            service.peers = socket.peers;
            service.limits = socket.limits;
            service.access_log = match socket.access_log {
                Some(log) => Some(open(log, &mut access_logs)?),
                None => None,
            };
            let upstream = Arc::clone(&service.upstream);
            tokio::spawn(async move { warn_if_unreachable(&upstream, &setting.name()).await });
            policies.push((socket.name, service.policy.clone()));
            sockets.push((listeners, service));
        }
        Ok(Serving {
            source: self.source,
            sockets,
            policies,
            access_logs,
            threads,
            connections,
            grace,
        })
    }
}

/// Everything is ready for clients.
pub(crate) struct Serving {
    source: Source,
    sockets: Vec<(Vec<Listener>, Service)>,
    policies: Vec<(String, PolicyHandle)>,
    access_logs: Vec<(LogDestination, AccessLog)>,
    threads: usize,
    connections: usize,
    grace: Duration,
}

impl Serving {
    /// Serves until the first signal to stop, then until requests in service have ended or the grace
    /// period is over. A second signal ends everything at once.
    ///
    /// # Errors
    /// If a thread cannot be started. Nothing has been served then.
    pub(crate) async fn until_stopped(self, mut signals: Signals) -> io::Result<()> {
        let Self {
            sockets,
            policies,
            access_logs,
            threads,
            connections,
            grace,
            source,
        } = self;
        let reload = || {
            for (_, log) in &access_logs {
                log.reopen();
            }
            reload(&source, &policies);
        };
        let started = Server::start(threads, connections);
        let mut server = started.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start a thread: {error}"))
        })?;
        for (listeners, service) in sockets {
            let socket = server.add(service);
            for listener in listeners {
                server.listen(listener, socket)?;
            }
        }
        signals.stop(&reload).await;
        tokio::select! {
            () = server.stop(grace) => {}
            () = signals.stop(&reload) => tracing::info!("stopping at once"),
        }
        Ok(())
    }
}

/// Puts new policies in force, or keeps the old ones and says why.
fn reload(source: &Source, policies: &[(String, PolicyHandle)]) {
    match source.load() {
        Ok(config) => {
            for socket in config.sockets {
                let handle = policies.iter().find(|(name, _)| *name == socket.name);
                if let Some((_, handle)) = handle {
                    socket.policy.warn();
                    handle.replace(Arc::clone(&socket.policy.policy));
                    tracing::info!("reloaded: {}", socket.policy.described);
                }
            }
        }
        Err(error) => {
            let error = error.to_string().replace('\n', "; ");
            tracing::error!("not reloaded, the policy in force stays: {error}");
        }
    }
}

/// The engines of these sockets, each once, with a setting that names it.
fn engines<'a>(
    sockets: impl Iterator<Item = &'a SocketConfig>,
) -> Vec<(&'a Setting, &'a UpstreamAddr)> {
    let mut engines: Vec<(&Setting, &UpstreamAddr)> = vec![];
    for socket in sockets {
        if engines
            .iter()
            .all(|(_, address)| **address != socket.engine)
        {
            engines.push((&socket.engine_setting, &socket.engine));
        }
    }
    engines
}

/// Opens the access log of a socket, or takes the one that is open.
fn open(
    config: AccessLogConfig,
    logs: &mut Vec<(LogDestination, AccessLog)>,
) -> Result<AccessLog, ConfigError> {
    let AccessLogConfig {
        setting,
        destination,
        format,
    } = config;
    if let Some((_, log)) = logs.iter().find(|(other, _)| *other == destination) {
        return Ok(log.clone());
    }
    let help = match destination {
        LogDestination::Stdout => "leave the access log out, or name a file",
        LogDestination::File(_) => "name a file that doxy may write to, in a folder that exists",
    };
    let log = AccessLog::open(destination.clone(), format)
        .map_err(|error| setting.wrong(io_reason(&error), help))?;
    logs.push((destination, log.clone()));
    Ok(log)
}

/// Settings that are read and not yet served. Nothing is passed over.
fn refuse_what_is_to_come(shared: &Shared, sockets: &[SocketConfig]) -> Result<(), ConfigError> {
    let of_process = [&shared.watch, &shared.takeover].into_iter().flatten();
    let of_sockets = sockets.iter().flat_map(SocketConfig::to_come);
    match of_process.chain(of_sockets).next() {
        Some(setting) => Err(to_come(setting)),
        None => Ok(()),
    }
}

fn to_come(setting: &Setting) -> ConfigError {
    setting.wrong("not in this version", "leave it out")
}

/// Runs beside the first requests: an engine that does not answer must not delay the start.
async fn warn_if_unreachable(upstream: &Upstream, setting: &str) {
    if let Err(reason) = upstream.check().await {
        tracing::warn!(
            "{reason}; clients get an error until it can be reached (is {setting} right?)"
        );
    }
}
