//! Settings as checked: what was typed becomes something that can run, or an error.
//!
//! Nothing falls back silently. What is in a policy's own files is read in `source`.

pub(crate) mod policy_files;
mod users;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doxy_proxy::privilege::{Needs, PrivilegeError, RunAs, SandboxMode};
use doxy_proxy::{
    Format, Limits, LogDestination, MAX_SOCKET_PATH, PeerAcl, UnixListenConfig, UpstreamAddr,
    try_connect,
};
use rustix::fs::{Gid, Uid};

use crate::cli::Args;
use crate::config::policy_files::{LoadedPolicy, PolicyFiles};
use crate::config::users::{group, run_as, user};

/// More threads than any machine that this runs on has processors.
const MOST_THREADS: usize = 1024;

/// Everything that doxy needs to know to run.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) bind: UnixListenConfig,
    pub(crate) engine: UpstreamAddr,
    pub(crate) source: PolicyFiles,
    pub(crate) loaded: LoadedPolicy,
    pub(crate) peers: PeerAcl,
    pub(crate) limits: Limits,
    pub(crate) threads: usize,
    pub(crate) access: Option<(LogDestination, Format)>,
    /// Who to become.
    pub(crate) run_as: Option<RunAs>,
    pub(crate) sandbox: SandboxMode,
    /// What is still needed in it.
    pub(crate) needs: Needs,
    pub(crate) grace: Duration,
    pub(crate) debug: bool,
}

/// What is wrong with the settings, two lines: the error, and `help: …`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConfigError(pub(crate) String);

impl From<PrivilegeError> for ConfigError {
    fn from(error: PrivilegeError) -> Self {
        Self(error.to_string())
    }
}

/// An option, or the file it names, what is wrong with it, and what to do.
pub(crate) fn wrong(
    what: impl std::fmt::Display,
    why: impl std::fmt::Display,
    help: &str,
) -> ConfigError {
    ConfigError(format!("{what}: {why}\nhelp: {help}"))
}

impl Config {
    /// Checks what was typed.
    pub(crate) fn check(args: Args) -> Result<Self, ConfigError> {
        let source = PolicyFiles {
            patterns: args.pattern_file,
            script: args.script,
            socket: args.proxy_socket.display().to_string(),
        };
        let loaded = source.load()?;
        let engine = engine(&args.docker_socket)?;
        if let UpstreamAddr::Unix(path) = &engine {
            check_engine_socket(path, &args.proxy_socket)?;
        }
        let run_as = run_as(args.user.as_deref(), args.group.as_deref())?;
        let sandbox = sandbox(&args.sandbox)?;
        let mut needs = Needs::of(&engine);
        needs.read_files.extend(source.files());
        // The names of the commands that connect.
        needs.read_folders.push("/proc".into());
        needs.remove_files.push(args.proxy_socket.clone());
        let bind = UnixListenConfig {
            path: args.proxy_socket,
            mode: mode(&args.socket_mode)?,
            owner: args
                .socket_owner
                .map(|name| user("--socket-owner", &name).map(Uid::from_raw))
                .transpose()?,
            group: args
                .socket_group
                .map(|name| group("--socket-group", &name).map(Gid::from_raw))
                .transpose()?,
        };
        if bind.path.as_os_str().is_empty() {
            return Err(wrong(
                "--proxy-socket",
                "the path is empty",
                "name the socket to create",
            ));
        }
        let peers = PeerAcl {
            uids: each(&args.allow_uid, |name| user("--allow-uid", name))?,
            gids: each(&args.allow_gid, |name| group("--allow-gid", name))?,
        };
        let limits = Limits {
            connections: number(
                "--max-connections",
                &args.max_connections,
                "this is no number of connections",
                usize::MAX,
            )?,
            head: timeout("--head-timeout", &args.head_timeout)?,
            body: size("--max-body", &args.max_body)?,
            idle: timeout("--idle-timeout", &args.idle_timeout)?,
        };
        let threads = number(
            "--threads",
            &args.threads,
            "this is no number of threads",
            MOST_THREADS,
        )?;
        let format = format(&args.log_format)?;
        let access = match args.access_log.to_str() {
            Some("off") => None,
            Some("stdout") => Some((LogDestination::Stdout, format)),
            Some("") => {
                return Err(wrong(
                    "--access-log",
                    "the path is empty",
                    "name a file, or write `stdout` or `off`",
                ));
            }
            _ => {
                needs.write_files.push(args.access_log.clone());
                Some((LogDestination::File(args.access_log), format))
            }
        };
        let grace = duration("--shutdown-grace", &args.shutdown_grace)?;
        Ok(Self {
            bind,
            engine,
            source,
            loaded,
            peers,
            limits,
            threads,
            access,
            run_as,
            sandbox,
            needs,
            grace,
            debug: args.debug,
        })
    }
}

fn engine(address: &OsStr) -> Result<UpstreamAddr, ConfigError> {
    let option = format!("--docker-socket {}", address.display());
    let Some(address) = address.to_str() else {
        return Ok(UpstreamAddr::Unix(PathBuf::from(address)));
    };
    if let Some(address) = address.strip_prefix("tcp://") {
        let address = address.strip_suffix('/').unwrap_or(address);
        let port = address.rsplit_once(':').and_then(|(host, port)| {
            let name = |c: char| c.is_ascii_alphanumeric() || ".-_[]:".contains(c);
            let valid = !host.is_empty() && host.chars().all(name) && !port.starts_with('+');
            port.parse::<u16>().ok().filter(|port| *port > 0 && valid)
        });
        return match port {
            Some(_) => Ok(UpstreamAddr::Tcp(address.to_owned())),
            None => Err(wrong(
                option,
                "no host and port",
                "write tcp://HOST:PORT, such as tcp://127.0.0.1:2375",
            )),
        };
    }
    let path = address.strip_prefix("unix://").unwrap_or(address);
    // `unix:/x`, `ssh://x` and `127.0.0.1:2375` are meant as addresses, not as files.
    if path == address && !path.starts_with(['/', '.']) && path.contains(':') {
        return Err(wrong(
            option,
            "unknown kind of address",
            "use a path, unix://PATH or tcp://HOST:PORT",
        ));
    }
    if path.is_empty() {
        return Err(wrong(
            option,
            "the path is empty",
            "name the engine's socket, such as /var/run/docker.sock",
        ));
    }
    Ok(UpstreamAddr::Unix(PathBuf::from(path)))
}

/// Refuses what no restart of the engine would mend. An engine that is not there yet is no
/// error: doxy answers 502 until it is.
fn check_engine_socket(engine: &Path, proxy: &Path) -> Result<(), ConfigError> {
    let option = format!("--docker-socket {}", engine.display());
    if same_file(engine, proxy) {
        return Err(wrong(
            option,
            "this is the proxy socket too",
            "give doxy a path of its own with --proxy-socket",
        ));
    }
    match fs::metadata(engine) {
        Ok(found) if !found.file_type().is_socket() => {
            let (why, help) = if found.is_dir() {
                (
                    "this is a folder",
                    "mounted into a container, a socket that does not exist becomes a folder: start the engine first",
                )
            } else {
                (
                    "this is not a socket",
                    "name the engine's socket, such as /var/run/docker.sock",
                )
            };
            return Err(wrong(option, why, help));
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(forbidden(&option));
        }
        _ => {}
    }
    if engine.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(wrong(
            option,
            "the path is too long for a socket",
            "a socket's path has at most 107 bytes",
        ));
    }
    match try_connect(engine) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(forbidden(&option)),
        _ => Ok(()),
    }
}

fn forbidden(option: &str) -> ConfigError {
    wrong(
        option,
        "permission denied",
        "run doxy as root or as a member of the socket's group (often `docker`)",
    )
}

/// Do two paths name one file, by whatever links? The file itself need not exist.
fn same_file(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| {
        fs::canonicalize(path).ok().or_else(|| {
            let folder = path
                .parent()
                .filter(|folder| *folder != Path::new(""))
                .unwrap_or(Path::new("."));
            Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
        })
    };
    a == b || real(a).is_some_and(|a| real(b) == Some(a))
}

fn mode(text: &str) -> Result<u32, ConfigError> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && digits.bytes().all(|digit| digit.is_ascii_digit()) => Ok(mode),
        _ => Err(wrong(
            format!("--socket-mode {text}"),
            "this is no file mode",
            "write it in octal, such as 0660 for owner and group",
        )),
    }
}

fn each<T>(
    names: &[String],
    read: impl Fn(&str) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    names.iter().map(|name| read(name)).collect()
}

fn number(option: &str, text: &str, why: &str, most: usize) -> Result<usize, ConfigError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if plain && (1..=most).contains(&number) => Ok(number),
        _ => {
            let help = match most {
                usize::MAX => "write a whole number from 1 on".to_owned(),
                most => format!("write a whole number from 1 to {most}"),
            };
            Err(wrong(format!("{option} {text}"), why, &help))
        }
    }
}

/// A number of bytes, with or without a unit.
fn size(option: &str, text: &str) -> Result<usize, ConfigError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let unit = match text.strip_prefix(digits) {
        Some("") => Some(0),
        Some("k" | "K" | "KiB") => Some(10),
        Some("m" | "M" | "MiB") => Some(20),
        _ => None,
    };
    let bytes = digits.parse::<usize>().ok().filter(|_| plain);
    match (bytes, unit) {
        (Some(bytes), Some(unit)) if bytes > 0 && bytes << unit >> unit == bytes => {
            Ok(bytes << unit)
        }
        _ => Err(wrong(
            format!("{option} {text}"),
            "this is no size",
            "write a number of bytes from 1 on, or one with a unit: 65536, 512k, 1M",
        )),
    }
}

fn sandbox(text: &str) -> Result<SandboxMode, ConfigError> {
    match text {
        "auto" => Ok(SandboxMode::Auto),
        "require" => Ok(SandboxMode::Require),
        "off" => Ok(SandboxMode::Off),
        _ => Err(wrong(
            format!("--sandbox {text}"),
            "unknown choice",
            "write `auto`, `require` or `off`",
        )),
    }
}

fn format(text: &str) -> Result<Format, ConfigError> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err(wrong(
            format!("--log-format {text}"),
            "unknown format",
            "write `text` or `json`",
        )),
    }
}

/// A limit. One of nought would end everything at once.
fn timeout(option: &str, text: &str) -> Result<Duration, ConfigError> {
    match duration(option, text)? {
        Duration::ZERO => Err(wrong(
            format!("{option} {text}"),
            "nothing comes in no time",
            "write a longer one, such as 30s",
        )),
        limit => Ok(limit),
    }
}

fn duration(option: &str, text: &str) -> Result<Duration, ConfigError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: Option<u32> = digits.parse().ok().filter(|_| !digits.starts_with('+'));
    let unit = text.strip_prefix(digits);
    match (number, unit) {
        (Some(number), Some("s" | "")) => Ok(Duration::from_secs(number.into())),
        (Some(number), Some("ms")) => Ok(Duration::from_millis(number.into())),
        (Some(number), Some("m")) => Ok(Duration::from_secs(u64::from(number) * 60)),
        _ => Err(wrong(
            format!("{option} {text}"),
            "this is no length of time",
            "write a number of seconds, or one with a unit: 10s, 500ms, 2m",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (text, expected) in [
            ("0660", Some(0o660)),
            ("666", Some(0o666)),
            ("0o600", Some(0o600)),
            ("0", Some(0)),
            ("1777", None),
            ("0888", None),
            ("+660", None),
            ("rw", None),
            ("", None),
        ] {
            assert_eq!(mode(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn lengths_of_time() {
        for (text, expected) in [
            ("10", Some(10_000)),
            ("10s", Some(10_000)),
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("0", Some(0)),
            ("-1", None),
            ("+1", None),
            ("1h", None),
            ("s", None),
            ("", None),
            ("1 s", None),
        ] {
            assert_eq!(
                duration("--x", text).ok(),
                expected.map(Duration::from_millis),
                "{text:?}"
            );
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("65536", Some(65_536)),
            ("512k", Some(512 << 10)),
            ("1M", Some(1 << 20)),
            ("1MiB", Some(1 << 20)),
            ("0", None),
            ("", None),
            ("M", None),
            ("-1", None),
            ("1G", None),
            ("99999999999999999999", None),
            ("18446744073709551615M", None),
        ] {
            assert_eq!(size("--x", text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn addresses_of_engines() {
        let unix = |path: &str| Some(UpstreamAddr::Unix(path.into()));
        for (text, expected) in [
            ("/run/d.sock", unix("/run/d.sock")),
            ("unix:///run/d.sock", unix("/run/d.sock")),
            ("unix://d.sock", unix("d.sock")),
            (
                "tcp://127.0.0.1:2375",
                Some(UpstreamAddr::Tcp("127.0.0.1:2375".to_owned())),
            ),
            (
                "tcp://[::1]:2375/",
                Some(UpstreamAddr::Tcp("[::1]:2375".to_owned())),
            ),
            ("tcp://engine", None),
            ("tcp://:2375", None),
            ("tcp://a/b:1", None),
            ("tcp://a:70000", None),
            ("ssh://me@host", None),
            ("unix:/run/d.sock", None),
            ("tcp:/a:1", None),
            ("127.0.0.1:2375", None),
            ("tcp://a:+1", None),
            ("tcp://a b:1", None),
            ("tcp://me@a:1", None),
            ("./odd:name", unix("./odd:name")),
            ("unix://", None),
        ] {
            assert_eq!(engine(text.as_ref()).ok(), expected, "{text:?}");
        }
    }
}
