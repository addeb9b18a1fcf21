//! A client's blocking or non-blocking connection: over a unix socket, TCP, or TLS on TCP.
//!
//! Whoever counts what a proxy costs drives it from a loop of its own. It must never measure, and
//! it does not know who listens.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::http::answer::Expected;

/// Where a proxy listens.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
    Tls(SocketAddr, TlsClient),
}

/// What a client needs for TLS.
#[derive(Debug, Clone)]
pub(crate) struct TlsClient {
    pub(crate) config: Arc<ClientConfig>,
    /// The name in the server's certificate.
    pub(crate) server: ServerName<'static>,
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(TcpStream, Box<ClientConnection>),
}

impl Socket {
    /// Connects. A handshake of TLS follows with the first bytes that are sent and received.
    pub(crate) fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Unix(path) => Ok(Self::Unix(UnixStream::connect(path)?)),
            Address::Tcp(address) => Ok(Self::Tcp(tcp(*address)?)),
            Address::Tls(address, client) => {
                let session =
                    ClientConnection::new(Arc::clone(&client.config), client.server.clone());
                let session = session.map_err(io::Error::other)?;
                Ok(Self::Tls(tcp(*address)?, Box::new(session)))
            }
        }
    }

    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_nonblocking(true),
            Self::Tcp(stream) | Self::Tls(stream, _) => stream.set_nonblocking(true),
        }
    }

    /// Sends a short request, or keeps it until the handshake is done.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(request),
            Self::Tcp(stream) => stream.write_all(request),
            Self::Tls(stream, session) => {
                session.writer().write_all(request)?;
                flush(stream, session)
            }
        }
    }

    /// Receives what has arrived; 0 is the end.
    pub(crate) fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(room),
            Self::Tcp(stream) => stream.read(room),
            Self::Tls(stream, session) => loop {
                match session.reader().read(room) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
                session.read_tls(stream)?;
                session.process_new_packets().map_err(io::Error::other)?;
                flush(stream, session)?;
            },
        }
    }

    /// Sends a request on a blocking connection and waits for its answer.
    pub(crate) fn ask(
        &mut self,
        request: &[u8],
        wanted: Expected,
        patience: Duration,
    ) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(Some(patience))?,
            Self::Tcp(stream) | Self::Tls(stream, _) => stream.set_read_timeout(Some(patience))?,
        }
        self.send(request)?;
        let mut answer = Vec::new();
        let mut room = [0; 16 * 1024];
        while wanted.check(&answer)?.is_none() {
            match self.receive(&mut room)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => answer.extend_from_slice(room.get(..read).unwrap_or_default()),
            }
        }
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) | Self::Tls(stream, _) => stream.as_fd(),
        }
    }
}

/// Asks for `/_ping` on a connection of its own; an error unless the answer is 200.
pub(crate) fn ping(address: &Address, patience: Duration) -> io::Result<()> {
    let wanted = Expected {
        status: 200,
        size: Some(2),
    };
    let request = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n";
    Socket::connect(address)?.ask(request, wanted, patience)
}

fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn flush(stream: &mut TcpStream, session: &mut ClientConnection) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(stream)?;
    }
    Ok(())
}
