//! An engine that checks every request against the rules, and stores one bit for each.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use doxy_filter::{DEFAULT_PATTERNS, Request, RuleSet, Verdict};

use super::{BIG, RULES};
use crate::support::wire::{self, Message};

/// An engine that checks every request against the rules, and stores one bit for each.
pub(super) struct Engine {
    pub(super) path: PathBuf,
    pub(super) state: Arc<State>,
}

pub(super) struct State {
    rules: RuleSet,
    /// Which requests have arrived, by number.
    seen: Vec<AtomicU64>,
    pub(super) arrived: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

impl Engine {
    pub(super) fn start(path: &Path, requests: usize) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let rules = format!("{DEFAULT_PATTERNS}\n{RULES}");
        let state = Arc::new(State {
            rules: RuleSet::parse("soak", rules.as_bytes()).unwrap(),
            seen: (0..=requests / 64).map(|_| AtomicU64::new(0)).collect(),
            arrived: AtomicUsize::new(0),
            faults: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), Arc::clone(&shared));
                std::thread::spawn(move || state.serve(stream));
            }
        });
        Self {
            path: path.to_owned(),
            state,
        }
    }

    #[track_caller]
    pub(super) fn check(&self) {
        let faults = self.state.faults.lock().unwrap();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

impl State {
    fn fault(&self, what: &str, request: &dyn std::fmt::Debug) {
        let mut faults = self.faults.lock().unwrap();
        faults.push(format!("{what}: {request:?}"));
    }

    fn serve(&self, mut stream: UnixStream) {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 65536];
        loop {
            if bytes == wire::WHAT_ARE_YOU {
                let _ = stream.write_all(wire::DOCKER);
                return;
            }
            let mut rest = &bytes[..];
            match wire::received(&mut rest) {
                Err(words) => return self.fault("not what doxy writes", &words),
                Ok(Some(request)) if request.whole => {
                    let left = rest.len();
                    bytes.drain(..bytes.len() - left);
                    self.judge(&request);
                    if !answer(&request, &mut stream) {
                        return;
                    }
                }
                Ok(part) => match stream.read(&mut chunk) {
                    Ok(read @ 1..) => bytes.extend_from_slice(&chunk[..read]),
                    // An incomplete request must have been allowed, too.
                    Ok(0) | Err(_) => {
                        if let Some(request) = part {
                            self.judge(&request);
                        }
                        return;
                    }
                },
            }
        }
    }

    fn judge(&self, request: &Message) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let judged = Request {
            method: &request.method,
            path: &request.path,
            query: None,
        };
        if !matches!(self.rules.decide(&judged), Verdict::Allow(_)) || has(request, "x-bad") {
            self.fault("it was not allowed", request);
        }
        if request.whole && has(request, "x-part") && !request.body.is_empty() {
            self.fault("it never came to its end", request);
        }
        if let Some(id) = id(request) {
            let bit = 1 << (id % 64);
            if self.seen[id / 64].fetch_or(bit, Ordering::SeqCst) & bit != 0 {
                self.fault("it was delivered twice", request);
            }
        }
    }
}

fn has(request: &Message, name: &str) -> bool {
    request.headers.iter().any(|(n, _)| n == name)
}

fn id(request: &Message) -> Option<usize> {
    let mut headers = request.headers.iter();
    let (_, id) = headers.find(|(name, _)| name == "x-good")?;
    std::str::from_utf8(id).ok()?.parse().ok()
}

/// Responds. Returns whether the connection stays open.
fn answer(request: &Message, stream: &mut UnixStream) -> bool {
    let id = id(request).map_or(String::new(), |id| format!("X-Good: {id}\r\n"));
    match request.path.as_str() {
        "/events" => {
            let head = format!("HTTP/1.1 200 OK\r\n{id}Transfer-Encoding: chunked\r\n\r\n");
            let pieces = "5\r\nfirst\r\n6\r\nsecond\r\n5\r\nthird\r\n";
            let _ = stream.write_all((head + pieces).as_bytes());
            // The stream stays open until the client closes.
            while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
            false
        }
        "/containers/x/attach" => {
            let head =
                format!("HTTP/1.1 101 UPGRADED\r\n{id}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
            let mut chunk = vec![0; 65536];
            while let Ok(read @ 1..) = stream.read(&mut chunk) {
                if stream.write_all(&chunk[..read]).is_err() {
                    break;
                }
            }
            false
        }
        "/big" => {
            let head = format!("HTTP/1.1 200 OK\r\n{id}Content-Length: {BIG}\r\n\r\n");
            let mut answer = head.into_bytes();
            answer.resize(answer.len() + BIG, b'b');
            stream.write_all(&answer).is_ok()
        }
        _ => {
            let length = request.body.len();
            let head = format!("HTTP/1.1 200 OK\r\n{id}X-Length: {length}\r\n");
            let rest = match (request.method.as_str(), length % 2) {
                ("HEAD", _) => "Content-Length: 2\r\n\r\n",
                (_, 0) => "Content-Length: 2\r\n\r\nOK",
                _ => "Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n",
            };
            stream.write_all((head + rest).as_bytes()).is_ok()
        }
    }
}
