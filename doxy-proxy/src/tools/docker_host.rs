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
const ELSEWHERE: [&str; 12] = [
    "DOCKER_CONTEXT",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "CONTAINER_CONNECTION",
    "CONTAINER_SSHKEY",
    "BUILDKIT_HOST",
    "BUILDX_BUILDER",
    "CONTAINERD_ADDRESS",
    "CONTAINER_RUNTIME_ENDPOINT",
    "IMAGE_SERVICE_ENDPOINT",
    "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE",
];
/// What a service manager has said to doxy, and to nobody else.
const OF_SERVICE_MANAGER: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
];

/// Leads the clients that a command is or starts to a socket.
pub(crate) fn lead_to(command: &mut Command, socket: &Path) {
    let mut host = OsString::from("unix://");
    host.push(socket);
    command.env(DOCKER_HOST, &host).env(CONTAINER_HOST, host);
    for name in ELSEWHERE.into_iter().chain(OF_SERVICE_MANAGER) {
        command.env_remove(name);
    }
    // Settings of doxy's name the engine, and a policy that a doxy of the command's would take for its own.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"DOXY_") {
            command.env_remove(name);
        }
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
