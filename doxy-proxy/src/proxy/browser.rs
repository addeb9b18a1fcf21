//! Requests that a web page has a browser make: they reach addresses of this machine and its networks,
//! which the page's author cannot reach.
//!
//! Only for clients over a network: no browser speaks to a unix socket. It looks at three headers and
//! knows no policy.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::http::headers::{Line, values};

/// What tells that a request may come from a web page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FromWeb {
    /// Only browsers send it.
    #[error(
        "the request has the header {0}, which web pages send; doxy serves none over a network"
    )]
    Header(&'static str),
    /// The name in `Host` may be one of the page's that leads here.
    #[error(
        "the request is for a host that doxy does not know; if a client calls doxy by that name, set --allow-host to it"
    )]
    Host,
}

/// Refuses what a web page may have had a browser ask. `known` are names by which clients call doxy.
pub(crate) fn check(target: &str, lines: &[Line<'_>], known: &[String]) -> Result<(), FromWeb> {
    for name in ["Origin", "Sec-Fetch-Site"] {
        if values(lines, name).next().is_some() {
            return Err(FromWeb::Header(name));
        }
    }
    // Without any, no browser has sent it.
    let hosts = values(lines, "Host").chain(authority(target).map(str::as_bytes));
    match hosts.into_iter().all(|host| is_known(host, known)) {
        true => Ok(()),
        false => Err(FromWeb::Host),
    }
}

/// Whether no name server on the internet can answer for this host.
pub(crate) fn is_known(host: &[u8], known: &[String]) -> bool {
    let Ok(host) = str::from_utf8(host) else {
        return false;
    };
    if let Some(host) = host.strip_prefix('[') {
        let Some((address, port)) = host.split_once(']') else {
            return false;
        };
        let port = port.strip_prefix(':').unwrap_or(match port {
            "" => "",
            _ => "?",
        });
        return address.parse::<Ipv6Addr>().is_ok() && is_port(port);
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !is_port(port) || !name.bytes().all(plain) {
        return false;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let below = |parent: &str| {
        let start = name.len().checked_sub(parent.len());
        start.is_some_and(|start| {
            name.get(start..)
                .is_some_and(|end| end.eq_ignore_ascii_case(parent))
        })
    };
    !name.contains('.')
        || name.parse::<Ipv4Addr>().is_ok()
        || below(".localhost")
        // The docker CLI sends it to a unix socket, and some clients everywhere.
        || is("api.moby.localhost")
        || known.iter().any(|known| is(known))
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit())
}

/// The host that an absolute target names, as `Host` would.
fn authority(target: &str) -> Option<&str> {
    let (_, rest) = target
        .split_once("://")
        .filter(|_| !target.starts_with('/'))?;
    rest.split(['/', '?', '#']).next()
}

#[cfg(test)]
mod tests {
    use super::{FromWeb, check};
    use crate::http::headers::Line;

    #[test]
    fn hosts() {
        for (host, known) in [
            ("", true),
            ("docker", true),
            ("proxy:2375", true),
            ("localhost:2375", true),
            ("x.LOCALHOST", true),
            ("api.moby.localhost", true),
            ("127.0.0.1:2375", true),
            ("192.0.2.7", true),
            ("[::1]:2375", true),
            ("[fe80::1]", true),
            ("doxy.example", true),
            ("DOXY.example:443", true),
            ("doxy.example.:443", true),
            ("rebind.example", false),
            ("127.0.0.1.nip.example:2375", false),
            ("1.2.3", false),
            ("localhost.example", false),
            ("xlocalhost.", true),
            ("[rebind.example]", false),
            ("[::1]x", false),
            ("[::1", false),
            ("a.doxy.example", false),
            ("localhost:abc", false),
            ("localhost:2375:2375", false),
            ("127.0.0.1:80.evil.example", false),
            ("evil%2eexample", false),
            ("user@localhost", false),
            ("[::1]:x", false),
        ] {
            let line = Line {
                name: "HOST",
                value: host.as_bytes(),
            };
            let expected = if known { Ok(()) } else { Err(FromWeb::Host) };
            assert_eq!(
                check("/info", &[line], &["Doxy.Example".to_owned()]),
                expected,
                "{host}"
            );
        }
        assert_eq!(check("/info?http://x.example", &[], &[]), Ok(()));
    }

    #[test]
    fn absolute_targets() {
        for (target, expected) in [
            ("http://localhost:2375/info", Ok(())),
            ("http://docker", Ok(())),
            ("http://rebind.example/info", Err(FromWeb::Host)),
            ("http://localhost@rebind.example/", Err(FromWeb::Host)),
        ] {
            assert_eq!(check(target, &[], &[]), expected, "{target}");
        }
    }

    #[test]
    fn what_only_browsers_send() {
        for name in ["Origin", "Sec-Fetch-Site"] {
            let lower = name.to_lowercase();
            for value in ["", "null", "http://127.0.0.1:2375"] {
                let line = Line {
                    name: &lower,
                    value: value.as_bytes(),
                };
                assert_eq!(check("/", &[line], &[]), Err(FromWeb::Header(name)));
            }
        }
    }
}
