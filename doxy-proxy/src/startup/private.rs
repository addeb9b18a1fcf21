//! Serves for one tool: no sandbox, no reload, and no user to become.
//!
//! The sockets are as the settings say. What their services are is for the caller to change before
//! anybody is served.

use std::sync::Arc;

use doxy_proxy::{Server, Service, Upstream};

use crate::config::{Config, ConfigError};
use crate::startup::live::Failure;
use crate::startup::services::{self, AccessLogs, Tls};
use crate::startup::{engine, sockets};

/// Serves these sockets until the server is stopped. Returns their engines too.
///
/// Must be called within a tokio runtime, and after signals are handled: one that ended the process by
/// default would leave the sockets behind.
pub(crate) fn serve_privately(
    config: Config,
    change: impl Fn(&mut Service),
) -> Result<(Server, Vec<Arc<Upstream>>), Failure> {
    let Config {
        shared, sockets, ..
    } = config;
    engine::check_all(&sockets)?;
    let created = sockets::create_all(sockets, None, None, false)?.0;
    let mut logs = AccessLogs::default();
    let mut tls = Tls::read(created.iter().map(|created| &created.config))?;
    let services = created.iter().map(|created| {
        let mut service = services::service(&created.config, &mut logs, &mut tls, false)?;
        change(&mut service);
        Ok(service)
    });
    let services = services.collect::<Result<Vec<_>, ConfigError>>()?;
    let engines = services.iter().map(|it| Arc::clone(&it.upstream)).collect();
    let mut server = Server::start(shared.threads, shared.connections)?;
    for (created, service) in created.into_iter().zip(services) {
        let id = server.add(service);
        for (_, listener) in created.listeners {
            server.listen(listener, id)?;
        }
    }
    Ok((server, engines))
}
