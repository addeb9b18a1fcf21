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

pub(super) const CONFIG_COMMAND: &str = "Print an example of a configuration, or what is in force";

pub(super) const CONFIG_HELP: &str = "\
doxy config example    prints an example of a configuration, with every key
doxy config show       prints what is in force, and where each value was given: as an option, in a
                       variable, in the file, or nowhere; `--format json` is for programs

All options of `doxy --help` may stand before or behind, as in
    doxy --config doxy.toml config show
doxy exits with 2 if the settings are wrong, and says how.
";

pub(super) const COMPAT: &str = "\
Run in the place of Tecnativa's docker-socket-proxy: by CONTAINERS=1, POST=0, SOCKET_PATH and the rest, as \
they stand in its compose file, on port 2375 of every address, for the networks of doxy's own interfaces. \
Any other setting may be given beside it, but no rules.";

pub(super) const CONFIG: &str = "\
A TOML file with settings. At its top stand those of the process and the defaults of all sockets, \
below them a table [socket.NAME] for each socket. `doxy config example` prints one, and `doxy config \
show` what is in force.";

pub(super) const WATCH: &str = "\
Look every two seconds whether a file has changed, and reload then, as SIGHUP does.";

pub(super) const TAKEOVER: &str = "\
Replace sockets on which another doxy listens. That one then stops accepting and ends its requests. \
Without this option a live socket is an error.";

pub(super) const ADMIN_LISTEN: &str = "\
Show what doxy does at this address: /metrics for Prometheus, /healthz, /readyz, and / as a live page. It \
only reads. A unix socket is for doxy's user alone (mode 0600). An address that is not loopback needs \
--admin-allow-from, or TLS with client certificates. Off by default.";

pub(super) const ADMIN_ALLOW_FROM: &str = "\
A network or an address from which the admin side may be read over TCP, such as 10.0.0.0/8. Repeatable.";

pub(super) const PROXY_SOCKET: &str = "\
Where clients connect: a path or unix://PATH of a socket that doxy creates; tcp://ADDRESS:PORT; or \
fd://NAME, a socket from systemd. The folder of a path must exist. A socket that is left over from a \
stopped doxy is replaced; any other file there is an error. Repeatable; a comma before unix://, \
tcp:// or fd:// begins another address.";

pub(super) const SOCKET_MODE: &str = "\
Permissions of the proxy socket, in octal. Connecting takes write permission: 0660 lets the owner \
and the group connect, 0666 everyone. A mode that lets others in and not the owner is an error.";

pub(super) const PRESET: &str = "\
A policy that comes with doxy, by its name; `doxy presets` lists them, `doxy presets show NAME` prints \
one. Repeatable, or separated by commas: the rules of presets, --pattern-file and --patterns add up. \
Of policies in Rhai (.rhai) a socket has at most one.";

pub(super) const PATTERN_FILE: &str = "\
The file with the rules. If this is not given and /etc/doxy.pattern does not exist, the embedded \
rules are used, which allow read-only access. If the file has an error, doxy does not start and says where it is.";

pub(super) const PATTERNS: &str = "\
Rules in line, one a line, as in a pattern file. Beside --pattern-file the rules of both apply; \
without it these are all.";

pub(super) const DRY_RUN: &str = "\
Log what would be denied as would_deny, and forward it: to try a policy. With a time (--dry-run=24h) \
denials are real after it. What is malformed is refused all the same.";

pub(super) const EXPLAIN_DENIALS: &str = "\
End the message to a client whose request is denied with the rule that would allow it. Never with a \
rule that leads to root on the host or runs commands, nor where a `!` rule denies or the policy has \
a reason of its own.";

pub(super) const ACCEPT_RISK: &str = "\
On a TCP address without client certificates doxy does not start if the policy lets clients become root on \
the host (host-root) or run commands (exec), unless this names the class. Repeatable, or separated by commas.";

pub(super) const ALLOW_FROM: &str = "\
A network or an address that may connect over TCP, such as 10.0.0.0/8 or fd00::/8. Repeatable, or \
separated by commas.";

pub(super) const ALLOW_CERT: &str = "\
A client certificate that may connect: spki: with the SHA-256 of its key, dns: or uri: with a name \
in it. Repeatable, or separated by commas. It takes --tls-client-ca.";

pub(super) const ALLOW_CONTAINER: &str = "\
A container that may connect: its name, or a label as label:KEY or label:KEY=VALUE. Repeatable, or \
separated by commas. A client whose container is unknown may not connect.";

pub(super) const ALLOW_HOST: &str = "\
A name that the Host header may have over TCP, besides IP addresses, names without dots and \
*.localhost. Others are refused, because browsers can be led to them. Repeatable, or separated by \
commas.";

pub(super) const INSECURE_TCP: &str = "\
Listen on an address that is not loopback although nothing says who may connect there. Everyone in \
the network can use what the policy allows.";

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
Where to write a record of every request: a file, which SIGHUP reopens after log rotation, standard \
output, or systemd's journal. There each record has fields to search by. With \
--log-format journald alone it goes there too.";

pub(super) const LOG_FORMAT: &str = "\
The format of the access log, which --access-log turns on. Without one, text and json change nothing, \
and doxy warns of that; journald turns it on by itself. The log of the process is not affected.";

pub(super) const DEBUG: &str = "\
Print a line for each request to standard error: time, status, duration, host, method and path, and \
the reason if it is denied. The variable takes 1 or 0.";

pub(super) const USER: &str = "\
The user to run as once the socket exists: a name or a number. Start doxy as root for this. It gets \
no more groups than the one that opens the engine's socket. Unless --socket-owner says otherwise, \
the proxy socket belongs to this user. For `doxy run` the option names the user of the command.";

pub(super) const SANDBOX: &str = "\
Give up what a proxy does not need, with Landlock, seccomp and dropped capabilities: `auto` applies \
what the kernel supports, with `require` doxy does not start if anything is missing, `off` disables it.";

const EXAMPLES: &str = "\
Examples:
  Read-only access with the embedded rules:
      doxy
      DOCKER_HOST=unix:///tmp/doxy.sock docker ps

  For a program that doxy knows:
      doxy presets
      doxy --preset traefik --proxy-socket /run/doxy/traefik/docker.sock

  Your own rules, for the members of a group:
      doxy --pattern-file my.pattern --proxy-socket /run/doxy/doxy.sock --socket-group metrics

  Several programs, each with a socket and rules of its own:
      doxy config example > doxy.toml       # edit it
      doxy --config doxy.toml config show   # is it right, and what is in force?
      doxy --config doxy.toml

  Why was a request denied? Each request with its reason:
      doxy --debug

Every option can be given by its variable, and by its key in the configuration. An option overrides its
variable, a variable overrides the top of the file.
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

Signals: SIGHUP reloads the configuration and the policies, SIGTERM stops doxy.

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
