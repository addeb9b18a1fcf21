//! How a tunnel ends: by half-closes, by a close, by a failure of either side.

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;

use super::{open, pattern, read, rest};

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
fn what_a_client_sent_before_it_went_is_delivered_also_to_an_engine_that_talks() {
    let (_engine, doxy, mut client, mut stream) = open();
    let mut talking = stream.try_clone().unwrap();
    let talk = thread::spawn(move || while talking.write_all(&[0; 1000]).is_ok() {});
    // More than fits on the way: some of it is still with the client's socket when it goes.
    let sent = pattern(400_000);
    assert!(client.try_send(&sent));
    drop(client);
    let got = rest(&mut stream);
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    talk.join().unwrap();
    drop(doxy);
}
