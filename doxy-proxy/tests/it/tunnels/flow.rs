//! Many bytes, many tunnels, and readers that stop reading.

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;

use super::{ATTACH, MUCH, SWITCH, Switching, open, pattern, read, rest};
use crate::support::sockets::offer;
use crate::support::{Client, Doxy};

/// The most that may be in a tunnel to a client that does not read: what two sockets and a pipe
/// hold.
const HELD: usize = 1 << 20;

#[test]
fn large_streams_pass_both_ways_at_once() {
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
fn a_client_that_does_not_read_stops_the_engine_and_loses_nothing() {
    let (_engine, _doxy, mut client, mut stream) = open();
    let output = pattern(MUCH);
    let engine = stream.try_clone().unwrap();
    // The other direction continues; it is the work that doxy does in between.
    let taken = offer(&engine, &output, || {
        client.send("still here");
        assert_eq!(read(&mut stream, 10), b"still here");
    });
    assert!(taken < output.len(), "no back-pressure");
    // Bytes that have not reached the client's socket: in the engine's socket, or held by doxy.
    let held = taken - client.waiting();
    assert!(
        held <= HELD,
        "{held} bytes are held for a client that does not read"
    );
    let rest = output[taken..].to_vec();
    let engine = thread::spawn(move || {
        stream.write_all(&rest).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    });
    assert!(client.rest() == output, "bytes differ");
    engine.join().unwrap();
}

#[test]
fn slow_readers_among_two_hundred_tunnels_delay_no_other() {
    let engine = Switching::with(SWITCH);
    let doxy = Doxy::with(engine.fake.path(), "* /.*");
    let mut pairs = Vec::new();
    for n in 0..200 {
        let mut client = Client::connect(doxy.path());
        client.send(ATTACH);
        client.until(b"\r\n\r\n");
        pairs.push((n, client, engine.stream()));
    }
    // Half of the clients do not read, while their engine floods them.
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
