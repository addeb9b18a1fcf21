//! Makes services of sockets' settings, and opens the access logs that they share.

use std::sync::Arc;
use std::time::Duration;

use doxy_proxy::{AccessLog, DryRun, Format, LogDestination, Service, Upstream, io_reason};

use crate::config::{AccessLogConfig, ConfigError, SocketConfig};

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

/// What is served on a socket.
pub(super) fn service(
    socket: &SocketConfig,
    logs: &mut AccessLogs,
) -> Result<Service, ConfigError> {
    let upstream = Upstream::new(socket.engine.clone(), CONNECT_TIMEOUT);
    let policy = Arc::clone(&socket.policy.policy);
    let mut service = Service::new(&socket.name, policy, upstream);
    service.peers = socket.peers.clone();
    service.hosts = socket.allow_host.clone().into();
    service.limits = socket.limits;
    service.dry_run = socket
        .dry_run
        .as_ref()
        .map(|(dry_run, _)| DryRun::begin(dry_run.lasts));
    if let Some(log) = &socket.access_log {
        service.access_log = Some(logs.open(log)?);
    }
    Ok(service)
}
