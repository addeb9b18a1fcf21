//! The engine's socket, looked at before doxy creates its own.
//!
//! It refuses what no restart of the engine would mend. An engine that does not run yet is no error:
//! doxy answers 502 until it does.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use doxy_proxy::{MAX_SOCKET_PATH, UpstreamAddr, try_connect};

use crate::config::{Bind, ConfigError, Setting, SocketConfig};

/// Refuses what can never be the engine of a socket.
pub(super) fn check_all(sockets: &[SocketConfig]) -> Result<(), ConfigError> {
    let proxies = sockets.iter().flat_map(|socket| &socket.binds);
    let proxies: HashSet<_> = proxies.filter_map(Bind::path).map(real).collect();
    for (setting, address) in distinct(sockets) {
        if let UpstreamAddr::Unix(path) = address {
            check(setting, path, &proxies)?;
        }
    }
    Ok(())
}

/// The engines of these sockets, each once, with a setting that names it.
pub(super) fn distinct<'a>(
    sockets: impl IntoIterator<Item = &'a SocketConfig>,
) -> Vec<(&'a Setting, &'a UpstreamAddr)> {
    let mut engines: Vec<(&Setting, &UpstreamAddr)> = vec![];
    for socket in sockets {
        if engines
            .iter()
            .all(|(_, address)| **address != socket.engine)
        {
            engines.push((&socket.engine_setting, &socket.engine));
        }
    }
    engines
}

/// Refuses a path that can never be the engine's socket. `setting` names it, `proxies` are the real
/// paths of doxy's own.
fn check(setting: &Setting, engine: &Path, proxies: &HashSet<PathBuf>) -> Result<(), ConfigError> {
    let denied = || setting.wrong("permission denied", who_may_connect(engine));
    if proxies.contains(&real(engine)) {
        return Err(setting.wrong(
            "this is the proxy socket too",
            "give doxy a path of its own with --proxy-socket",
        ));
    }
    match fs::metadata(engine) {
        Ok(found) if found.is_dir() => {
            return Err(setting.wrong(
                "this is a folder",
                "Docker makes a folder where a socket to be mounted is missing: remove the folder \
                 (rmdir), see where the engine's socket is (`docker context inspect`), start the \
                 engine, then create the container again",
            ));
        }
        Ok(found) if !found.file_type().is_socket() => {
            return Err(setting.wrong(
                "this is not a socket",
                "name the engine's socket, such as /var/run/docker.sock",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(denied()),
        _ => {}
    }
    if engine.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(setting.wrong(
            "the path is too long for a socket",
            "a socket's path has at most 107 bytes",
        ));
    }
    match try_connect(engine) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(denied()),
        _ => Ok(()),
    }
}

/// What to do if doxy may not connect to the engine's socket. Its group can be read even so, unless a folder
/// above it is closed.
fn who_may_connect(engine: &Path) -> String {
    let group = fs::metadata(engine).ok();
    match group.filter(|found| found.mode() & 0o020 != 0) {
        Some(found) => format!(
            "run doxy as root or as a member of the socket's group, which has the number {0} (in a compose \
             file `group_add: [\"{0}\"]`)",
            found.gid()
        ),
        None => "run doxy as root or as a member of the socket's group (often `docker`)".to_owned(),
    }
}

/// A path without links. The file itself need not exist.
fn real(path: &Path) -> PathBuf {
    let found = fs::canonicalize(path).ok().or_else(|| {
        let folder = path
            .parent()
            .filter(|folder| *folder != Path::new(""))
            .unwrap_or(Path::new("."));
        Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
    });
    found.unwrap_or_else(|| path.to_owned())
}
