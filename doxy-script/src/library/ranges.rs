//! Addresses and networks, as strict as Go reads them, or stricter where versions of Go differ.
//!
//! A text that the engine cannot read as an address may mean any address to it: it binds a port of
//! `HostIp: "127.0.0.0/8"` to 0.0.0.0. So what is no address is an error, never just outside.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::Ipv6Net;
use rhai::{Engine, EvalAltResult};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("in_range", |inner: &str, outer: &str| -> Result<bool> {
            let address = address(inner).ok_or_else(|| {
                format!("`{inner}` is not an address: `subnet_of` compares networks")
            })?;
            Ok(range(outer)?.contains(&address))
        })
        .register_fn("subnet_of", |inner: &str, outer: &str| -> Result<bool> {
            Ok(range(outer)?.contains(&network(inner).ok_or_else(|| not_a_network(inner))?))
        });
}

/// A network, or one address.
fn range(text: &str) -> Result<Ipv6Net> {
    let found = network(text).or_else(|| address(text).map(Ipv6Net::from));
    found.ok_or_else(|| not_a_network(text).into())
}

fn not_a_network(text: &str) -> String {
    format!("`{text}` is not a network: write it like 10.0.0.0/8")
}

/// Reads an address. An IPv4 address is its IPv4-mapped IPv6 address, as it is to Go. The standard
/// library reads no zones, no blanks, and no zeros in front.
fn address(text: &str) -> Option<Ipv6Addr> {
    Some(match text.parse().ok()? {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    })
}

/// Reads `10.0.0.0/8` or `fd00::/8`. Versions of Go differ in zeros in front of a length, and in
/// IPv4-mapped networks.
fn network(text: &str) -> Option<Ipv6Net> {
    let (address, digits) = text.split_once('/')?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let length: u8 = digits.parse().ok()?;
    if !plain || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    match address.parse().ok()? {
        IpAddr::V4(address) => Ipv6Net::new(address.to_ipv6_mapped(), length.checked_add(96)?).ok(),
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => None,
        IpAddr::V6(address) => Ipv6Net::new(address, length).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::{address, network, range};

    #[test]
    fn addresses_and_networks_in_networks() {
        for (inner, outer, expected) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.2", "127.0.0.1", false),
            ("::ffff:10.1.2.3", "10.0.0.0/8", true),
            ("::ffff:a01:203", "10.0.0.0/8", true),
            ("::10.1.2.3", "10.0.0.0/8", false),
            ("fd00::1", "fd00::/8", true),
            ("10.1.2.3", "::/0", true),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("fd00::1", "0.0.0.0/0", false),
            ("10.1.2.3", "10.9.9.9/8", true),
        ] {
            let found = range(outer).ok().zip(address(inner));
            let found = found.map(|(outer, inner)| outer.contains(&inner));
            assert_eq!(found, Some(expected), "{inner} {outer}");
        }
        for (inner, outer, expected) in [
            ("10.5.0.0/16", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.0.0.0/7", "10.0.0.0/8", false),
            ("0.0.0.0/0", "10.0.0.0/8", false),
            ("10.5.5.5/16", "10.5.0.0/16", true),
            ("fd00:1::/32", "fd00::/8", true),
            ("::/0", "0.0.0.0/0", false),
        ] {
            let found = range(outer).ok().zip(network(inner));
            let found = found.map(|(outer, inner)| outer.contains(&inner));
            assert_eq!(found, Some(expected), "{inner} {outer}");
        }
    }

    /// What `net.ParseIP` of Go 1.19 takes and refuses; and one text that later versions refuse.
    #[test]
    fn an_address_is_what_go_takes_for_one() {
        for (text, is_address) in [
            ("10.1.2.3", true),
            ("::1", true),
            ("::", true),
            ("::ffff:10.1.2.3", true),
            ("::ffff:a01:203", true),
            ("::10.1.2.3", true),
            ("1:2:3:4:5:6:7:8", true),
            ("1:2:3:4:5:6:7::", true),
            ("::1:2:3:4:5:6:7", true),
            ("0001::", true),
            ("FD00::A", true),
            ("1:2:3:4:5:6:1.2.3.4", true),
            ("00001::", false),
            ("010.1.2.3", false),
            ("1.2.3.04", false),
            ("10.1.2.3 ", false),
            (" 10.1.2.3", false),
            ("10.1.2", false),
            ("10.1.2.3.4", false),
            ("10.1.2.256", false),
            ("0x0a.1.2.3", false),
            ("167772161", false),
            ("+10.1.2.3", false),
            ("-1.2.3.4", false),
            ("10..2.3", false),
            ("", false),
            ("::ffff:010.1.2.3", false),
            ("fe80::1%eth0", false),
            ("fe80::1%", false),
            ("[::1]", false),
            ("1:2:3:4:5:6:7:8::", false),
            ("::1:2:3:4:5:6:7:8", false),
            ("1::2::3", false),
            ("12345::", false),
            ("1:2:3:4:5:6:7:1.2.3.4", false),
            ("::1.2.3", false),
            (":1", false),
            ("1:", false),
            ("10.1.2.3/8", false),
            ("127.0.0.0/8", false),
            ("\u{ff11}0.1.2.3", false),
            ("10.1.2.3\0", false),
        ] {
            assert_eq!(address(text).is_some(), is_address, "{text}");
        }
    }

    /// What both `net.ParseCIDR` and `netip.ParsePrefix` take in all versions.
    #[test]
    fn a_network_is_what_go_takes_for_one() {
        for (text, is_network) in [
            ("10.0.0.0/8", true),
            ("10.0.0.0/32", true),
            ("10.9.9.9/8", true),
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("::/128", true),
            ("fd00::/8", true),
            ("10.0.0.0/08", false),
            ("10.0.0.0/00", false),
            ("10.0.0.0/+8", false),
            ("10.0.0.0/-0", false),
            ("10.0.0.0/33", false),
            ("::/129", false),
            ("10.0.0.0/", false),
            ("10.0.0.0", false),
            ("10.0.0.0/8/8", false),
            ("10.0.0.0/ 8", false),
            ("10.0.0.0/8 ", false),
            ("10.0.0.0/0x8", false),
            ("10.0.0.0/1e1", false),
            ("010.0.0.0/8", false),
            ("10.0/8", false),
            ("/8", false),
            ("", false),
            ("::ffff:10.0.0.0/104", false),
            ("::ffff:10.0.0.0/8", false),
            ("fe80::1%eth0/64", false),
        ] {
            assert_eq!(network(text).is_some(), is_network, "{text}");
        }
    }
}
