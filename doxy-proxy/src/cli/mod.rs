//! The command line: exactly what was typed, nothing checked but its form.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::{ArgAction, CommandFactory as _, Parser};

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

";

const SCRIPTS: &str = "\
A policy script (--script policy.rhai; doxy-script/REFERENCE.md has the language, scripts/ examples):
  fn decide(req) {
      if req.endpoint == \"/containers/create\" && req.json().HostConfig.Privileged == true {
          deny(\"no privileged containers\");
      }
      pass()                            // leave it to the patterns
  }

";

const CODES: &str = "\
Exit codes: 0 stopped by a signal, 1 failed while running, 2 could not start as told: arguments, rules,
sockets, rights.";

/// What stands behind the options.
fn examples() -> String {
    let scripts = if cfg!(feature = "script") {
        SCRIPTS
    } else {
        ""
    };
    format!("{EXAMPLES}{scripts}{CODES}")
}

/// What was typed, or stood in the environment.
#[derive(Debug, Parser)]
#[command(name = "doxy", version, about = ABOUT, after_help = examples(), disable_version_flag = true)]
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

    /// A user that may connect, a name or a number; repeatable. Without this and --allow-gid everybody
    /// may who can open the socket
    #[arg(long, env = "DOXY_ALLOW_UID", value_name = "USER", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub(crate) allow_uid: Vec<String>,

    /// A group whose members may connect, a name or a number; repeatable
    #[arg(long, env = "DOXY_ALLOW_GID", value_name = "GROUP", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub(crate) allow_gid: Vec<String>,

    /// How many connections are served at a time; further ones are answered 503
    #[arg(
        long,
        env = "DOXY_MAX_CONNECTIONS",
        value_name = "N",
        default_value = "4096"
    )]
    pub(crate) max_connections: String,

    /// How many threads serve connections. One is enough for tens of thousands of requests a second
    #[arg(long, env = "DOXY_THREADS", value_name = "N", default_value = "1")]
    pub(crate) threads: String,

    /// How long the head of a request may take to come
    #[arg(
        long,
        env = "DOXY_HEAD_TIMEOUT",
        value_name = "TIME",
        default_value = "30s"
    )]
    pub(crate) head_timeout: String,

    /// How long a connection may wait for its next request, and up to an eighth longer; answers and streams have no limit
    #[arg(
        long,
        env = "DOXY_IDLE_TIMEOUT",
        value_name = "TIME",
        default_value = "10m"
    )]
    pub(crate) idle_timeout: String,

    /// Record every request in a file, which SIGHUP opens anew, or on standard output
    #[arg(
        long,
        env = "DOXY_ACCESS_LOG",
        value_name = "FILE|stdout|off",
        default_value = "off"
    )]
    pub(crate) access_log: PathBuf,

    /// How the access log is written
    #[arg(
        long,
        env = "DOXY_LOG_FORMAT",
        value_name = "text|json",
        default_value = "text"
    )]
    pub(crate) log_format: String,

    /// The user to become once the socket is there, a name or a number; the engine's socket must be
    /// in reach for it. The created socket is then this user's, unless --socket-owner says otherwise
    #[arg(long, env = "DOXY_USER", value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) user: Option<String>,

    /// The group to become with --user; if this is not given, the user's own
    #[arg(long, env = "DOXY_GROUP", value_name = "GROUP", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) group: Option<String>,

    /// Give up what a proxy does not need: as far as the kernel can (auto), or else not start (require)
    #[arg(
        long,
        env = "DOXY_SANDBOX",
        value_name = "auto|require|off",
        default_value = "auto"
    )]
    pub(crate) sandbox: String,

    /// How long requests in service may take when doxy is told to stop (10s, 500ms, 2m)
    #[arg(
        long,
        env = "DOXY_SHUTDOWN_GRACE",
        value_name = "TIME",
        default_value = "10s"
    )]
    pub(crate) shutdown_grace: String,

    /// Print a line a request: time, status, duration, host, method and path, and why (as a variable:
    /// 1 or 0)
    #[arg(long, env = "DOXY_DEBUG", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) debug: bool,

    /// A policy in Rhai, asked before the rules: it can look at query, headers, caller and body
    #[arg(long, env = "DOXY_SCRIPT", value_name = "FILE", hide = cfg!(not(feature = "script")))]
    pub(crate) script: Option<PathBuf>,

    /// The largest body that the script may see; if it asks for a larger one, the request is denied
    #[arg(long, env = "DOXY_MAX_BODY", value_name = "SIZE", default_value = "1M", hide = cfg!(not(feature = "script")))]
    pub(crate) max_body: String,

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
    let help = match (tip, variable(what)) {
        (Some(tip), _) => tip.to_owned(),
        (None, Some(name)) => format!("this may come from the variable {name}, which is set"),
        (None, None) => "`doxy --help` lists the options".to_owned(),
    };
    format!("{what}\nhelp: {help}")
}

/// The variable of the option that an error names, if it is set.
fn variable(what: &str) -> Option<String> {
    let name = what.split("--").nth(1)?.split([' ', '\'']).next()?;
    let command = Args::command();
    let option = command
        .get_arguments()
        .find(|it| it.get_long() == Some(name))?;
    let variable = option.get_env()?.to_str()?.to_owned();
    std::env::var_os(&variable).map(|_| variable)
}

/// Variables that look like settings and are none, with the one that may have been meant.
pub(crate) fn unknown_variables() -> Vec<String> {
    let command = Args::command();
    let known: Vec<_> = command
        .get_arguments()
        .filter_map(|it| it.get_env())
        .collect();
    let set = std::env::vars_os().map(|(name, _)| name);
    set.filter(|name| name.as_encoded_bytes().starts_with(b"DOXY_"))
        // This one settles how doxy is built.
        .filter(|name| name != "DOXY_PORTABLE" && !known.contains(&name.as_os_str()))
        .map(|name| name.display().to_string())
        .collect()
}
