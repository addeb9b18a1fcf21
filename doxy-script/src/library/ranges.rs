//! Addresses and networks.

use std::net::{IpAddr, Ipv6Addr};

use rhai::{Engine, EvalAltResult};

/// A network as a prefix of 128 bits; an address is one of full length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    bits: u128,
    length: u32,
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn(
        "in_range",
        |inner: &str, outer: &str| -> Result<bool, Box<EvalAltResult>> {
            let outer = parse(outer)
                .ok_or_else(|| format!("`{outer}` is no network: write it as 10.0.0.0/8"))?;
            Ok(parse(inner).is_some_and(|inner| outer.holds(inner)))
        },
    );
}

impl Network {
    fn holds(self, inner: Self) -> bool {
        let shift = 128_u32.saturating_sub(self.length);
        let prefix = |bits: u128| bits.checked_shr(shift).unwrap_or_default();
        inner.length >= self.length && prefix(inner.bits) == prefix(self.bits)
    }
}

/// Reads `10.0.0.0/8`, `10.1.2.3`, `fd00::/8`. An IPv4 address inside IPv6 is the same as by itself.
fn parse(text: &str) -> Option<Network> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (bits, base) = match address {
        IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), 96),
        IpAddr::V6(address) => (Ipv6Addr::to_bits(address), 0),
    };
    let length = match length {
        None => 128,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u32>().ok()?.checked_add(base)?
        }
        Some(_) => return None,
    };
    (length <= 128).then_some(Network { bits, length })
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
        ] {
            let found = parse(outer)
                .zip(parse(inner))
                .map(|(outer, inner)| outer.holds(inner));
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
