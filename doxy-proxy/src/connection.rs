//! One client's connection: hyper reads requests from it, `handler` answers them, and when the
//! engine switches it, `tunnel` moves its bytes.
//!
//! Here is decided when a connection ends: when either side is done with it, when the client
//! has gone, when doxy stops. A head that hyper cannot read gets its answer here, and its line
//! in the log, like every other request.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::client_io::Client;
use crate::error::{Error, Malformed};
use crate::handler::{Proxy, handle};
use crate::record::Record;
use crate::respond;
use crate::socket::Socket;
use crate::tunnel::{self, Outcome};
use crate::upstream::Switched;

/// The largest head that is read, in bytes: request line and headers together.
pub const MAX_HEAD: usize = 128 * 1024;
/// The most header lines that are read. Real clients have been seen to send 150.
pub const MAX_HEADERS: usize = 256;
/// How often a client that waits for its answer is looked after.
const PATROL: Duration = Duration::from_millis(500);
/// How long a client that is still sending may take to notice its answer.
const LINGER: Duration = Duration::from_secs(1);

/// How a connection is done with as one that speaks HTTP.
enum End {
    /// Both sides have finished, or hyper cannot go on.
    Http(Result<(), hyper::Error>),
    /// The client has gone while a request was in service.
    Gone,
    /// The engine has switched it. With what the client has sent behind its request.
    Switched(Box<(Switched, Record)>, Bytes),
}

/// Serves one connection until it ends. Told to stop, it finishes the request in service.
pub(crate) async fn serve(stream: UnixStream, proxy: Arc<Proxy>, stop: watch::Receiver<bool>) {
    let client = Arc::new(Client::new(Socket::Unix(stream)));
    match speak_http(&client, proxy, stop).await {
        // What was in service is dropped, and with it the request to the engine.
        End::Gone => {}
        End::Http(ended) => close(&client, ended).await,
        End::Switched(switched, early) => {
            if let Some(socket) = client.into_socket() {
                let (switched, record) = *switched;
                speak_raw(socket, switched, record, early).await;
            }
        }
    }
}

async fn speak_http(
    client: &Arc<Client>,
    proxy: Arc<Proxy>,
    mut stop: watch::Receiver<bool>,
) -> End {
    let service = service_fn(|request| {
        let (proxy, client) = (Arc::clone(&proxy), Arc::clone(client));
        async move { Ok::<_, Infallible>(handle(request, &proxy, client).await) }
    });
    let mut connection = http1::Builder::new()
        .half_close(true)
        .auto_date_header(false)
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(client.io()), service);
    let mut stopping = false;
    let mut told = pin!(stop.wait_for(|stop| *stop));
    let mut gone = pin!(gone(client));
    loop {
        let http = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Ok(ended)),
            Poll::Pending => client
                .take_switched()
                .map_or(Poll::Pending, |s| Poll::Ready(Err(s))),
        });
        tokio::select! {
            biased;
            ended = http => return match ended {
                Ok(ended) => End::Http(ended),
                Err(switched) => End::Switched(switched, connection.into_parts().read_buf),
            },
            _ = told.as_mut(), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = gone.as_mut() => return End::Gone,
        }
    }
}

/// Passes on what the engine said to the switch, and then bytes.
///
/// hyper has written every answer before this one: it does not read a request earlier.
async fn speak_raw(client: Socket, switched: Switched, mut record: Record, early: Bytes) {
    let Switched {
        head,
        engine,
        early: from_engine,
    } = switched;
    record.status(head.status);
    let outcome = match tunnel::write_all(&client, &respond::head(&head)).await {
        Ok(()) => tunnel::run(&client, &engine, early, from_engine).await,
        Err(_) => Outcome::ClientGone,
    };
    record.tunnel(outcome);
}

/// Says the last word where hyper has none, and closes the connection.
async fn close(client: &Client, ended: Result<(), hyper::Error>) {
    if let Some(error) = ended
        .err()
        .and_then(|error| refusal(&error, client.refused()))
    {
        Record::unread(&error, respond::status(&error));
        // A client that does not wait for the answer has gone.
        let _ = client.write_all(&respond::last_words(&error)).await;
    }
    client.end();
    // Closed with bytes unread, the socket would take the answer away from a client that is
    // still sending: its next write fails, and then it looks no further.
    if client.may_be_unread() {
        let _ = timeout(LINGER, client.drain()).await;
    }
}

/// Resolves when the client has closed the connection while hyper does not look.
async fn gone(client: &Client) {
    let mut patrol = pin!(sleep(PATROL));
    poll_fn(|cx| {
        // While hyper waits for a request it sees the end by itself. When one begins hyper's
        // wake-up is this future's too: both live in one task.
        while client.may_leave_unseen() && patrol.as_mut().poll(cx).is_ready() {
            if client.hung_up() {
                return Poll::Ready(());
            }
            patrol.as_mut().reset(Instant::now() + PATROL);
        }
        Poll::Pending
    })
    .await;
}

/// What to tell a client whose connection hyper has given up; nothing if it has gone.
fn refusal(error: &hyper::Error, refused: bool) -> Option<Error> {
    if error.is_parse_version_h2() {
        Some(Error::Malformed(Malformed::Http2))
    } else if !refused {
        None
    } else if error.is_parse_too_large() {
        Some(Error::HeadTooLarge {
            bytes: MAX_HEAD,
            lines: MAX_HEADERS,
        })
    } else {
        Some(Error::Malformed(Malformed::Http(error.to_string())))
    }
}
