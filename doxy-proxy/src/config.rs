//! Settings as checked: what was typed becomes something that can run, or an error.
//!
//! Nothing falls back silently. The one fallback there is, from the default pattern file to
//! the embedded defaults, is said in the start-up line.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{Bind, Engine, LONGEST_PATH, plain, probe};

use crate::cli::Args;

const DEFAULT_PATTERN_FILE: &str = "/etc/doxy.pattern";

/// Everything that doxy needs to know to run.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) bind: Bind,
    pub(crate) engine: Engine,
    pub(crate) rules: RuleSet,
    /// Where the rules come from, for the start-up line.
    pub(crate) rules_from: String,
    pub(crate) grace: Duration,
    pub(crate) debug: bool,
}

/// What is wrong with the settings, two lines: the error, and `help: …`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConfigError(String);

/// An option, or the file it names, what is wrong with it, and what to do.
fn wrong(what: impl std::fmt::Display, why: impl std::fmt::Display, help: &str) -> ConfigError {
    ConfigError(format!("{what}: {why}\nhelp: {help}"))
}

impl Config {
    /// Checks what was typed.
    pub(crate) fn check(args: Args) -> Result<Self, ConfigError> {
        if let Some(script) = args.script {
            return Err(wrong(
                format!("--script {}", script.display()),
                "this version has no scripts",
                "leave the option and DOXY_SCRIPT out, and say it in patterns",
            ));
        }
        let (rules, rules_from) = rules(args.pattern_file.as_deref())?;
        let engine = engine(&args.docker_socket)?;
        if let Engine::Unix(path) = &engine {
            check_engine_socket(path, &args.proxy_socket)?;
        }
        let bind = Bind {
            path: args.proxy_socket,
            mode: mode(&args.socket_mode)?,
            owner: args.socket_owner.map(|name| user(&name)).transpose()?,
            group: args.socket_group.map(|name| group(&name)).transpose()?,
        };
        if bind.path.as_os_str().is_empty() {
            return Err(wrong(
                "--proxy-socket",
                "the path is empty",
                "name the socket to create",
            ));
        }
        let grace = duration(&args.shutdown_grace)?;
        Ok(Self {
            bind,
            engine,
            rules,
            rules_from,
            grace,
            debug: args.debug,
        })
    }
}

fn rules(named: Option<&Path>) -> Result<(RuleSet, String), ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_PATTERN_FILE));
    match fs::read(path) {
        Ok(text) => {
            let rules = RuleSet::parse(&path.display().to_string(), &text)
                .map_err(|error| ConfigError(error.to_string()))?;
            Ok((rules, path.display().to_string()))
        }
        // A link that leads nowhere does exist: somebody meant there to be rules.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && named.is_none()
                && fs::symlink_metadata(path).is_err() =>
        {
            let rules = RuleSet::embedded().map_err(|error| ConfigError(error.to_string()))?;
            Ok((
                rules,
                format!("the embedded defaults ({DEFAULT_PATTERN_FILE} does not exist)"),
            ))
        }
        Err(error) => Err(wrong(
            path.display(),
            format_args!("cannot read the pattern file: {}", plain(&error)),
            "name a readable file with --pattern-file; without the option the embedded defaults apply",
        )),
    }
}

fn engine(address: &OsStr) -> Result<Engine, ConfigError> {
    let option = format!("--docker-socket {}", address.display());
    let Some(address) = address.to_str() else {
        return Ok(Engine::Unix(PathBuf::from(address)));
    };
    if let Some(address) = address.strip_prefix("tcp://") {
        let address = address.strip_suffix('/').unwrap_or(address);
        let port = address.rsplit_once(':').and_then(|(host, port)| {
            let name = |c: char| c.is_ascii_alphanumeric() || ".-_[]:".contains(c);
            let valid = !host.is_empty() && host.chars().all(name) && !port.starts_with('+');
            port.parse::<u16>().ok().filter(|port| *port > 0 && valid)
        });
        return match port {
            Some(_) => Ok(Engine::Tcp(address.to_owned())),
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
    Ok(Engine::Unix(PathBuf::from(path)))
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
    if engine.as_os_str().len() > LONGEST_PATH {
        return Err(wrong(
            option,
            "the path is too long for a socket",
            "a socket's path has at most 107 bytes",
        ));
    }
    match probe(engine) {
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

fn user(name: &str) -> Result<rustix::fs::Uid, ConfigError> {
    id(name, "/etc/passwd")
        .map(rustix::fs::Uid::from_raw)
        .ok_or_else(|| {
            wrong(
                format!("--socket-owner {name}"),
                "no such user in /etc/passwd",
                "use a name from there, or a number",
            )
        })
}

fn group(name: &str) -> Result<rustix::fs::Gid, ConfigError> {
    id(name, "/etc/group")
        .map(rustix::fs::Gid::from_raw)
        .ok_or_else(|| {
            wrong(
                format!("--socket-group {name}"),
                "no such group in /etc/group",
                "use a name from there, or a number",
            )
        })
}

/// A number, or what the third field of a name's line in `file` says.
///
/// The file is read here because the C library's look-up loads plugins, and does not work in a
/// static binary. The highest number means "leave it" to the kernel and is nobody's.
fn id(name: &str, file: &str) -> Option<u32> {
    let number = name.parse().ok().or_else(|| {
        fs::read_to_string(file).ok()?.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
        })
    });
    number.filter(|id| *id != u32::MAX)
}

fn duration(text: &str) -> Result<Duration, ConfigError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: Option<u32> = digits.parse().ok().filter(|_| !digits.starts_with('+'));
    let unit = text.strip_prefix(digits);
    match (number, unit) {
        (Some(number), Some("s" | "")) => Ok(Duration::from_secs(number.into())),
        (Some(number), Some("ms")) => Ok(Duration::from_millis(number.into())),
        (Some(number), Some("m")) => Ok(Duration::from_secs(u64::from(number) * 60)),
        _ => Err(wrong(
            format!("--shutdown-grace {text}"),
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
                duration(text).ok(),
                expected.map(Duration::from_millis),
                "{text:?}"
            );
        }
    }

    #[test]
    fn addresses_of_engines() {
        let unix = |path: &str| Some(Engine::Unix(path.into()));
        for (text, expected) in [
            ("/run/d.sock", unix("/run/d.sock")),
            ("unix:///run/d.sock", unix("/run/d.sock")),
            ("unix://d.sock", unix("d.sock")),
            (
                "tcp://127.0.0.1:2375",
                Some(Engine::Tcp("127.0.0.1:2375".to_owned())),
            ),
            (
                "tcp://[::1]:2375/",
                Some(Engine::Tcp("[::1]:2375".to_owned())),
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

    #[test]
    fn names_and_numbers_of_users() {
        assert_eq!(id("root", "/etc/passwd"), Some(0));
        assert_eq!(id("1234", "/etc/passwd"), Some(1234));
        assert_eq!(id("4294967295", "/etc/passwd"), None);
        assert_eq!(id("no such user", "/etc/passwd"), None);
    }
}
