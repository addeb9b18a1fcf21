//! Creates the sockets that the settings name. Nothing is served here.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use doxy_proxy::privilege::Credentials;
use doxy_proxy::{InheritedSockets, ListenError, Listener, TcpListener, UpstreamAddr, io_reason};

use crate::config::{AdminConfig, Bind, ConfigError, ListenConfig, SocketConfig};
use crate::startup::{engine, folders};

/// A socket that exists, and listens at every one of its addresses.
pub(super) struct Created {
    pub(super) config: SocketConfig,
    /// With the address that the settings name, which may stand for several.
    pub(super) listeners: Vec<(ListenConfig, Listener)>,
}

/// Creates all sockets and those of the admin side, or none. With `take_over` also in the place of another doxy's.
pub(super) fn create_all(
    sockets: Vec<SocketConfig>,
    admin: Option<&mut AdminConfig>,
    credentials: Option<&Credentials>,
    take_over: bool,
) -> Result<(Vec<Created>, Vec<Listener>), ConfigError> {
    let mut passed = InheritedSockets::take().map_err(of_service_manager)?;
    let mut created = vec![];
    for mut config in sockets {
        let mut listeners = vec![];
        for bind in &mut config.binds {
            own(bind, credentials);
        }
        for bind in &config.binds {
            make_folder(bind)?;
            let at = |listener| (bind.listen.clone(), listener);
            match &bind.listen {
                ListenConfig::Inherited(name) => {
                    let found = passed.listen(name);
                    let found =
                        found.map_err(|error| bind.setting.wrong(error.what, error.help))?;
                    for listener in &found {
                        config.check_address(&bind.setting, ip(listener))?;
                    }
                    listeners.extend(found.into_iter().map(at));
                }
                _ if take_over => listeners.push(at(prepare(bind)?)),
                _ => listeners.push(at(listen(bind)?)),
            }
        }
        created.push(Created { config, listeners });
    }
    let mut of_admin = vec![];
    if let Some(admin) = admin {
        for bind in &mut admin.binds {
            own(bind, credentials);
        }
        for bind in &admin.binds {
            make_folder(bind)?;
            match &bind.listen {
                ListenConfig::Inherited(name) => {
                    let found = passed.listen(name);
                    let found =
                        found.map_err(|error| bind.setting.wrong(error.what, error.help))?;
                    for listener in &found {
                        admin.check_address(&bind.setting, ip(listener))?;
                    }
                    of_admin.extend(found);
                }
                _ if take_over => of_admin.push(prepare(bind)?),
                _ => of_admin.push(listen(bind)?),
            }
        }
    }
    passed.all_used().map_err(of_service_manager)?;
    let of_sockets = created.iter_mut().flat_map(|it| &mut it.listeners);
    let of_sockets = of_sockets.map(|(_, listener)| listener);
    for listener in of_sockets.chain(&mut of_admin) {
        move_in(listener).map_err(ConfigError::of)?;
    }
    // A link that led nowhere may lead to a new socket: doxy would forward to itself, endlessly.
    for (setting, address) in engine::distinct(created.iter().map(|created| &created.config)) {
        let mut listeners = created.iter().flat_map(|created| &created.listeners);
        if let UpstreamAddr::Unix(engine) = address
            && listeners.any(|(_, listener)| listener.is_at(engine))
        {
            return Err(setting.wrong(
                "this leads to the proxy socket",
                "name the engine's own socket",
            ));
        }
    }
    Ok((created, of_admin))
}

/// The address of IP that a listener has.
pub(super) fn ip(listener: &Listener) -> Option<IpAddr> {
    match listener {
        Listener::Unix(_) => None,
        Listener::Tcp(listener) => Some(listener.address().ip()),
    }
}

/// Unless the settings say otherwise, a socket belongs to the user that doxy becomes.
pub(super) fn own(bind: &mut Bind, credentials: Option<&Credentials>) {
    if let (ListenConfig::Unix(unix), Some(credentials)) = (&mut bind.listen, credentials) {
        credentials.default_owner(unix);
    }
}

/// Makes the folder that a new socket is to be in, where that is doxy's to do.
fn make_folder(bind: &Bind) -> Result<(), ConfigError> {
    let ListenConfig::Unix(unix) = &bind.listen else {
        return Ok(());
    };
    folders::make_for(&unix.path).map_err(|error| {
        let what = format!("cannot create its folder: {}", io_reason(&error));
        bind.setting
            .wrong(what, "create the folder first, or choose another path")
    })
}

/// Creates a socket at an address where none listens.
fn listen(bind: &Bind) -> Result<Listener, ConfigError> {
    let listener = match &bind.listen {
        ListenConfig::Unix(unix) => unix.listen().map(Listener::Unix),
        ListenConfig::Tcp(address) => TcpListener::listen(*address).map(Listener::Tcp),
        ListenConfig::Inherited(_) => {
            let what = "only the service manager creates this socket";
            let help = "restart the service with its .socket unit";
            return Err(bind.setting.wrong(what, help));
        }
    };
    listener.map_err(|error| bind.setting.wrong(error.what, error.help))
}

/// Creates a socket that is to take a place, which [`move_in`] does.
pub(super) fn prepare(bind: &Bind) -> Result<Listener, ConfigError> {
    let ListenConfig::Unix(unix) = &bind.listen else {
        return listen(bind);
    };
    let listener = unix.prepare().map(Listener::Unix);
    listener.map_err(|error| bind.setting.wrong(error.what, error.help))
}

/// Has a prepared socket take its place.
pub(super) fn move_in(listener: &mut Listener) -> Result<(), ListenError> {
    match listener {
        Listener::Unix(listener) => listener.move_in(),
        Listener::Tcp(_) => Ok(()),
    }
}

fn of_service_manager(error: ListenError) -> ConfigError {
    ConfigError::new("LISTEN_FDS", error.what, error.help)
}

/// The folder of a socket, without links.
pub(super) fn folder(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()
}

/// Whether a process listens at a path.
pub(super) fn is_live(path: &Path) -> bool {
    match doxy_proxy::try_connect(path) {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}
