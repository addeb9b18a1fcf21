//! The engine that Docker's clients would use: what `DOCKER_HOST` names.
//!
//! Only tools that a person runs go by it, never the server.

use std::ffi::OsStr;
use std::path::Path;

use doxy_proxy::listening_program;

use crate::config::{ConfigError, Setting, Source};

/// The variable that names the engine for Docker's clients.
pub(crate) const DOCKER_HOST: &str = "DOCKER_HOST";

/// Has the variable name the engine, unless a setting does or a doxy listens there.
pub(crate) fn use_docker_host(source: &mut Source) -> Result<(), ConfigError> {
    let host = std::env::var_os(DOCKER_HOST).filter(|host| !host.is_empty());
    match host.filter(|host| !is_doxy(host)) {
        Some(host) => source.default(Setting::named(DOCKER_HOST, "docker-socket", &host)),
        None => Ok(()),
    }
}

/// Whether a doxy listens there: this was started by `doxy run`, or where clients are sent to one.
fn is_doxy(host: &OsStr) -> bool {
    let path = host.to_str().and_then(|host| host.strip_prefix("unix://"));
    let listens = path.and_then(|path| listening_program(Path::new(path)));
    let own = std::fs::read_to_string("/proc/self/comm").ok();
    listens.is_some() && listens.as_deref() == own.as_deref().map(str::trim_end)
}
