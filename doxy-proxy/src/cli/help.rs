//! What `-h` and `--help` say beyond a line for each option.
//!
//! Text only: for an administrator who reads it once, in a hurry.

pub(super) const ABOUT: &str = "A Docker socket proxy: allows some requests and denies the rest.";

pub(super) const LONG_ABOUT: &str = "\
A Docker socket proxy: creates a second socket, checks every request there against a policy, \
forwards what it allows to the Docker engine and denies the rest.";

pub(super) const AFTER: &str = "\
Example: doxy --pattern-file my.pattern --proxy-socket /run/doxy/doxy.sock
`doxy --help` has more of them, the form of rules, and what each option does.";

pub(super) const DOCKER_SOCKET: &str = "\
The Docker engine: a socket's path, unix://PATH or tcp://HOST:PORT.

While the engine cannot be reached, clients get status 502. doxy need not be restarted when the \
engine is.";

pub(super) const PROXY_SOCKET: &str = "\
The proxy socket, which doxy creates for clients to connect to: a path or unix://PATH. Its folder must exist. A \
socket that is left over from a stopped doxy is replaced; any other file there is an error.";

pub(super) const SOCKET_MODE: &str = "\
Permissions of the proxy socket, in octal. Connecting takes write permission: 0660 lets the owner \
and the group connect, 0666 everyone. A mode that lets others in and not the owner is an error.";

pub(super) const PATTERN_FILE: &str = "\
The file with the rules. If this is not given and /etc/doxy.pattern does not exist, the embedded \
rules are used, which allow read-only access. If the file has an error, doxy does not start and says where it is.";

pub(super) const SCRIPT: &str = "\
A policy script in Rhai, asked before the rules. It can read the query, the headers, the body and \
who connects. A script that fails denies the request.";

pub(super) const MAX_BODY: &str = "\
The largest body that the script may read: a number of bytes, or 512k, 1M. If the script asks for a \
larger one, the request is denied.";

pub(super) const ALLOW_UID: &str = "\
A user that may connect: a name or a number. Repeatable, or separated by commas. If neither this nor \
--allow-gid is given, anyone who can open the socket may connect.";

pub(super) const MAX_CONNECTIONS: &str = "\
How many connections are served at a time, and a tenth more for users that have none. When there are \
no more, the user with the most loses an idle one, or the new one gets status 503.";

pub(super) const THREADS: &str = "\
How many threads serve connections. One is enough for tens of thousands of requests a second.";

pub(super) const IDLE_TIMEOUT: &str = "\
How long a connection may wait for its next request. Responses and streams have no time limit.";

pub(super) const SHUTDOWN_GRACE: &str = "\
How long running requests may take once doxy is told to stop by SIGTERM or SIGINT. Then they are cut. \
A second signal stops doxy at once.";

pub(super) const ACCESS_LOG: &str = "\
Where to write a record of every request: a file, which SIGHUP reopens after log rotation, or \
standard output.";

pub(super) const DEBUG: &str = "\
Print a line for each request to standard error: time, status, duration, host, method and path, and \
the reason if it is denied. The variable takes 1 or 0.";

pub(super) const USER: &str = "\
The user to run as once the socket exists: a name or a number. Start doxy as root for this. It gets \
no more groups than the one that opens the engine's socket. Unless --socket-owner says otherwise, \
the proxy socket belongs to this user.";

pub(super) const SANDBOX: &str = "\
Give up what a proxy does not need, with Landlock, seccomp and dropped capabilities: `auto` applies \
what the kernel supports, with `require` doxy does not start if anything is missing, `off` disables it.";

const EXAMPLES: &str = "\
Examples:
  Read-only access with the embedded rules:
      doxy
      DOCKER_HOST=unix:///tmp/doxy.sock docker ps

  Your own rules, for the members of a group:
      doxy --pattern-file my.pattern --proxy-socket /run/doxy/doxy.sock --socket-group metrics

  Why was a request denied? Each request with its reason:
      doxy --debug

Every option can be given by its variable. An option overrides its variable.
A TIME is a number of seconds, or numbers with units: 500ms, 30s, 1h30m.

Rules, one a line: a regex that must match the whole path.
  (/v[\\d.]+)?/containers/json                allows GET and HEAD
  POST (/v[\\d.]+)?/containers/[^/]+/restart  allows POST (GET,POST: both; *: any method)
  !(/v[\\d.]+)?/containers/.+/(archive|export|attach/ws)
                                             denies, whatever else matches
  # a comment

";

const SCRIPTS: &str = "\
A policy script (--script policy.rhai; docs/scripts.md is the reference):
  fn decide(req) {
      if req.endpoint == \"/images/create\" && image(req.query.fromImage).registry != \"ghcr.io\" {
          deny(\"pull from ghcr.io\");
      }
      pass()                                // leave it to the rules
  }

";

const END: &str = "\
Containers: mount the folder, not the socket. doxy creates a new socket at each start, and a \
container that mounts the socket itself keeps the old one. Mount /run/doxy with :ro, and let the \
client use /run/doxy/doxy.sock.

Signals: SIGHUP reloads the policy, SIGTERM stops doxy.

Exit codes: 0 stopped by a signal, 1 failed while running, 2 could not start: arguments, rules, \
sockets or permissions.";

/// What stands below the options.
pub(super) fn after_long() -> String {
    let scripts = if cfg!(feature = "script") {
        SCRIPTS
    } else {
        ""
    };
    format!("{EXAMPLES}{scripts}{END}")
}
