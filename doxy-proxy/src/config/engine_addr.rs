//! The address of the engine, as text.
//!
//! It only parses. Whether there is an engine at the address is for `startup` to find out.

use std::path::PathBuf;

use doxy_proxy::UpstreamAddr;

use crate::config::error::ConfigError;
use crate::config::settings::Setting;

/// A path, `unix://PATH` or `tcp://HOST:PORT`.
pub(super) fn parse(setting: &Setting) -> Result<UpstreamAddr, ConfigError> {
    let Some(text) = setting.value().to_str() else {
        return Ok(UpstreamAddr::Unix(setting.path()));
    };
    if let Some(address) = text.strip_prefix("tcp://") {
        let address = address.strip_suffix('/').unwrap_or(address);
        return match is_host_and_port(address) {
            true => Ok(UpstreamAddr::Tcp(address.to_owned())),
            false => Err(setting.wrong(
                "no host and port",
                "write tcp://HOST:PORT, such as tcp://127.0.0.1:2375",
            )),
        };
    }
    let path = text.strip_prefix("unix://").unwrap_or(text);
    // `unix:/x`, `ssh://x` and `127.0.0.1:2375` are meant as addresses, not as names of files.
    if path == text && !path.starts_with(['/', '.']) && path.contains(':') {
        return Err(setting.wrong(
            "unknown kind of address",
            "use a path, unix://PATH or tcp://HOST:PORT",
        ));
    }
    if path.is_empty() {
        return Err(setting.wrong(
            "the path is empty",
            "name the engine's socket, such as /var/run/docker.sock",
        ));
    }
    Ok(UpstreamAddr::Unix(PathBuf::from(path)))
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
            ("unix://", None),
            ("", None),
        ] {
            let setting = Setting::option("docker-socket", text.as_ref());
            assert_eq!(parse(&setting).ok(), expected, "{text:?}");
        }
    }
}
