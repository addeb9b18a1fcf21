//! The binary under a mix of everything that clients do, good and bad, from several threads.
//!
//! Its memory and its descriptors must come back to what they were after the first rounds. The
//! engine must never get what the rules deny, nor anything twice, nor in another form than doxy's
//! own; and no client may get an answer that is not to its own request.
//!
//! The short one is a test like all others; the long one is for when there is time:
//! `DOXY_SOAK=3000000 cargo test --release -p doxy-proxy --test it soak -- --ignored --nocapture`

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use doxy_filter::{DEFAULT_PATTERNS, Request, RuleSet, Verdict};

use crate::corpus;
use crate::support::wire::{self, Message};
use crate::support::{Client, LIMIT, Reply};

const THREADS: usize = 6;
/// Added to the default patterns.
const RULES: &str = "GET /(events|big)\nPOST /containers/[^/]+/(attach|upload)\n!/info/.*\n";
const BIG: usize = 700_000;

/// What resident memory may grow by after the first rounds: what the allocator keeps of the
/// largest buffers that were ever in use at once, and not a byte a request.
const GROWTH_KIB: u64 = 6 * 1024;
/// Descriptors beside one for the client and one for the engine in each thread: the runtime's, the
/// listener, the standard streams, pipes for splicing, connections that are kept.
const DESCRIPTORS: usize = 2 * THREADS + 24;

#[test]
fn a_short_mix_of_everything_leaves_nothing_behind() {
    soak(6_000, 3);
}

#[test]
#[ignore = "takes minutes: for a release, or after a change of the proxy's core"]
fn a_long_mix_of_everything_leaves_nothing_behind() {
    let requests = std::env::var("DOXY_SOAK").map_or(3_000_000, |n| n.parse().unwrap());
    soak(requests, 12);
}

/// Sends so many requests, in so many rounds, and measures behind each.
fn soak(requests: usize, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(&folder.path().join("engine.sock"), requests);
    let doxy = Doxy::start(folder.path(), &engine.path);
    let corpus: Vec<_> = corpus::raw().filter(|raw| raw.len() < 8192).collect();
    let each = requests / rounds / THREADS;
    let mut figures = vec![doxy.figures()];
    for round in 0..rounds {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let first = (round * THREADS + thread) * each;
                let mut user = User {
                    socket: &doxy.socket,
                    corpus: &corpus,
                    engine: &engine,
                    client: None,
                    random: Random(first as u64 + 1),
                };
                scope.spawn(move || (first..first + each).for_each(|id| user.act(id)));
            }
        });
        engine.check();
        figures.push(doxy.settled());
    }
    let arrived = engine.state.arrived.load(Ordering::SeqCst);
    for (round, figures) in figures.iter().enumerate() {
        eprintln!("after {:>8} requests: {figures:?}", round * each * THREADS);
    }
    eprintln!("{arrived} of them arrived at the engine");
    assert!(arrived > requests / 3, "only {arrived} arrived");
    // The first round fills what is kept for use again.
    let (first, last) = (figures[1], figures[rounds]);
    assert!(
        last.resident_kib <= first.resident_kib + GROWTH_KIB,
        "memory grows: {figures:#?}"
    );
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Figures {
    resident_kib: u64,
    #[expect(dead_code, reason = "for whoever reads the figures")]
    peak_kib: u64,
    descriptors: usize,
}

struct Doxy {
    child: Child,
    socket: PathBuf,
}

impl Doxy {
    fn start(folder: &Path, engine: &Path) -> Self {
        let socket = folder.join("doxy.sock");
        let rules = folder.join("soak.pattern");
        std::fs::write(&rules, format!("{DEFAULT_PATTERNS}\n{RULES}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_doxy"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DOXY_") {
                command.env_remove(name);
            }
        }
        command.arg("--docker-socket").arg(engine);
        command.arg("--proxy-socket").arg(&socket);
        command.arg("--pattern-file").arg(rules);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut doxy = Self { child, socket };
        doxy.poll("it does not listen", |doxy| {
            UnixStream::connect(&doxy.socket).is_ok()
        });
        doxy
    }

    /// Looks until `condition` holds. Nobody announces what is looked for.
    #[track_caller]
    fn poll(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "doxy has ended");
            assert!(start.elapsed() < LIMIT, "{what}: {:?}", self.figures());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn figures(&self) -> Figures {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let kib = |file: &str, name: &str| {
            let text = std::fs::read_to_string(proc.join(file)).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.unwrap().trim().strip_suffix(" kB");
            kib.unwrap().parse().unwrap()
        };
        Figures {
            // What `status` says of it is out of date by some pages for each processor.
            resident_kib: kib("smaps_rollup", "Rss:"),
            peak_kib: kib("status", "VmHWM:"),
            descriptors: std::fs::read_dir(proc.join("fd")).unwrap().count(),
        }
    }

    /// What it holds when everybody has gone.
    #[track_caller]
    fn settled(&self) -> Figures {
        let start = Instant::now();
        loop {
            let figures = self.figures();
            if figures.descriptors <= DESCRIPTORS {
                return figures;
            }
            assert!(start.elapsed() < LIMIT, "descriptors leak: {figures:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Doxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        let mut x = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0 = x;
        usize::try_from(x >> 33).unwrap() % limit
    }
}

/// One thread's clients, one after the other.
struct User<'s> {
    socket: &'s Path,
    corpus: &'s [Vec<u8>],
    engine: &'s Engine,
    /// The connection that is kept.
    client: Option<Client>,
    random: Random,
}

impl User<'_> {
    fn act(&mut self, id: usize) {
        match self.random.below(100) {
            0..34 => self.asks(id),
            34..40 => self.asks_twice_at_once(id),
            40..50 => self.uploads(id),
            50..65 => self.is_denied(id),
            65..75 => self.sends_from_the_corpus(),
            75..82 => self.leaves_a_stream(id),
            82..90 => self.breaks_off(id),
            90..95 => self.opens_a_tunnel(id),
            _ => self.loads(id),
        }
    }

    fn fresh(&self) -> Client {
        Client::connect(self.socket)
    }

    /// Sends on the connection that is kept, and takes the answer.
    #[track_caller]
    fn ask(&mut self, method: &str, raw: impl AsRef<[u8]>) -> Reply {
        let mut client = self.client.take().unwrap_or_else(|| self.fresh());
        client.send(raw);
        let reply = client.reply(method).expect("an answer");
        if reply.header("connection") != ["close"] {
            self.client = Some(client);
        }
        reply
    }

    fn asks(&mut self, id: usize) {
        let method = ["GET", "HEAD"][self.random.below(2)];
        let path = ["/info", "/v1.41/containers/json?all=1", "/%69nfo", "/_ping"];
        let path = path[self.random.below(path.len())];
        let raw = format!("{method} {path} HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\r\n");
        answered(&self.ask(method, raw), id);
    }

    fn asks_twice_at_once(&mut self, id: usize) {
        let mut client = self.fresh();
        client.send(format!(
            "GET /info HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\r\n\
             GET /secrets HTTP/1.1\r\nHost: d\r\nX-Bad: {id}\r\n\r\n\
             GET /version HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
        ));
        answered(&client.reply("GET").unwrap(), id);
        assert_eq!(client.reply("GET").unwrap().status(), 403);
        assert_eq!(client.reply("GET").unwrap().status(), 200);
        assert_eq!(client.reply("GET"), None);
    }

    fn uploads(&mut self, id: usize) {
        let size = [0, 10, 5_000, 300_000][self.random.below(4)];
        let body = vec![b'a' + u8::try_from(id % 26).unwrap(); size];
        let head = format!("POST /containers/x/upload HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n");
        let mut raw = head.into_bytes();
        if self.random.below(2) == 0 {
            raw.extend_from_slice(format!("Content-Length: {size}\r\n\r\n").as_bytes());
            raw.extend_from_slice(&body);
        } else {
            raw.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for piece in body.chunks(1 + self.random.below(9_000)) {
                raw.extend_from_slice(format!("{:X};x\r\n", piece.len()).as_bytes());
                raw.extend_from_slice(piece);
                raw.extend_from_slice(b"\r\n");
            }
            raw.extend_from_slice(b"0\r\n\r\n");
        }
        let reply = self.ask("POST", raw);
        answered(&reply, id);
        assert_eq!(reply.header("x-length"), [size.to_string()]);
    }

    fn is_denied(&mut self, id: usize) {
        let (method, path) = [
            ("GET", "/secrets"),
            ("GET", "/%73ecrets"),
            ("GET", "/info/x"),
            ("GET", "/containers/x/attach/ws"),
            ("DELETE", "/networks/x"),
            ("POST", "/containers/create"),
        ][self.random.below(6)];
        let reply = self.ask(
            method,
            format!("{method} {path} HTTP/1.1\r\nHost: d\r\nX-Bad: {id}\r\nContent-Length: 2\r\n\r\n{{}}"),
        );
        assert!(matches!(reply.status(), 400 | 403), "{reply:?}");
        reply.message();
    }

    /// Good and bad ones; what of it may arrive the engine knows by the rules.
    fn sends_from_the_corpus(&mut self) {
        let raw = &self.corpus[self.random.below(self.corpus.len())];
        let mut client = self.fresh();
        if client.try_send(raw) && self.random.below(4) > 0 {
            client.end();
            client.rest();
        }
    }

    fn leaves_a_stream(&mut self, id: usize) {
        let mut client = self.fresh();
        client.send(format!(
            "GET /events HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\r\n"
        ));
        if self.random.below(3) > 0 {
            client.until(b"third\r\n");
        }
    }

    /// Closes the connection somewhere in a request.
    fn breaks_off(&mut self, id: usize) {
        let (head, body) = [
            ("GET /info", ""),
            (
                "POST /containers/x/upload",
                "Content-Length: 500\r\n\r\n0123456789",
            ),
            (
                "POST /containers/x/upload",
                "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5",
            ),
            (
                "POST /containers/create",
                "Content-Length: 500\r\n\r\n0123456789",
            ),
        ][self.random.below(4)];
        let raw = format!("{head} HTTP/1.1\r\nHost: d\r\nX-Part: {id}\r\n{body}");
        let mut client = self.fresh();
        let length = 1 + self.random.below(raw.len());
        client.send(&raw[..length]);
        if self.random.below(2) == 0 {
            client.end();
            client.rest();
        }
    }

    fn opens_a_tunnel(&mut self, id: usize) {
        let mut client = self.fresh();
        client.send(format!(
            "POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        ));
        let head = client.reply("HEAD").unwrap();
        assert_eq!(head.status(), 101);
        let said = vec![b'x'; 1 + self.random.below(90_000)];
        if self.random.below(3) == 0 {
            client.try_send(&said);
            return; // and leaves it without a word
        }
        client.send(&said);
        assert_eq!(client.take(said.len()), said);
        client.end();
        assert_eq!(client.rest(), b"");
    }

    /// Takes an answer that is large, or a part of it.
    fn loads(&mut self, id: usize) {
        let mut client = self.fresh();
        client.send(format!(
            "GET /big HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\r\n"
        ));
        if self.random.below(2) == 0 {
            client.take(1 + self.random.below(BIG / 2));
        } else {
            let reply = client.reply("GET").unwrap();
            answered(&reply, id);
            assert_eq!(reply.body.len(), BIG);
        }
        // What the engine has found wrong ends the run here, not after millions of requests.
        self.engine.check();
    }
}

#[track_caller]
fn answered(reply: &Reply, id: usize) {
    assert_eq!(reply.status(), 200, "{reply:?}");
    assert_eq!(
        reply.header("x-good"),
        [id.to_string()],
        "whose answer is it?"
    );
}

/// An engine that judges what it gets, and remembers of each request no more than a bit.
struct Engine {
    path: PathBuf,
    state: Arc<State>,
}

struct State {
    rules: RuleSet,
    /// Which requests have arrived, by number.
    seen: Vec<AtomicU64>,
    arrived: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

impl Engine {
    fn start(path: &Path, requests: usize) -> Self {
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
    fn check(&self) {
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
                    // What has broken off must have been allowed, too.
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

/// Says whether the connection goes on.
fn answer(request: &Message, stream: &mut UnixStream) -> bool {
    let id = id(request).map_or(String::new(), |id| format!("X-Good: {id}\r\n"));
    match request.path.as_str() {
        "/events" => {
            let head = format!("HTTP/1.1 200 OK\r\n{id}Transfer-Encoding: chunked\r\n\r\n");
            let pieces = "5\r\nfirst\r\n6\r\nsecond\r\n5\r\nthird\r\n";
            let _ = stream.write_all((head + pieces).as_bytes());
            // It goes on for as long as somebody listens.
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
