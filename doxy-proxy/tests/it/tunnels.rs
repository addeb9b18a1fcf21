//! Connections that the engine switches: what opens a tunnel and what does not, bytes split at
//! every position, either end closing first, readers that stop reading.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use crate::support::{Client, Doxy, Fake, LIMIT, Recorded};

const ATTACH: &str = "POST /v1.41/containers/x/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: d\r\n\
                      Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\
                      Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
/// More than all the buffers on the way hold.
const MUCH: usize = 8 << 20;

/// An engine that switches every connection with these bytes, and hands its end to the test.
struct Switching {
    fake: Fake,
    streams: mpsc::Receiver<UnixStream>,
    /// The engine's thread holds the connection open until this is dropped.
    _done: mpsc::Sender<()>,
}

impl Switching {
    fn with(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        let (sender, streams) = mpsc::channel();
        let (done, wait) = mpsc::channel::<()>();
        let (sender, wait) = (Mutex::new(sender), Arc::new(Mutex::new(wait)));
        let fake = Fake::with(move |_, stream| {
            stream.write_all(&answer).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            stream.set_write_timeout(Some(LIMIT)).unwrap();
            sender
                .lock()
                .unwrap()
                .send(stream.try_clone().unwrap())
                .unwrap();
            let _ = wait.lock().unwrap().recv();
            false
        });
        Self {
            fake,
            streams,
            _done: done,
        }
    }

    fn stream(&self) -> UnixStream {
        self.streams.recv_timeout(LIMIT).unwrap()
    }
}

/// A client in a tunnel, and the engine's end of it.
fn open() -> (Switching, Doxy, Client, UnixStream) {
    let engine = Switching::with(SWITCH);
    let doxy = Doxy::with(engine.fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    client.send(ATTACH);
    assert_eq!(client.until(b"\r\n\r\n"), SWITCH.as_bytes());
    let stream = engine.stream();
    (engine, doxy, client, stream)
}

fn read(stream: &mut UnixStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn rest(stream: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // Closed with bytes unread, a socket ends in this, behind all that it has delivered.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        ended => drop(ended.unwrap()),
    }
    bytes
}

/// Bytes that show where they came from.
fn pattern(count: usize) -> Vec<u8> {
    (0..count as u64)
        .map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8)
        .collect()
}

#[test]
fn every_endpoint_that_hijacks_is_switched() {
    for (request, upgrade) in [
        ("POST /containers/x/attach", "tcp"),
        ("POST /v1.51/containers/a.b-c/attach?stdin=1", "tcp"),
        ("POST /v1.41/exec/0a1b/start", "tcp"),
        ("GET /v1.41/containers/x/attach/ws", "websocket"),
        ("POST /session", "h2c"),
        ("POST /v1.51/grpc", "h2c"),
        // The engine looks only at whether there is one.
        ("POST /containers/x/attach", ""),
    ] {
        let engine = Switching::with(SWITCH);
        let doxy = Doxy::with(engine.fake.path(), "* /.*");
        let mut client = Client::connect(doxy.path());
        client.send(format!(
            "{request} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\
             Sec-WebSocket-Key: dGhl\r\nContent-Length: 2\r\n\r\n{{}}"
        ));
        assert_eq!(client.until(b"\r\n\r\n"), SWITCH.as_bytes(), "{request}");
        let got = engine.fake.wait_for(1).remove(0);
        assert_eq!(got.header("connection"), ["Upgrade"]);
        assert_eq!(got.header("upgrade"), [upgrade]);
        assert_eq!(got.header("sec-websocket-key"), ["dGhl"]);
        assert_eq!(got.body, b"{}");
        let mut stream = engine.stream();
        client.send("ping");
        assert_eq!(read(&mut stream, 4), b"ping");
        stream.write_all(b"pong").unwrap();
        assert_eq!(client.until(b"pong"), b"pong");
    }
}

#[test]
fn nothing_else_opens_a_tunnel() {
    let second = "POST /containers/nosuch/start HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n";
    let up = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    let fake = Fake::start();
    let doxy = Doxy::with(fake.path(), "/.*\nPOST /containers/x/attach");
    for request in [
        "GET /info",
        "GET /containers/x/attach",
        "GET /session",
        "GET /containers/x/logs",
    ] {
        let mut client = Client::connect(doxy.path());
        client.send(format!("{request} HTTP/1.1\r\nHost: d\r\n{up}\r\n{second}"));
        assert_eq!(client.reply("GET").unwrap().status(), 200, "{request}");
        assert_eq!(client.reply("POST").unwrap().status(), 403, "{request}");
    }
    // Where it is possible but refused, the connection goes on as HTTP, and is judged.
    let mut client = Client::connect(doxy.path());
    client.send(format!(
        "POST /containers/x/attach HTTP/1.1\r\nHost: d\r\n{up}\r\n{second}"
    ));
    assert_eq!(client.reply("POST").unwrap().status(), 200);
    assert_eq!(client.reply("POST").unwrap().status(), 403);
    let starts = |request: &Recorded| request.target().contains("nosuch");
    assert!(!fake.requests().iter().any(starts));
}

#[test]
fn a_refused_upgrade_leaves_the_connection_as_it_was() {
    let fake = Fake::with(|request, stream| {
        let answer = if request.target().contains("attach") {
            "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"message\":\"no\"}"
        } else {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    for _ in 0..3 {
        let reply = client.ask(ATTACH);
        assert_eq!((reply.status(), reply.message().as_str()), (409, "no"));
        assert_eq!(
            client.ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n").status(),
            200
        );
    }
}

#[test]
fn bytes_that_come_with_the_head_of_either_side_are_not_lost() {
    let early_engine = [SWITCH.as_bytes(), b"hello"].concat();
    for split in 0..=early_engine.len() {
        // The engine writes its head and its first bytes in two pieces, cut anywhere.
        let (one, two) = early_engine.split_at(split);
        let (one, two) = (one.to_vec(), two.to_vec());
        let fake = Fake::with(move |_, stream| {
            stream.write_all(&one).unwrap();
            stream.write_all(&two).unwrap();
            let mut got = [0; 5];
            stream.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"early");
            stream.write_all(b"done").unwrap();
            false
        });
        let doxy = Doxy::with(fake.path(), "* /.*");
        let mut client = Client::connect(doxy.path());
        client.send(format!("{ATTACH}early"));
        assert_eq!(
            client.until(b"\r\n\r\n"),
            SWITCH.as_bytes(),
            "cut at {split}"
        );
        assert_eq!(client.rest(), b"hellodone", "cut at {split}");
    }
}

#[test]
fn a_request_cut_at_any_byte_is_switched_all_the_same() {
    let sent = format!("{ATTACH}early");
    for split in 0..=sent.len() {
        let engine = Switching::with(SWITCH);
        let doxy = Doxy::with(engine.fake.path(), "* /.*");
        let mut client = Client::connect(doxy.path());
        client.send(&sent[..split]);
        client.send(&sent[split..]);
        assert_eq!(
            client.until(b"\r\n\r\n"),
            SWITCH.as_bytes(),
            "cut at {split}"
        );
        assert_eq!(read(&mut engine.stream(), 5), b"early", "cut at {split}");
    }
}

#[test]
fn the_old_way_without_upgrade() {
    let raw = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
    for early in ["", "hello"] {
        let engine = Switching::with(format!("{raw}{early}"));
        let doxy = Doxy::with(engine.fake.path(), "* /.*");
        let mut client = Client::connect(doxy.path());
        client.send(
            "POST /containers/x/attach?stdin=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n",
        );
        let head = client.until(b"\r\n\r\n");
        assert_eq!(head, raw.as_bytes());
        let mut stream = engine.stream();
        client.send("in");
        assert_eq!(read(&mut stream, 2), b"in");
        client.end();
        assert_eq!(rest(&mut stream), b"");
        stream.write_all(b" out").unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
        assert_eq!(client.rest(), format!("{early} out").as_bytes());
    }
}

#[test]
fn an_answer_with_a_length_or_chunks_is_no_switch() {
    for (framing, body) in [
        ("Content-Length: 2", "hi"),
        ("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n"),
    ] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n{framing}\r\n\r\n{body}"
        );
        let fake = Fake::with(move |_, stream| stream.write_all(answer.as_bytes()).is_ok());
        let doxy = Doxy::with(fake.path(), "POST /exec/.*");
        let mut client = Client::connect(doxy.path());
        let start = "POST /exec/x/start HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}";
        for _ in 0..2 {
            assert_eq!(client.ask(start).body, b"hi");
        }
        assert_eq!(
            client
                .ask("POST /nope HTTP/1.1\r\nHost: d\r\n\r\n")
                .status(),
            403
        );
    }
}

#[test]
fn a_body_that_is_never_ended_does_not_hold_up_the_switch() {
    // docker-modem announces chunks and sends none.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(read(&mut stream, 1));
        }
        stream.write_all(SWITCH.as_bytes()).unwrap();
        let got = read(&mut stream, 5);
        stream.write_all(b"out").unwrap();
        got
    });
    let doxy = Doxy::with(&path, "* /.*");
    let mut client = Client::connect(doxy.path());
    client.send(
        "POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
    );
    assert_eq!(client.until(b"\r\n\r\n"), SWITCH.as_bytes());
    client.send("stdin");
    assert_eq!(client.rest(), b"out");
    assert_eq!(server.join().unwrap(), b"stdin");
}

#[test]
fn either_side_may_end_first() {
    // The client ends: `echo x | docker run -i … cat`.
    let (_engine, _doxy, mut client, mut stream) = open();
    client.send("input");
    client.end();
    assert_eq!(rest(&mut stream), b"input");
    stream.write_all(b"output").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"output");

    // The engine ends while the client may still send.
    let (_engine, _doxy, mut client, mut stream) = open();
    stream.write_all(b"output").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"output");
    client.send("late");
    assert_eq!(read(&mut stream, 4), b"late");
    drop(client);
    assert_eq!(rest(&mut stream), b"");
}

#[test]
fn much_passes_both_ways_at_once_unchanged() {
    let (_engine, _doxy, mut client, mut stream) = open();
    let (up, down) = (pattern(MUCH), pattern(MUCH + 12_345));
    let (expected, sent) = (up.clone(), down.clone());
    let engine = thread::spawn(move || {
        let mut writer = stream.try_clone().unwrap();
        let writing = thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let got = rest(&mut stream);
        writing.join().unwrap();
        assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
    });
    let mut reader = client.another();
    let reading = thread::spawn(move || reader.rest());
    client.send(&up);
    client.end();
    let got = reading.join().unwrap();
    assert!(got == down, "{} bytes of {}", got.len(), down.len());
    engine.join().unwrap();
}

#[test]
fn an_engine_that_takes_no_more_input_still_gives_all_its_output() {
    // `docker run image < large-file` of a program that does not read it all.
    for round in 0..20 {
        let (_engine, _doxy, mut client, mut stream) = open();
        let output = pattern(1 << 20);
        let sent = output.clone();
        let engine = thread::spawn(move || {
            read(&mut stream, 10);
            stream.write_all(&sent).unwrap();
            // Closed with input unread.
            stream.shutdown(Shutdown::Both).unwrap();
        });
        let mut reader = client.another();
        let reading = thread::spawn(move || reader.rest());
        let input = pattern(1 << 20);
        while client.try_send(&input) {}
        let got = reading.join().unwrap();
        assert!(
            got == output,
            "round {round}: {} bytes of {}",
            got.len(),
            output.len()
        );
        engine.join().unwrap();
    }
}

#[test]
fn a_client_that_does_not_read_holds_up_the_engine_and_loses_nothing() {
    let (_engine, _doxy, mut client, mut stream) = open();
    let output = pattern(MUCH);
    // Written until nothing more fits anywhere on the way.
    stream.set_nonblocking(true).unwrap();
    let mut written = 0;
    let mut idle = 0;
    while written < output.len() && idle < 50 {
        match stream.write(&output[written..]) {
            Ok(count) => {
                written += count;
                idle = 0;
            }
            Err(_) => {
                idle += 1;
                thread::yield_now();
            }
        }
    }
    assert!(
        written < output.len(),
        "no back-pressure: {written} bytes taken"
    );
    // The other direction goes on meanwhile.
    client.send("still here");
    stream.set_nonblocking(false).unwrap();
    assert_eq!(read(&mut stream, 10), b"still here");
    let rest = output[written..].to_vec();
    let engine = thread::spawn(move || {
        stream.write_all(&rest).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    });
    assert!(client.rest() == output, "bytes differ");
    engine.join().unwrap();
}

#[test]
fn a_client_that_goes_ends_the_tunnel() {
    // All at once.
    let (_engine, _doxy, client, mut stream) = open();
    drop(client);
    assert_eq!(rest(&mut stream), b"");
    // Having ended its input before: told from one that waits only by the hang-up.
    let (engine, doxy, mut client, stream) = open();
    client.send("x");
    client.end();
    drop(client);
    let mut probe = stream.try_clone().unwrap();
    assert_eq!(rest(&mut probe), b"x");
    // Doxy closes its end: writing fails sooner or later.
    while probe.write_all(&[0; 4096]).is_ok() {}
    drop((engine, doxy));
}

#[test]
fn an_engine_that_dies_ends_the_tunnel() {
    let (engine, _doxy, mut client, stream) = open();
    drop(stream);
    engine.fake.cut();
    assert_eq!(client.rest(), b"");
    // Nobody is left to send to.
    while client.try_send(&[0; 4096]) {}
}

#[test]
fn two_hundred_tunnels_with_slow_readers_among_them_all_get_on() {
    let engine = Switching::with(SWITCH);
    let doxy = Doxy::with(engine.fake.path(), "* /.*");
    let mut pairs = Vec::new();
    for n in 0..200 {
        let mut client = Client::connect(doxy.path());
        client.send(ATTACH);
        client.until(b"\r\n\r\n");
        pairs.push((n, client, engine.stream()));
    }
    // Half of the clients do not read what their engine floods them with.
    let mut floods = Vec::new();
    for (n, _, stream) in &pairs {
        if n % 2 == 0 {
            let mut stream = stream.try_clone().unwrap();
            floods.push(thread::spawn(move || {
                stream.write_all(&pattern(1 << 20)).is_ok()
            }));
        }
    }
    for (n, client, stream) in &mut pairs {
        if *n % 2 == 1 {
            client.send("ping");
            assert_eq!(read(stream, 4), b"ping");
            stream.write_all(b"pong").unwrap();
            assert_eq!(client.until(b"pong"), b"pong", "tunnel {n}");
        }
    }
    for (n, client, _) in &mut pairs {
        if *n % 2 == 0 {
            assert!(client.take(1 << 20) == pattern(1 << 20), "tunnel {n}");
        }
    }
    for flood in floods {
        assert!(flood.join().unwrap());
    }
}

#[test]
fn an_engine_over_tcp_is_answered_and_switched_alike() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let doxy = Doxy::over_tcp(listener.local_addr().unwrap(), "* /.*");
    let engine = thread::spawn(move || {
        let mut answers = Vec::new();
        for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", SWITCH] {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            answers.push(stream);
        }
        let mut tunnel = answers.pop().unwrap();
        let mut input = Vec::new();
        tunnel.read_to_end(&mut input).unwrap();
        tunnel.write_all(&input).unwrap();
    });
    let mut client = Client::connect(doxy.path());
    assert_eq!(
        client.ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n").status(),
        200
    );
    client.send(ATTACH);
    assert_eq!(client.until(b"\r\n\r\n"), SWITCH.as_bytes());
    let input = pattern(MUCH);
    client.send(&input);
    client.end();
    let output = client.rest();
    assert!(output == input, "{} bytes of {}", output.len(), input.len());
    engine.join().unwrap();
}

#[test]
fn what_a_client_sent_before_it_went_is_delivered_also_to_an_engine_that_talks() {
    let (_engine, doxy, mut client, mut stream) = open();
    let mut talking = stream.try_clone().unwrap();
    let talk = thread::spawn(move || while talking.write_all(&[0; 1000]).is_ok() {});
    // More than fits on the way: some of it is still with the client's socket when it goes.
    let sent = pattern(400_000);
    client.timeout(std::time::Duration::from_millis(500));
    assert!(client.try_send(&sent));
    drop(client);
    let got = rest(&mut stream);
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    talk.join().unwrap();
    drop(doxy);
}
