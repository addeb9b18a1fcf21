//! Addresses of sockets, as text: the engine's, and the one that doxy creates.
//!
//! It only parses. What is at an address is for `startup` to find out.

use std::net::IpAddr;
use std::path::PathBuf;

use doxy_proxy::UpstreamAddr;

use crate::config::error::ConfigError;
use crate::config::settings::Setting;

/// The engine: a path, `unix://PATH` or `tcp://HOST:PORT`.
pub(super) fn engine(setting: &Setting) -> Result<UpstreamAddr, ConfigError> {
    match kind(setting) {
        Kind::Path(path) if path.as_os_str().is_empty() => Err(setting.wrong(
            "the path is empty",
            "name the engine's socket, such as /var/run/docker.sock",
        )),
        Kind::Path(path) => Ok(UpstreamAddr::Unix(path)),
        Kind::Tcp(address) if is_host_and_port(address) => {
            Ok(UpstreamAddr::Tcp(address.to_owned()))
        }
        Kind::Tcp(_) => Err(setting.wrong(
            "no host and port",
            "write tcp://HOST:PORT, such as tcp://127.0.0.1:2375",
        )),
        Kind::Network | Kind::Unknown => Err(setting.wrong(
            "unknown kind of address",
            "use a path, unix://PATH or tcp://HOST:PORT",
        )),
    }
}

/// The socket to create: a path or `unix://PATH`.
pub(super) fn proxy(setting: &Setting) -> Result<PathBuf, ConfigError> {
    match kind(setting) {
        Kind::Path(path) if path.as_os_str().is_empty() => {
            Err(setting.wrong("the path is empty", "name the socket to create"))
        }
        Kind::Path(path) => Ok(path),
        Kind::Tcp(_) | Kind::Network => Err(setting.wrong(
            "this is a network address, and doxy listens on unix sockets only",
            "name a path such as /run/doxy/docker.sock; a container reaches the socket if it mounts \
             /run/doxy",
        )),
        Kind::Unknown => Err(setting.wrong(
            "unknown kind of address",
            "use a path such as /run/doxy/docker.sock, or unix://PATH",
        )),
    }
}

/// What a text is meant as.
enum Kind<'a> {
    Path(PathBuf),
    /// What stands behind `tcp://`.
    Tcp(&'a str),
    /// A host, a port or both, without a scheme.
    Network,
    /// Another scheme, or a misspelt one.
    Unknown,
}

/// `./2375` and `./a:b` are paths; without the folder they are meant as addresses.
fn kind(setting: &Setting) -> Kind<'_> {
    let Some(text) = setting.value().to_str() else {
        return Kind::Path(setting.path());
    };
    if let Some(address) = text.strip_prefix("tcp://") {
        return Kind::Tcp(address.strip_suffix('/').unwrap_or(address));
    }
    if let Some(path) = text.strip_prefix("unix://") {
        return Kind::Path(path.into());
    }
    if text.is_empty() || text.starts_with(['/', '.']) {
        return Kind::Path(text.into());
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.rsplit_once(':').is_some_and(|(_, port)| digits(port));
    if port || digits(text) || text.parse::<IpAddr>().is_ok() {
        Kind::Network
    } else if text.contains(':') {
        Kind::Unknown
    } else {
        Kind::Path(text.into())
    }
}

fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let name = |c: char| c.is_ascii_alphanumeric() || ".-_[]:".contains(c);
    let host = !host.is_empty() && host.chars().all(name);
    let port = !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port > 0);
    host && port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_engines() {
        let unix = |path: &str| Some(UpstreamAddr::Unix(path.into()));
        let tcp = |address: &str| Some(UpstreamAddr::Tcp(address.to_owned()));
        for (text, expected) in [
            ("/run/d.sock", unix("/run/d.sock")),
            ("d.sock", unix("d.sock")),
            ("unix:///run/d.sock", unix("/run/d.sock")),
            ("unix://d.sock", unix("d.sock")),
            ("./odd:name", unix("./odd:name")),
            ("tcp://127.0.0.1:2375", tcp("127.0.0.1:2375")),
            ("tcp://[::1]:2375/", tcp("[::1]:2375")),
            ("tcp://engine", None),
            ("tcp://:2375", None),
            ("tcp://a/b:1", None),
            ("tcp://a:0", None),
            ("tcp://a:70000", None),
            ("tcp://a:+1", None),
            ("tcp://a b:1", None),
            ("tcp://me@a:1", None),
            ("tcp:/a:1", None),
            ("ssh://me@host", None),
            ("unix:/run/d.sock", None),
            ("127.0.0.1:2375", None),
            ("2375", None),
            ("unix://", None),
            ("", None),
        ] {
            let setting = Setting::option("docker-socket", text.as_ref());
            assert_eq!(engine(&setting).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn addresses_of_the_socket_to_create() {
        const NETWORK: &str = "this is a network address";
        const UNKNOWN: &str = "unknown kind of address";
        for (text, expected) in [
            ("/run/d.sock", Ok("/run/d.sock")),
            ("d.sock", Ok("d.sock")),
            ("unix:///run/d.sock", Ok("/run/d.sock")),
            ("unix://d.sock", Ok("d.sock")),
            ("./2375", Ok("./2375")),
            ("./127.0.0.1:2375", Ok("./127.0.0.1:2375")),
            ("2375.sock", Ok("2375.sock")),
            ("127.0.0.1:2375", Err(NETWORK)),
            ("localhost:2375", Err(NETWORK)),
            ("[::1]:2375", Err(NETWORK)),
            ("::1", Err(NETWORK)),
            ("0.0.0.0", Err(NETWORK)),
            ("*:2375", Err(NETWORK)),
            (":2375", Err(NETWORK)),
            ("2375", Err(NETWORK)),
            ("tcp://", Err(NETWORK)),
            ("tcp://127.0.0.1:2375", Err(NETWORK)),
            ("http://127.0.0.1:2375", Err(NETWORK)),
            ("http://engine", Err(UNKNOWN)),
            ("ssh://me@host", Err(UNKNOWN)),
            ("fd://", Err(UNKNOWN)),
            ("unix:/run/d.sock", Err(UNKNOWN)),
            ("unix://", Err("the path is empty")),
            ("", Err("the path is empty")),
        ] {
            let setting = Setting::option("proxy-socket", text.as_ref());
            let got = proxy(&setting).map_err(|error| error.to_string());
            match (got, expected) {
                (Ok(path), Ok(expected)) => assert_eq!(path, PathBuf::from(expected)),
                (Err(error), Err(words)) => assert!(error.contains(words), "{text:?}: {error}"),
                (got, expected) => assert_eq!(got.is_ok(), expected.is_ok(), "{text:?}: {got:?}"),
            }
        }
    }
}
