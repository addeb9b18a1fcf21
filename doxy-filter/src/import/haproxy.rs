//! The settings of HAProxy that Tecnativa's and LinuxServer's docker-socket-proxy take from variables: where
//! it listens, where the engine is, what it logs.
//!
//! It must never know a switch.

use super::{ImportError, on_one_line};

pub(super) fn neither(name: &str, value: &str) -> ImportError {
    let what = format!("{name}={}: neither 0 nor 1", on_one_line(value));
    ImportError::new(
        what,
        "write 0 or 1; HAProxy takes any word for 0, so this was off",
    )
}

/// The settings of doxy that go with the variables that are no switches. One of the tools has
/// BIND_CONFIG.
pub(super) fn options<'v>(
    has_bind: bool,
    value: impl Fn(&str) -> Option<&'v str>,
    left_out: &mut Vec<String>,
) -> Result<Vec<(&'static str, Option<String>)>, ImportError> {
    let mut options = vec![];
    let v4_only = match value("DISABLE_IPV6").map(str::to_lowercase).as_deref() {
        Some("1" | "true" | "yes") => true,
        None | Some("" | "0" | "false" | "no") => false,
        Some(other) => return Err(neither("DISABLE_IPV6", other)),
    };
    let default = if v4_only { "0.0.0.0:2375" } else { "[::]:2375" };
    let bind = value("BIND_CONFIG").filter(|it| !it.is_empty() && has_bind);
    let address = match bind {
        None => Some(format!("tcp://{default}")),
        Some(bind) => bind_address(bind),
    };
    match address {
        Some(address) => options.push(("proxy-socket", Some(address))),
        None => left_out.push(format!(
            "BIND_CONFIG={}: not an address that doxy can listen at; give it with --proxy-socket",
            on_one_line(bind.unwrap_or_default())
        )),
    }
    if let Some(path) = value("SOCKET_PATH").filter(|it| !it.is_empty()) {
        let path = path.strip_prefix("unix@").unwrap_or(path);
        let tcp = path.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(['/', '@']) && port.parse::<u16>().is_ok()
        });
        if path.starts_with('/') {
            options.push(("docker-socket", Some(path.to_owned())));
        } else if tcp {
            options.push(("docker-socket", Some(format!("tcp://{path}"))));
        } else {
            left_out.push(format!(
                "SOCKET_PATH={}: neither a path nor an address; give it with --docker-socket",
                on_one_line(path)
            ));
        }
    }
    match value("LOG_LEVEL").unwrap_or_default() {
        // At these levels HAProxy logs every request.
        "info" | "debug" => options.push(("access-log", Some("stdout".to_owned()))),
        "" | "emerg" | "alert" | "crit" | "err" | "warning" | "notice" => {}
        other => left_out.push(format!(
            "LOG_LEVEL={}: no level of HAProxy",
            on_one_line(other)
        )),
    }
    Ok(options)
}

/// An address of HAProxy's `bind`, with or without `v4v6`.
fn bind_address(bind: &str) -> Option<String> {
    let mut words = bind.split_ascii_whitespace();
    let address = words.next()?;
    if words.any(|word| word != "v4v6") {
        return None;
    }
    let address = address.strip_prefix("unix@").unwrap_or(address);
    if address.starts_with('/') {
        return Some(address.to_owned());
    }
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok().filter(|port| *port > 0)?;
    match host {
        "" | "*" => Some(format!("tcp://0.0.0.0:{port}")),
        "[::]" | "::" => Some(format!("tcp://[::]:{port}")),
        host => {
            let plain = host.trim_start_matches('[').trim_end_matches(']');
            let ip: std::net::IpAddr = plain.parse().ok()?;
            Some(format!(
                "tcp://{}",
                std::net::SocketAddr::new(ip, port.parse().ok()?)
            ))
        }
    }
}
