//! Addresses and networks.

use std::net::IpAddr;

use ipnet::Ipv6Net;
use rhai::{Engine, EvalAltResult};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn(
        "in_range",
        |inner: &str, outer: &str| -> Result<bool, Box<EvalAltResult>> {
            let outer = parse(outer)
                .ok_or_else(|| format!("`{outer}` is not a network: write it like 10.0.0.0/8"))?;
            Ok(parse(inner).is_some_and(|inner| outer.contains(&inner)))
        },
    );
}

/// Reads `10.0.0.0/8`, `10.1.2.3`, `fd00::/8`. An IPv4 address equals its IPv4-mapped IPv6 address.
/// The standard library parses the address, because it refuses `010.0.0.1`.
fn parse(text: &str) -> Option<Ipv6Net> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let (address, before) = match address.parse().ok()? {
        IpAddr::V4(address) => (address.to_ipv6_mapped(), 96),
        IpAddr::V6(address) => (address, 0),
    };
    let length = match length {
        None => 128,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u8>().ok()?.checked_add(before)?
        }
        Some(_) => return None,
    };
    Ipv6Net::new(address, length).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn addresses_and_networks_in_networks() {
        for (inner, outer, expected) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.5.0.0/16", "10.0.0.0/8", true),
            ("10.0.0.0/7", "10.0.0.0/8", false),
            ("0.0.0.0/0", "10.0.0.0/8", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.2", "127.0.0.1", false),
            ("::ffff:10.1.2.3", "10.0.0.0/8", true),
            ("fd00::1", "fd00::/8", true),
            ("10.1.2.3", "::/0", true),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("fd00::1", "0.0.0.0/0", false),
            ("10.1.2.3", "10.9.9.9/8", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.1.2.3", "10.0.0.0/08", true),
        ] {
            let found = parse(outer)
                .zip(parse(inner))
                .map(|(outer, inner)| outer.contains(&inner));
            assert_eq!(found, Some(expected), "{inner} {outer}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "x",
            "010.0.0.1",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
