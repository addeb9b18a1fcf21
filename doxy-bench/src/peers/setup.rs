//! How a proxy is set up for a workload: where it listens, and its command line for that.
//!
//! It chooses addresses and names files. It must never start anything.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::http::socket::Address;
use crate::peers::certificate::Certificate;

/// What a proxy listens on. A process has one of these; for another it is started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    Unix,
    Tcp,
    Tls,
    /// Many unix sockets, each with rules of its own.
    Sockets,
}

/// One setup of a peer.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) setup: Setup,
    pub(super) address: Address,
    pub(super) command: Vec<OsString>,
}

impl Configured {
    /// The sockets in the file system that it leaves when it is killed.
    pub(super) fn sockets(&self) -> io::Result<Vec<PathBuf>> {
        match (&self.address, self.setup) {
            (Address::Unix(last), Setup::Sockets) => {
                let folder = last.parent().unwrap_or(last);
                fs::read_dir(folder)?
                    .map(|entry| Ok(entry?.path()))
                    .collect()
            }
            (Address::Unix(socket), _) => Ok(vec![socket.clone()]),
            (Address::Tcp(_) | Address::Tls(..), _) => Ok(Vec::new()),
        }
    }
}

/// Where the peers that are started here listen, and where the engine does.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) engine: &'a Path,
    pub(crate) dir: &'a Path,
    pub(crate) certificate: &'a Certificate,
    /// How many sockets [`Setup::Sockets`] has.
    pub(crate) sockets: usize,
    /// The CPU of the proxies.
    pub(crate) cpu: Option<usize>,
    /// The last loopback address that was given out.
    hosts: Cell<u8>,
}

impl<'a> Site<'a> {
    pub(crate) const fn new(
        engine: &'a Path,
        dir: &'a Path,
        certificate: &'a Certificate,
        sockets: usize,
        cpu: Option<usize>,
    ) -> Self {
        Self {
            engine,
            dir,
            certificate,
            sockets,
            cpu,
            hosts: Cell::new(1),
        }
    }

    /// The unix socket of a peer.
    pub(super) fn socket(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.sock"))
    }

    /// A free TCP port on a loopback address that nobody else has. Clients come from 127.0.0.1, so
    /// none of their ports takes this one while the proxy does not run.
    fn tcp(&self) -> io::Result<SocketAddr> {
        let host = self.hosts.get().checked_add(1);
        let host = host.ok_or_else(|| io::Error::other("too many proxies"))?;
        self.hosts.set(host);
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, host));
        TcpListener::bind((address, 0))?.local_addr()
    }

    /// The addresses for a unix socket, TCP and TLS.
    pub(super) fn addresses(&self, name: &str) -> io::Result<[(Setup, Address); 3]> {
        Ok([
            (Setup::Unix, Address::Unix(self.socket(name))),
            (Setup::Tcp, Address::Tcp(self.tcp()?)),
            (
                Setup::Tls,
                Address::Tls(self.tcp()?, self.certificate.client.clone()),
            ),
        ])
    }
}
