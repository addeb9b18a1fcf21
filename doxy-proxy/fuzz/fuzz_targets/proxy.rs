//! Feeds raw bytes over a real socket to the whole proxy, in front of a recording engine.
//!
//! Four bytes of the input select the rules, the size of the pieces in which it is sent, the
//! engine's way of responding, and the client's way of ending. The bytes of the client follow; 0xFF
//! 0xFF begins another client. One thread runs everything, and only the proxy itself remains
//! between two inputs.
//!
//! These properties must hold, by a second reader of both sides that shares no code with doxy
//! (`wire`):
//!
//! - The engine receives only requests in the form that doxy writes, and the rules allow each.
//! - They are requests that the client sent, in their order, each once, with the judged body and
//! headers.
//! - Each has a response, so no unjudged request arrived, and no client gets the response to
//! another client's request.
//! - If the engine hijacks the connection, it receives what the client sent behind that request,
//! and only where hijacking is possible.
//! - Nothing panics, and everything ends.

#![no_main]

#[path = "proxy/engine.rs"]
mod engine;
#[path = "proxy/replies.rs"]
mod replies;
#[allow(dead_code, reason = "shared with the tests of doxy-proxy")]
#[path = "../../tests/it/support/wire/mod.rs"]
mod wire;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doxy_filter::{Request, RuleSet, Verdict};
use doxy_proxy::{Listener, 
    Policy, Script, Server, Service, UnixListenConfig, Upstream, UpstreamAddr as Address,
};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::yield_now;
use tokio::time::timeout;

use engine::{Engine, Exchange, Style};
use wire::Message;

/// Five policies: the default, a narrow one with the hijacking endpoints, a wide one, everything,
/// and one with a script that reads bodies.
const RULES: [&str; 5] = [
    doxy_filter::DEFAULT_PATTERNS,
    "GET,POST /(v[\\d.]+/)?containers/[^/]+/(json|attach|attach/ws|start)\nPOST /(exec/x/start|session)\n!.*/secret/.*",
    "GET,POST,PUT,DELETE /.*\n!(/v[\\d.]+)?/secrets(/.*)?\n!GET .*/attach/ws\n/_ping",
    "* /.*",
    "/.*\n!(/v[\\d.]+)?/secrets(/.*)?",
];
const SCRIPTED: usize = 4;
const SCRIPT: &str = r#"
fn decide(req) {
    if req.method != "POST" { return pass(); }
    let body = req.json();
    if body["a"] == 1 { allow() } else { deny("no") }
}
"#;
/// When an input counts as a hang.
const LIMIT: Duration = Duration::from_secs(8);
/// The number of pieces at most; the rest is sent in one.
const PIECES: usize = 48;

thread_local! {
    static HARNESS: RefCell<Harness> = RefCell::new(Harness::start());
}

fuzz_target!(|data: &[u8]| {
    let Some(([rules, piece, style, end], input)) = data.split_first_chunk() else {
        return;
    };
    let input = Input {
        rules: usize::from(*rules) % RULES.len(),
        piece: usize::from(*piece),
        style: Style::from(*style),
        leaves: end % 8 == 7,
        clients: split(input),
    };
    HARNESS.with_borrow_mut(|harness| harness.run(&input));
});

struct Input<'d> {
    rules: usize,
    piece: usize,
    style: Style,
    /// The client closes the connection without waiting for anything.
    leaves: bool,
    clients: Vec<&'d [u8]>,
}

fn split(mut input: &[u8]) -> Vec<&[u8]> {
    let mut clients = Vec::new();
    while clients.len() < 3
        && let Some(at) = input.windows(2).position(|pair| pair == [0xFF; 2])
    {
        clients.push(&input[..at]);
        input = &input[at + 2..];
    }
    clients.push(input);
    clients
}

struct Harness {
    runtime: Runtime,
    engine: Engine,
    proxies: Vec<Served>,
    _folder: tempfile::TempDir,
}

/// A proxy in service.
struct Served {
    rules: RuleSet,
    socket: PathBuf,
    server: Option<Server>,
}

impl Harness {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("engine.sock");
        let (engine, proxies) = runtime.block_on(async {
            // Rust's own `main` ignores it, and libFuzzer's does not.
            drop(signal(SignalKind::pipe()).expect("a signal"));
            let engine = Engine::listen(&at);
            let proxies = (0..RULES.len())
                .map(|number| Served::start(number, folder.path().join(number.to_string()), &at));
            (engine, proxies.collect())
        });
        Self {
            runtime,
            engine,
            proxies,
            _folder: folder,
        }
    }

    fn run(&mut self, input: &Input<'_>) {
        let Self {
            runtime,
            engine,
            proxies,
            ..
        } = self;
        let proxy = &mut proxies[input.rules];
        runtime.block_on(async {
            // The last client's bytes are also the response of an engine that sends nonsense.
            let nonsense = input.clients.last().copied().unwrap_or_default();
            engine.begin(input.style, nonsense);
            let mut seen = Vec::new();
            for client in &input.clients {
                let output = timeout(LIMIT, talk(&proxy.socket, client, input)).await;
                seen.push(output.expect("the connection ends"));
            }
            if input.leaves {
                proxy.restart(input.rules, engine.path()).await;
            }
            let exchanges = timeout(LIMIT, engine.finish()).await;
            let exchanges = exchanges.expect("the engine's connections end");
            check(input, &proxy.rules, &seen, &exchanges);
        });
    }
}

impl Served {
    fn start(number: usize, socket: PathBuf, engine: &Path) -> Self {
        let parse = || RuleSet::parse("rules", RULES[number].as_bytes()).expect("rules");
        let bind = UnixListenConfig {
            path: socket.clone(),
            mode: 0o600,
            owner: None,
            group: None,
        };
        let engine = Address::Unix(engine.to_owned());
        let upstream = Upstream::new(engine, LIMIT);
        let policy = match number {
            SCRIPTED => {
                let script = Script::compile("script", SCRIPT.as_bytes()).expect("a script");
                Policy::with_script(parse(), script)
            }
            _ => Policy::new(parse()),
        };
        let service = Service::new("test", policy, upstream);
        let listener = Listener::Unix(bind.listen().expect("a socket"));
        let mut server = Server::start(1, service.limits.connections).expect("a server");
        let id = server.add(service);
        server.listen(listener, id).expect("a listener");
        Self {
            rules: parse(),
            socket,
            server: Some(server),
        }
    }

    /// Restarts it, to end all that it still does for clients that have closed.
    async fn restart(&mut self, rules: usize, engine: &Path) {
        if let Some(server) = self.server.take() {
            server.stop("the input ends", Duration::ZERO).await;
        }
        settle().await;
        *self = Self::start(rules, self.socket.clone(), engine);
    }
}

/// Lets the other tasks run.
async fn settle() {
    for _ in 0..6 {
        yield_now().await;
    }
}

/// Sends everything, half-closes, and reads until the other side closes.
async fn talk(socket: &Path, bytes: &[u8], input: &Input<'_>) -> Vec<u8> {
    let stream = UnixStream::connect(socket)
        .await
        .expect("the proxy listens");
    let (mut from, mut to) = stream.into_split();
    let send = async {
        let size = match input.piece {
            0 => usize::MAX,
            size => size,
        };
        let mut rest = bytes;
        for sent in 0..=PIECES {
            let size = if sent == PIECES { usize::MAX } else { size };
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            // doxy may have responded and closed before all of it is written.
            if piece.is_empty() || to.write_all(piece).await.is_err() {
                break;
            }
            rest = behind;
            settle().await;
        }
        let _ = to.shutdown().await;
    };
    if input.leaves {
        send.await;
        return Vec::new();
    }
    let mut output = Vec::new();
    let (read, ()) = tokio::join!(from.read_to_end(&mut output), send);
    // A reset is an end, too. What came before it has been read.
    let _ = read;
    output
}

fn check(input: &Input<'_>, rules: &RuleSet, seen: &[Vec<u8>], exchanges: &[Exchange]) {
    let told = || {
        let seen = seen.iter().map(Vec::as_slice);
        let texts = input
            .clients
            .iter()
            .copied()
            .chain([&b"---"[..]])
            .chain(seen);
        let texts: Vec<_> = texts.map(String::from_utf8_lossy).collect();
        format!(
            "rules {}, {:?}\n{texts:#?}\n{exchanges:#?}",
            input.rules, input.style
        )
    };
    let sent: Vec<_> = input
        .clients
        .iter()
        .map(|bytes| wire::sent(bytes))
        .collect();
    let mut wanted = sent.iter().flatten();
    for exchange in exchanges {
        let got = match &exchange.request {
            Ok(got) => got,
            Err(words) => panic!("not what doxy writes: {words}\n{}", told()),
        };
        // The script allows a request only after it has read the whole body.
        let scripted = input.rules == SCRIPTED && got.method == "POST";
        let right = match scripted {
            true => !got.whole || says_one(&got.body),
            false => allowed(rules, got),
        };
        assert!(right && !is_form(got), "not allowed: {got:#?}\n{}", told());
        assert!(
            wanted.any(|sent| same(sent, got, scripted)),
            "not what was sent and judged: {got:#?}\n{}",
            told()
        );
        if let Some(tunnel) = &exchange.tunnel {
            let opens = wire::protocol(got).is_some();
            assert!(opens || tunnel.is_empty(), "a tunnel: {got:#?}\n{}", told());
            let tail = |client: &&[u8]| client.ends_with(tunnel);
            assert!(input.clients.iter().any(tail), "{}", told());
        }
    }
    if input.leaves || !input.style.is_http() {
        return;
    }
    let mut answered = Vec::new();
    for (output, sent) in seen.iter().zip(&sent) {
        match replies::read(output, sent) {
            Ok(replies) => {
                assert!(replies.len() <= sent.len() + 1, "{}", told());
                answered.extend(replies);
            }
            Err(words) => panic!("answers: {words}\n{}", told()),
        }
    }
    assert!(exchanges.len() <= answered.len(), "unjudged: {}", told());
    let numbers: Vec<_> = answered.into_iter().flatten().collect();
    let rising = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(
        rising && numbers.iter().all(|number| *number < exchanges.len()),
        "whose answer is that? {numbers:?}\n{}",
        told()
    );
}

fn allowed(rules: &RuleSet, got: &Message) -> bool {
    let request = Request {
        method: &got.method,
        path: &got.path,
        query: None,
    };
    matches!(rules.decide(&request), Verdict::Allow(_))
}

/// The condition of the script.
fn says_one(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|json| json["a"] == 1)
}

/// Whether the engine would merge the body over the query.
fn is_form(got: &Message) -> bool {
    let form = got.headers.iter().any(|(name, value)| {
        let value = value.to_ascii_lowercase();
        let is = |word: &[u8]| value.windows(word.len()).any(|part| part == word);
        name == "content-type"
            && (is(b"multipart/form-data") || is(b"application/x-www-form-urlencoded"))
    });
    matches!(&*got.method, "POST" | "PUT" | "PATCH") && form && !got.body.is_empty()
}

/// Whether this request has arrived, complete or as far as its framing was valid. If the script
/// read the body, its trailers are lost.
fn same(sent: &Message, got: &Message, read: bool) -> bool {
    let headers = |message: &Message| -> Vec<_> {
        let kept = message.headers.iter().cloned();
        kept.filter(|(name, _)| !read || name != "trailer")
            .collect()
    };
    sent.method == got.method
        && sent.target == got.target
        && headers(sent) == headers(got)
        && if got.whole {
            sent.whole && sent.body == got.body && (read || sent.trailers == got.trailers)
        } else {
            sent.body.starts_with(&got.body)
        }
}
