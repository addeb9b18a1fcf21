//! Who may connect, as text: networks, certificates, containers.
//!
//! It only parses. What is ambiguous is refused, with what was probably meant.

use std::net::IpAddr;

use doxy_proxy::{CertificateRule, ContainerRule};
use ipnet::IpNet;

use crate::config::error::ConfigError;
use crate::config::settings::Setting;

/// A network, or the network of one address.
pub(super) fn network(setting: &Setting) -> Result<IpNet, ConfigError> {
    let text = setting.text()?;
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => {
                return Err(setting.wrong(
                    "neither a network nor an address",
                    "write one such as 10.0.0.0/8, 192.168.1.7 or fd00::/8",
                ));
            }
        },
    };
    if let IpAddr::V6(address) = network.addr()
        && let Some(v4) = address.to_ipv4_mapped()
    {
        // A peer that comes by IPv4 is judged as such, so this would match nobody.
        let meant = match network.prefix_len() {
            128 => v4.to_string(),
            length => format!("{v4}/{}", length.saturating_sub(96)),
        };
        return Err(setting.wrong(
            "addresses of IPv4 are not written as IPv6",
            format_args!("write {meant}"),
        ));
    }
    if network.addr() != network.network() {
        return Err(setting.wrong(
            "the address has bits behind the length of the network",
            format_args!(
                "write {} for the network, or the address alone",
                network.trunc()
            ),
        ));
    }
    Ok(network)
}

/// Whether networks are a restriction. Those that together are everything are none.
pub(super) fn restrict(networks: &[IpNet]) -> bool {
    let merged = IpNet::aggregate(&networks.to_vec());
    !networks.is_empty() && merged.iter().all(|network| network.prefix_len() > 0)
}

/// `spki:HEX`, `dns:NAME` or `uri:URI`.
pub(super) fn certificate(setting: &Setting) -> Result<CertificateRule, ConfigError> {
    let text = setting.text()?;
    let visible = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    match text.split_once(':') {
        Some(("spki", digits)) => spki(digits).map(CertificateRule::Spki).ok_or_else(|| {
            setting.wrong(
                "not the SHA-256 of a public key",
                "write spki: and 64 hexadecimal digits; the log has it for each client",
            )
        }),
        Some(("dns", name)) if name.contains('*') => Err(setting.wrong(
            "a rule names one host; a `*` in it would match nothing",
            "write each name, or narrow by the authority in tls-client-ca",
        )),
        Some(("dns", name)) if visible(name) => Ok(CertificateRule::Dns(name.to_ascii_lowercase())),
        Some(("uri", uri)) if visible(uri) && uri.contains(':') => {
            Ok(CertificateRule::Uri(uri.to_owned()))
        }
        _ => Err(setting.wrong(
            "no rule for a certificate",
            "write spki:HEX, dns:NAME or uri:URI, such as dns:metrics.example",
        )),
    }
}

fn spki(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// `NAME`, `label:KEY` or `label:KEY=VALUE`.
pub(super) fn container(setting: &Setting) -> Result<ContainerRule, ConfigError> {
    let text = setting.text()?;
    if let Some(label) = text.strip_prefix("label:") {
        let (key, value) = match label.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (label, None),
        };
        if key.is_empty() {
            return Err(setting.wrong("the label has no name", "write label:KEY=VALUE"));
        }
        return Ok(ContainerRule::Label(key.to_owned(), value));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && text.chars().all(plain) {
        return Ok(ContainerRule::Name(text.to_owned()));
    }
    Err(setting.wrong(
        "neither the name of a container nor a label",
        "write the name, as `docker ps` shows it, or label:KEY=VALUE",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Setting {
        Setting::option("allow-from", text.as_ref())
    }

    #[test]
    fn networks() {
        for (text, expected) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("192.168.1.7", Ok("192.168.1.7/32")),
            ("fd00::/8", Ok("fd00::/8")),
            ("::1", Ok("::1/128")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("10.0.0.1/8", Err("write 10.0.0.0/8 for the network")),
            ("fd00::1/8", Err("write fd00::/8 for the network")),
            ("::ffff:10.0.0.0/104", Err("write 10.0.0.0/8")),
            ("::ffff:10.0.0.1", Err("write 10.0.0.1")),
            ("10.0.0.0/33", Err("neither a network nor an address")),
            ("10.0.0", Err("neither a network nor an address")),
            ("fe80::1%eth0", Err("neither a network nor an address")),
            ("engine", Err("neither a network nor an address")),
            ("", Err("neither a network nor an address")),
        ] {
            match (network(&given(text)), expected) {
                (Ok(network), Ok(expected)) => assert_eq!(network.to_string(), expected),
                (Err(error), Err(words)) => {
                    assert!(error.to_string().contains(words), "{text}: {error}");
                }
                (got, _) => assert!(got.is_err() == expected.is_err(), "{text}: {got:?}"),
            }
        }
    }

    /// Two halves of everything are everything.
    #[test]
    fn networks_that_restrict_nobody() {
        for (texts, expected) in [
            (&["10.0.0.0/8"][..], true),
            (&["10.0.0.0/8", "::1"], true),
            (&[], false),
            (&["0.0.0.0/0"], false),
            (&["::/0"], false),
            (&["10.0.0.0/8", "::/0"], false),
            (&["0.0.0.0/1", "128.0.0.0/1"], false),
            (&["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/2"], false),
            (&["0.0.0.0/1", "128.0.0.0/2"], true),
        ] {
            let networks = texts.iter().filter_map(|text| network(&given(text)).ok());
            let networks: Vec<_> = networks.collect();
            assert_eq!(networks.len(), texts.len());
            assert_eq!(restrict(&networks), expected, "{texts:?}");
        }
    }

    #[test]
    fn certificates() {
        let hash = "0a".repeat(32);
        for (text, expected) in [
            (
                format!("spki:{hash}"),
                Some(CertificateRule::Spki([10; 32])),
            ),
            (
                "dns:Metrics.example".to_owned(),
                Some(CertificateRule::Dns("metrics.example".to_owned())),
            ),
            (
                "uri:spiffe://x/y".to_owned(),
                Some(CertificateRule::Uri("spiffe://x/y".to_owned())),
            ),
            (format!("spki:{hash}0"), None),
            (format!("spki:+{}", "a".repeat(63)), None),
            ("spki:é".repeat(16), None),
            ("dns:".to_owned(), None),
            ("dns:a b".to_owned(), None),
            ("dns:*.example".to_owned(), None),
            ("uri:x".to_owned(), None),
            ("cn:x".to_owned(), None),
            (hash, None),
            (String::new(), None),
        ] {
            assert_eq!(certificate(&given(&text)).ok(), expected, "{text}");
        }
    }

    #[test]
    fn containers() {
        let label = |key: &str, value: Option<&str>| {
            Some(ContainerRule::Label(key.into(), value.map(str::to_owned)))
        };
        let name = |name: &str| Some(ContainerRule::Name(name.to_owned()));
        for (text, expected) in [
            ("traefik", name("traefik")),
            ("my_app-1.x", name("my_app-1.x")),
            ("label:doxy.allow", label("doxy.allow", None)),
            (
                "label:doxy.allow=metrics",
                label("doxy.allow", Some("metrics")),
            ),
            ("label:a=b=c", label("a", Some("b=c"))),
            ("label:a=", label("a", Some(""))),
            ("label:", None),
            ("label:=x", None),
            ("/traefik", None),
            ("-x", None),
            ("name:traefik", None),
            ("tr*", None),
            ("", None),
        ] {
            assert_eq!(container(&given(text)).ok(), expected, "{text}");
        }
    }
}
