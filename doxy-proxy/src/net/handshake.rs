//! From a plain connection to one over TLS, on either side.
//!
//! How long a handshake may take, and how many there are at a time, is for the caller to say.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, ServerConnection};
use tokio::time::timeout;

use crate::net::reason::io_reason;
use crate::net::socket::Socket;
use crate::net::stream::Stream;
use crate::net::tls::certificate::Certificate;
use crate::net::tls::client::TlsClient;
use crate::net::tls::files::words;
use crate::net::tls::server::TlsServer;
use crate::net::tls::stream::TlsStream;

/// The first byte of everything that a client of TLS sends first.
const HANDSHAKE: u8 = 0x16;
/// A fatal alert, before any version is agreed on.
const fn alert(description: u8) -> [u8; 7] {
    [0x15, 3, 3, 0, 2, 2, description]
}
/// The client may not connect. Source: RFC 8446 (6.2).
pub(crate) const ACCESS_DENIED: [u8; 7] = alert(49);
/// The server cannot serve now.
pub(crate) const INTERNAL_ERROR: [u8; 7] = alert(80);
/// How long the other side may go on sending when it has been told that there is no connection. A
/// socket that is closed with unread bytes takes back what was written to it.
const LINGERING_TIME: Duration = Duration::from_secs(1);
/// Why there is no TLS connection. The texts are for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the connection ended before the TLS handshake was complete")]
    Gone,
    /// Nothing has been read of it. It may be answered in the clear.
    #[error("the client does not speak TLS")]
    NotTls(Stream),
    #[error("the TLS handshake was not complete in time")]
    Late,
    #[error("the TLS handshake failed: {0}")]
    Failed(String),
    #[error("the TLS handshake failed: {}", io_reason(.0))]
    Socket(io::Error),
}

/// Whether these are the first bytes of a client that speaks TLS.
pub(crate) fn is_hello(bytes: &[u8]) -> bool {
    // Version 3 of what once was SSL, in all that TLS calls itself.
    bytes.starts_with(&[HANDSHAKE, 3])
}

/// Lets a client in over TLS.
///
/// The certificate is the client's, if the server asks for one: then there is no connection without it.
pub(crate) async fn accept(
    stream: Stream,
    server: &TlsServer,
) -> Result<(Stream, Option<Arc<Certificate>>), HandshakeError> {
    let Stream::Plain(socket) = stream else {
        return Err(HandshakeError::Failed("it is one already".to_owned()));
    };
    match first_byte(&socket).await.map_err(HandshakeError::Socket)? {
        None => return Err(HandshakeError::Gone),
        Some(HANDSHAKE) => {}
        Some(_) => return Err(HandshakeError::NotTls(Stream::Plain(socket))),
    }
    let tls = ServerConnection::new(Arc::clone(&server.config));
    let tls = tls.map_err(|error| HandshakeError::Failed(words(&error)))?;
    let stream = TlsStream::new(socket, tls.into());
    finish(&stream).await?;
    let certificate = stream.peer_certificate(Certificate::read).transpose();
    let certificate = certificate.map_err(|error| HandshakeError::Failed(error.to_string()))?;
    Ok((Stream::Tls(Box::new(stream)), certificate.map(Arc::new)))
}

/// Connects to the engine over TLS.
pub(crate) async fn connect(stream: Stream, client: &TlsClient) -> Result<Stream, HandshakeError> {
    let Stream::Plain(socket) = stream else {
        return Err(HandshakeError::Failed("it is one already".to_owned()));
    };
    let tls = ClientConnection::new(Arc::clone(&client.config), client.name.clone());
    let tls = tls.map_err(|error| HandshakeError::Failed(words(&error)))?;
    let stream = TlsStream::new(socket, tls.into());
    finish(&stream).await?;
    Ok(Stream::Tls(Box::new(stream)))
}

async fn finish(stream: &TlsStream) -> Result<(), HandshakeError> {
    let Err(error) = stream.handshake().await else {
        return Ok(());
    };
    let reason = error.get_ref().and_then(|it| it.downcast_ref());
    Err(match reason {
        Some(reason) => {
            let reason = words(reason);
            linger(stream.socket()).await;
            HandshakeError::Failed(reason)
        }
        None if error.kind() == io::ErrorKind::UnexpectedEof => HandshakeError::Gone,
        None => HandshakeError::Socket(error),
    })
}

/// None if the client has ended without a byte.
async fn first_byte(socket: &Socket) -> io::Result<Option<u8>> {
    loop {
        poll_fn(|cx| socket.poll_readable(cx)).await?;
        if let Some(byte) = socket.peek()? {
            return Ok(byte);
        }
    }
}

/// Reads and discards what still comes, for a while.
async fn linger(socket: &Socket) {
    socket.shutdown_write();
    let drained = timeout(LINGERING_TIME, async {
        let mut scratch = [0; 1024];
        loop {
            match socket.try_read(&mut scratch) {
                Ok(Some(0)) | Err(_) => return,
                Ok(Some(_)) => {}
                Ok(None) => {
                    if poll_fn(|cx| socket.poll_readable(cx)).await.is_err() {
                        return;
                    }
                }
            }
            tokio::task::consume_budget().await;
        }
    });
    let _ = drained.await;
}
