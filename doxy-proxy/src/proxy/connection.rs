//! One client's connection: requests are read from it one after the other, and `handler` answers
//! them.
//!
//! Here is decided when a connection ends: when either side is done with it, when the client has
//! gone, when doxy stops. Between requests it owns no memory but its task.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::timeout;

use crate::error::Error;
use crate::http::head::{self, HeadError};
use crate::http::request::too_large;
use crate::log::record::LogContext;
use crate::net::buffer::{BODY_BUF, HEAD_BUF, ReadBuf};
use crate::net::peer::Peer;
use crate::net::stream::Stream;
use crate::proxy::handler::{Service, handle, reject};
use crate::proxy::idle::Idle;

/// How long a client that is still sending may take to notice its answer.
const LINGERING_TIME: Duration = Duration::from_secs(1);

/// What a client may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many connections are served at a time; the next is answered 503.
    pub connections: usize,
    /// How long the head of a request may take, from its first byte to its last, and how long a
    /// body that a script wants to see.
    pub head: Duration,
    /// The largest body that a script may see, in bytes.
    pub body: usize,
    /// How long a connection may wait for a request, and up to an eighth longer. Never a limit on an
    /// answer.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head: Duration::from_secs(30),
            body: 1 << 20,
            idle: Duration::from_secs(600),
        }
    }
}

/// A client's connection, and what has been read from it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: Stream,
    pub(crate) input: ReadBuf,
    pub(crate) audit: LogContext,
}

impl Client {
    fn new(stream: UnixStream, caller: Option<Arc<Peer>>, proxy: &Service) -> Self {
        Self {
            socket: Stream::Unix(stream),
            input: ReadBuf::default(),
            audit: LogContext {
                log: proxy.access.clone(),
                caller,
            },
        }
    }

    /// Who has connected; nobody known over TCP.
    #[cfg(feature = "script")]
    pub(crate) fn caller(&mut self) -> Option<Arc<Peer>> {
        if let (None, Stream::Unix(stream)) = (&self.audit.caller, &self.socket) {
            self.audit.caller = Peer::of(stream, false).ok().map(Arc::new);
        }
        self.audit.caller.clone()
    }
}

/// What becomes of a connection when a request is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next request.
    Request,
    /// It ends, and nothing is left on it.
    Close,
    /// It ends, and the client may still be sending.
    Linger,
    /// There is nobody to be told anything more.
    Gone,
}

/// Serves one connection until it ends. Told to stop, it finishes the request in service.
pub(crate) async fn serve(
    stream: UnixStream,
    caller: Option<Arc<Peer>>,
    proxy: Arc<Service>,
    stop: watch::Receiver<bool>,
) {
    let mut client = Client::new(stream, caller, &proxy);
    let next = requests(&mut client, &proxy, stop).await;
    close(client, next).await;
}

/// Tells a client why it is not served.
pub(crate) async fn refuse(
    stream: UnixStream,
    caller: Option<Arc<Peer>>,
    proxy: Arc<Service>,
    error: Error,
) {
    let mut client = Client::new(stream, caller, &proxy);
    let next = reject(&error, &mut client).await;
    close(client, next).await;
}

/// Who has connected, if anybody wants to know: the kernel can be asked later, too. Fails for a
/// connection that is no more.
pub(crate) fn caller(stream: &UnixStream, proxy: &Service) -> io::Result<Option<Arc<Peer>>> {
    let named = LogContext::is_wanted(proxy.access.as_ref());
    if !named && proxy.callers.are_all() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Peer::of(stream, named)?)))
}

/// Serves request after request.
async fn requests(client: &mut Client, proxy: &Service, stop: watch::Receiver<bool>) -> Next {
    let mut told = stop.clone();
    let mut told = pin!(told.wait_for(|stop| *stop));
    let clock = pin!(Idle::clock(proxy.limits.idle));
    let mut idle = Idle::new(proxy.limits.idle, clock);
    let mut watched = false;
    loop {
        // Gives other connections a turn when this one always has another request.
        tokio::task::consume_budget().await;
        if client.input.is_empty() {
            let ended = poll_fn(|cx| {
                // Both have this task woken when they have something to say, and go on doing so.
                let silent = !stop.has_changed().unwrap_or(true) && !idle.is_due();
                if watched && silent {
                    return Poll::Pending;
                }
                watched = true;
                match told.as_mut().poll(cx) {
                    Poll::Ready(_) => Poll::Ready(Next::Gone),
                    Poll::Pending => idle.poll(cx).map(|()| Next::Close),
                }
            });
            // What is there already is read before anything is waited for: a connection that is told
            // to stop has no next request.
            tokio::select! {
                biased;
                read = client.input.fill(&client.socket, HEAD_BUF) => match read {
                    Ok(0) | Err(_) => return Next::Close,
                    Ok(_) => {}
                },
                // Its turn may be over when it gets here, and then neither would have it woken.
                ended = unconstrained(ended) => return ended,
            }
        }
        let head = match head::find_head(client.input.unread()) {
            Ok(None) => {
                // On the heap while it lasts: a connection that waits for a request has no room for it.
                let head = head::read_head(&mut client.input, &client.socket, HEAD_BUF);
                let head = Box::pin(timeout(proxy.limits.head, head));
                tokio::select! {
                    biased;
                    head = head => head.map_or(Ok(None), |head| head.map(Some)),
                    _ = told.as_mut() => return Next::Gone,
                }
            }
            here => here,
        };
        idle.begin_anew();
        let next = match head {
            Ok(Some(length)) => handle(client, length, proxy, &stop).await,
            Err(HeadError::TooLarge) => Box::pin(reject(&too_large(), client)).await,
            Err(HeadError::Ended | HeadError::Failed(_)) => Next::Close,
            Ok(None) => {
                let seconds = proxy.limits.head.as_secs();
                let error = Error::HeadTimeout { seconds };
                Box::pin(reject(&error, client)).await
            }
        };
        if next != Next::Request {
            return next;
        }
    }
}

/// Closes the connection, which is dropped here.
async fn close(mut client: Client, next: Next) {
    // Closed with bytes unread, the socket would take the answer away from a client that is
    // still sending: its next write fails, and then it looks no further.
    if next == Next::Linger {
        client.socket.shutdown_write();
        let _ = Box::pin(timeout(LINGERING_TIME, drain(&mut client))).await;
    }
}

/// Reads and throws away what the client still sends, until it ends.
async fn drain(client: &mut Client) {
    loop {
        let all = client.input.unread().len();
        client.input.consume(all);
        if matches!(
            client.input.fill(&client.socket, BODY_BUF).await,
            Ok(0) | Err(_)
        ) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::mem::size_of_val;

    use doxy_filter::RuleSet;

    use super::{Arc, Client, Duration, Service, UnixStream, handle, serve, watch};
    use crate::{Policy, Upstream, UpstreamAddr};

    /// What waits costs its memory, and beyond 1,032 bytes glibc's allocator takes a slower way.
    #[tokio::test]
    async fn the_futures_of_a_connection_and_of_a_request_stay_small() -> Result<(), Box<dyn Error>>
    {
        let (one, two) = UnixStream::pair()?;
        let rules = RuleSet::embedded()?;
        let engine = UpstreamAddr::Tcp("127.0.0.1:1".to_owned());
        let upstream = Arc::new(Upstream::new(engine, Duration::ZERO));
        let proxy = Arc::new(Service::new(Policy::new(rules), upstream));
        let (_tell, stop) = watch::channel(false);
        let connection = serve(one, None, Arc::clone(&proxy), stop.clone());
        assert!(
            size_of_val(&connection) <= 1024,
            "{}",
            size_of_val(&connection)
        );
        let mut client = Client::new(two, None, &proxy);
        let request = handle(&mut client, 0, &proxy, &stop);
        assert!(size_of_val(&request) <= 1024, "{}", size_of_val(&request));
        Ok(())
    }

    /// What is there before a connection is first looked at, and fills a read, leaves no budget to
    /// wait with.
    #[tokio::test]
    async fn a_connection_that_begins_with_a_full_read_is_told_to_stop()
    -> Result<(), Box<dyn Error>> {
        for requests in 120..=127 {
            let (one, two) = UnixStream::pair()?;
            let engine = UpstreamAddr::Tcp("127.0.0.1:1".to_owned());
            let upstream = Arc::new(Upstream::new(engine, Duration::ZERO));
            let proxy = Arc::new(Service::new(Policy::new(RuleSet::embedded()?), upstream));
            let (tell, stop) = watch::channel(false);
            let line = "GET /x HTTP/1.1\r\nHost: d\r\nX: ";
            let (size, mut all) = (
                crate::net::buffer::HEAD_BUF - crate::net::buffer::HEADROOM,
                String::new(),
            );
            for left in (1..=requests).rev() {
                let length = (size - all.len()) / left - line.len() - 4;
                all += &format!("{line}{}\r\n\r\n", "a".repeat(length));
            }
            two.writable().await?;
            assert_eq!(two.try_write(all.as_bytes())?, size);
            one.readable().await?;
            let served = tokio::spawn(serve(one, None, proxy, stop));
            let (mut answers, mut room) = (0, [0; 4096]);
            let mut got = Vec::new();
            while answers < requests {
                two.readable().await?;
                if let Ok(read) = two.try_read(&mut room) {
                    got.extend_from_slice(room.get(..read).unwrap_or_default());
                    answers = memchr::memmem::find_iter(&got, "HTTP/1.1 403").count();
                }
            }
            // It comes to wait for the next one.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            tell.send(true)?;
            let ended = tokio::time::timeout(Duration::from_secs(2), served).await;
            assert!(ended.is_ok(), "{requests} requests");
        }
        Ok(())
    }
}
