//! The way to the engine: dialling, and connections that are kept for the next request.
//!
//! A connection is kept only when the whole response has been read from it, and reused only if
//! nothing has come on it since. A request is sent again only if not a byte of it could be written,
//! so nothing is ever delivered twice. A request that may upgrade its connection gets a fresh one,
//! which is never kept. Nothing here knows who asks, or why.

mod addr;
mod connect;
mod container;
mod error;
mod get;
mod lookup;
mod mounted;
mod pool;
mod product;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use doxy_filter::api;
use rustix::io::Errno;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout_at};

pub use crate::upstream::addr::UpstreamAddr;
pub(crate) use crate::upstream::error::UpstreamError;
pub use crate::upstream::get::GetError;
pub(crate) use crate::upstream::lookup::{LookupError, TIME as LOOKUP_TIME};
pub use crate::upstream::mounted::is_mount_point;

use crate::clock::CoarseInstant;
use crate::metrics::counter::Counter;
use crate::net::handshake;
use crate::net::reason::io_reason;
use crate::net::stream::Stream;
use crate::net::tls::client::TlsClient;
use crate::upstream::connect::Resolver;
use crate::upstream::mounted::Mounted;
use crate::upstream::pool::Pool;

/// The first pause between two attempts to reach an engine that does not accept; doubled each time.
const DIAL_BACKOFF: Duration = Duration::from_millis(5);
const MAX_DIAL_BACKOFF: Duration = Duration::from_millis(100);

/// The engine, and the connections to it that wait for a request.
#[derive(Debug)]
pub struct Upstream {
    addr: UpstreamAddr,
    /// If it speaks TLS.
    tls: Option<TlsClient>,
    /// How long the engine may take to accept a connection. Never a limit on a response.
    connect_timeout: Duration,
    resolver: Resolver,
    mounted: Mounted,
    pool: Mutex<Pool>,
    /// Connections that were made, and requests for which a kept one was good.
    pub(crate) dialled: Counter,
    pub(crate) reused: Counter,
}

/// A connection on which the beginning of a head was written, and how many bytes, if there is one.
type Begun = Option<(Stream, usize)>;

impl Upstream {
    /// An engine that gets `connect_timeout` to accept a connection.
    pub fn new(addr: UpstreamAddr, connect_timeout: Duration) -> Self {
        Self {
            addr,
            tls: None,
            connect_timeout,
            resolver: Resolver::default(),
            mounted: Mounted::default(),
            pool: Mutex::default(),
            dialled: Counter::default(),
            reused: Counter::default(),
        }
    }

    /// An engine that speaks TLS. `connect_timeout` is for the handshake too.
    pub fn with_tls(addr: UpstreamAddr, connect_timeout: Duration, tls: TlsClient) -> Self {
        Self {
            tls: Some(tls),
            ..Self::new(addr, connect_timeout)
        }
    }

    /// The same engine for another thread, with connections of its own.
    pub(crate) fn for_another_thread(&self) -> Self {
        Self {
            tls: self.tls.clone(),
            resolver: self.resolver.clone(),
            ..Self::new(self.addr.clone(), self.connect_timeout)
        }
    }

    /// Whether both lead to the same engine in the same way.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.addr == other.addr
            && self.connect_timeout == other.connect_timeout
            && self.tls == other.tls
    }

    /// Connects to the engine and closes the connection again, to see whether it can be reached.
    ///
    /// # Errors
    ///
    /// If it cannot; the text says why.
    pub async fn check(&self) -> Result<(), String> {
        self.dial()
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    /// Asks the engine whether it is there, as every client does.
    ///
    /// # Errors
    ///
    /// If it gives no answer; the text says why.
    pub async fn ping(&self) -> Result<(), String> {
        match self.look_up(api::PING).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(LookupError::NotOne) => Err("the engine knows no ping".to_owned()),
            Err(LookupError::Failed(reason)) => Err(reason),
        }
    }

    /// Where the engine is.
    pub fn address(&self) -> &UpstreamAddr {
        &self.addr
    }

    /// Asks the engine for the description at `target`, on a connection of its own: `None` if it has
    /// no such object.
    pub(crate) async fn look_up(
        &self,
        target: &str,
    ) -> Result<Option<hyper::body::Bytes>, LookupError> {
        let answered = timeout_at(Instant::now() + lookup::TIME, async {
            let stream = self.dial().await.map_err(|error| error.to_string())?;
            lookup::get(stream, target).await
        });
        let seconds = lookup::TIME.as_secs();
        answered
            .await
            .unwrap_or_else(|_| Err(format!("the engine did not answer within {seconds} s").into()))
    }

    /// Writes the head of a request to a kept connection and gives the connection out, without
    /// waiting. If there is none, or it takes only a part, `open` goes on with what this returns.
    pub(crate) fn reuse(&self, head: &[u8]) -> Result<Stream, Begun> {
        while let Some(stream) = self.take() {
            // A connection that the engine has closed takes nothing; then the next one is tried.
            if let Ok(written) = stream.try_write(head) {
                return if written == head.len() {
                    self.reused.add(1);
                    Ok(stream)
                } else {
                    Err(Some((stream, written)))
                };
            }
        }
        Err(None)
    }

    /// Writes the head of a request, or the rest of it, to the connection that `reuse` began with,
    /// or to a new one.
    ///
    /// Dropped, the connection is closed, and the engine sees that nobody waits any more.
    pub(crate) async fn open(&self, begun: Begun, head: &[u8]) -> Result<Stream, UpstreamError> {
        let (stream, written) = match begun {
            Some(begun) => {
                self.reused.add(1);
                begun
            }
            None => {
                let stream = self.dial().await?;
                self.dialled.add(1);
                (stream, 0)
            }
        };
        let rest = head.get(written..).unwrap_or_default();
        let written = stream.write_all(rest).await;
        written.map_err(|error| self.broke_off(&io_reason(&error)))?;
        Ok(stream)
    }

    /// Keeps a connection for the next request. The whole response must have been read from it.
    pub(crate) fn keep(self: &Arc<Self>, stream: Stream) {
        let unwatched = self.pool().put(stream, CoarseInstant::now());
        if unwatched {
            tokio::spawn(Self::close_expired(Arc::downgrade(self)));
        }
    }

    /// The engine took the request and gave no response that can be passed on.
    pub(crate) fn broke_off(&self, reason: &str) -> UpstreamError {
        UpstreamError::BrokeOff {
            engine: self.addr.to_string(),
            reason: reason.to_owned(),
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes kept connections when their lifetime is over. Ends when there are none.
    async fn close_expired(upstream: Weak<Self>) {
        loop {
            let Some(upstream) = upstream.upgrade() else {
                return;
            };
            let Some(next) = upstream.pool().expire(CoarseInstant::now()) else {
                return;
            };
            drop(upstream);
            sleep(next).await;
        }
    }

    /// The kept connection that was used last, if it is still good.
    fn take(&self) -> Option<Stream> {
        loop {
            let stream = self.pool().pop()?;
            // If the stream has ended, or bytes have come that nobody asked for, it is closed.
            if let Ok(None) = stream.try_read(&mut [0]) {
                return Some(stream);
            }
        }
    }

    /// Closes the connections that wait for a request. Says whether there were any.
    pub(crate) fn close_idle(&self) -> bool {
        self.pool().clear()
    }

    async fn dial(&self) -> Result<Stream, UpstreamError> {
        match &self.addr {
            UpstreamAddr::Unix(path) => {
                let deadline = Instant::now() + self.connect_timeout;
                let mut backoff = DIAL_BACKOFF;
                loop {
                    match UnixStream::connect(path).await {
                        Ok(stream) => {
                            self.mounted.reached();
                            return Ok(stream.into());
                        }
                        // The queue of the engine's socket is full: it does not accept.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            if Instant::now() >= deadline {
                                return Err(self.not_accepting());
                            }
                            sleep(backoff).await;
                            backoff = (backoff * 2).min(MAX_DIAL_BACKOFF);
                        }
                        Err(error) if out_of_descriptors(&error) && self.close_idle() => {}
                        Err(error) => {
                            self.mounted.refused(path, &error);
                            return Err(self.unreachable(error));
                        }
                    }
                }
            }
            UpstreamAddr::Tcp(address) => {
                let until = Instant::now() + self.connect_timeout;
                let stream = loop {
                    match self.resolver.connect(address, until).await {
                        Ok(stream) => break Stream::from(stream),
                        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                            return Err(self.not_accepting());
                        }
                        Err(error) if out_of_descriptors(&error) && self.close_idle() => {}
                        Err(error) => return Err(self.unreachable(error)),
                    }
                };
                let Some(tls) = &self.tls else {
                    return Ok(stream);
                };
                // Its buffers would make the future of every request larger.
                let connected = Box::pin(handshake::connect(stream, tls));
                match timeout_at(until, connected).await {
                    Ok(Ok(stream)) => Ok(stream),
                    Ok(Err(error)) => Err(UpstreamError::NoTls {
                        engine: self.addr.to_string(),
                        reason: error.to_string(),
                    }),
                    Err(_) => Err(self.not_accepting()),
                }
            }
        }
    }

    fn unreachable(&self, reason: io::Error) -> UpstreamError {
        UpstreamError::Unreachable {
            engine: self.addr.to_string(),
            reason,
        }
    }

    fn not_accepting(&self) -> UpstreamError {
        UpstreamError::NotAccepting {
            engine: self.addr.to_string(),
            seconds: self.connect_timeout.as_secs(),
        }
    }
}

fn out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
