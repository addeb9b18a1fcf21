//! Many bytes, many tunnels, and readers that stop reading.

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;

use super::{ATTACH, MUCH, SWITCH, Switching, open, pattern, read, rest};
use crate::support::{Client, Doxy};

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
