//! The way to the engine: dialling, and connections kept for the next request.
//!
//! Kept connections serve requests without a body only, and go back when the whole answer has
//! been read; nothing unread or unexpected can be on them. A request is sent again only when
//! the HTTP library hands it back whole, unsent: nothing is ever delivered twice. Where the engine
//! may take a connection out of HTTP it gets a fresh one, which is never kept.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::http::response::Parts;
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Error, Malformed, Upstream as Failure, plain};
use crate::hijack;
use crate::socket::Socket;

/// How much of an answer is read at a time, and the largest head of one. Measured: four times as
/// much leaves the processor's cache, and the allocator's, and costs a third more.
const READ: usize = 64 * 1024;
/// How many connections are kept. More are closed when their answer has been read.
const KEPT: usize = 512;
/// How long a connection is kept without being used.
const KEEP: Duration = Duration::from_secs(30);

/// Where the engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// A unix socket.
    Unix(PathBuf),
    /// `HOST:PORT`, without TLS.
    Tcp(String),
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// The engine, and the connections to it that wait for work.
#[derive(Debug)]
pub struct Upstream {
    engine: Engine,
    /// How long the engine may take to accept a connection. Never a limit on an answer.
    patience: Duration,
    http: http1::Builder,
    idle: Mutex<Idle>,
}

/// Connections that wait for a request.
#[derive(Debug, Default)]
struct Idle {
    /// Since when each has waited, the longest first.
    kept: VecDeque<(Instant, SendRequest<Incoming>)>,
    /// Is there a task that closes those whose time is up?
    watched: bool,
}

/// A connection that is in use. Dropped before the answer is complete, it is closed, and the
/// engine sees that nobody waits any more.
#[derive(Debug)]
pub(crate) struct Lease {
    upstream: Arc<Upstream>,
    sender: SendRequest<Incoming>,
    reusable: bool,
}

/// What the engine says to a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// An answer, its body still on the way.
    Answer(Response<Incoming>, Lease),
    /// The connection is out of HTTP from here on.
    Switched(Switched),
}

/// A connection that the engine has switched.
#[derive(Debug)]
pub(crate) struct Switched {
    /// What the engine said, to be passed on as it is.
    pub(crate) head: Parts,
    pub(crate) engine: Socket,
    /// What the engine sent right behind the head.
    pub(crate) early: Vec<Bytes>,
}

impl Upstream {
    /// An engine that gets `patience` to accept a connection.
    pub fn new(engine: Engine, patience: Duration) -> Self {
        let mut http = http1::Builder::new();
        http.max_buf_size(READ);
        Self {
            engine,
            patience,
            http,
            idle: Mutex::default(),
        }
    }

    /// Sends one request and waits, for as long as it takes, for the head of the answer.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<(Response<Incoming>, Lease), Error> {
        let reusable = request.body().is_end_stream();
        loop {
            let kept = if reusable { self.take().await } else { None };
            let was_kept = kept.is_some();
            let mut sender = match kept {
                Some(sender) => sender,
                None => self.connect().await?,
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    // hyper goes on in the version that the other side answers in.
                    let reusable = reusable && response.version() == Version::HTTP_11;
                    let lease = Lease {
                        upstream: Arc::clone(self),
                        sender,
                        reusable,
                    };
                    return Ok((response, lease));
                }
                // The engine had closed a kept connection; not a byte was sent.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if was_kept => request = unsent,
                    _ => return Err(self.failure(failed.into_error())),
                },
            }
        }
    }

    fn failure(&self, error: hyper::Error) -> Error {
        if error.is_user() {
            // The request's body failed while it was passed on: that is the client's doing.
            return Error::Malformed(Malformed::Body);
        }
        match std::error::Error::source(&error).and_then(|s| s.downcast_ref::<io::Error>()) {
            Some(io) => self.broke_off(&plain(io)),
            None => self.broke_off(&error.to_string()),
        }
    }

    /// The engine took the request and gave no answer that can be passed on.
    pub(crate) fn broke_off(&self, reason: &str) -> Error {
        let engine = self.engine.to_string();
        Error::Upstream(Failure::BrokeOff {
            engine,
            reason: reason.to_owned(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes kept connections when their time is up. Ends when there are none.
    async fn close_unused(upstream: Weak<Self>) {
        loop {
            sleep(KEEP).await;
            let Some(upstream) = upstream.upgrade() else {
                return;
            };
            let mut idle = upstream.idle();
            while idle
                .kept
                .front()
                .is_some_and(|(since, _)| since.elapsed() >= KEEP)
            {
                idle.kept.pop_front();
            }
            if idle.kept.is_empty() {
                idle.watched = false;
                return;
            }
        }
    }

    /// The connection that was used last, if it is still good.
    async fn take(&self) -> Option<SendRequest<Incoming>> {
        loop {
            let (_, mut sender) = self.idle().kept.pop_back()?;
            // Ready at once but for the moment between the last byte of an answer and the turn
            // of the connection's own task; an error says that the engine has closed it.
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    /// Sends a request to an endpoint where the engine may take over the connection.
    pub(crate) async fn send_to_hijack(
        self: &Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Reply, Error> {
        let io = TokioIo::new(self.dial().await?);
        let (mut sender, mut connection) = self
            .http
            .handshake(io)
            .await
            .map_err(|error| self.failure(error))?;
        let mut answer = pin!(sender.send_request(request));
        let mut ended = false;
        // Driven here and not in a task of its own, so that it can be taken apart at the head of
        // the answer, also before the request's body has ended: some clients leave it open.
        let response = poll_fn(|cx| {
            ended = ended || connection.poll_without_shutdown(cx).is_ready();
            answer.as_mut().poll(cx)
        });
        let response = response.await.map_err(|error| self.failure(error))?;
        if hijack::switches(&response) {
            let (head, body) = response.into_parts();
            let parts = connection.into_parts();
            let mut early = queued(body).await;
            early.push(parts.read_buf);
            return Ok(Reply::Switched(Switched {
                head,
                engine: parts.io.into_inner(),
                early,
            }));
        }
        if !ended {
            tokio::spawn(connection);
        }
        let lease = Lease {
            upstream: Arc::clone(self),
            sender,
            reusable: false,
        };
        Ok(Reply::Answer(response, lease))
    }

    async fn connect(&self) -> Result<SendRequest<Incoming>, Error> {
        let io = TokioIo::new(self.dial().await?);
        let (sender, connection) = self
            .http
            .handshake(io)
            .await
            .map_err(|error| self.failure(error))?;
        // What goes wrong on it is told to whoever sent the request; it ends with its sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn dial(&self) -> Result<Socket, Error> {
        match &self.engine {
            Engine::Unix(path) => {
                let deadline = Instant::now() + self.patience;
                loop {
                    match UnixStream::connect(path).await {
                        Ok(stream) => return Ok(Socket::Unix(stream)),
                        // The queue of the engine's socket is full: it is not accepting.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            if Instant::now() >= deadline {
                                return Err(self.not_accepting());
                            }
                            sleep(Duration::from_millis(10)).await;
                        }
                        Err(error) => return Err(self.unreachable(error)),
                    }
                }
            }
            Engine::Tcp(address) => {
                match timeout(self.patience, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        stream
                            .set_nodelay(true)
                            .map_err(|error| self.unreachable(error))?;
                        Ok(Socket::Tcp(stream))
                    }
                    Ok(Err(error)) => Err(self.unreachable(error)),
                    Err(_) => Err(self.not_accepting()),
                }
            }
        }
    }

    fn unreachable(&self, reason: io::Error) -> Error {
        Error::Upstream(Failure::Unreachable {
            engine: self.engine.to_string(),
            reason,
        })
    }

    fn not_accepting(&self) -> Error {
        let seconds = self.patience.as_secs();
        Error::Upstream(Failure::NotAccepting {
            engine: self.engine.to_string(),
            seconds,
        })
    }
}

/// What hyper had read of a body before its connection was taken apart.
async fn queued(mut body: Incoming) -> Vec<Bytes> {
    let mut queued = Vec::new();
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        queued.extend(frame.into_data().ok());
    }
    queued
}

impl Lease {
    /// The answer has been read to its end: the connection may serve the next request.
    pub(crate) fn give_back(self) {
        if !self.reusable || self.sender.is_closed() {
            return;
        }
        let mut idle = self.upstream.idle();
        if idle.kept.len() < KEPT {
            idle.kept.push_back((Instant::now(), self.sender));
        }
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(Upstream::close_unused(Arc::downgrade(&self.upstream)));
        }
    }
}
