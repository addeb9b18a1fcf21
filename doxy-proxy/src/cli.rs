//! The command line: exactly what was typed, nothing checked but its form.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::{ArgAction, Parser};

const ABOUT: &str = "\
A Docker socket proxy: creates a second socket, judges every request there by an allow-list of
regexes over method and path, forwards what is allowed to the Docker engine and denies the rest.";

const EXAMPLES: &str = "\
Examples:
  doxy
      Read-only access by the embedded default patterns, on /tmp/doxy.sock:
      DOCKER_HOST=unix:///tmp/doxy.sock docker ps
  doxy --pattern-file my.pattern --proxy-socket /run/doxy/metrics.sock --socket-group metrics
      Own rules, for the members of a group.
  DOXY_DEBUG=1 doxy
      Every option can be given by its variable; an option beats its variable.

Patterns, one rule a line, each a regex that must match the whole path:
  (/v[\\d.]+)?/containers/json          allows GET and HEAD
  POST (/v[\\d.]+)?/containers/create   allows POST (several: GET,POST  any: *)
  !(/v[\\d.]+)?/containers/vault/.*     denies, whatever else matches
  # a comment

Exit codes: 0 stopped by a signal, 1 failed while running, 2 wrong arguments or rules.";

/// What was typed, or stood in the environment.
#[derive(Debug, Parser)]
#[command(name = "doxy", version, about = ABOUT, after_help = EXAMPLES, disable_version_flag = true)]
pub(crate) struct Args {
    /// The Docker engine: a socket's path, unix://PATH or tcp://HOST:PORT
    #[arg(
        long,
        env = "DOXY_DOCKER_SOCKET",
        value_name = "ADDRESS",
        default_value = "/var/run/docker.sock"
    )]
    pub(crate) docker_socket: OsString,

    /// The socket to create and listen on
    #[arg(
        long,
        env = "DOXY_PROXY_SOCKET",
        value_name = "PATH",
        default_value = "/tmp/doxy.sock"
    )]
    pub(crate) proxy_socket: PathBuf,

    /// The rules; if this is not given and /etc/doxy.pattern does not exist, the embedded defaults
    #[arg(long, env = "DOXY_PATTERN_FILE", value_name = "FILE")]
    pub(crate) pattern_file: Option<PathBuf>,

    /// Permissions of the created socket, in octal; who may write may connect
    #[arg(
        long,
        env = "DOXY_SOCKET_MODE",
        value_name = "MODE",
        default_value = "0660"
    )]
    pub(crate) socket_mode: String,

    /// Owner of the created socket, a name or a number
    #[arg(long, env = "DOXY_SOCKET_OWNER", value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) socket_owner: Option<String>,

    /// Group of the created socket, a name or a number
    #[arg(long, env = "DOXY_SOCKET_GROUP", value_name = "GROUP", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) socket_group: Option<String>,

    /// How long requests in service may take when doxy is told to stop (10s, 500ms, 2m)
    #[arg(
        long,
        env = "DOXY_SHUTDOWN_GRACE",
        value_name = "TIME",
        default_value = "10s"
    )]
    pub(crate) shutdown_grace: String,

    /// Print a line a request: time, status, duration, host, method and path, and why (as a variable:
    /// true or false)
    #[arg(long, env = "DOXY_DEBUG", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) debug: bool,

    /// A Rhai policy. This version has no scripts yet: given one, it refuses to start
    #[arg(long, env = "DOXY_SCRIPT", value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,

    /// Print the version
    #[arg(short = 'V', short_alias = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// What clap says of a wrong command line, in the two lines of every other error.
pub(crate) fn explain(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let tip = lines.find_map(|line| line.strip_prefix("tip: "));
    format!(
        "{what}\nhelp: {}",
        tip.unwrap_or("`doxy --help` lists the options")
    )
}
