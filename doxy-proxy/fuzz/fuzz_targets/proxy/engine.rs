//! An engine that records what it receives, and responds in one of several styles.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::settle;
use crate::wire::{self, Message};

/// How the engine responds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Length,
    Chunked,
    Close,
    /// Version 1.0, and the connection ends.
    Old,
    /// Before the body has arrived; then it reads on.
    Early,
    /// Before the body has arrived; then it closes.
    Curt,
    NoContent,
    /// Two interim responses first.
    Interim,
    /// By switching, whatever the request is.
    Switch,
    /// By switching as for an attach without `Upgrade`.
    OldSwitch,
    /// Bytes from the fuzzer.
    Nonsense,
    /// Not at all.
    Hangup,
}

impl From<u8> for Style {
    fn from(byte: u8) -> Self {
        const ALL: [Style; 12] = [
            Style::Length,
            Style::Chunked,
            Style::Close,
            Style::Old,
            Style::Early,
            Style::Curt,
            Style::NoContent,
            Style::Interim,
            Style::Switch,
            Style::OldSwitch,
            Style::Nonsense,
            Style::Hangup,
        ];
        ALL[usize::from(byte) % ALL.len()]
    }
}

impl Style {
    /// Whether every request gets one well-framed response.
    pub(crate) fn is_http(self) -> bool {
        !matches!(self, Self::Switch | Self::OldSwitch | Self::Nonsense)
    }

    fn answer(self, number: usize, head_only: bool, nonsense: &[u8]) -> Vec<u8> {
        let (first, body) = match self {
            Self::Length | Self::Early | Self::Hangup => ("200 OK\r\nContent-Length: 2", "OK"),
            Self::Curt => (
                "404 Not Found\r\nConnection: close\r\nContent-Length: 2",
                "OK",
            ),
            Self::Chunked => (
                "200 OK\r\nTransfer-Encoding: chunked",
                "1;x\r\nO\r\n01\r\nK\r\n0\r\nX-Sum: 1\r\n\r\n",
            ),
            Self::Close => ("200 OK\r\nConnection: close", "OK"),
            Self::Old => return format!("HTTP/1.0 200 OK\r\nX-Engine: {number}\r\n\r\nOK").into(),
            Self::NoContent => ("204 No Content", ""),
            Self::Interim => {
                let interim = "100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n";
                let rest = Self::Length.answer(number, head_only, nonsense);
                return [b"HTTP/1.1 ", interim.as_bytes(), &rest].concat();
            }
            Self::Switch => ("101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp", ""),
            Self::OldSwitch => (
                "200 OK\r\nContent-Type: application/vnd.docker.raw-stream",
                "",
            ),
            Self::Nonsense => return nonsense.to_vec(),
        };
        let body = if head_only { "" } else { body };
        format!("HTTP/1.1 {first}\r\nX-Engine: {number}\r\n\r\n{body}").into()
    }
}

/// A request as the engine received it.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The error contains a head that doxy never writes.
    pub(crate) request: Result<Message, String>,
    /// The bytes on the connection after the engine had switched it.
    pub(crate) tunnel: Option<Vec<u8>>,
}

/// The log that all connections share.
#[derive(Debug)]
struct Log {
    style: Style,
    nonsense: Vec<u8>,
    /// In the order in which their heads arrived.
    exchanges: Vec<Exchange>,
}

#[derive(Debug)]
pub(crate) struct Engine {
    path: PathBuf,
    log: Arc<Mutex<Log>>,
    /// Set at the end of an input: every connection is then read to its end and closed.
    finish: watch::Sender<bool>,
    connections: Arc<Mutex<JoinSet<()>>>,
}

impl Engine {
    pub(crate) fn listen(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let log = Arc::new(Mutex::new(Log {
            style: Style::Length,
            nonsense: Vec::new(),
            exchanges: Vec::new(),
        }));
        let (finish, finished) = watch::channel(false);
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let (shared, all) = (Arc::clone(&log), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = serve(stream, Arc::clone(&shared), finished.clone());
                lock(&all).spawn(connection);
            }
        });
        Self {
            path: path.to_owned(),
            log,
            finish,
            connections,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn begin(&self, style: Style, nonsense: &[u8]) {
        self.finish.send_replace(false);
        let mut log = lock(&self.log);
        log.style = style;
        log.nonsense = nonsense.to_vec();
        log.exchanges.clear();
    }

    /// Reads the rest, closes every connection, and returns all requests.
    pub(crate) async fn finish(&self) -> Vec<Exchange> {
        // Pending connections are accepted meanwhile.
        settle().await;
        self.finish.send_replace(true);
        let mut connections = std::mem::take(&mut *lock(&self.connections));
        while let Some(ended) = connections.join_next().await {
            ended.expect("the engine itself does not fail");
        }
        std::mem::take(&mut lock(&self.log).exchanges)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panicked")
}

async fn serve(mut stream: UnixStream, log: Arc<Mutex<Log>>, mut finish: watch::Receiver<bool>) {
    let mut bytes = Vec::new();
    // The places in the log of the requests on this connection, and how many have a response.
    let mut places: Vec<usize> = Vec::new();
    let mut answered = 0;
    let mut open = true;
    loop {
        let ended = tokio::select! {
            biased;
            read = stream.read_buf(&mut bytes) => matches!(read, Ok(0) | Err(_)),
            _ = finish.wait_for(|finish| *finish) => true,
        };
        // Doxy itself asks; no client's request has this form.
        if places.is_empty() && bytes == wire::WHAT_ARE_YOU {
            let _ = stream.write_all(wire::DOCKER).await;
            return;
        }
        let switched = places
            .last()
            .is_some_and(|place| lock(&log).exchanges[*place].tunnel.is_some());
        if switched {
            let place = places[places.len() - 1];
            lock(&log).exchanges[place].tunnel = Some(bytes.clone());
        } else {
            let style = record(&bytes, &mut places, &log);
            while open && answered < places.len() {
                let (answer, whole) = answer(places[answered], &log);
                let early = matches!(style, Style::Early | Style::Curt);
                if !whole && !early {
                    break;
                }
                answered += 1;
                let written = style == Style::Hangup || stream.write_all(&answer).await.is_ok();
                match style {
                    Style::Length | Style::Chunked | Style::NoContent | Style::Interim => {}
                    Style::Switch | Style::OldSwitch => {
                        let place = places[answered - 1];
                        let may = {
                            let exchange = &mut lock(&log).exchanges[place];
                            exchange.tunnel = Some(Vec::new());
                            matches!(&exchange.request, Ok(request) if wire::protocol(request).is_some())
                        };
                        bytes.clear();
                        // If hijacking is not possible here, doxy reads a body, and waits for its
                        // end.
                        if !may {
                            let _ = stream.shutdown().await;
                        }
                        break;
                    }
                    // It sends nothing more, and reads on.
                    Style::Early | Style::Close | Style::Old | Style::Nonsense => {
                        let _ = stream.shutdown().await;
                        open = false;
                    }
                    Style::Curt | Style::Hangup => return,
                }
                open &= written;
            }
        }
        if ended {
            return;
        }
    }
}

/// Records the requests of a connection; those in `places` are known already.
fn record(bytes: &[u8], places: &mut Vec<usize>, log: &Mutex<Log>) -> Style {
    let mut log = lock(log);
    let mut rest = bytes;
    let messages: Result<Vec<_>, _> =
        std::iter::from_fn(|| wire::received(&mut rest).transpose()).collect();
    match messages {
        Ok(messages) => {
            for (number, message) in messages.into_iter().enumerate() {
                let exchange = Exchange {
                    request: Ok(message),
                    tunnel: None,
                };
                match places.get(number) {
                    Some(place) => log.exchanges[*place] = exchange,
                    None => {
                        places.push(log.exchanges.len());
                        log.exchanges.push(exchange);
                    }
                }
            }
        }
        Err(words) => log.exchanges.push(Exchange {
            request: Err(words),
            tunnel: None,
        }),
    }
    log.style
}

/// The response to the request at `place`, and whether that request is complete.
fn answer(place: usize, log: &Mutex<Log>) -> (Vec<u8>, bool) {
    let log = lock(log);
    let (head_only, whole) = match &log.exchanges[place].request {
        Ok(request) => (request.method == "HEAD", request.whole),
        Err(_) => (false, true),
    };
    (log.style.answer(place, head_only, &log.nonsense), whole)
}
