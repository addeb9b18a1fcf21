//! Accepts connections of the admin side and has hyper serve them.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::net::handshake;
use crate::net::listener::Listener;
use crate::net::peer::{Peer, PeerAcl};
use crate::net::stream::{DetachedStream, Stream};
use crate::net::tls::server::TlsServer;
use crate::web::answer::{WebAnswer, WebEvents};
use crate::web::guard;
use crate::web::patience::Patient;

/// How many connections are served at a time. Further ones are closed at once.
const MAX_CONNECTIONS: usize = 64;
/// How long a handshake, or the head of a request, may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The pause after a failure to accept.
const PAUSE: Duration = Duration::from_secs(1);
/// The largest head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The admin side, at one or several addresses.
#[derive(Debug)]
pub struct WebServer {
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Who may connect.
    pub peers: PeerAcl,
    /// Names with dots by which people on a network call doxy.
    pub hosts: Vec<String>,
    /// If its TCP addresses speak TLS.
    pub tls: Option<TlsServer>,
}

/// What every connection has of it.
struct Shared<F> {
    peers: PeerAcl,
    hosts: Vec<String>,
    tls: Option<TlsServer>,
    respond: F,
    places: Semaphore,
}

impl WebServer {
    /// Serves until it is dropped. `respond` gets the path of a request that may be answered.
    ///
    /// To be called within a tokio runtime.
    pub async fn serve<F, A>(self, respond: F)
    where
        F: Fn(String) -> A + Send + Sync + 'static,
        A: Future<Output = WebAnswer> + Send + 'static,
    {
        let shared = Arc::new(Shared {
            peers: self.peers,
            hosts: self.hosts,
            tls: self.tls,
            respond,
            places: Semaphore::new(MAX_CONNECTIONS),
        });
        let mut accepting = tokio::task::JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(accept(listener, Arc::clone(&shared)));
        }
        while accepting.join_next().await.is_some() {}
    }
}

async fn accept<F, A>(listener: Listener, shared: Arc<Shared<F>>)
where
    F: Fn(String) -> A + Send + Sync + 'static,
    A: Future<Output = WebAnswer> + Send + 'static,
{
    // Dropped with the accepting, which ends the connections too.
    let mut open = tokio::task::JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        match poll_fn(|cx| listener.poll_accept(cx)).await {
            Ok(stream) => {
                if shared.places.available_permits() > 0 {
                    open.spawn(connection(stream, Arc::clone(&shared)));
                }
            }
            Err(error) => {
                tracing::warn!("the admin side cannot accept a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection<F, A>(stream: DetachedStream, shared: Arc<Shared<F>>)
where
    F: Fn(String) -> A + Send + Sync + 'static,
    A: Future<Output = WebAnswer> + Send + 'static,
{
    let Ok(_place) = shared.places.try_acquire() else {
        return;
    };
    let Ok(peer) = Peer::of(&stream) else {
        return;
    };
    if !shared.peers.allows(&peer, &stream) {
        return;
    }
    let Ok(stream) = stream.attach() else {
        return;
    };
    let network = matches!(peer, Peer::Net(_));
    let Some(stream) = secured(stream, shared.tls.as_ref().filter(|_| network)).await else {
        return;
    };
    let service = service_fn(|request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(&request, network, &shared).await) }
    });
    // An error is that the client has gone, or sent what is no request: nothing that helps anybody.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Patient::new(stream)), service)
        .await;
}

/// The connection after its handshake, if it has to go through one.
async fn secured(stream: Stream, tls: Option<&TlsServer>) -> Option<Stream> {
    let Some(tls) = tls else {
        return Some(stream);
    };
    let accepted = timeout(HEAD_TIME, Box::pin(handshake::accept(stream, tls))).await;
    Some(accepted.ok()?.ok()?.0)
}

async fn respond<F, A>(
    request: &Request<Incoming>,
    network: bool,
    shared: &Shared<F>,
) -> Response<Either<Full<Bytes>, WebEvents>>
where
    F: Fn(String) -> A,
    A: Future<Output = WebAnswer>,
{
    let answer = match guard::check(request, &shared.hosts, network) {
        Ok(()) => (shared.respond)(request.uri().path().to_owned()).await,
        Err((status, words)) => WebAnswer::text(status, words),
    };
    answer.response()
}
