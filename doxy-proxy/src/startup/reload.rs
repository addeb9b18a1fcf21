//! Puts another configuration in the place of the one in force: all of it, or nothing.
//!
//! Everything that can fail comes first: the files are read, services made, new sockets created beside
//! the old ones. What follows is done without waiting for anything. Requests in progress go on, on
//! sockets that are gone too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use doxy_proxy::{Listener, Service, UpstreamAddr};
use tokio::time::timeout;

use crate::config::{AdminConfig, Bind, Config, ConfigError, ListenConfig, Shared, SocketConfig};
use crate::startup::live::{InForce, Listening, Live};
use crate::startup::services::{self, AccessLogs, Served, Tls};
use crate::startup::watched::Watched;
use crate::startup::{engine, sockets};

/// The keys that name a policy.
const OF_POLICY: [&str; 3] = ["pattern-file", "patterns", "script"];
/// How long reading may take before the log says so.
const LONG: Duration = Duration::from_secs(10);
const RESTART: &str = "doxy gives the right to do this up when it has started; restart it";

/// Reads the configuration and puts it in force, or keeps the one in force and says why.
pub(super) async fn reload(live: &mut Live) {
    // Log rotation asks for this too.
    live.logs.reopen();
    match replace(live).await {
        Ok(changed) => {
            live.watched = Watched::new(live.shared.files.iter().cloned());
            tracing::info!("reloaded: {changed}");
            live.post_reload(None);
            live.say_dry_runs();
        }
        Err(error) => {
            let error = error.to_string().replace('\n', "; ");
            live.post_reload(Some(&error));
            tracing::error!("not reloaded, the configuration in force stays: {error}");
        }
    }
}

/// Says in a few words what has changed.
async fn replace(live: &mut Live) -> Result<String, ConfigError> {
    let (mut config, mut tls) = load(live).await?.map_err(in_the_sandbox)?;
    for bind in config
        .sockets
        .iter_mut()
        .flat_map(|socket| &mut socket.binds)
    {
        sockets::own(bind, live.credentials.as_ref());
    }
    check_process(&live.shared, &config.shared)?;
    engine::check_all(&config.sockets)?;
    check_engines(live, &config.sockets)?;
    check_policies(live, &config.sockets)?;
    check_inherited(live, &config.sockets)?;
    let mut logs = live.logs.clone();
    logs.retain(&config.sockets);
    let services = config.sockets.iter();
    let counted = live.admin.is_some();
    let services = services.map(|socket| services::service(socket, &mut logs, &mut tls, counted));
    let services: Vec<_> = services.collect::<Result<_, _>>()?;
    let mut created = create(live, &config.sockets)?;
    for (_, bind, listener) in &mut created {
        sockets::move_in(listener).map_err(|error| bind.setting.wrong(error.what, error.help))?;
    }
    let created = created.into_iter();
    let created =
        created.map(|(name, bind, listener)| (name.to_owned(), bind.listen.clone(), listener));
    let created: Vec<_> = created.collect();
    Ok(apply(live, config, services, created, logs).await)
}

/// Reads and compiles beside what is served: many rules take seconds.
async fn load(live: &Live) -> Result<Result<(Config, Tls), ConfigError>, ConfigError> {
    let (send, mut loaded) = tokio::sync::oneshot::channel();
    let source = Arc::clone(&live.source);
    let thread = thread::Builder::new().name("reload".to_owned());
    // As much as for the scripts of a request.
    let started = thread.stack_size(16 << 20).spawn(move || {
        let source = source.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = source
            .load()
            .and_then(|config| Ok((Tls::read(&config.sockets)?, config)));
        // The other end is dropped only when doxy ends.
        let _ = send.send(loaded.map(|(tls, config)| (config, tls)));
    });
    let failed = |why: &dyn std::fmt::Display| {
        ConfigError::new("cannot read the configuration", why, "try again")
    };
    started.map_err(|error| failed(&error))?;
    let loaded = match timeout(LONG, &mut loaded).await {
        Ok(loaded) => loaded,
        Err(_) => {
            tracing::warn!(
                "reading the configuration takes long; the one in force stays until then"
            );
            loaded.await
        }
    };
    loaded.map_err(|error| failed(&error))
}

/// A file that cannot be read may be outside of what the sandbox lets doxy read.
fn in_the_sandbox(error: ConfigError) -> ConfigError {
    let text = error.to_string();
    match text.contains("permission denied") {
        true => ConfigError::of(format!(
            "{text}; a file in a folder that doxy did not know when it started needs a restart"
        )),
        false => error,
    }
}

/// Refuses what holds for the process as it was started.
fn check_process(old: &Shared, new: &Shared) -> Result<(), ConfigError> {
    let kept = [
        ("threads", old.threads == new.threads),
        (
            "max-connections at the top",
            old.connections == new.connections,
        ),
        ("debug", old.debug == new.debug),
        (
            "admin-listen or admin-allow-from",
            old.admin.as_ref().map(AdminConfig::listens)
                == new.admin.as_ref().map(AdminConfig::listens),
        ),
        ("sandbox", old.sandbox == new.sandbox),
        ("user or group", old.run_as_numbers == new.run_as_numbers),
    ];
    match kept.iter().find(|(_, same)| !same) {
        Some((key, _)) => Err(ConfigError::new(
            key,
            "this is set when doxy starts",
            "restart doxy, or set it back to what it was",
        )),
        None => Ok(()),
    }
}

/// Refuses a socket that names no policy any more: half a file must not bring the embedded rules in.
fn check_policies(live: &Live, sockets: &[SocketConfig]) -> Result<(), ConfigError> {
    let names_one = |given: &BTreeMap<&'static str, String>| {
        OF_POLICY.iter().any(|key| given.contains_key(key))
    };
    for socket in sockets {
        let before = live.sockets.get(&socket.name);
        if before.is_some_and(|before| names_one(&before.given)) && !names_one(&socket.given) {
            return Err(ConfigError::new(
                &socket.name,
                "the socket has no rules and no script any more",
                "name some, remove the socket, or restart doxy to have the embedded rules",
            ));
        }
    }
    Ok(())
}

/// Refuses what a socket that was handed over may not have: only now it is known what it is.
fn check_inherited(live: &Live, sockets: &[SocketConfig]) -> Result<(), ConfigError> {
    for socket in sockets {
        for bind in &socket.binds {
            let inherited = matches!(bind.listen, ListenConfig::Inherited(_));
            let here = |one: &&Listening| inherited && one.at == bind.listen;
            for one in live.listening.iter().filter(here) {
                socket.check_address(&bind.setting, one.ip)?;
            }
        }
    }
    Ok(())
}

/// Refuses engines on networks that doxy did not know when it started.
fn check_engines(live: &Live, sockets: &[SocketConfig]) -> Result<(), ConfigError> {
    for (setting, address) in engine::distinct(sockets) {
        if !matches!(address, UpstreamAddr::Unix(_)) && !live.engines.contains(address) {
            return Err(setting.wrong("a new engine on a network", RESTART));
        }
    }
    Ok(())
}

/// Creates the listeners that are not there yet, each with the name of its socket.
fn create<'c>(
    live: &Live,
    sockets: &'c [SocketConfig],
) -> Result<Vec<(&'c str, &'c Bind, Listener)>, ConfigError> {
    let mut created = vec![];
    for socket in sockets {
        for bind in &socket.binds {
            if live.listening.iter().any(|one| one.at == bind.listen) {
                continue;
            }
            let Some(path) = bind.path() else {
                return Err(bind.setting.wrong("a new address on a network", RESTART));
            };
            if !sockets::folder(path).is_some_and(|folder| live.folders.contains(&folder)) {
                return Err(bind.setting.wrong(
                    "a new socket in a folder that doxy did not know when it started",
                    RESTART,
                ));
            }
            let own =
                |one: &Listening| matches!(&one.at, ListenConfig::Unix(unix) if unix.path == path);
            if !live.listening.iter().any(own) && sockets::is_live(path) {
                return Err(bind.setting.wrong(
                    "another process is listening there already",
                    "stop the other process, or choose another path",
                ));
            }
            let listener = sockets::prepare(bind).map_err(|error| {
                let help = "if doxy may no longer do this, restart it";
                ConfigError::of(format!("{error}; {help}"))
            })?;
            created.push((socket.name.as_str(), bind, listener));
        }
    }
    Ok(created)
}

/// Puts everything in force. Nothing fails here.
async fn apply(
    live: &mut Live,
    config: Config,
    services: Vec<Service>,
    created: Vec<(String, ListenConfig, Listener)>,
    logs: AccessLogs,
) -> String {
    let mut old = std::mem::take(&mut live.sockets);
    let mut added = vec![];
    let mut changed = vec![];
    let mut belongs = BTreeMap::new();
    for (socket, mut service) in config.sockets.iter().zip(services) {
        socket.policy.warn();
        // A dry run goes on, and ends when it was to end.
        let before = old
            .get(&socket.name)
            .and_then(|before| before.served.dry_run);
        if let (Some(new), Some(before)) = (service.dry_run, before)
            && new.time() == before.time()
        {
            service.dry_run = Some(before);
        }
        let served = Served::of(&service);
        // Whoever came in at an address that goes elsewhere must not stay with this policy: then the
        // socket is another one, and the connections of the old one end.
        let stays = old.get(&socket.name).is_some_and(|before| {
            let mut at = live.listening.iter().filter(|one| one.socket == before.id);
            at.all(|one| {
                socket
                    .binds
                    .iter()
                    .any(|bind| bind.listen.to_string() == one.at.to_string())
            })
        });
        let before = match stays {
            true => old.remove(&socket.name),
            false => None,
        };
        let id = match before {
            Some(before) => {
                live.server.replace(before.id, service);
                changed.extend(differences(&before, socket));
                before.id
            }
            None => {
                match old.get(&socket.name) {
                    Some(before) => changed.extend(differences(before, socket)),
                    None => added.push(socket.name.clone()),
                }
                live.server.add(service)
            }
        };
        for bind in &socket.binds {
            belongs.insert(bind.listen.to_string(), id);
        }
        live.sockets
            .insert(socket.name.clone(), InForce::of(id, socket, served));
    }
    let mut closing = vec![];
    for mut one in std::mem::take(&mut live.listening) {
        let replaced = created
            .iter()
            .any(|(_, at, _)| at.to_string() == one.at.to_string());
        match belongs.get(&one.at.to_string()) {
            Some(socket) if !replaced => {
                if *socket != one.socket {
                    one.socket = *socket;
                    live.server.assign(one.id, *socket);
                }
                live.listening.push(one);
            }
            _ => closing.push(one),
        }
    }
    for (name, at, listener) in created {
        let Some(socket) = live.sockets.get(&name).map(|socket| socket.id) else {
            continue;
        };
        let ip = sockets::ip(&listener);
        match live.server.listen(listener, socket) {
            Ok(id) => {
                live.listening.push(Listening { at, ip, id, socket });
            }
            // There are no descriptors left.
            Err(error) => tracing::error!("cannot listen on {at}: {error}"),
        }
    }
    for one in closing {
        live.server.close(one.id).await;
    }
    for socket in old.values() {
        live.server.remove(socket.id, config.shared.grace);
    }
    live.logs = logs;
    live.shared = config.shared;
    old.retain(|name, _| !live.sockets.contains_key(name));
    changes(&config.sockets, &added, &old, &changed)
}

/// What a reload changes for a socket that stays, in a few words.
fn differences(before: &InForce, now: &SocketConfig) -> Option<String> {
    let mut words = vec![];
    if before.policy.hash != now.policy.hash {
        words.push(now.policy.described.clone());
    }
    // What these name has been looked at.
    let of_policy = |key: &&str| OF_POLICY.contains(key);
    let keys = before.given.keys().chain(now.given.keys());
    let keys: BTreeSet<_> = keys.copied().filter(|key| !of_policy(key)).collect();
    for key in keys {
        match (before.given.get(key), now.given.get(key)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(_), Some(_)) => words.push(format!("{key} changed")),
            (Some(_), None) => words.push(format!("{key} removed")),
            (None, _) => words.push(format!("{key} added")),
        }
    }
    (!words.is_empty()).then(|| format!("{}: {}", now.name, words.join(", ")))
}

fn changes(
    sockets: &[SocketConfig],
    added: &[String],
    removed: &BTreeMap<String, InForce>,
    changed: &[String],
) -> String {
    let mut parts = match (sockets, added, removed.is_empty()) {
        ([only], [], true) => vec![only.policy.described.clone()],
        _ => vec![format!("{} sockets", sockets.len())],
    };
    if !added.is_empty() {
        parts.push(format!("added {}", added.join(", ")));
    }
    if !removed.is_empty() {
        let names: Vec<_> = removed.keys().map(String::as_str).collect();
        parts.push(format!("removed {}", names.join(", ")));
    }
    parts.extend(changed.iter().cloned());
    if added.is_empty() && removed.is_empty() && changed.is_empty() {
        parts.push("no rule and no key has changed".to_owned());
    }
    parts.join("; ")
}
