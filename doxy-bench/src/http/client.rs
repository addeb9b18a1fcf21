//! The client side of a connection: sends requests, and fails on an answer that the engine would
//! not give.
//!
//! It does not measure.

use std::io;
use std::path::Path;

use crate::http::wire::{Framing, Head, Wire, parse_number};

/// A keep-alive connection.
#[derive(Debug)]
pub(crate) struct Client {
    wire: Wire,
}

/// The parts of an answer's head that the driver uses.
#[derive(Debug)]
struct Answer {
    status: u64,
    framing: Framing,
    /// The size of an upload, as the engine counted it.
    size: Option<u64>,
}

impl Answer {
    fn read(head: Head<'_>) -> io::Result<Self> {
        let status = head.words().nth(1).and_then(parse_number);
        Ok(Self {
            status: status.ok_or_else(|| io::Error::other("the answer has no status"))?,
            framing: head.framing()?,
            size: head.field("x-size").and_then(parse_number),
        })
    }
}

impl Client {
    pub(crate) async fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self {
            wire: Wire::connect(socket).await?,
        })
    }

    /// Sends a GET. Returns the size of the body.
    pub(crate) async fn fetch(&mut self, target: &str) -> io::Result<u64> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n");
        self.wire.write(request.as_bytes()).await?;
        let answer = self.answer(200).await?;
        self.wire.body(answer.framing).await
    }

    /// Sends a chunked body of `size` bytes and checks that the engine received all of them.
    pub(crate) async fn upload(&mut self, target: &str, size: u64) -> io::Result<()> {
        let request =
            format!("POST {target} HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n");
        self.wire.write(request.as_bytes()).await?;
        self.wire.fill_chunked(size).await?;
        let answer = self.answer(200).await?;
        self.wire.body(answer.framing).await?;
        match answer.size {
            Some(arrived) if arrived == size => Ok(()),
            arrived => Err(io::Error::other(format!(
                "{arrived:?} of {size} bytes arrived"
            ))),
        }
    }

    /// Opens a connection, sends one request, reads its answer, and keeps the connection.
    pub(crate) async fn kept_alive(socket: &Path, target: &str) -> io::Result<Wire> {
        let mut client = Self::connect(socket).await?;
        client.fetch(target).await?;
        Ok(client.wire)
    }

    /// Requests an endless chunked body and reads its head only.
    pub(crate) async fn stream(socket: &Path, target: &str) -> io::Result<Wire> {
        let mut client = Self::connect(socket).await?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n");
        client.wire.write(request.as_bytes()).await?;
        match client.answer(200).await?.framing {
            Framing::Chunked => Ok(client.wire),
            framing => Err(io::Error::other(format!(
                "a stream must be chunked, not {framing:?}"
            ))),
        }
    }

    /// Opens a tunnel, as `docker attach` does.
    pub(crate) async fn tunnel(socket: &Path, target: &str) -> io::Result<Wire> {
        let mut client = Self::connect(socket).await?;
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
        );
        client.wire.write(request.as_bytes()).await?;
        client.answer(101).await?;
        Ok(client.wire)
    }

    async fn answer(&mut self, status: u64) -> io::Result<Answer> {
        match self.wire.head(Answer::read).await? {
            Some(answer) if answer.status == status => Ok(answer),
            Some(answer) => Err(io::Error::other(format!(
                "the status is {} instead of {status}",
                answer.status
            ))),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
