//! The clients of one thread, in a pseudo-random order that is the same in every run.

use std::path::Path;

use super::BIG;
use super::engine::Engine;
use crate::support::{Client, Reply};

/// Pseudo-random numbers that are the same in every run (xorshift).
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        let mut x = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0 = x;
        usize::try_from(x >> 33).unwrap() % limit
    }
}

/// The clients of one thread, one after the other.
pub(super) struct User<'s> {
    pub(super) socket: &'s Path,
    pub(super) corpus: &'s [Vec<u8>],
    pub(super) engine: &'s Engine,
    /// The connection that is reused.
    pub(super) client: Option<Client>,
    pub(super) random: Random,
}

impl User<'_> {
    pub(super) fn act(&mut self, id: usize) {
        match self.random.below(100) {
            0..34 => self.asks(id),
            34..40 => self.asks_twice_at_once(id),
            40..50 => self.uploads(id),
            50..65 => self.is_denied(id),
            65..75 => self.sends_from_the_corpus(),
            75..82 => self.leaves_a_stream(id),
            82..90 => self.breaks_off(id),
            90..95 => self.opens_a_tunnel(id),
            _ => self.loads(id),
        }
    }

    fn fresh(&self) -> Client {
        Client::connect(self.socket)
    }

    /// Sends a request on the reused connection, and returns the response.
    #[track_caller]
    fn ask(&mut self, method: &str, raw: impl AsRef<[u8]>) -> Reply {
        let mut client = self.client.take().unwrap_or_else(|| self.fresh());
        client.send(raw);
        let reply = client.reply(method).expect("an answer");
        if reply.header("connection") != ["close"] {
            self.client = Some(client);
        }
        reply
    }

    fn asks(&mut self, id: usize) {
        let method = ["GET", "HEAD"][self.random.below(2)];
        let path = ["/info", "/v1.41/containers/json?all=1", "/%69nfo", "/_ping"];
        let path = path[self.random.below(path.len())];
        let raw = format!("{method} {path} HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\r\n");
        answered(&self.ask(method, raw), id);
    }

    fn asks_twice_at_once(&mut self, id: usize) {
        let mut client = self.fresh();
        client.send(format!(
            "GET /info HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\r\n\
             GET /secrets HTTP/1.1\r\nHost: d\r\nX-Bad: {id}\r\n\r\n\
             GET /version HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
        ));
        answered(&client.reply("GET").unwrap(), id);
        assert_eq!(client.reply("GET").unwrap().status(), 403);
        assert_eq!(client.reply("GET").unwrap().status(), 200);
        assert_eq!(client.reply("GET"), None);
    }

    fn uploads(&mut self, id: usize) {
        let size = [0, 10, 5_000, 300_000][self.random.below(4)];
        let body = vec![b'a' + u8::try_from(id % 26).unwrap(); size];
        let head = format!("POST /containers/x/upload HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n");
        let mut raw = head.into_bytes();
        if self.random.below(2) == 0 {
            raw.extend_from_slice(format!("Content-Length: {size}\r\n\r\n").as_bytes());
            raw.extend_from_slice(&body);
        } else {
            raw.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for piece in body.chunks(1 + self.random.below(9_000)) {
                raw.extend_from_slice(format!("{:X};x\r\n", piece.len()).as_bytes());
                raw.extend_from_slice(piece);
                raw.extend_from_slice(b"\r\n");
            }
            raw.extend_from_slice(b"0\r\n\r\n");
        }
        let reply = self.ask("POST", raw);
        answered(&reply, id);
        assert_eq!(reply.header("x-length"), [size.to_string()]);
    }

    fn is_denied(&mut self, id: usize) {
        let (method, path) = [
            ("GET", "/secrets"),
            ("GET", "/%73ecrets"),
            ("GET", "/info/x"),
            ("GET", "/containers/x/attach/ws"),
            ("DELETE", "/networks/x"),
            ("POST", "/containers/create"),
        ][self.random.below(6)];
        let reply = self.ask(
            method,
            format!("{method} {path} HTTP/1.1\r\nHost: d\r\nX-Bad: {id}\r\nContent-Length: 2\r\n\r\n{{}}"),
        );
        assert!(matches!(reply.status(), 400 | 403), "{reply:?}");
        reply.message();
    }

    /// Valid and invalid requests. The engine checks by the rules which of them may arrive.
    fn sends_from_the_corpus(&mut self) {
        let raw = &self.corpus[self.random.below(self.corpus.len())];
        let mut client = self.fresh();
        if client.try_send(raw) && self.random.below(4) > 0 {
            client.end();
            client.rest();
        }
    }

    fn leaves_a_stream(&mut self, id: usize) {
        let mut client = self.fresh();
        client.send(format!(
            "GET /events HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\r\n"
        ));
        if self.random.below(3) > 0 {
            client.until(b"third\r\n");
        }
    }

    /// Closes the connection in the middle of a request.
    fn breaks_off(&mut self, id: usize) {
        let (head, body) = [
            ("GET /info", ""),
            (
                "POST /containers/x/upload",
                "Content-Length: 500\r\n\r\n0123456789",
            ),
            (
                "POST /containers/x/upload",
                "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5",
            ),
            (
                "POST /containers/create",
                "Content-Length: 500\r\n\r\n0123456789",
            ),
        ][self.random.below(4)];
        let raw = format!("{head} HTTP/1.1\r\nHost: d\r\nX-Part: {id}\r\n{body}");
        let mut client = self.fresh();
        let length = 1 + self.random.below(raw.len());
        client.send(&raw[..length]);
        if self.random.below(2) == 0 {
            client.end();
            client.rest();
        }
    }

    fn opens_a_tunnel(&mut self, id: usize) {
        let mut client = self.fresh();
        client.send(format!(
            "POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        ));
        let head = client.reply("HEAD").unwrap();
        assert_eq!(head.status(), 101);
        let said = vec![b'x'; 1 + self.random.below(90_000)];
        if self.random.below(3) == 0 {
            client.try_send(&said);
            return; // and leaves it without a word
        }
        client.send(&said);
        assert_eq!(client.take(said.len()), said);
        client.end();
        assert_eq!(client.rest(), b"");
    }

    /// Reads a large response, or a part of it.
    fn loads(&mut self, id: usize) {
        let mut client = self.fresh();
        client.send(format!(
            "GET /big HTTP/1.1\r\nHost: d\r\nX-Good: {id}\r\n\r\n"
        ));
        if self.random.below(2) == 0 {
            client.take(1 + self.random.below(BIG / 2));
        } else {
            let reply = client.reply("GET").unwrap();
            answered(&reply, id);
            assert_eq!(reply.body.len(), BIG);
        }
        // A fault that the engine found ends the run here, not after millions of requests.
        self.engine.check();
    }
}

#[track_caller]
fn answered(reply: &Reply, id: usize) {
    assert_eq!(reply.status(), 200, "{reply:?}");
    assert_eq!(
        reply.header("x-good"),
        [id.to_string()],
        "whose answer is it?"
    );
}
