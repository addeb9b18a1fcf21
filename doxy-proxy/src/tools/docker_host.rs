//! The engine that Docker's clients would use: what `DOCKER_HOST` names; and what leads a client to
//! doxy's socket.
//!
//! Only tools that a person runs go by it, never the server.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::Path;
use std::process::Command;

use doxy_proxy::listening_program;

use crate::config::{ConfigError, Setting, Source};

/// The variable that names the engine for Docker's clients.
pub(crate) const DOCKER_HOST: &str = "DOCKER_HOST";

/// The same for Podman's.
const CONTAINER_HOST: &str = "CONTAINER_HOST";
/// Variables that would have clients look elsewhere, or speak TLS.
const ELSEWHERE: [&str; 6] = [
    "DOCKER_CONTEXT",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "CONTAINER_CONNECTION",
    "CONTAINER_SSHKEY",
];

/// Leads the clients that a command is or starts to a socket.
pub(crate) fn lead_to(command: &mut Command, socket: &Path) {
    let mut host = OsString::from("unix://");
    host.push(socket);
    command.env(DOCKER_HOST, &host).env(CONTAINER_HOST, host);
    for name in ELSEWHERE {
        command.env_remove(name);
    }
}

/// An error about the setting that names an engine, where none answers.
pub(crate) fn no_engine(setting: &Setting, why: impl Display) -> ConfigError {
    setting.wrong(
        why,
        "start the engine first, or name its socket with --docker-socket PATH, or DOCKER_HOST=unix://PATH; \
         `docker context ls` shows where docker looks for it",
    )
}

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
