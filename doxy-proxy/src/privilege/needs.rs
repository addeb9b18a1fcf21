//! What doxy still needs once it serves, as data.
//!
//! It names files, folders and ports, and never why they are needed. It opens and changes nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::upstream::UpstreamAddr;

/// Files and addresses that stay usable in the sandbox. Open sockets and files always do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files that are opened again to be read. Editors and deployments replace a file by a new one
    /// of the same name, so the sandbox grants the folders of the file and of the link's target.
    pub read_files: Vec<PathBuf>,
    /// Folders in which every file may be read, at any depth.
    pub read_folders: Vec<PathBuf>,
    /// Files that are created or appended to. The sandbox grants their folder.
    pub write_files: Vec<PathBuf>,
    /// Doxy's own unix sockets, which are removed when it stops. With a unix engine the sandbox grants
    /// that others are created in their folders, for a reload that adds some.
    pub sockets: Vec<PathBuf>,
    /// Addresses that doxy may connect to besides unix sockets.
    pub network: Network,
}

/// Addresses that doxy may connect to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// Only unix sockets.
    #[default]
    None,
    /// This TCP port.
    Port(u16),
    /// This TCP port of a host whose name is resolved for each connection.
    NameAndPort(u16),
}

impl Needs {
    /// What connecting to the engine takes.
    pub fn of(engine: &UpstreamAddr) -> Self {
        let mut needs = Self::default();
        let UpstreamAddr::Tcp(address) = engine else {
            // Connecting to a unix socket takes no right to read a file.
            return needs;
        };
        if let Ok(address) = address.parse::<SocketAddr>() {
            needs.network = Network::Port(address.port());
        } else {
            let port = address
                .rsplit(':')
                .next()
                .and_then(|port| port.parse().ok());
            needs.network = Network::NameAndPort(port.unwrap_or_default());
            // `resolv.conf` and `hosts` are replaced while doxy runs, hence all of /etc. The C
            // library loads its resolver modules at the first lookup, hence the library folders.
            needs.read_folders = [
                "/etc",
                "/run/systemd/resolve",
                "/run/resolvconf",
                "/run/NetworkManager",
                "/lib",
                "/lib64",
                "/usr/lib",
                "/usr/lib64",
                "/nix/store",
            ]
            .map(PathBuf::from)
            .to_vec();
        }
        needs
    }
}

/// The folder that a path is in.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::{Needs, Network};
    use crate::upstream::UpstreamAddr;

    #[test]
    fn an_engine_by_name_needs_more_than_one_by_address() {
        let needs = |address: &str| Needs::of(&UpstreamAddr::Tcp(address.to_owned()));
        assert_eq!(
            Needs::of(&UpstreamAddr::Unix("/run/x".into())),
            Needs::default()
        );
        for address in ["127.0.0.1:2375", "[::1]:2375"] {
            let expected = Needs {
                network: Network::Port(2375),
                ..Needs::default()
            };
            assert_eq!(needs(address), expected);
        }
        let named = needs("engine.example:2375");
        assert_eq!(named.network, Network::NameAndPort(2375));
        assert!(named.read_folders.contains(&"/etc".into()));
    }
}
