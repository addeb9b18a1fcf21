//! Between accept and parse: the handshake of TLS, and who does not get through it.
//!
//! A connection waits during its handshake as it does between requests: it makes room for others. Of a
//! client that has shown a certificate, that decides whether it may come in.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::timeout;

use crate::clock::CoarseInstant;
use crate::log::record::RequestRecord;
use crate::net::handshake::{self, ACCESS_DENIED, HandshakeError, INTERNAL_ERROR};
use crate::net::tls::server::TlsServer;
use crate::proxy::client::{Client, Next};
use crate::proxy::error::Error;
use crate::proxy::service::Service;
use crate::shares::connections::Place;

/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Why a client is not served.
pub(crate) enum NotSecured {
    /// It is to be told.
    Rejected(Box<Client>, Error),
    /// It is gone, or has been told by TLS itself.
    Ended,
}

/// Goes through the handshake with a client.
pub(crate) async fn secure(
    client: Client,
    server: TlsServer,
    place: &Place,
    service: &Service,
) -> Result<Client, NotSecured> {
    place.waits(CoarseInstant::now().ticks());
    let Client {
        stream,
        input,
        mut log,
    } = client;
    let accepted = timeout(HANDSHAKE_TIME, handshake::accept(stream, &server));
    let accepted = tokio::select! {
        biased;
        accepted = accepted => accepted,
        () = poll_fn(|cx| place.poll_end(cx)) => return Err(NotSecured::Ended),
    };
    let error = match accepted {
        Ok(Ok((stream, certificate))) => {
            log.peer.has_shown(certificate);
            let client = Client { stream, input, log };
            if service.peers.allows_certificate(&client.log.peer) {
                return Ok(client);
            }
            let peer = client.log.peer.named();
            return Err(NotSecured::Rejected(
                Box::new(client),
                Error::PeerNotAllowed { peer },
            ));
        }
        Ok(Err(HandshakeError::NotTls(stream))) => {
            log.denials.not_connected(log.peer.named(), &Error::NotTls);
            let client = Client { stream, input, log };
            return Err(NotSecured::Rejected(Box::new(client), Error::NotTls));
        }
        Ok(Err(error)) => error,
        Err(_) => HandshakeError::Late,
    };
    // Who only looks whether somebody listens says nothing.
    if !matches!(error, HandshakeError::Gone) {
        log.denials.not_connected(log.peer.named(), &error);
        if let Some(metrics) = &log.metrics {
            metrics.failed_handshakes.add(1);
        }
    }
    Err(NotSecured::Ended)
}

/// Tells a client of TLS, before any handshake, that its connection is not served: in an alert, which
/// costs nothing.
pub(crate) fn alert(error: &Error, client: &Client, service: &Service) -> Next {
    error.tell(&client.log);
    let mut record = RequestRecord::open(&client.log, service.request_ids.next());
    error.note(&mut record);
    let alert = match error {
        Error::PeerNotAllowed { .. } => ACCESS_DENIED,
        _ => INTERNAL_ERROR,
    };
    match client.stream.try_write(&alert) {
        Ok(_) => Next::Linger,
        Err(_) => Next::Gone,
    }
}
