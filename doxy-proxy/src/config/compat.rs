//! Running in the place of another proxy: that one's variables become settings, below all that is given.
//!
//! It is asked for by a setting alone, never by variables that happen to be there. Nothing that it cannot
//! translate is left out silently.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use doxy_filter::import::switches::{self, Tool};
use ipnet::IpNet;

use crate::config::error::ConfigError;
use crate::config::settings::Setting;
use crate::config::source::Source;
use crate::config::values;

/// What messages call a setting that comes from this.
const NAME: &str = "--compat tecnativa";
/// Settings that are a policy of their own.
const POLICIES: [&str; 3] = ["preset", "pattern-file", "patterns"];
/// Settings that say who may connect over TCP.
const GUARDS: [&str; 4] = [
    "allow-from",
    "tls-client-ca",
    "allow-container",
    "insecure-tcp",
];
/// The classes of risk that whoever sets the variables has accepted.
const ACCEPTED: [&str; 2] = ["host-root", "exec"];

/// Translates these variables if the settings ask for it. Returns what is to be said of them, a line
/// each, or none if nothing was asked.
pub(crate) fn compat(
    source: &mut Source,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Option<Vec<String>>, ConfigError> {
    let Some(asked) = source.given("compat").last().cloned() else {
        return Ok(None);
    };
    values::choice(&asked, &[("tecnativa", ())])?;
    for key in POLICIES {
        if let Some(policy) = source.values(key)?.pop() {
            return Err(policy.wrong(
                "a policy beside that of --compat, which the variables make",
                "leave one of them out",
            ));
        }
    }
    let mut variables = vec![];
    for (name, value) in environment {
        let known =
            |name: &&str| switches::is_switch(name) || switches::is_variable(Tool::Tecnativa, name);
        let Some(name) = name.to_str().filter(known) else {
            continue;
        };
        let value = value
            .into_string()
            .map_err(|_| ConfigError::new(name, "the value is not valid UTF-8", "write 0 or 1"))?;
        variables.push((name.to_owned(), value));
    }
    let imported = switches::import(Tool::Tecnativa, &variables).map_err(ConfigError::of)?;
    let mut said = imported.notes;
    for line in imported.left_out {
        let replaced = match line.split('=').next() {
            Some("BIND_CONFIG") => Some("proxy-socket"),
            Some("SOCKET_PATH") => Some("docker-socket"),
            _ => None,
        };
        match replaced {
            Some(key) if source.values(key)?.is_empty() => {
                return Err(ConfigError::of(line.replacen("; ", "\nhelp: ", 1)));
            }
            Some(_) => {}
            None => said.push(line),
        }
    }
    let (networks, has_v6) = own_networks();
    for (key, value) in imported.options {
        let mut value = value.unwrap_or_default();
        if !has_v6 {
            value = value.replace("tcp://[::]:", "tcp://0.0.0.0:");
        }
        let name = match key {
            "docker-socket" => "SOCKET_PATH",
            "access-log" => "LOG_LEVEL",
            _ => NAME,
        };
        source.default(Setting::named(name, key, value.as_ref()))?;
    }
    source.default(Setting::named(NAME, "patterns", imported.patterns.as_ref()))?;
    if source.values("accept-risk")?.is_empty() {
        for class in ACCEPTED {
            source.add(Setting::named(NAME, "accept-risk", class.as_ref()));
        }
    }
    let addresses = source.values("proxy-socket")?;
    let tcp = |it: &Setting| it.value().to_string_lossy().starts_with("tcp://");
    let mut guarded = false;
    for key in GUARDS {
        guarded |= !source.values(key)?.is_empty();
    }
    if !guarded && addresses.iter().all(tcp) {
        for network in networks {
            source.add(Setting::named(
                NAME,
                "allow-from",
                network.to_string().as_ref(),
            ));
        }
    }
    let posts = variables
        .iter()
        .any(|(name, value)| name == "POST" && value == "1");
    said.push(format!(
        "{NAME}: what its variables open stands in the line `listening on`; {} opens less",
        match posts {
            true => "the preset of the client (`doxy presets`)",
            false => "--preset read-only, or the preset of the client (`doxy presets`),",
        }
    ));
    Ok(Some(said))
}

/// The networks of this machine's own interfaces, loopback among them, and whether it has IPv6.
fn own_networks() -> (Vec<IpNet>, bool) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let v6 = v6_networks(&read("/proc/net/if_inet6"));
    let has_v6 = !v6.is_empty();
    let mut networks: Vec<IpNet> = v4_networks(&read("/proc/net/route"));
    networks.extend(v6);
    // Without loopback in the tables of routes.
    networks.extend("127.0.0.0/8".parse::<IpNet>());
    networks.sort();
    networks.dedup();
    (networks, has_v6)
}

/// The networks that are reached without a gateway.
fn v4_networks(routes: &str) -> Vec<IpNet> {
    let network = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // In the machine's own order of bytes.
        let ip = |at: usize| {
            let number = u32::from_str_radix(fields.get(at)?, 16).ok()?;
            Some(Ipv4Addr::from(number.to_ne_bytes()))
        };
        let (network, gateway, mask) = (ip(1)?, ip(2)?, ip(7)?);
        let direct = gateway.is_unspecified() && !mask.is_unspecified();
        let found = IpNet::with_netmask(IpAddr::V4(network), IpAddr::V4(mask)).ok()?;
        direct.then(|| found.trunc())
    };
    routes.lines().skip(1).filter_map(network).collect()
}

/// The networks of the addresses of interfaces.
fn v6_networks(addresses: &str) -> Vec<IpNet> {
    let network = |line: &str| {
        let mut fields = line.split_whitespace();
        let ip = u128::from_str_radix(fields.next()?, 16).ok()?;
        let length = u8::from_str_radix(fields.nth(1)?, 16).ok()?;
        let found = IpNet::new(IpAddr::V6(Ipv6Addr::from(ip)), length).ok()?;
        (length > 0).then(|| found.trunc())
    };
    addresses.lines().filter_map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::{v4_networks, v6_networks};

    fn shown(networks: &[ipnet::IpNet]) -> Vec<String> {
        networks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn networks_of_interfaces() {
        let number = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let line = |ip, gateway, mask| {
            format!(
                "eth0\t{}\t{}\t0001\t0\t0\t0\t{}\t0\t0\t0\n",
                number(ip),
                number(gateway),
                number(mask)
            )
        };
        let routes = [
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n".to_owned(),
            line([0; 4], [172, 18, 0, 1], [0; 4]),
            line([172, 18, 0, 0], [0; 4], [255, 255, 0, 0]),
            // Behind a gateway, and everything without one.
            line([10, 0, 0, 0], [172, 18, 0, 9], [255, 0, 0, 0]),
            line([0; 4], [0; 4], [0; 4]),
            "garbage\nmore garbage here\n".to_owned(),
        ];
        assert_eq!(shown(&v4_networks(&routes.concat())), ["172.18.0.0/16"]);
        assert_eq!(v4_networks(""), []);
        let addresses = "fd000000000000000000000000000002 04 40 00 82     eth0\n\
                         00000000000000000000000000000001 01 80 10 80       lo\n\
                         fe800000000000000000000000000001 02 00 20 80     odd\nx\n";
        assert_eq!(shown(&v6_networks(addresses)), ["fd00::/64", "::1/128"]);
    }
}
