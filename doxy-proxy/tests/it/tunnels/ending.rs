//! The end of a tunnel: half-closes, closes, failures of either side.

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;

use super::{open, pattern, read, rest};

#[test]
fn either_side_may_half_close_first() {
    // The client half-closes: `echo x | docker run -i … cat`.
    let (_engine, _doxy, mut client, mut stream) = open();
    client.send("input");
    client.end();
    assert_eq!(rest(&mut stream), b"input");
    stream.write_all(b"output").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"output");

    // The engine half-closes while the client may still send.
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
fn all_output_arrives_from_an_engine_that_stops_reading() {
    // `docker run -i image < large-file`, where the program does not read all of it.
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
fn a_client_that_closes_ends_the_tunnel() {
    // All at once.
    let (_engine, _doxy, client, mut stream) = open();
    drop(client);
    assert_eq!(rest(&mut stream), b"");
    // After a half-close. Only the hang-up tells this client from one that waits for output.
    let (engine, doxy, mut client, stream) = open();
    client.send("x");
    client.end();
    drop(client);
    let mut probe = stream.try_clone().unwrap();
    assert_eq!(rest(&mut probe), b"x");
    // doxy closes its end, so writing fails at last.
    while probe.write_all(&[0; 4096]).is_ok() {}
    drop((engine, doxy));
}

#[test]
fn an_engine_that_dies_ends_the_tunnel() {
    let (engine, _doxy, mut client, stream) = open();
    drop(stream);
    engine.fake.cut();
    assert_eq!(client.rest(), b"");
    // Writing fails at last.
    while client.try_send(&[0; 4096]) {}
}

#[test]
fn input_sent_before_a_close_reaches_an_engine_that_keeps_sending() {
    let (_engine, doxy, mut client, mut stream) = open();
    let mut talking = stream.try_clone().unwrap();
    let talk = thread::spawn(move || while talking.write_all(&[0; 1000]).is_ok() {});
    // Some of this is still in the client's socket when it closes.
    let sent = pattern(400_000);
    assert!(client.try_send(&sent));
    drop(client);
    let got = rest(&mut stream);
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    talk.join().unwrap();
    drop(doxy);
}
