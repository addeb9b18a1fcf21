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
    /// Whether memory is made, sealed and given to others by its descriptor.
    pub sealed_memory: bool,
    /// Doxy's own unix sockets, which are removed when it stops. With a unix engine the sandbox grants
    /// that others are created in their folders, for a reload that adds some.
    pub sockets: Vec<PathBuf>,
    /// Addresses that doxy may connect to besides unix sockets.
    pub network: Network,
    /// The TCP ports that it may connect to.
    pub ports: Vec<u16>,
}

/// Addresses that doxy may connect to. A later one includes those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// Only unix sockets.
    #[default]
    None,
    /// Addresses of TCP.
    Addresses,
    /// Hosts as well, whose names are resolved for each connection.
    Names,
}

impl Needs {
    /// Adds what connecting to an engine takes.
    pub fn add_engine(&mut self, engine: &UpstreamAddr) {
        let UpstreamAddr::Tcp(address) = engine else {
            // Connecting to a unix socket takes no right to read a file.
            return;
        };
        let port = address.rsplit(':').next().and_then(|it| it.parse().ok());
        let mut ports: Vec<u16> = port.into_iter().collect();
        if address.parse::<SocketAddr>().is_ok() {
            self.network = self.network.max(Network::Addresses);
        } else if self.network < Network::Names {
            self.network = Network::Names;
            // DNS answers that are too long for a datagram come over TCP.
            ports.push(53);
            // `resolv.conf` and `hosts` are replaced while doxy runs, hence all of /etc. The C
            // library loads its resolver modules at the first lookup, hence the library folders.
            self.read_folders.extend(
                [
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
                .map(PathBuf::from),
            );
        }
        ports.retain(|port| !self.ports.contains(port));
        self.ports.extend(ports);
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
        let mut needs = Needs::default();
        needs.add_engine(&UpstreamAddr::Unix("/run/x".into()));
        assert_eq!(needs, Needs::default());
        for (address, network, ports) in [
            ("127.0.0.1:2375", Network::Addresses, &[2375][..]),
            ("[::1]:2375", Network::Addresses, &[2375]),
            ("engine.example:2376", Network::Names, &[2375, 2376, 53]),
            ("10.0.0.1:2377", Network::Names, &[2375, 2376, 53, 2377]),
            (
                "other.example:2376",
                Network::Names,
                &[2375, 2376, 53, 2377],
            ),
        ] {
            needs.add_engine(&UpstreamAddr::Tcp(address.to_owned()));
            assert_eq!((needs.network, needs.ports.as_slice()), (network, ports));
        }
        let etc = needs
            .read_folders
            .iter()
            .filter(|it| it.as_os_str() == "/etc");
        assert_eq!(etc.count(), 1);
    }
}
