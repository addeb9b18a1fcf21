//! Makes services of sockets' settings, and opens what they share: access logs, and the files of TLS.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use doxy_proxy::{
    AccessLog, DryRun, Format, LogDestination, Metrics, Service, TlsClient, TlsClientFiles,
    TlsFile, TlsServer, TlsServerFiles, Upstream, UpstreamAddr, io_reason,
};

use crate::config::{AccessLogConfig, ConfigError, EngineTls, Setting, SocketConfig, TlsFiles};

/// How long the engine may take to accept a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The access logs that are open. Sockets that name the same file share one.
#[derive(Default, Clone)]
pub(super) struct AccessLogs(Vec<(LogDestination, Format, AccessLog)>);

impl AccessLogs {
    /// Reopens the files, which may have been moved away.
    pub(super) fn reopen(&self) {
        for (_, _, log) in &self.0 {
            log.reopen();
        }
    }

    /// The logs, by where they are.
    pub(super) fn named(&self) -> Vec<(String, AccessLog)> {
        let logs = self.0.iter();
        let named = logs.map(|(destination, _, log)| (destination.to_string(), log.clone()));
        named.collect()
    }

    /// Forgets those that none of these sockets names, which closes them when their last request ends.
    pub(super) fn retain(&mut self, sockets: &[SocketConfig]) {
        self.0.retain(|(destination, format, _)| {
            let mut named = sockets.iter().filter_map(|it| it.access_log.as_ref());
            named.any(|it| it.destination == *destination && it.format == *format)
        });
    }

    /// Opens the access log of a socket, or takes the one that is open.
    fn open(&mut self, config: &AccessLogConfig) -> Result<AccessLog, ConfigError> {
        let AccessLogConfig {
            setting,
            destination,
            format,
        } = config;
        let mut open = self.0.iter();
        if let Some((_, _, log)) = open.find(|it| it.0 == *destination && it.1 == *format) {
            return Ok(log.clone());
        }
        let help = match destination {
            LogDestination::Stdout => "leave the access log out, or name a file",
            LogDestination::Journal(_) => {
                "systemd's journal takes entries in at /run/systemd/journal/socket: start it, or \
                 mount that folder into the container, or name a file"
            }
            LogDestination::File(_) => {
                "name a file that doxy may write to, in a folder that exists"
            }
        };
        let log = AccessLog::open(destination.clone(), *format)
            .map_err(|error| setting.wrong(io_reason(&error), help))?;
        self.0.push((destination.clone(), *format, log.clone()));
        Ok(log)
    }
}

/// What has been read for TLS, for sockets that name the same files.
#[derive(Default)]
pub(super) struct Tls {
    servers: Vec<(TlsServerFiles, TlsServer)>,
    clients: Vec<((TlsClientFiles, String), TlsClient)>,
}

impl Tls {
    /// Reads the files of these sockets.
    pub(super) fn read<'a>(
        sockets: impl IntoIterator<Item = &'a SocketConfig>,
    ) -> Result<Self, ConfigError> {
        let mut tls = Self::default();
        for socket in sockets {
            if let Some(files) = &socket.tls {
                tls.server(files)?;
            }
            if let (Some(files), UpstreamAddr::Tcp(address)) = (&socket.engine_tls, &socket.engine)
            {
                tls.client(files, address)?;
            }
        }
        Ok(tls)
    }

    pub(super) fn server(&mut self, files: &TlsFiles) -> Result<TlsServer, ConfigError> {
        let from = TlsServerFiles {
            certificate: files.cert.path(),
            key: files.key.path(),
            client_authorities: files.client_ca.as_ref().map(Setting::path),
        };
        if let Some((_, known)) = self.servers.iter().find(|(other, _)| *other == from) {
            return Ok(known.clone());
        }
        let server = TlsServer::read(&from).map_err(|error| {
            let setting = match error.file {
                TlsFile::Certificate => &files.cert,
                TlsFile::Key => &files.key,
                TlsFile::Authorities => files.client_ca.as_ref().unwrap_or(&files.cert),
            };
            setting.wrong(error.what, error.help)
        })?;
        if let Some(warning) = server.warning() {
            tracing::warn!("{}: {warning}", files.cert);
        }
        self.servers.push((from, server.clone()));
        Ok(server)
    }

    /// The way to an engine, which gets `time` to accept a connection.
    fn upstream(
        &mut self,
        engine: &UpstreamAddr,
        files: Option<&EngineTls>,
        time: Duration,
    ) -> Result<Upstream, ConfigError> {
        let engine = engine.clone();
        Ok(match (files, &engine) {
            (Some(files), UpstreamAddr::Tcp(address)) => {
                let client = self.client(files, address)?;
                Upstream::with_tls(engine, time, client)
            }
            _ => Upstream::new(engine, time),
        })
    }

    fn client(&mut self, files: &EngineTls, address: &str) -> Result<TlsClient, ConfigError> {
        let client = files.client.as_ref();
        let from = TlsClientFiles {
            authorities: files.ca.path(),
            certificate: client.map(|(cert, key)| (cert.path(), key.path())),
        };
        let key = (from, address.to_owned());
        if let Some((_, known)) = self.clients.iter().find(|(other, _)| *other == key) {
            return Ok(known.clone());
        }
        let read = TlsClient::read(&key.0, address).map_err(|error| {
            let setting = match (error.file, client) {
                (TlsFile::Certificate, Some((cert, _))) => cert,
                (TlsFile::Key, Some((_, key))) => key,
                _ => &files.ca,
            };
            setting.wrong(error.what, error.help)
        })?;
        if let (Some(warning), Some((cert, _))) = (read.warning(), client) {
            tracing::warn!("{cert}: {warning}");
        }
        self.clients.push((key, read.clone()));
        Ok(read)
    }
}

/// The way to an engine for one tool, which waits for `time` at most.
pub(crate) fn engine_for_tool(
    engine: &UpstreamAddr,
    files: Option<&EngineTls>,
    time: Duration,
) -> Result<Upstream, ConfigError> {
    Tls::default().upstream(engine, files, time)
}

/// What is to be told of a service.
pub(super) struct Served {
    pub(super) engine: Arc<Upstream>,
    pub(super) certificate_ends: Option<SystemTime>,
    pub(super) dry_run: Option<DryRun>,
}

impl Served {
    pub(super) fn of(service: &Service) -> Self {
        Self {
            engine: Arc::clone(&service.upstream),
            certificate_ends: service.tls.as_ref().and_then(|tls| tls.ends()),
            dry_run: service.dry_run,
        }
    }
}

/// What is served on a socket. `counted` says whether anybody wants to see how often.
pub(super) fn service(
    socket: &SocketConfig,
    logs: &mut AccessLogs,
    tls: &mut Tls,
    counted: bool,
) -> Result<Service, ConfigError> {
    let files = socket.engine_tls.as_ref();
    let upstream = tls.upstream(&socket.engine, files, CONNECT_TIMEOUT)?;
    let policy = Arc::clone(&socket.policy.policy);
    let mut service = Service::new(&socket.name, policy, upstream);
    service.peers = socket.peers.clone();
    service.hosts = socket.allow_host.clone().into();
    service.limits = socket.limits;
    service.explain_denials = socket.explain_denials;
    service.dry_run = socket
        .dry_run
        .as_ref()
        .map(|(dry_run, _)| DryRun::begin(dry_run.lasts));
    if let Some(files) = &socket.tls {
        service.tls = Some(tls.server(files)?);
    }
    service.metrics = counted.then(Metrics::default);
    if let Some(log) = &socket.access_log {
        service.access_log = Some(logs.open(log)?);
    }
    Ok(service)
}
