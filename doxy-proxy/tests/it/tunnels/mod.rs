//! Connections that the engine hijacks: which requests open a tunnel, bytes split at every
//! position, either side closing first, readers that stop.

mod ending;
mod flow;
mod opening;
mod switching;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, mpsc};

use crate::support::{Client, Doxy, Fake, TIMEOUT};

const ATTACH: &str = "POST /v1.41/containers/x/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: d\r\n\
                      Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\
                      Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
/// More than all buffers between client and engine hold.
const MUCH: usize = 8 << 20;

/// An engine that answers every request with these bytes, and hands its end of the connection to
/// the test.
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
            stream.set_read_timeout(Some(TIMEOUT)).unwrap();
            stream.set_write_timeout(Some(TIMEOUT)).unwrap();
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
        self.streams.recv_timeout(TIMEOUT).unwrap()
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
        // A peer that closes with unread bytes causes this, after all that it sent has been read.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        ended => drop(ended.unwrap()),
    }
    bytes
}

/// Bytes that show their position.
fn pattern(count: usize) -> Vec<u8> {
    (0..count as u64)
        .map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8)
        .collect()
}
