//! What a server of TLS shows to a client that goes no further: its certificate, or that it lets nobody in.
//!
//! For tools that have no certificate of their own to show. The client leaves in the middle of the
//! handshake, which servers take for somebody who looked whether they are there. Nothing is ever sent to
//! a server that is looked at so.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::net::tls::files::words;
use crate::net::tls::pinned::{Pinned, config};

/// The first byte of a handshake and of an alert. Source: RFC 8446 (5.1).
const RECORDS: [u8; 2] = [0x16, 0x15];

/// What a server has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Its certificate, in DER.
    Certificate(Vec<u8>),
    /// It speaks TLS and goes no further, for this reason.
    Refused(String),
    /// It answers with something else than TLS.
    NotTls,
}

/// Begins a handshake with the server at an address, and leaves when it has shown what it is.
///
/// # Errors
/// It cannot be reached, or closes without a word.
pub async fn shown(address: SocketAddr) -> io::Result<Shown> {
    let seen = Arc::new(Pinned::new(None));
    let config = config(Arc::clone(&seen)).map_err(io::Error::other)?;
    let name = ServerName::from(address.ip());
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(address).await?;
    let mut first = true;
    loop {
        let mut out = vec![];
        while tls.wants_write() {
            tls.write_tls(&mut out)?;
        }
        stream.write_all(&out).await?;
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await?;
        let mut read = chunk.get(..count).unwrap_or_default();
        match read.first() {
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(byte) if first && !RECORDS.contains(byte) => return Ok(Shown::NotTls),
            Some(_) => first = false,
        }
        while !read.is_empty() {
            tls.read_tls(&mut read)?;
            let processed = tls.process_new_packets();
            if let Some(certificate) = seen.shown() {
                return Ok(Shown::Certificate(certificate.to_vec()));
            }
            if let Err(error) = processed {
                return Ok(Shown::Refused(words(&error)));
            }
        }
    }
}
