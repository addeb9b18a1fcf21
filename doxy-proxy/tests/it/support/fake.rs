//! A fake Docker engine that records requests, and responds as a test tells it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::{TIMEOUT, wire};

/// A request as the engine received it. The framing of the body is removed.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
    /// The number of its connection, counted from 1.
    pub(crate) connection: usize,
}

impl Recorded {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// The values of a header, in order.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        headers(&self.head)
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
            .collect()
    }

    /// Whether doxy itself asks what the engine is.
    pub(crate) fn asks_what_it_is(&self) -> bool {
        format!("{}\r\n", self.head).as_bytes() == wire::WHAT_ARE_YOU
    }
}

pub(crate) fn headers(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(n, v)| (n, v.trim()))
}

/// Responds to a request by writing to the connection. When it returns false, the connection is
/// closed.
type Script = dyn Fn(&Recorded, &mut UnixStream) -> bool + Send + Sync;

#[derive(Default)]
struct State {
    requests: Mutex<Vec<Recorded>>,
    arrived: Condvar,
    open: Mutex<Vec<UnixStream>>,
    connections: AtomicUsize,
    closed: AtomicUsize,
    asked: AtomicUsize,
    /// What it answers when doxy itself asks what it is.
    says: Mutex<Vec<u8>>,
}

/// The engine. When this is dropped, it closes its socket and all its connections.
pub(crate) struct Fake {
    path: PathBuf,
    state: Arc<State>,
    _folder: Option<tempfile::TempDir>,
}

/// The default response.
pub(crate) const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nOK";

impl Fake {
    pub(crate) fn start() -> Self {
        Self::with(|request, stream| {
            let answer = if request.method() == "HEAD" {
                &OK[..OK.len() - 2]
            } else {
                OK
            };
            stream.write_all(answer).is_ok()
        })
    }

    pub(crate) fn with(
        script: impl Fn(&Recorded, &mut UnixStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut fake = Self::at(&folder.path().join("engine.sock"), script);
        fake._folder = Some(folder);
        fake
    }

    pub(crate) fn at(
        path: &Path,
        script: impl Fn(&Recorded, &mut UnixStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let state = Arc::new(State::default());
        *state.says.lock().unwrap() = wire::DOCKER.to_vec();
        let script: Arc<Script> = Arc::new(script);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                shared
                    .open
                    .lock()
                    .unwrap()
                    .push(stream.try_clone().unwrap());
                let (state, script) = (Arc::clone(&shared), Arc::clone(&script));
                thread::spawn(move || serve(stream, number, &state, &*script));
            }
        });
        Self {
            path: path.to_owned(),
            state,
            _folder: None,
        }
    }

    /// What it answers from now on when doxy itself asks what it is: Docker, unless told otherwise.
    /// These requests are counted, not recorded.
    pub(crate) fn says(&self, answer: impl Into<Vec<u8>>) {
        *self.state.says.lock().unwrap() = answer.into();
    }

    /// How often doxy itself has asked what it is.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Waits until `count` complete requests have arrived.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Recorded> {
        let requests = self.state.requests.lock().unwrap();
        let (requests, _) = self
            .state
            .arrived
            .wait_timeout_while(requests, TIMEOUT, |r| r.len() < count)
            .unwrap();
        assert!(
            requests.len() >= count,
            "{count} requests expected, got {requests:#?}"
        );
        requests.clone()
    }

    /// Waits until doxy or the engine has closed `count` connections.
    #[track_caller]
    pub(crate) fn wait_closed(&self, count: usize) {
        let requests = self.state.requests.lock().unwrap();
        let closed = || self.state.closed.load(Ordering::SeqCst);
        let _unused = self
            .state
            .arrived
            .wait_timeout_while(requests, TIMEOUT, |_| closed() < count)
            .unwrap();
        assert!(
            closed() >= count,
            "{count} connections expected to be closed, {} are",
            closed()
        );
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Closes every open connection, as when the engine is killed.
    pub(crate) fn cut(&self) {
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        self.cut();
    }
}

fn serve(mut stream: UnixStream, connection: usize, state: &State, script: &Script) {
    let mut input = Input {
        stream: stream.try_clone().unwrap(),
        buffer: VecDeque::new(),
    };
    while let Some(mut recorded) = input.request() {
        recorded.connection = connection;
        if recorded.asks_what_it_is() {
            state.asked.fetch_add(1, Ordering::SeqCst);
            let answer = state.says.lock().unwrap().clone();
            let _ = stream.write_all(&answer);
            break;
        }
        state.requests.lock().unwrap().push(recorded.clone());
        state.arrived.notify_all();
        if !script(&recorded, &mut stream) {
            break;
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
    // Under the lock, so that no waiting thread can miss it.
    let _guard = state.requests.lock().unwrap();
    state.closed.fetch_add(1, Ordering::SeqCst);
    state.arrived.notify_all();
}

struct Input {
    stream: UnixStream,
    buffer: VecDeque<u8>,
}

impl Input {
    fn byte(&mut self) -> Option<u8> {
        if self.buffer.is_empty() {
            let mut chunk = [0; 65536];
            loop {
                match self.stream.read(&mut chunk) {
                    Ok(0) => return None,
                    Ok(n) => {
                        self.buffer.extend(&chunk[..n]);
                        break;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return None,
                }
            }
        }
        self.buffer.pop_front()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            line.push(self.byte()?);
            if line.ends_with(b"\n") {
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }

    fn lines(&mut self) -> Option<String> {
        let mut lines = String::new();
        loop {
            let line = self.line()?;
            if line.trim_end().is_empty() {
                return Some(lines);
            }
            lines.push_str(&line);
        }
    }

    fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// The next complete request. None if the connection ends first.
    fn request(&mut self) -> Option<Recorded> {
        let head = self.lines()?;
        let mut recorded = Recorded {
            head,
            body: Vec::new(),
            trailers: String::new(),
            connection: 0,
        };
        if recorded.header("transfer-encoding") == ["chunked"] {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
                if size == 0 {
                    recorded.trailers = self.lines()?;
                    break;
                }
                recorded.body.extend(self.bytes(size)?);
                self.line()?;
            }
        } else if let [length] = recorded.header("content-length")[..] {
            let length = length.parse().expect("a length");
            recorded.body = self.bytes(length)?;
        }
        Some(recorded)
    }
}
