//! hyper in the engine's place, as a second opinion.
//!
//! Unusual requests, generated from a grammar or by mutation of the corpus, go through a doxy that
//! allows everything. hyper must read what doxy forwards as exactly one request, with the method,
//! path, query, headers, body and trailers that the second reader finds in what was sent.

mod damage;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestError, TestRunner};
use tokio::net::UnixListener;

use self::damage::{damage, damaged};
use crate::corpus;
use crate::support::runtime::on_thread;
use crate::support::wire::{self, Message};
use crate::support::{Client, Doxy};

/// An engine made with hyper, which records what it reads.
struct Hyper {
    path: PathBuf,
    seen: Arc<Mutex<Vec<Message>>>,
    _folder: tempfile::TempDir,
}

impl Hyper {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let record = Arc::clone(&seen);
        on_thread(move || async move {
            let listener = UnixListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let record = Arc::clone(&record);
                let service = service_fn(move |request| note(request, Arc::clone(&record)));
                let connection = hyper::server::conn::http1::Builder::new()
                    .max_headers(512)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self {
            path,
            seen,
            _folder: folder,
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

/// Records a complete request. If the body is cut off, hyper fails, as the engine would.
async fn note(
    request: Request<Incoming>,
    record: Arc<Mutex<Vec<Message>>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    // Doxy itself asks what the engine is; no client's `Connection` arrives.
    let close = head
        .headers
        .get("connection")
        .is_some_and(|value| value == "close");
    if close && head.uri.path() == "/version" {
        let docker = r#"{"Components":[{"Name":"Engine"}]}"#;
        return Ok(Response::new(Full::from(docker)));
    }
    let body = body.collect().await?;
    let pairs = |map: &hyper::HeaderMap| -> Vec<_> {
        let pairs = map.iter();
        pairs
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect()
    };
    let mut trailers = body.trailers().map(pairs).unwrap_or_default();
    trailers.sort();
    let message = Message {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: wire::end_to_end(pairs(&head.headers)),
        body: body.to_bytes().to_vec(),
        trailers: trailers
            .into_iter()
            .flat_map(|(name, value)| [name.as_bytes(), b": ", &value, b"\r\n"].concat())
            .collect(),
        whole: true,
        ..Message::default()
    };
    record.lock().unwrap().push(message);
    Ok(Response::new(Full::from("OK")))
}

/// The message as `note` records it: sorted by name, the values of a name in their order.
fn as_noted(mut message: Message) -> Message {
    let mut trailers: Vec<_> = message
        .trailers
        .split_inclusive(|byte| *byte == b'\n')
        .filter_map(wire::trailer)
        .collect();
    trailers.sort();
    message.trailers = trailers
        .into_iter()
        .flat_map(|(name, value)| [name.as_bytes(), b": ", &value, b"\r\n"].concat())
        .collect();
    message.headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    message.path = String::new();
    message.last = false;
    message
}

/// Sends the bytes, and compares what hyper has read with what the second reader finds in them.
/// Returns the number of requests that arrived.
fn check(hyper: &Hyper, doxy: &Doxy, raw: &[u8]) -> Result<usize, TestCaseError> {
    let mut client = Client::connect(doxy.path());
    client.try_send(raw);
    client.end();
    let output = client.rest();
    let seen: Vec<_> = hyper.take().into_iter().map(as_noted).collect();
    let mut sent = wire::sent(raw).into_iter().map(as_noted);
    let shown = String::from_utf8_lossy(raw);
    for got in &seen {
        prop_assert!(
            sent.any(|sent| sent.whole && sent == *got),
            "{shown:?}\nhyper read what was not sent so: {got:#?}\n{:#?}",
            wire::sent(raw)
        );
    }
    // doxy's own responses are JSON. hyper's response to what it cannot read is not.
    let output = String::from_utf8_lossy(&output).to_ascii_lowercase();
    let mut refusals = output.match_indices("http/1.1 400 bad request\r\n");
    let by_hyper = refusals.any(|(at, line)| {
        !output[at + line.len()..].starts_with("content-type: application/json\r\n")
    });
    // hyper refuses these targets; Go accepts them.
    let strange = |c: char| "<>^`\\\"{}|".contains(c) || !c.is_ascii();
    let excused = wire::sent(raw)
        .iter()
        .any(|sent| sent.target.contains(strange));
    prop_assert!(
        !by_hyper || excused,
        "{shown:?}\nhyper cannot read it:\n{output}"
    );
    Ok(seen.len())
}

/// Runs `check` on many inputs, and checks that enough requests arrive.
fn check_all(cases: u32, inputs: impl Strategy<Value = Vec<u8>>) {
    let hyper = Hyper::start();
    let doxy = Doxy::with(hyper.path(), "* /.*");
    let arrived = AtomicUsize::new(0);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let result = TestRunner::new(config).run(&inputs, |raw| {
        arrived.fetch_add(check(&hyper, &doxy, &raw)?, Ordering::Relaxed);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, raw)) => panic!("{reason}\n{raw:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    // If hyper reads something behind the last request, it shows here.
    let last = b"GET /last HTTP/1.1\r\nHost: d\r\n\r\n";
    assert!(matches!(check(&hyper, &doxy, last), Ok(1)));
    let arrived = arrived.into_inner();
    eprintln!("{arrived} requests arrived");
    assert!(
        arrived > cases as usize / 10,
        "only {arrived} requests arrived"
    );
}

#[test]
fn hyper_reads_every_wish_for_an_upgrade_as_doxy_does() {
    let hyper = Hyper::start();
    let doxy = Doxy::with(hyper.path(), "* /.*");
    let targets = [
        "GET /containers/x%2fattach%2fws?stream=1",
        "POST /v1.41/exec/x/start",
        "POST /v5.0.0-dev/libpod/exec/x/start",
        "POST /libpod/exec/x/start",
        "POST /grpc",
        "GET /info",
    ];
    let wishes = [
        "",
        "Upgrade: tcp\r\n",
        "Upgrade: TCP\r\n",
        "Upgrade: websocket\r\n",
        "Upgrade:: websocket\r\n",
        "Upgrade: h2c\r\n",
        "Upgrade: tcp, h2c\r\n",
        "Upgrade: tcp\r\nUpgrade: tcp\r\n",
        "Upgrade:\r\n",
    ];
    for target in targets {
        for wish in wishes {
            let raw = format!(
                "{target} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n{wish}\
                 Sec-WebSocket-Key: dGhl\r\nHTTP2-Settings: AA\r\nX-A: 1\r\n\r\n"
            );
            assert_eq!(check(&hyper, &doxy, raw.as_bytes()).unwrap(), 1, "{raw}");
        }
    }
}

#[test]
fn hyper_reads_a_mutated_corpus_as_doxy_does() {
    let corpus: Vec<_> = corpus::raw().filter(|raw| raw.len() < 8192).collect();
    let damage = prop::collection::vec((any::<Index>(), damage()), 0..4);
    let inputs = (select(corpus), damage).prop_map(|(raw, all)| damaged(raw, &all));
    check_all(3000, inputs);
}

/// A request whose parts are mostly well formed.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = select(
        &[
            "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "B-W!", "get",
        ][..],
    );
    let path = prop_oneof![
        "(/[a-z0-9._~!$&'()*+,;=:@-]{1,8}){1,4}/?",
        "(/(%[2-7][0-9a-fA-F]|[a-z.]){1,6}){1,3}",
        Just("/containers/x/attach".to_owned()),
        Just("/v1.41/exec/x/start".to_owned()),
    ];
    let query = prop::option::of("[a-z0-9%&=+?/;:@,.*()~-]{0,12}");
    let version = prop_oneof![9 => Just("1.1"), 1 => Just("1.0")];
    let value = prop_oneof![
        "[ -~]{0,20}",
        "[ \\t]{0,3}[!-~\u{80}-\u{ff}]{1,8}[ \\t]{0,3}",
    ];
    let name = prop_oneof![
        3 => "[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,8}",
        2 => select(&["Cookie", "Accept", "Content-Type", "Connection", "Upgrade", "TE", "X-A"][..])
            .prop_map(str::to_owned),
    ];
    let end = prop_oneof![9 => Just("\r\n"), 1 => Just("\n")];
    let lines = prop::collection::vec((name, value, end), 0..6);
    let body = prop_oneof![
        2 => Just(String::new()),
        2 => "[ -~]{0,20}".prop_map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len())),
        1 => "[ -~]{0,20}".prop_map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len() + 1)),
        4 => chunked().prop_map(|chunks| format!("Transfer-Encoding: chunked\r\n\r\n{chunks}")),
    ];
    (method, path, query, version, lines, body).prop_map(
        |(method, path, query, version, lines, body)| {
            let query = query.map_or(String::new(), |query| format!("?{query}"));
            let mut raw =
                format!("{method} {path}{query} HTTP/{version}\r\nHost: d\r\n").into_bytes();
            for (name, value, end) in lines {
                raw.extend_from_slice(format!("{name}:{value}{end}").as_bytes());
            }
            raw.extend_from_slice(if body.is_empty() {
                b"\r\n"
            } else {
                body.as_bytes()
            });
            raw
        },
    )
}

fn chunked() -> impl Strategy<Value = String> {
    let extension = prop_oneof![
        4 => Just(String::new()),
        1 => "[ \t]{0,2};[ -~]{0,9}",
        1 => "[ \t]{1,2}",
    ];
    let chunk = ("[ -~\r\n]{1,18}", 0..3_usize, extension, any::<bool>());
    let chunk = chunk.prop_map(|(data, noughts, extension, upper)| {
        let mut size = format!("{}{:x}", "0".repeat(noughts), data.len());
        if upper {
            size = size.to_ascii_uppercase();
        }
        format!("{size}{extension}\r\n{data}\r\n")
    });
    let trailers = prop_oneof![
        3 => Just(String::new()),
        1 => "(X-[A-Z]{1,3}:[ -~]{0,6}\r\n){1,3}",
    ];
    (prop::collection::vec(chunk, 0..4), trailers)
        .prop_map(|(chunks, trailers)| format!("{}0\r\n{trailers}\r\n", chunks.concat()))
}

#[test]
fn hyper_reads_generated_requests_as_doxy_does() {
    let inputs = prop::collection::vec(request(), 1..4).prop_map(|all| all.concat());
    check_all(2500, inputs);
}

#[test]
fn hyper_reads_mutated_generated_requests_as_doxy_does() {
    let damage = prop::collection::vec((any::<Index>(), damage()), 1..4);
    let inputs = (prop::collection::vec(request(), 1..4), damage)
        .prop_map(|(all, damage)| damaged(all.concat(), &damage));
    check_all(2500, inputs);
}
