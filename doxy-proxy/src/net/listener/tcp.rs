//! A TCP socket of doxy's own.
//!
//! Whoever reaches the address can connect: unlike a file it has no mode. Nothing here decides who
//! may.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::io::Interest;

use crate::net::listener::error::ListenError;
use crate::net::listener::queue::{self, BACKLOG};
use crate::net::reason::io_reason;
use crate::net::stream::DetachedStream;

/// A peer that is silent for this long is asked whether it is still there. A machine that was
/// switched off would otherwise keep its connections for ever.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// How long it has for an answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How often it is asked before its connection ends.
const KEEPALIVE_PROBES: u32 = 4;

/// A TCP socket that doxy listens on.
#[derive(Debug)]
pub struct TcpListener {
    /// A stream to tokio, which only has to tell when it is readable, as for a unix socket.
    inner: tokio::net::TcpStream,
    address: SocketAddr,
}

impl TcpListener {
    /// Listens on an address; port 0 is one that is free. `[::]` takes IPv4 connections too. To be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// The port is taken, or is a privileged one; this machine does not have the address.
    pub fn listen(address: SocketAddr) -> Result<Self, ListenError> {
        let family = if address.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None);
        let bound = socket.and_then(|socket| {
            // The port of a doxy that has just ended can be taken again at once.
            sockopt::set_socket_reuseaddr(&socket, true)?;
            if let IpAddr::V6(ip) = address.ip() {
                sockopt::set_ipv6_v6only(&socket, !ip.is_unspecified())?;
            }
            rustix::net::bind(&socket, &address)?;
            rustix::net::listen(&socket, BACKLOG)?;
            Ok(socket)
        });
        let socket = bound.map_err(|error| explain(error, address))?;
        Self::from_bound(socket).map_err(|error| ListenError {
            what: io_reason(&error),
            help: "check the limit on open files",
        })
    }

    /// Takes over a socket that listens already and does not block.
    pub(super) fn from_bound(socket: OwnedFd) -> io::Result<Self> {
        // Connections have these from the socket that they come in on.
        sockopt::set_tcp_nodelay(&socket, true)?;
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, KEEPALIVE_AFTER)?;
        sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_INTERVAL)?;
        sockopt::set_tcp_keepcnt(&socket, KEEPALIVE_PROBES)?;
        let address = rustix::net::getsockname(&socket)?;
        Ok(Self {
            address: address.try_into()?,
            inner: tokio::net::TcpStream::from_std(socket.into())?,
        })
    }

    /// The address that it was bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts a connection. No runtime watches it yet, so that it can be closed at little cost.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<DetachedStream>> {
        loop {
            ready!(self.inner.poll_read_ready(cx))?;
            match self
                .inner
                .try_io(Interest::READABLE, || accept(&self.inner))
            {
                Err(error) if queue::is_empty(&error) => {}
                accepted => return Poll::Ready(accepted),
            }
        }
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// Accepts a connection of either kind, without waiting for one.
pub(super) fn accept(listener: &impl AsFd) -> io::Result<DetachedStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (stream, address) = rustix::net::acceptfrom_with(listener, flags)?;
    // Those that connect to a unix socket have no such address.
    let address = address.and_then(|address| SocketAddr::try_from(address).ok());
    Ok(match address {
        Some(address) => DetachedStream::Tcp(stream.into(), address),
        None => DetachedStream::Unix(stream.into()),
    })
}

fn explain(error: Errno, address: SocketAddr) -> ListenError {
    let port = address.port();
    let (what, help) = match error {
        Errno::ADDRINUSE => (
            format!("port {port} of this address is taken"),
            "stop the process that listens there, or choose another port; `[::]` takes the port of \
             every IPv4 address too",
        ),
        Errno::ADDRNOTAVAIL => (
            "this machine does not have the address".to_owned(),
            "name one that `ip address` shows here, or with 0.0.0.0 or [::] all of them",
        ),
        Errno::ACCESS | Errno::PERM if port < 1024 => (
            format!("doxy may not take port {port}: it is a privileged one"),
            "choose a port above 1023, or give doxy the capability NET_BIND_SERVICE (in a systemd \
             unit `AmbientCapabilities=CAP_NET_BIND_SERVICE`)",
        ),
        Errno::INVAL if needs_zone(address) => (
            "a link-local address says nothing without its zone".to_owned(),
            "add the network interface: [fe80::1%eth0]",
        ),
        Errno::NODEV => (
            "this machine does not have the address's network interface".to_owned(),
            "name an interface that `ip link` shows here",
        ),
        Errno::AFNOSUPPORT => (
            "IPv6 is switched off on this machine".to_owned(),
            "name an IPv4 address: 127.0.0.1, or 0.0.0.0 for all of them",
        ),
        other => (
            io_reason(&other.into()),
            "name an address of this machine and a free port",
        ),
    };
    ListenError { what, help }
}

fn needs_zone(address: SocketAddr) -> bool {
    matches!(address, SocketAddr::V6(it) if it.ip().is_unicast_link_local() && it.scope_id() == 0)
}

#[cfg(test)]
mod tests;
