//! A body is relayed whole, whatever its reader takes at a time.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream as StdStream;
use std::thread;

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::UnixStream;

use super::Body;
use crate::http::framing::Framing;
use crate::metrics::counter::{Counter, Meter};
use crate::net::buffer::{BODY_BUF, ReadBuf};
use crate::net::stream::Stream;

fn socket(stream: StdStream) -> io::Result<Stream> {
    stream.set_nonblocking(true)?;
    Ok(Stream::from(UnixStream::from_std(stream)?))
}

/// Passes a head and a body on to a socket that takes next to nothing at a time, and gives what
/// came out at its other end, and how much of a body it is said to have been.
async fn passed_on(
    head: &[u8],
    framing: Framing,
    body: Vec<u8>,
    first: usize,
) -> io::Result<(Vec<u8>, u64)> {
    let (mut engine, from) = StdStream::pair()?;
    let (mut client, to) = StdStream::pair()?;
    set_socket_send_buffer_size(&to, 1)?;
    let (from, to) = (socket(from)?, socket(to)?);
    let mut input = ReadBuf::default();
    // What has come with the head of the answer, of which there is none here.
    let (at_once, later) = body.split_at(first.min(body.len()));
    engine.write_all(at_once)?;
    if !at_once.is_empty() {
        input.fill(&from, BODY_BUF).await?;
    }
    let later = later.to_vec();
    let sender = thread::spawn(move || engine.write_all(&later));
    let reader = thread::spawn(move || {
        let mut got = Vec::new();
        client.read_to_end(&mut got).map(|_| got)
    });
    let counted = Counter::default();
    let moved = Meter {
        request: &counted,
        socket: None,
    };
    let mut passed = Body::new(framing, false);
    let now = passed.relay_now(head, &mut input, &to, moved);
    if let Some(written) = now.map_err(|cut| io::Error::other(format!("{cut:?}")))? {
        let rest = head.get(written..).unwrap_or_default();
        let relayed = passed.relay(rest, &from, &mut input, &to, moved).await;
        relayed.map_err(|cut| io::Error::other(format!("{cut:?}")))?;
    }
    assert!(passed.is_done() && passed.has_begun() && input.is_empty());
    drop(to);
    let ended = || io::Error::other("a thread has panicked");
    sender.join().map_err(|_| ended())??;
    Ok((reader.join().map_err(|_| ended())??, counted.get()))
}

#[tokio::test]
async fn whatever_the_other_side_takes_at_a_time() -> io::Result<()> {
    for head in [&b"HEAD\r\n\r\n"[..], &[b'h'; 5_000]] {
        for size in [0, 1, 100, 4_000, 9_000, 60_000, 200_000] {
            for first in [0, size / 2, size] {
                let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
                let framing = Framing::Length(size as u64);
                let (got, moved) = passed_on(head, framing, body.clone(), first).await?;
                assert!(got == [head, &body].concat(), "{size} {first}");
                assert_eq!(moved, size as u64);

                let mut chunked = Vec::new();
                for chunk in body.chunks(777) {
                    chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    chunked.extend(chunk);
                    chunked.extend(b"\r\n");
                }
                chunked.extend(b"0\r\n\r\n");
                let (got, moved) =
                    passed_on(head, Framing::Chunked, chunked.clone(), first).await?;
                assert!(got == [head, &chunked].concat(), "{size} {first}");
                assert_eq!(moved, chunked.len() as u64);
            }
        }
    }
    Ok(())
}
