//! Who has connected, as the kernel reports it.
//!
//! Over TCP that is an address. Whoever can send from it, and whoever shares it, is that peer: it says
//! less than a user does. An IPv4 address in an IPv6 one is the IPv4 address.
//!
//! For a unix socket the kernel notes user and group of the process that connects, in doxy's own
//! user namespace. Both are sound to decide by. The process may since have exited, changed its user
//! or passed the connection on; its number may be another's by now, and it chooses its own command
//! name. Those two are for people to read: never decide by them.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::clock::CoarseInstant;
use crate::metrics::shares::PeerKind;
use crate::net::container::{Container, ContainerRule};
use crate::net::credentials;
use crate::net::stream::DetachedStream;
use crate::net::tls::certificate::{Certificate, CertificateRule};

/// How long a command's name is reused for further connections of the same process.
const COMM_LIFETIME: Duration = Duration::from_secs(1);

/// The other end of a client's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A process of this machine.
    Unix(UnixPeer),
    /// Somebody on a network.
    Net(Box<NetPeer>),
}

/// Somebody who has connected over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetPeer {
    /// Where the connection comes from. Never IPv4 in IPv6.
    pub(crate) address: SocketAddr,
    /// The certificate that it has shown.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

/// A process that has connected to a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnixPeer {
    /// Its user when it connected.
    pub(crate) uid: u32,
    /// Its primary group then.
    pub(crate) gid: u32,
    /// Its number; 0 if it is not in doxy's process namespace.
    pub(crate) pid: i32,
    /// Its command name then, which it chooses itself. Empty unless it was asked for.
    pub(crate) comm: String,
}

/// Whom connections, memory and time are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Identity {
    /// The processes of this user.
    User(u32),
    /// An IPv4 address, or an IPv6 network of 64 bits: as a rule one machine has all of that.
    Address(IpAddr),
    /// Those who have this key, wherever they come from: the hash of a certificate's key.
    Certificate([u8; 32]),
    /// All processes whose user the kernel does not tell.
    Unknown,
}

impl Identity {
    /// How it is told apart from others, for who counts.
    pub(crate) fn kind(self) -> PeerKind {
        match self {
            Self::User(_) => PeerKind::User,
            Self::Address(_) => PeerKind::Address,
            Self::Certificate(_) => PeerKind::Certificate,
            Self::Unknown => PeerKind::Unknown,
        }
    }
}

/// The user that stands for all without a number in doxy's user namespace. Linux lets
/// administrators change it; nobody does.
const OVERFLOW_UID: u32 = 65_534;

/// Which peers may connect. Without any entry, everyone who can open the socket or reach the address.
///
/// Of each kind that has entries one must hold; users and groups are one kind. A peer of which the
/// kernel does not tell what an entry asks for, such as the user of a TCP peer, may not connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerAcl {
    /// Users.
    pub uids: Vec<u32>,
    /// Groups, primary or supplementary.
    pub gids: Vec<u32>,
    /// Networks. IPv4 addresses are in IPv4 networks alone.
    pub networks: Vec<IpNet>,
    /// Certificates, which are known only after the handshake.
    pub certificates: Vec<CertificateRule>,
    /// Containers. They are known later than all other conditions: before the first request.
    pub containers: Vec<ContainerRule>,
}

impl Peer {
    /// Who has connected.
    pub(crate) fn of(stream: &DetachedStream) -> io::Result<Self> {
        match stream {
            DetachedStream::Unix(socket) => {
                let credentials = credentials::of(socket)?;
                Ok(Self::Unix(UnixPeer {
                    uid: credentials.uid,
                    gid: credentials.gid,
                    pid: credentials.pid,
                    comm: String::new(),
                }))
            }
            DetachedStream::Tcp(_, address) => Ok(Self::Net(Box::new(NetPeer {
                address: canonical(*address),
                certificate: None,
            }))),
        }
    }

    /// Notes the certificate that it has shown.
    pub(crate) fn has_shown(&mut self, certificate: Option<Arc<Certificate>>) {
        if let Self::Net(peer) = self {
            peer.certificate = certificate;
        }
    }

    /// Reads a command's name too, which costs more than a request.
    pub(crate) fn read_comm(&mut self) {
        if let Self::Unix(peer) = self
            && peer.pid > 0
        {
            peer.comm = comm(peer.pid);
        }
    }

    /// A process in another process namespace has no number here, and its user may be another's.
    pub(crate) fn identity(&self) -> Identity {
        match self {
            Self::Unix(peer) if peer.pid <= 0 || peer.uid == OVERFLOW_UID => Identity::Unknown,
            _ => self.named(),
        }
    }

    /// What the log calls it: a user also where nothing may be counted by it.
    pub(crate) fn named(&self) -> Identity {
        match self {
            Self::Unix(peer) => Identity::User(peer.uid),
            Self::Net(peer) => match (&peer.certificate, peer.address.ip()) {
                (Some(certificate), _) => Identity::Certificate(certificate.spki),
                (None, IpAddr::V6(ip)) => {
                    Identity::Address(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into())
                }
                (None, v4) => Identity::Address(v4),
            },
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(f, "user {uid}"),
            Self::Address(ip @ IpAddr::V4(_)) => write!(f, "address {ip}"),
            Self::Address(ip @ IpAddr::V6(_)) => write!(f, "network {ip}/64"),
            Self::Certificate(spki) => write!(f, "certificate {}", CertificateRule::Spki(*spki)),
            Self::Unknown => f.write_str("an unknown user"),
        }
    }
}

impl PeerAcl {
    /// Whether this peer may connect, as far as that is known before a handshake. If its groups cannot
    /// be read, it counts as having none.
    pub(crate) fn allows(&self, peer: &Peer, socket: &impl AsFd) -> bool {
        self.allows_user(peer, socket) && self.allows_address(peer)
    }

    /// Whether a peer may come in with the certificate that it has shown.
    pub(crate) fn allows_certificate(&self, peer: &Peer) -> bool {
        if self.certificates.is_empty() {
            return true;
        }
        let Peer::Net(peer) = peer else {
            return false;
        };
        let shown = peer.certificate.as_deref();
        shown.is_some_and(|shown| self.certificates.iter().any(|rule| rule.holds(shown)))
    }

    /// Whether a peer in this container may connect.
    pub(crate) fn allows_container(&self, container: &Container) -> bool {
        self.containers.is_empty() || self.containers.iter().any(|rule| rule.allows(container))
    }

    fn allows_user(&self, peer: &Peer, socket: &impl AsFd) -> bool {
        if self.uids.is_empty() && self.gids.is_empty() {
            return true;
        }
        let Peer::Unix(peer) = peer else {
            return false;
        };
        if self.uids.contains(&peer.uid) || self.gids.contains(&peer.gid) {
            return true;
        }
        !self.gids.is_empty()
            && credentials::groups(socket)
                .is_ok_and(|groups| groups.iter().any(|group| self.gids.contains(group)))
    }

    fn allows_address(&self, peer: &Peer) -> bool {
        if self.networks.is_empty() {
            return true;
        }
        let Peer::Net(peer) = peer else {
            return false;
        };
        let ip = peer.address.ip();
        self.networks.iter().any(|network| network.contains(&ip))
    }
}

/// The address without IPv4 in IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // As it is: with its zone.
        IpAddr::V6(_) => address,
    }
}

/// The command name of a process.
fn comm(pid: i32) -> String {
    thread_local! {
        static LAST: RefCell<Option<(i32, CoarseInstant, String)>> = const { RefCell::new(None) };
    }
    let now = CoarseInstant::now();
    LAST.with_borrow_mut(|last| match last {
        Some((known, read, comm)) if *known == pid && now.since(*read) < COMM_LIFETIME => {
            comm.clone()
        }
        _ => {
            let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            let comm = String::from_utf8_lossy(&comm).trim_end().to_owned();
            *last = Some((pid, now, comm.clone()));
            comm
        }
    })
}

#[cfg(test)]
mod tests;
