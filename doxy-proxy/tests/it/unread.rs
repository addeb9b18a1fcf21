//! Responses that come faster than the client reads them: no byte is lost, repeated or out of
//! order, wherever doxy has to stop writing.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::thread;

use crate::support::{Client, Doxy, Fake, Recorded};

/// The framing of bodies.
const FRAMINGS: [&str; 5] = ["length", "chunked", "close", "pieces", "denied"];
/// The size of bodies: empty, tiny, a piece, about a buffer, and more than a buffer.
const SIZES: [usize; 9] = [0, 1, 300, 3_000, 20_000, 65_000, 65_536, 66_000, 300_000];
/// How often each is requested. One round is more than sockets and buffers hold.
const ROUNDS: usize = 3;

/// A unique body.
fn body(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 7 + number * 31) as u8).collect()
}

/// `/FRAMING/SIZE/NUMBER`
fn parts(target: &str) -> (&str, usize, usize) {
    let mut parts = target.split('/').skip(1);
    let framing = parts.next().unwrap();
    let mut number = || parts.next().unwrap().parse().unwrap();
    (framing, number(), number())
}

fn answer(request: &Recorded, stream: &mut UnixStream) -> bool {
    let (framing, size, number) = parts(request.target());
    let body = body(number, size);
    let mut bytes = format!("HTTP/1.1 200 OK\r\nX-Number: {number}\r\n").into_bytes();
    match framing {
        "length" | "pieces" => {
            bytes.extend(format!("Content-Length: {size}\r\n\r\n").as_bytes());
            bytes.extend(body);
        }
        "chunked" => {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(7_001) {
                bytes.extend(format!("{:X}\r\n", chunk.len()).as_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        }
        _ => {
            bytes.extend(b"Connection: close\r\n\r\n");
            bytes.extend(body);
        }
    }
    let piece = if framing == "pieces" {
        911
    } else {
        bytes.len()
    };
    bytes
        .chunks(piece)
        .all(|piece| stream.write_all(piece).is_ok())
        && framing != "close"
}

#[test]
fn responses_to_a_slow_reader_arrive_complete_and_in_order() {
    let fake = Fake::with(answer);
    let doxy = Doxy::with(fake.path(), "/.*\n!/denied/.*");
    let mut client = Client::connect(doxy.path());
    let asked: Vec<(&str, usize)> = (0..ROUNDS)
        .flat_map(|_| SIZES)
        .flat_map(|size| FRAMINGS.map(|framing| (framing, size)))
        .collect();
    let requests: String = asked
        .iter()
        .enumerate()
        .map(|(number, (framing, size))| {
            format!("GET /{framing}/{size}/{number} HTTP/1.1\r\nHost: d\r\n\r\n")
        })
        .collect();
    let mut sender = client.another();
    let sender = thread::spawn(move || sender.send(requests));
    for (number, (framing, size)) in asked.into_iter().enumerate() {
        let reply = client.reply("GET").unwrap();
        if framing == "denied" {
            assert_eq!(reply.status(), 403);
            let path = format!("'/denied/{size}/{number}' is not allowed.");
            assert_eq!(reply.message(), path);
        } else {
            assert_eq!(reply.header("x-number"), [number.to_string()]);
            assert!(reply.body == body(number, size), "{framing} {size}");
        }
    }
    sender.join().unwrap();
    client.end();
    assert_eq!(client.rest(), b"");
}
