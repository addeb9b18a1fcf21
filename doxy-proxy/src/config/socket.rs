//! One socket: its addresses, its engine, its policy, and what holds for its clients.
//!
//! It looks at one socket alone. What several sockets must not share is for `source` to find.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use doxy_filter::api::Risk;
use doxy_proxy::{Limits, PeerAcl, UnixListenConfig, UpstreamAddr};
use rustix::fs::{Gid, Uid};

use crate::config::access_log::{self, AccessLogConfig};
use crate::config::addresses::{self, Address};
use crate::config::error::{ConfigError, Gathered};
use crate::config::keys::{KEYS, Scope};
use crate::config::layers::Layers;
use crate::config::loaded_policy::LoadedPolicy;
use crate::config::peers;
use crate::config::policy_files::Policies;
use crate::config::risks;
use crate::config::settings::Setting;
use crate::config::tls::{self, EngineTls, TlsFiles};
use crate::config::values;
use crate::config::values::DryRun;

/// One socket of doxy, and what is served there.
#[derive(Debug)]
pub(crate) struct SocketConfig {
    /// What scripts and logs call the socket.
    pub(crate) name: String,
    /// Whether it is called by its table in the file, not by its address.
    pub(crate) has_table: bool,
    /// At least one.
    pub(crate) binds: Vec<Bind>,
    pub(crate) engine: UpstreamAddr,
    /// The setting that names the engine, for messages.
    pub(crate) engine_setting: Setting,
    /// Only for an engine at an address of TCP.
    pub(crate) engine_tls: Option<EngineTls>,
    /// Sockets with equal policies share one.
    pub(crate) policy: Arc<LoadedPolicy>,
    pub(crate) peers: PeerAcl,
    /// The first setting of each condition, for messages.
    conditions: Conditions,
    pub(crate) limits: Limits,
    pub(crate) access_log: Option<AccessLogConfig>,
    /// Only if there is an address of TCP, or one that may be.
    pub(crate) tls: Option<TlsFiles>,
    /// Names that a `Host` may have over TCP, besides those that are always allowed.
    pub(crate) allow_host: Vec<String>,
    /// What is in force for each key, to tell what a reload changes.
    pub(crate) given: BTreeMap<&'static str, String>,
    /// Whether a denial ends with the rule that would allow the request.
    pub(crate) explain_denials: bool,
    /// With its setting, for messages.
    pub(crate) dry_run: Option<(DryRun, Setting)>,
}

/// One address where clients connect.
#[derive(Debug)]
pub(crate) struct Bind {
    /// The setting that names it, for messages.
    pub(crate) setting: Setting,
    pub(crate) listen: ListenConfig,
}

/// How to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListenConfig {
    Unix(UnixListenConfig),
    Tcp(SocketAddr),
    /// A socket that whoever starts doxy hands over, by its name.
    Inherited(String),
}

/// The first setting of each condition on who may connect, and what they may do.
#[derive(Debug)]
struct Conditions {
    user: Option<Setting>,
    from: Option<Setting>,
    cert: Option<Setting>,
    insecure_tcp: bool,
    accepted_risks: Vec<Risk>,
}

/// Checks the settings of one socket. Without a name, it is called by its address.
pub(super) fn check(
    name: Option<&str>,
    layers: &Layers<'_>,
    policies: &mut Policies,
) -> Result<SocketConfig, ConfigError> {
    let mut found = Gathered::default();
    let policy = found.take(policies.load(layers));
    let engine_setting = layers.value("docker-socket");
    let engine = found.take(addresses::engine(&engine_setting));
    let binds = found.take(binds(layers));
    let first = |key: &str| layers.all(key).first().cloned();
    let dry_run = match layers.optional("dry-run") {
        Some(setting) => {
            let dry_run = found.take(values::dry_run(setting)).flatten();
            dry_run.map(|dry_run| (dry_run, setting.clone()))
        }
        None => None,
    };
    let engine_tls = found.take(tls::of_engine(layers)).flatten();
    let mut each = Each {
        layers,
        found: &mut found,
    };
    let peers = PeerAcl {
        uids: each.of("allow-uid", |it| layers.users.user(it)),
        gids: each.of("allow-gid", |it| layers.users.group(it)),
        networks: each.of("allow-from", peers::network),
        certificates: each.of("allow-cert", peers::certificate),
        containers: each.of("allow-container", peers::container),
    };
    let accepted_risks = each.of("accept-risk", risks::class);
    let connections = found.take(values::number(&layers.value("max-connections"), usize::MAX));
    let head = found.take(values::timeout(&layers.value("head-timeout")));
    let body = found.take(values::size(&layers.value("max-body")));
    let idle = found.take(values::timeout(&layers.value("idle-timeout")));
    let access_log = found.take(access_log::of_socket(layers)).flatten();
    let tls = found.take(tls::of_clients(layers)).flatten();
    let allow_host = Each {
        layers,
        found: &mut found,
    }
    .of("allow-host", host);
    let checked = || {
        let (engine, binds) = (engine?, binds?);
        Some(SocketConfig {
            name: match (name, binds.first()) {
                (Some(name), _) => name.to_owned(),
                (None, Some(bind)) => bind.listen.to_string(),
                (None, None) => String::new(),
            },
            has_table: name.is_some(),
            binds,
            engine_tls: engine_tls.filter(|_| matches!(engine, UpstreamAddr::Tcp(_))),
            engine,
            engine_setting,
            policy: policy?,
            peers,
            conditions: Conditions {
                user: first("allow-uid").or(first("allow-gid")),
                from: first("allow-from"),
                cert: first("allow-cert"),
                insecure_tcp: layers.flag("insecure-tcp"),
                accepted_risks,
            },
            limits: Limits {
                connections: connections?,
                head: head?,
                body: body?,
                idle: idle?,
            },
            access_log,
            tls,
            allow_host,
            explain_denials: layers.flag("explain-denials"),
            dry_run,
            given: given(layers),
        })
    };
    let mut socket = found.whole(checked())?;
    if !socket.has_tcp() {
        socket.tls = None;
    }
    let mut found = Gathered::default();
    for bind in &socket.binds {
        let tcp = match &bind.listen {
            ListenConfig::Unix(_) => None,
            ListenConfig::Tcp(address) => Some(address.ip()),
            ListenConfig::Inherited(_) => continue, // nobody knows yet what it is
        };
        found.take(socket.check_address(&bind.setting, tcp));
    }
    found.whole(Some(socket))
}

/// Reads the values of keys that are lists.
struct Each<'l, 'f> {
    layers: &'l Layers<'l>,
    found: &'f mut Gathered,
}

impl Each<'_, '_> {
    /// The values of a key. What is wrong with one is gathered.
    fn of<C: FromIterator<T>, T>(
        &mut self,
        key: &str,
        read: impl Fn(&Setting) -> Result<T, ConfigError>,
    ) -> C {
        let settings = self.layers.all(key).iter();
        settings
            .filter_map(|it| self.found.take(read(it)))
            .collect()
    }
}

/// The keys of sockets that were given, with their values.
fn given(layers: &Layers<'_>) -> BTreeMap<&'static str, String> {
    let of_socket = KEYS.iter().filter(|key| key.scope == Scope::Socket);
    let values = of_socket.map(|key| {
        let values = layers.all(key.name).iter();
        let values: Vec<_> = values.map(|it| it.value().to_string_lossy()).collect();
        (key.name, values.join(", "))
    });
    values.filter(|(_, value)| !value.is_empty()).collect()
}

impl SocketConfig {
    /// Refuses an address on which a condition cannot hold, or where the network could reach what
    /// nothing guards. `tcp` is the address of IP, if it is not a unix socket.
    ///
    /// To be asked for an inherited socket too, as soon as it is known what it is.
    pub(crate) fn check_address(
        &self,
        setting: &Setting,
        tcp: Option<IpAddr>,
    ) -> Result<(), ConfigError> {
        let address = setting.value().display();
        let apart = format!("give {address} a table of its own, without this condition");
        let client_certs = self.asks_for_certificates();
        if let Some(cert) = &self.conditions.cert
            && (tcp.is_none() || !client_certs)
        {
            return Err(match tcp {
                Some(_) => cert.wrong(
                    "clients are not asked for certificates",
                    "set tls-client-ca, with tls-cert and tls-key",
                ),
                None => cert.wrong(format_args!("{address} has no certificates"), apart),
            });
        }
        let Some(ip) = tcp else {
            return match &self.conditions.from {
                Some(from) => Err(from.wrong(format_args!("{address} has no networks"), apart)),
                None => Ok(()),
            };
        };
        if let Some(user) = &self.conditions.user {
            return Err(user.wrong(format_args!("{address} has no users"), apart));
        }
        if let Some((_, dry_run)) = &self.dry_run
            && !client_certs
        {
            return Err(dry_run.wrong(
                format_args!("over TCP this lets everybody do everything on {address}"),
                "set tls-client-ca, with tls-cert and tls-key, or try the policy on a unix socket",
            ));
        }
        if !ip.is_loopback() && !self.is_guarded() && !self.conditions.insecure_tcp {
            if let Some(from) = &self.conditions.from {
                let what = match self.peers.networks.len() {
                    1 => "this is every address, no restriction",
                    _ => "together these are every address, no restriction",
                };
                return Err(from.wrong(
                    what,
                    "name networks, or set tls-client-ca with tls-cert and tls-key, or \
                     allow-container; insecure-tcp lets everyone in",
                ));
            }
            return Err(setting.wrong(
                "everyone in the network could connect",
                "set tls-client-ca with tls-cert and tls-key, or allow-from with networks, or \
                 allow-container; insecure-tcp lets everyone in",
            ));
        }
        match client_certs {
            true => Ok(()),
            false => {
                let accepted = &self.conditions.accepted_risks;
                risks::check(setting, &self.policy.risks(&self.name), accepted)
            }
        }
    }

    /// Whether clients of TLS need certificates.
    pub(crate) fn asks_for_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }

    /// Whether something says who may connect over TCP.
    pub(super) fn is_guarded(&self) -> bool {
        self.asks_for_certificates()
            || peers::restrict(&self.peers.networks)
            || !self.peers.containers.is_empty()
    }

    /// Whether an address may be TCP.
    pub(super) fn has_tcp(&self) -> bool {
        let tcp = |bind: &Bind| !matches!(bind.listen, ListenConfig::Unix(_));
        self.binds.iter().any(tcp)
    }
}

impl Bind {
    /// The path of a unix socket.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.listen {
            ListenConfig::Unix(unix) => Some(&unix.path),
            _ => None,
        }
    }
}

impl std::fmt::Display for ListenConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(unix) => unix.path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Inherited(name) => write!(f, "fd://{name}"),
        }
    }
}

/// Where clients connect, with modes and owners.
pub(super) fn binds(layers: &Layers<'_>) -> Result<Vec<Bind>, ConfigError> {
    let mode = values::mode(&layers.value("socket-mode"))?;
    let owner = layers
        .optional("socket-owner")
        .map(|it| layers.users.user(it))
        .transpose()?;
    let group = layers
        .optional("socket-group")
        .map(|it| layers.users.group(it))
        .transpose()?;
    let given = layers.all("proxy-socket");
    let default = [layers.value("proxy-socket")];
    let settings = if given.is_empty() { &default } else { given };
    let mut binds = vec![];
    for setting in settings {
        let listens = match addresses::proxy(setting)? {
            Address::Unix(path) => vec![ListenConfig::Unix(UnixListenConfig {
                path,
                mode,
                owner: owner.map(Uid::from_raw),
                group: group.map(Gid::from_raw),
            })],
            Address::Tcp(addresses) => addresses.into_iter().map(ListenConfig::Tcp).collect(),
            Address::Inherited(name) => vec![ListenConfig::Inherited(name)],
        };
        binds.extend(listens.into_iter().map(|listen| Bind {
            setting: setting.clone(),
            listen,
        }));
    }
    Ok(binds)
}

/// A name that a `Host` may have, without a port.
pub(super) fn host(setting: &Setting) -> Result<String, ConfigError> {
    let text = setting.text()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.trim_matches('.').is_empty() || !text.chars().all(plain) {
        return Err(setting.wrong(
            "not the name of a host",
            "write the name without a port, such as docker.example",
        ));
    }
    // Of a `Host`, neither case nor a last dot counts.
    Ok(text.trim_end_matches('.').to_ascii_lowercase())
}
