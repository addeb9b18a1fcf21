//! Addresses of sockets, as text: the engine's, and those that doxy creates.
//!
//! It only parses. What is at an address is for `startup` to find out.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};

use doxy_proxy::UpstreamAddr;

use crate::config::error::ConfigError;
use crate::config::settings::Setting;

/// The longest name that systemd gives to a descriptor.
const MAX_FD_NAME: usize = 255;

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    /// One address, or the loopback address of each family.
    Tcp(Vec<SocketAddr>),
    /// The name of a socket that whoever starts doxy hands over.
    Inherited(String),
}

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
        Kind::Network | Kind::Fd(_) | Kind::Unknown => Err(setting.wrong(
            "unknown kind of address",
            "use a path, unix://PATH or tcp://HOST:PORT",
        )),
    }
}

/// The admin side of a running doxy, to connect to: a path, `unix://PATH` or `tcp://HOST:PORT`.
pub(crate) fn admin(setting: &Setting) -> Result<UpstreamAddr, ConfigError> {
    match kind(setting) {
        Kind::Path(path) if !path.as_os_str().is_empty() => Ok(UpstreamAddr::Unix(path)),
        Kind::Tcp(address) if is_host_and_port(address) => {
            Ok(UpstreamAddr::Tcp(address.to_owned()))
        }
        Kind::Fd(_) => Err(setting.wrong(
            "this socket comes from systemd, and only its unit says where it is",
            "give its address: --admin ADDRESS",
        )),
        _ => Err(setting.wrong(
            "no address of an admin side",
            "write a path such as /run/doxy/admin.sock, or tcp://HOST:PORT",
        )),
    }
}

/// A socket to create: a path, `unix://PATH`, `tcp://ADDRESS:PORT` or `fd://NAME`.
pub(super) fn proxy(setting: &Setting) -> Result<Address, ConfigError> {
    match kind(setting) {
        Kind::Path(path) if path.as_os_str().is_empty() => {
            Err(setting.wrong("the path is empty", "name the socket to create"))
        }
        Kind::Path(path) => Ok(Address::Unix(path)),
        Kind::Tcp(address) => tcp(address)
            .map(Address::Tcp)
            .map_err(|(why, help)| setting.wrong(why, help)),
        Kind::Fd(name) => {
            // What systemd takes as FileDescriptorName=.
            let plain = |c: char| c.is_ascii_graphic() && c != ':';
            if name.is_empty() || name.len() > MAX_FD_NAME || !name.chars().all(plain) {
                return Err(setting.wrong(
                    "no name of a socket",
                    "write fd://NAME, with the FileDescriptorName= of the .socket unit",
                ));
            }
            Ok(Address::Inherited(name.to_owned()))
        }
        Kind::Network => Err(setting.wrong(
            "this is a network address without tcp://",
            "write tcp://ADDRESS:PORT, such as tcp://127.0.0.1:2375; if it is a file, put ./ in front",
        )),
        Kind::Unknown => Err(setting.wrong(
            "unknown kind of address",
            "use a path such as /run/doxy/docker.sock, unix://PATH, tcp://ADDRESS:PORT or fd://NAME",
        )),
    }
}

/// What a text is meant as.
enum Kind<'a> {
    Path(PathBuf),
    /// What stands behind `tcp://`.
    Tcp(&'a str),
    /// What stands behind `fd://`.
    Fd(&'a str),
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
    if let Some(name) = text.strip_prefix("fd://") {
        return Kind::Fd(name);
    }
    let path = |path: &str| Kind::Path(setting.resolve(Path::new(path)));
    if let Some(text) = text.strip_prefix("unix://") {
        return path(text);
    }
    if text.is_empty() || text.starts_with(['/', '.']) {
        return path(text);
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.rsplit_once(':').is_some_and(|(_, port)| digits(port));
    let scheme = text.contains("://");
    if (port && !scheme) || digits(text) || text.parse::<IpAddr>().is_ok() {
        Kind::Network
    } else if text.contains(':') {
        Kind::Unknown
    } else {
        path(text)
    }
}

fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let name = |c: char| c.is_ascii_alphanumeric() || ".-_[]:".contains(c);
    let host = !host.is_empty() && host.chars().all(name);
    host && self::port(port).is_some()
}

/// A port that can be named: not 0, which means any.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| plain && *port > 0)
}

/// What is wrong, and what to do.
type Wrong = (&'static str, String);

/// What `ADDRESS:PORT` means for a listener.
fn tcp(text: &str) -> Result<Vec<SocketAddr>, Wrong> {
    let wrong = |why, help: &str| Err((why, help.to_owned()));
    let such_as = "write tcp://ADDRESS:PORT, such as tcp://127.0.0.1:2375 or tcp://[::1]:2375";
    let Some((host, port_text)) = text.rsplit_once(':') else {
        return wrong("no port", such_as);
    };
    let Some(port) = port(port_text) else {
        return wrong("the port is no number from 1 to 65535", such_as);
    };
    if let Some(inner) = host.strip_prefix('[') {
        let Some(inner) = inner.strip_suffix(']') else {
            return wrong("no address of IPv6 in brackets", such_as);
        };
        return Ok(vec![v6(inner, port)?]);
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(vec![(address, port).into()]);
    }
    match host {
        "localhost" => {
            let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
            Ok([Some(v4), has_loopback(&interfaces()).then_some(v6)]
                .into_iter()
                .flatten()
                .collect())
        }
        "" | "*" => Err((
            "no address",
            format!(
                "write tcp://127.0.0.1:{port} for this machine alone, tcp://[::]:{port} for every \
                 network it is in"
            ),
        )),
        _ if host.contains(':') => wrong("an address of IPv6 stands in brackets", such_as),
        _ => wrong(
            "this is a name",
            "name the address; doxy binds addresses, not names",
        ),
    }
}

/// `ADDRESS` or `ADDRESS%ZONE`.
fn v6(text: &str, port: u16) -> Result<SocketAddr, Wrong> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let wrong = |why, help: &str| Err((why, help.to_owned()));
    let Ok(address) = address.parse::<Ipv6Addr>() else {
        return wrong(
            "no address of IPv6 in brackets",
            "write one such as tcp://[::1]:2375",
        );
    };
    if let Some(address) = address.to_ipv4_mapped() {
        return wrong(
            "this is an address of IPv4",
            &format!("write tcp://{address}:{port}"),
        );
    }
    let scope = match (address.is_unicast_link_local(), zone) {
        (true, None) => {
            return wrong(
                "a link-local address is on every interface",
                &format!("name the interface: tcp://[{address}%eth0]:{port}"),
            );
        }
        (false, Some(_)) => {
            return wrong(
                "only link-local addresses have a zone",
                &format!("write tcp://[{address}]:{port}"),
            );
        }
        (false, None) => 0,
        (true, Some(zone)) => match index(&interfaces(), zone) {
            Some(index) => index,
            None => {
                return wrong(
                    "there is no such interface with IPv6",
                    "`ip -6 address` lists the interfaces",
                );
            }
        },
    };
    Ok(SocketAddrV6::new(address, port, 0, scope).into())
}

/// The addresses of IPv6 of this machine, as the kernel lists them. Empty without IPv6.
fn interfaces() -> String {
    fs::read_to_string("/proc/net/if_inet6").unwrap_or_default()
}

fn has_loopback(interfaces: &str) -> bool {
    let loopback = "00000000000000000000000000000001 ";
    interfaces.lines().any(|line| line.starts_with(loopback))
}

/// The number of an interface, by name or number. Each line has address, number, length, scope,
/// flags and name; numbers are hexadecimal.
fn index(interfaces: &str, zone: &str) -> Option<u32> {
    interfaces.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, number, _, _, _, name] = fields[..] else {
            return None;
        };
        let number = u32::from_str_radix(number, 16).ok()?;
        (name == zone || number.to_string() == zone).then_some(number)
    })
}

#[cfg(test)]
mod tests;
