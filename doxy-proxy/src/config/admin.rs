//! The admin side: its address, and who may come there.
//!
//! It follows the rules of every address. What the top of the file says of TLS and of hosts holds for it
//! too; networks are its own, because who looks after doxy is seldom who uses it.

use std::net::IpAddr;

use doxy_proxy::{PeerAcl, UnixListenConfig};

use crate::config::addresses::{self, Address};
use crate::config::error::ConfigError;
use crate::config::layers::Layers;
use crate::config::peers;
use crate::config::settings::Setting;
use crate::config::socket::{Bind, ListenConfig, host};
use crate::config::tls::{self, TlsFiles};

/// Permissions of its unix socket: for doxy's user alone.
const MODE: u32 = 0o600;

/// Where the admin side listens, and for whom.
#[derive(Debug)]
pub(crate) struct AdminConfig {
    /// One address, or the loopback address of each family.
    pub(crate) binds: Vec<Bind>,
    pub(crate) peers: PeerAcl,
    pub(crate) hosts: Vec<String>,
    /// Only if an address may be TCP.
    pub(crate) tls: Option<TlsFiles>,
    insecure_tcp: bool,
}

/// Checks the settings of the admin side. None if there is none.
pub(super) fn check(layers: &Layers<'_>) -> Result<Option<AdminConfig>, ConfigError> {
    let networks = layers.all("admin-allow-from");
    let Some(setting) = layers.optional("admin-listen") else {
        return match networks.first() {
            Some(network) => Err(network.wrong(
                "there is no admin side",
                "set admin-listen to its address, or remove this",
            )),
            None => Ok(None),
        };
    };
    let listens = match addresses::proxy(setting)? {
        Address::Unix(path) => vec![ListenConfig::Unix(UnixListenConfig {
            path,
            mode: MODE,
            owner: None,
            group: None,
        })],
        Address::Tcp(addresses) => addresses.into_iter().map(ListenConfig::Tcp).collect(),
        Address::Inherited(name) => vec![ListenConfig::Inherited(name)],
    };
    let unix = matches!(listens.as_slice(), [ListenConfig::Unix(_)]);
    if let Some(network) = networks.first().filter(|_| unix) {
        return Err(network.wrong(
            format_args!("{} has no networks", setting.value().display()),
            "remove it: a unix socket is for doxy's user alone",
        ));
    }
    let networks = networks.iter().map(peers::network);
    let hosts = layers.all("allow-host").iter().map(host);
    let admin = AdminConfig {
        peers: PeerAcl {
            networks: networks.collect::<Result<_, _>>()?,
            ..PeerAcl::default()
        },
        hosts: hosts.collect::<Result<_, _>>()?,
        tls: tls::of_clients(layers)?.filter(|_| !unix),
        insecure_tcp: layers.flag("insecure-tcp"),
        binds: listens
            .into_iter()
            .map(|listen| Bind {
                setting: setting.clone(),
                listen,
            })
            .collect(),
    };
    for bind in &admin.binds {
        if let ListenConfig::Tcp(address) = &bind.listen {
            admin.check_address(&bind.setting, Some(address.ip()))?;
        }
    }
    Ok(Some(admin))
}

impl AdminConfig {
    /// Where it listens and for whom, for comparison.
    pub(crate) fn listens(&self) -> (Vec<&ListenConfig>, &PeerAcl) {
        let binds = self.binds.iter().map(|bind| &bind.listen);
        (binds.collect(), &self.peers)
    }

    /// Refuses an address of TCP where the network could look at doxy. To be asked for an inherited socket
    /// too, as soon as it is known what it is.
    pub(crate) fn check_address(
        &self,
        setting: &Setting,
        tcp: Option<IpAddr>,
    ) -> Result<(), ConfigError> {
        let certificates = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let guarded = certificates || peers::restrict(&self.peers.networks) || self.insecure_tcp;
        match tcp {
            Some(ip) if !ip.is_loopback() && !guarded => Err(setting.wrong(
                "everyone in the network could look at doxy",
                "set admin-allow-from to networks, or tls-client-ca with tls-cert and tls-key at the \
                 top; insecure-tcp lets everyone in",
            )),
            _ => Ok(()),
        }
    }
}
