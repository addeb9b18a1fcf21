//! Accepts connections of the admin side and has hyper serve them.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::net::handshake;
use crate::net::listener::Listener;
use crate::net::peer::{Identity, Peer, PeerAcl};
use crate::net::stream::{DetachedStream, Stream};
use crate::net::tls::server::TlsServer;
use crate::web::answer::{AnswerBody, WebAnswer};
use crate::web::guard;
use crate::web::patience::Patient;
use crate::web::places::{Answering, Place, Places, WebRefusals};
use crate::web::turn::in_turn;

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
    /// Where those are counted that get no place.
    pub refusals: WebRefusals,
}

/// What every connection has of it.
struct Shared<F> {
    peers: PeerAcl,
    hosts: Vec<String>,
    tls: Option<TlsServer>,
    respond: F,
    places: Arc<Places>,
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
            places: Places::new(self.refusals),
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
                if let Some((peer, place)) = admitted(&stream, &shared) {
                    open.spawn(connection(stream, peer, place, Arc::clone(&shared)));
                }
                // A request that has come with its connection counts before the next connection does.
                yield_now().await;
            }
            Err(error) => {
                tracing::warn!("the admin side cannot accept a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Who has connected, and its place. None if it may not connect, or there is no place for it.
fn admitted<F>(stream: &DetachedStream, shared: &Shared<F>) -> Option<(Peer, Place)> {
    let peer = Peer::of(stream).ok()?;
    let may_connect = shared.peers.allows(&peer, stream);
    let place = may_connect.then(|| shared.places.admit(counted_as(&peer)))?;
    Some((peer, place?))
}

/// Whom a connection is counted for. A machine has all of 127.0.0.0/8.
fn counted_as(peer: &Peer) -> Identity {
    match peer.identity() {
        Identity::Address(IpAddr::V4(ip)) if ip.is_loopback() => {
            Identity::Address(Ipv4Addr::LOCALHOST.into())
        }
        other => other,
    }
}

async fn connection<F, A>(stream: DetachedStream, peer: Peer, place: Place, shared: Arc<Shared<F>>)
where
    F: Fn(String) -> A + Send + Sync + 'static,
    A: Future<Output = WebAnswer> + Send + 'static,
{
    tokio::select! {
        () = place.ended() => {}
        () = serve_one(stream, &peer, &place, &shared) => {}
    }
}

async fn serve_one<F, A>(
    stream: DetachedStream,
    peer: &Peer,
    place: &Place,
    shared: &Arc<Shared<F>>,
) where
    F: Fn(String) -> A + Send + Sync + 'static,
    A: Future<Output = WebAnswer> + Send + 'static,
{
    let Ok(stream) = stream.attach() else {
        return;
    };
    let network = matches!(peer, Peer::Net(_));
    let Some(stream) = secured(stream, shared.tls.as_ref().filter(|_| network)).await else {
        return;
    };
    let service = service_fn(|request: Request<Incoming>| {
        let shared = Arc::clone(shared);
        let (answering, turn) = (place.answers(), place.turn());
        async move {
            let response = respond(&request, network, answering, &shared);
            Ok::<_, Infallible>(in_turn(&turn, response).await)
        }
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
    answering: Answering,
    shared: &Shared<F>,
) -> Response<AnswerBody>
where
    F: Fn(String) -> A,
    A: Future<Output = WebAnswer>,
{
    let answer = match guard::check(request, &shared.hosts, network) {
        Ok(()) => (shared.respond)(request.uri().path().to_owned()).await,
        Err((status, words)) => WebAnswer::text(status, words),
    };
    answer.response(answering)
}
