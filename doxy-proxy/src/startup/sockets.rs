//! Creates the sockets that the settings name. Nothing is served here.

use std::fs;
use std::path::{Path, PathBuf};

use doxy_proxy::privilege::Credentials;
use doxy_proxy::{Listener, UpstreamAddr};

use crate::config::{Bind, ConfigError, ListenConfig, Setting, SocketConfig};
use crate::startup::engine;

/// A socket that exists, and listens at every one of its addresses.
pub(super) struct Created {
    pub(super) config: SocketConfig,
    /// In the order of the addresses.
    pub(super) listeners: Vec<Listener>,
}

/// Creates all sockets, or none. With `take_over` also in the place of another doxy's.
pub(super) fn create_all(
    sockets: Vec<SocketConfig>,
    credentials: Option<&Credentials>,
    take_over: bool,
) -> Result<Vec<Created>, ConfigError> {
    let mut created = vec![];
    for mut config in sockets {
        let mut listeners = vec![];
        for bind in &mut config.binds {
            own(bind, credentials);
            listeners.push(match take_over {
                true => prepare(bind)?,
                false => listen(bind)?,
            });
        }
        created.push(Created { config, listeners });
    }
    for Created { config, listeners } in &mut created {
        for (bind, listener) in config.binds.iter().zip(listeners) {
            move_in(bind, listener)?;
        }
    }
    // A link that led nowhere may lead to a new socket: doxy would forward to itself, endlessly.
    for (setting, address) in engine::distinct(created.iter().map(|created| &created.config)) {
        let mut listeners = created.iter().flat_map(|created| &created.listeners);
        if let UpstreamAddr::Unix(engine) = address
            && listeners.any(|listener| listener.is_at(engine))
        {
            return Err(setting.wrong(
                "this leads to the proxy socket",
                "name the engine's own socket",
            ));
        }
    }
    Ok(created)
}

/// Unless the settings say otherwise, a socket belongs to the user that doxy becomes.
pub(super) fn own(bind: &mut Bind, credentials: Option<&Credentials>) {
    if let (ListenConfig::Unix(unix), Some(credentials)) = (&mut bind.listen, credentials) {
        credentials.default_owner(unix);
    }
}

/// Creates a socket at an address where none listens.
pub(super) fn listen(bind: &Bind) -> Result<Listener, ConfigError> {
    let listener = match &bind.listen {
        ListenConfig::Unix(unix) => unix.listen().map(Listener::Unix),
        ListenConfig::Tcp(address) => doxy_proxy::ListenConfig::Tcp(*address).listen(),
        ListenConfig::Inherited(_) => return Err(to_come(&bind.setting)),
    };
    listener.map_err(|error| bind.setting.wrong(error.what, error.help))
}

/// Creates a socket that is to take a place, which [`move_in`] does.
pub(super) fn prepare(bind: &Bind) -> Result<Listener, ConfigError> {
    match &bind.listen {
        ListenConfig::Unix(unix) => unix
            .prepare()
            .map(Listener::Unix)
            .map_err(|error| bind.setting.wrong(error.what, error.help)),
        _ => listen(bind),
    }
}

/// Has a prepared socket take its place.
pub(super) fn move_in(bind: &Bind, listener: &mut Listener) -> Result<(), ConfigError> {
    match listener {
        Listener::Unix(listener) => listener
            .move_in()
            .map_err(|error| bind.setting.wrong(error.what, error.help)),
        Listener::Tcp(_) => Ok(()),
    }
}

/// The folder of a socket, without links.
pub(super) fn folder(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()
}

/// Settings that are read and not yet served. Nothing is passed over.
pub(super) fn refuse_what_is_to_come(sockets: &[SocketConfig]) -> Result<(), ConfigError> {
    match sockets.iter().flat_map(SocketConfig::to_come).next() {
        Some(setting) => Err(to_come(setting)),
        None => Ok(()),
    }
}

fn to_come(setting: &Setting) -> ConfigError {
    setting.wrong("not in this version", "leave it out")
}
