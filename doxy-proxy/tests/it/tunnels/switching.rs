//! Ways to open a tunnel: bytes around the heads, a raw stream without an upgrade, an engine at a
//! TCP address.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;

use super::{ATTACH, MUCH, SWITCH, Switching, pattern, read, rest};
use crate::support::{Client, Doxy, Fake, TIMEOUT, wait};

#[test]
fn bytes_behind_either_head_go_through_the_tunnel() {
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
fn a_request_cut_at_any_byte_opens_the_tunnel() {
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
fn a_raw_stream_response_without_upgrade_opens_a_tunnel() {
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

/// Podman's answers, to the byte: with an upgrade, and without.
#[test]
fn podmans_own_paths_get_the_same_bytes_as_without_doxy() {
    let switched = SWITCH;
    let raw = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
    let multiplexed =
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\r\n";
    let upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    let rules = "POST (/v[\\d.]+)?/libpod/(exec|containers)/\\w+/(start|attach)";
    for path in [
        "/v4.3.1/libpod/exec/0a1b/start",
        "/v4.3.1/libpod/containers/web/attach",
    ] {
        for (head, lines) in [(switched, upgrade), (raw, ""), (multiplexed, "")] {
            let engine = Switching::with(format!("{head}\x01\0\0\0\0\0\0\x02hi"));
            let doxy = Doxy::with(engine.fake.path(), rules);
            let mut client = Client::connect(doxy.path());
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: d\r\n{lines}Content-Length: 2\r\n\r\n{{}}"
            ));
            assert_eq!(client.until(b"\r\n\r\n"), head.as_bytes(), "{path}");
            assert_eq!(client.take(10), b"\x01\0\0\0\0\0\0\x02hi");
            let mut stream = engine.stream();
            client.send("in");
            client.end();
            assert_eq!(rest(&mut stream), b"in");
            stream.write_all(b"out").unwrap();
            stream.shutdown(Shutdown::Both).unwrap();
            assert_eq!(client.rest(), b"out");
            let got = engine.fake.wait_for(1).remove(0);
            assert_eq!(got.target(), path);
            assert_eq!(got.header("upgrade").len(), usize::from(!lines.is_empty()));
        }
    }
}

/// Jenkins writes the start of an exec by hand: bare line feeds, the body in a second write, then
/// raw bytes.
#[test]
fn a_start_that_is_written_by_hand_opens_the_tunnel() {
    let head = "POST /v1.32/exec/0a1b/start HTTP/1.1\nHost: docker.sock\n\
                Content-Type: application/json\nUpgrade: tcp\nConnection: Upgrade\n\
                Content-Length: 28\n\n";
    let body = r#"{"Detach":false,"Tty":false}"#;
    for apart in [true, false] {
        let engine = Switching::with(SWITCH);
        let doxy = Doxy::with(engine.fake.path(), "POST /v1.32/exec/\\w+/start");
        let mut client = Client::connect(doxy.path());
        client.send(head);
        if apart {
            // Doxy has forwarded the head before the body comes.
            wait::until("doxy asks the engine", || {
                (engine.fake.connections() > 0).then_some(())
            });
        }
        client.send(body);
        assert_eq!(client.until(b"\r\n\r\n"), SWITCH.as_bytes());
        let got = engine.fake.wait_for(1).remove(0);
        assert_eq!(got.body, body.as_bytes());
        assert_eq!(got.header("upgrade"), ["tcp"]);
        assert!(got.head.lines().count() > 4 && !got.head.contains("\n\n"));
        let mut stream = engine.stream();
        client.send("input\n");
        assert_eq!(read(&mut stream, 6), b"input\n");
        stream.write_all(b"\x01\0\0\0\0\0\0\x03out").unwrap();
        assert_eq!(client.take(11), b"\x01\0\0\0\0\0\0\x03out");
        client.end();
        assert_eq!(rest(&mut stream), b"");
    }
}

#[test]
fn a_body_that_never_ends_does_not_delay_the_tunnel() {
    // docker-modem announces chunks, and sends none.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
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
fn a_tunnel_to_a_tcp_engine() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let doxy = Doxy::over_tcp(listener.local_addr().unwrap(), "* /.*");
    let engine = thread::spawn(move || {
        let mut answers = Vec::new();
        for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", SWITCH] {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(TIMEOUT)).unwrap();
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
