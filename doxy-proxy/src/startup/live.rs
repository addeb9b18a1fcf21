//! What is served: every socket in force, with its addresses.
//!
//! `reload` puts another configuration in its place. Nothing here reads settings.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use doxy_proxy::privilege::Credentials;
use doxy_proxy::{Denied, Listener, ListenerId, Server, Service, SocketId, Upstream, UpstreamAddr};

use crate::admin::{AdminThread, Board};
use crate::config::{ConfigError, ListenConfig, LoadedPolicy, Shared, SocketConfig, Source};
use crate::startup::services::{self, AccessLogs, Served, Tls};
use crate::startup::sockets::{self, Created};
use crate::startup::watched::Watched;
use crate::startup::{engine, folders};

/// How often the log says that a dry run goes on.
const REMINDER: Duration = Duration::from_secs(60 * 60);
/// Of how many sockets the log says what they open: of a thousand it would take the start too long.
const MAX_TOLD: usize = 32;

/// Why doxy has ended without being told to.
#[derive(Debug)]
pub(crate) enum Failure {
    Config(ConfigError),
    Running(io::Error),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Running(error)
    }
}

/// A running proxy, and all that a reload compares with.
pub(super) struct Live {
    pub(super) server: Server,
    /// A reload reads it on a thread of its own.
    pub(super) source: Arc<Mutex<Source>>,
    pub(super) shared: Shared,
    pub(super) credentials: Option<Credentials>,
    pub(super) logs: AccessLogs,
    /// By their names.
    pub(super) sockets: BTreeMap<String, InForce>,
    /// Where what is in force is posted, if there is an admin side; and the admin side.
    pub(super) admin: Option<(Board, AdminThread)>,
    /// Where it listens.
    pub(super) listening: Vec<Listening>,
    /// The folders in which it may create sockets.
    pub(super) folders: BTreeSet<PathBuf>,
    /// The engines that it may connect to over TCP.
    pub(super) engines: Vec<UpstreamAddr>,
    pub(super) watched: Watched,
    /// What is denied on the sockets of the start.
    pub(super) denied: Vec<Denied>,
    reminded: Instant,
    /// Listeners that were replaced when this was looked at last.
    replaced: Vec<ListenerId>,
}

/// A socket in force.
pub(super) struct InForce {
    pub(super) id: SocketId,
    pub(super) policy: Arc<LoadedPolicy>,
    /// The keys that were given for it, with their values.
    pub(super) given: BTreeMap<&'static str, String>,
    pub(super) served: Served,
    /// Whether the log has said that it is over.
    told_over: bool,
}

/// An address in force.
pub(super) struct Listening {
    pub(super) at: ListenConfig,
    /// The address of IP, if it is no unix socket.
    pub(super) ip: Option<IpAddr>,
    pub(super) id: ListenerId,
    pub(super) socket: SocketId,
}

impl Live {
    /// Serves these sockets.
    pub(super) fn start(
        source: Source,
        shared: Shared,
        created: Vec<Created>,
        credentials: Option<Credentials>,
    ) -> Result<Self, Failure> {
        let mut logs = AccessLogs::default();
        // As the user that doxy has become, who has to read them again at a reload.
        let mut tls = Tls::read(created.iter().map(|created| &created.config))?;
        let mut services = vec![];
        for Created { config, .. } in &created {
            let counted = shared.admin.is_some();
            services.push(services::service(config, &mut logs, &mut tls, counted)?);
        }
        let folders = created.iter().flat_map(|created| &created.config.binds);
        let folders = folders.filter_map(|bind| sockets::folder(bind.path()?));
        let folders: BTreeSet<_> = folders.collect();
        // Those above as well: who may write there can put another folder in its place.
        let above: BTreeSet<_> = folders.iter().flat_map(|it| it.ancestors()).collect();
        for folder in above
            .into_iter()
            .filter(|folder| folders::others_may_write(folder))
        {
            tracing::warn!(
                "{}: others may write to this folder, and replace the sockets in it; take the right away \
                 (chmod go-w), or give doxy a folder of its own",
                folder.display()
            );
        }
        let configs = created.iter().map(|created| &created.config);
        let distinct = engine::distinct(configs);
        for (setting, address) in &distinct {
            let mut all = created.iter().zip(&services);
            if let Some((_, service)) = all.find(|(it, _)| it.config.engine == **address) {
                let (upstream, setting) = (Arc::clone(&service.upstream), setting.name());
                tokio::spawn(async move { warn_if_unreachable(&upstream, &setting).await });
            }
        }
        let engines = distinct.into_iter().map(|(_, address)| address.clone());
        let engines = engines.collect();
        let server = Server::start(shared.threads, shared.connections).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start a thread: {error}"))
        })?;
        let mut live = Self {
            server,
            source: Arc::new(Mutex::new(source)),
            credentials,
            logs,
            sockets: BTreeMap::new(),
            admin: None,
            listening: vec![],
            folders,
            engines,
            watched: Watched::new(shared.files.iter().cloned()),
            denied: services.iter().map(Service::denied).collect(),
            shared,
            reminded: Instant::now(),
            replaced: vec![],
        };
        let tells_risks = created.len() <= MAX_TOLD;
        for (Created { config, listeners }, service) in created.into_iter().zip(services) {
            let served = Served::of(&service);
            let id = live.server.add(service);
            for (at, listener) in listeners {
                tracing::info!(
                    "doxy {} listening on {listener}{}, Docker engine at {}, {}; hash {:016x}{}",
                    env!("CARGO_PKG_VERSION"),
                    about(&config, &at, &listener),
                    config.engine,
                    config.policy.described,
                    config.policy.hash,
                    match tells_risks {
                        true => format!("; opens: {}", config.policy.opens(&config.name)),
                        false => String::new(),
                    },
                );
                let ip = sockets::ip(&listener);
                let listener = live.server.listen(listener, id)?;
                live.listening.push(Listening {
                    at,
                    ip,
                    id: listener,
                    socket: id,
                });
            }
            config.policy.warn();
            let in_force = InForce::of(id, &config, served);
            live.sockets.insert(config.name, in_force);
        }
        live.say_dry_runs();
        Ok(live)
    }

    /// Whether files of the configuration have changed since this was asked last.
    pub(super) fn files_have_changed(&mut self) -> bool {
        self.watched.have_changed()
    }

    /// Closes the listeners whose sockets other processes have taken over. Says whether none is left.
    ///
    /// Each is closed when it has been seen twice: until then it accepts the clients that came before.
    pub(super) async fn close_replaced(&mut self) -> bool {
        let replaced = self.server.replaced();
        for listener in &replaced {
            if self.replaced.contains(listener) {
                let (gone, kept) = std::mem::take(&mut self.listening)
                    .into_iter()
                    .partition(|one: &Listening| one.id == *listener);
                self.listening = kept;
                for Listening { at, id, .. } in gone {
                    tracing::info!("another process has taken {at} over");
                    self.server.close(id).await;
                }
            }
        }
        self.replaced = replaced;
        self.listening.is_empty()
    }

    /// Says every hour that denials are only recorded.
    pub(super) fn remind_of_dry_runs(&mut self) {
        if self.reminded.elapsed() >= REMINDER {
            self.say_dry_runs();
        }
    }

    pub(super) fn say_dry_runs(&mut self) {
        self.reminded = Instant::now();
        for (name, socket) in &mut self.sockets {
            match socket.served.dry_run {
                Some(dry_run) if dry_run.is_over() => {
                    if !socket.told_over {
                        tracing::warn!("the dry run on {name} is over: denials are real");
                    }
                    socket.told_over = true;
                }
                Some(dry_run) => {
                    let end = match dry_run.time() {
                        Some(time) => {
                            format!("for {} from its start", humantime::format_duration(time))
                        }
                        None => "until the setting is removed".to_owned(),
                    };
                    tracing::warn!(
                        "dry run on {name}: what the policy denies is only logged, and forwarded, {end}"
                    );
                }
                None => {}
            }
        }
    }

    /// A line for the service manager.
    pub(super) fn status(&self) -> String {
        match self.listening.as_slice() {
            [one] => format!("serving {}", one.at),
            all => format!(
                "serving {} addresses, {} sockets",
                all.len(),
                self.sockets.len()
            ),
        }
    }

    pub(super) fn into_server(self) -> (Server, Duration) {
        (self.server, self.shared.grace)
    }
}

impl InForce {
    /// What is in force after this socket's settings were read anew.
    pub(super) fn of(id: SocketId, config: &SocketConfig, served: Served) -> Self {
        Self {
            id,
            policy: Arc::clone(&config.policy),
            given: config.given.clone(),
            served,
            told_over: false,
        }
    }
}

/// What the log says of an address beside the address: for what it is, and how clients get in.
fn about(config: &SocketConfig, at: &ListenConfig, listener: &Listener) -> String {
    let mut notes = vec![];
    match at {
        ListenConfig::Unix(unix) => notes.push(format!("mode {:04o}", unix.mode)),
        ListenConfig::Inherited(_) => notes.push(at.to_string()),
        ListenConfig::Tcp(_) => {}
    }
    if matches!(listener, Listener::Tcp(_)) && config.tls.is_some() {
        let asks = config.asks_for_certificates();
        notes.push(
            if asks {
                "TLS, client certificates"
            } else {
                "TLS"
            }
            .to_owned(),
        );
    }
    let mut about = match notes.as_slice() {
        [] => String::new(),
        notes => format!(" ({})", notes.join(", ")),
    };
    if config.has_table {
        about.push_str(&format!(" for [socket.{}]", config.name));
    }
    about
}

/// Runs beside the first requests: an engine that does not answer must not delay the start.
async fn warn_if_unreachable(upstream: &Upstream, setting: &str) {
    if let Err(reason) = upstream.check().await {
        tracing::warn!(
            "{reason}; clients get an error until it can be reached (is {setting} right?)"
        );
    }
}
