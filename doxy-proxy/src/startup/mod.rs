//! From settings to a running proxy: bound, then confined, then serving.
//!
//! Each state is a type that only the one before it makes, so the order cannot be changed by accident:
//! signals are handled before a socket exists, privileges are dropped before there is a second thread
//! or a client. It reads no settings from anywhere and ends no process.

mod engine;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use doxy_proxy::privilege::{Credentials, drop_privileges};
use doxy_proxy::{
    AccessLog, Listener, LogDestination, PolicyHandle, Server, Service, Upstream, UpstreamAddr,
    io_reason,
};

use crate::config::{AccessLogConfig, Config, ConfigError, PolicyFiles, Shared, SocketConfig};
use crate::signals::Signals;

/// How long the engine may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The sockets exist. Dropped, they are removed.
pub(crate) struct Bound {
    shared: Shared,
    sockets: Vec<(Listener, SocketConfig)>,
    /// What to run as, if that is another user.
    credentials: Option<Credentials>,
}

impl Bound {
    /// Creates the sockets. It takes the signals as a proof that they are handled: one that ended the
    /// process by default would leave the sockets behind.
    ///
    /// Must be called within a tokio runtime.
    pub(crate) fn bind(config: Config, _: &Signals) -> Result<Self, ConfigError> {
        let Config {
            mut shared,
            sockets,
        } = config;
        // Whatever can be refused is refused before there is a socket.
        for socket in &sockets {
            if let UpstreamAddr::Unix(path) = &socket.engine {
                engine::check(&socket.engine_setting, path, &socket.bind.path)?;
            }
        }
        let engines: Vec<_> = sockets.iter().map(|socket| &socket.engine).collect();
        let credentials = match shared.run_as.take() {
            Some(user) => user.credentials(&engines)?,
            None => None,
        };
        let bind = |mut socket: SocketConfig| {
            if let Some(credentials) = &credentials {
                credentials.default_owner(&mut socket.bind);
            }
            match socket.bind.listen() {
                Ok(listener) => Ok((Listener::Unix(listener), socket)),
                Err(error) => Err(socket.bind_setting.wrong(error.what, error.help)),
            }
        };
        let sockets: Vec<_> = sockets
            .into_iter()
            .map(bind)
            .collect::<Result<_, ConfigError>>()?;
        // A link that led nowhere may lead to a new socket: doxy would forward to itself, endlessly.
        for (_, socket) in &sockets {
            if let UpstreamAddr::Unix(engine) = &socket.engine
                && sockets.iter().any(|(listener, _)| listener.is_at(engine))
            {
                return Err(socket.engine_setting.wrong(
                    "this leads to the proxy socket",
                    "name the engine's own socket",
                ));
            }
        }
        Ok(Self {
            shared,
            sockets,
            credentials,
        })
    }

    /// Becomes another user if the settings say so, drops capabilities and enters the sandbox.
    pub(crate) fn confine(self) -> Result<Confined, ConfigError> {
        let Self {
            shared,
            sockets,
            credentials,
        } = self;
        let engines: Vec<_> = sockets.iter().map(|(_, socket)| &socket.engine).collect();
        let sandbox = drop_privileges(
            credentials.as_ref(),
            shared.sandbox,
            &shared.sandbox_setting,
            &engines,
            &shared.needs,
        )?;
        tracing::info!("sandbox: {sandbox}");
        Ok(Confined { shared, sockets })
    }
}

/// Only the rights that serving takes are left.
pub(crate) struct Confined {
    shared: Shared,
    sockets: Vec<(Listener, SocketConfig)>,
}

impl Confined {
    /// Opens the access log and makes a service of each socket.
    pub(crate) fn start(self) -> Result<Serving, ConfigError> {
        let Shared {
            threads,
            grace,
            access_log,
            ..
        } = self.shared;
        let access_log = access_log.map(open).transpose()?;
        let mut sockets = vec![];
        let mut policies = vec![];
        for (listener, socket) in self.sockets {
            tracing::info!(
                "doxy {} listening on {listener} (mode {:04o}), Docker engine at {}, {}",
                env!("CARGO_PKG_VERSION"),
                socket.bind.mode,
                socket.engine,
                socket.policy.described,
            );
            socket.policy.warn();
            let setting = socket.engine_setting;
            let upstream = Upstream::new(socket.engine, CONNECT_TIMEOUT);
            let mut service = Service::new(&socket.name, socket.policy.policy, upstream);
            service.peers = socket.peers;
            service.limits = socket.limits;
            service.access_log = access_log.clone();
            let upstream = Arc::clone(&service.upstream);
            tokio::spawn(async move { warn_if_unreachable(&upstream, setting.name()).await });
            policies.push((service.policy.clone(), socket.policy_files));
            sockets.push((listener, service));
        }
        Ok(Serving {
            sockets,
            policies,
            access_log,
            threads,
            grace,
        })
    }
}

/// Everything is ready for clients.
pub(crate) struct Serving {
    sockets: Vec<(Listener, Service)>,
    policies: Vec<(PolicyHandle, PolicyFiles)>,
    access_log: Option<AccessLog>,
    threads: usize,
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
            access_log,
            threads,
            grace,
        } = self;
        let reload = || {
            if let Some(log) = &access_log {
                log.reopen();
            }
            for (policy, files) in &policies {
                reload(policy, files);
            }
        };
        let connections = sockets
            .iter()
            .map(|(_, service)| service.limits.connections);
        let started = Server::start(threads, connections.max().unwrap_or_default());
        let mut server = started.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start a thread: {error}"))
        })?;
        for (listener, service) in sockets {
            let socket = server.add(service);
            server.listen(listener, socket)?;
        }
        signals.stop(&reload).await;
        tokio::select! {
            () = server.stop(grace) => {}
            () = signals.stop(&reload) => tracing::info!("stopping at once"),
        }
        Ok(())
    }
}

/// Puts a new policy in force, or keeps the old one and says why.
fn reload(policy: &PolicyHandle, files: &PolicyFiles) {
    match files.load() {
        Ok(loaded) => {
            loaded.warn();
            policy.replace(loaded.policy);
            tracing::info!("reloaded: {}", loaded.described);
        }
        Err(error) => {
            let error = error.to_string().replace('\n', "; ");
            tracing::error!("not reloaded, the policy in force stays: {error}");
        }
    }
}

fn open(config: AccessLogConfig) -> Result<AccessLog, ConfigError> {
    let AccessLogConfig {
        setting,
        destination,
        format,
    } = config;
    let help = match destination {
        LogDestination::Stdout => "leave the access log out, or name a file",
        LogDestination::File(_) => "name a file that doxy may write to, in a folder that exists",
    };
    AccessLog::open(destination, format).map_err(|error| setting.wrong(io_reason(&error), help))
}

/// Runs beside the first requests: an engine that does not answer must not delay the start.
async fn warn_if_unreachable(upstream: &Upstream, setting: &str) {
    if let Err(reason) = upstream.check().await {
        tracing::warn!(
            "{reason}; clients get an error until it can be reached (is {setting} right?)"
        );
    }
}
