//! Mutations of what was sent.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Pieces of heads and bodies, and pieces that break them.
const PIECES: [&str; 64] = [
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\r\n ",
    "\r\n\t",
    " ",
    "\t",
    "\0",
    "\u{b}",
    ":",
    ": ",
    " :",
    ";",
    ",",
    "0",
    "5",
    "+",
    "-",
    "0x",
    "/",
    "//",
    "/../",
    "%2f",
    "%",
    "%00",
    "?",
    "#",
    "*",
    "http://x",
    "GET ",
    "POST ",
    "HEAD ",
    " HTTP/1.1",
    " HTTP/1.0",
    " HTTP/1.1\r\n",
    "Host: d\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length:\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    "TE: trailers\r\n",
    "Trailer: X-Sum\r\n",
    "Connection: close\r\n",
    "Connection: Content-Length\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "X-A: 1\r\n",
    "x-a: \u{fc}\r\n",
    "hello",
    "5\r\nhello\r\n",
    "5;x=\"y\"\r\nhello\r\n",
    "05 \r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nX-Sum: 1\r\n\r\n",
    "0\r\nHost: x\r\n\r\n",
    "ffffffffffffffff\r\n",
    "GET /b HTTP/1.1\r\nHost: d\r\n\r\n",
    "POST /c HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\n\r\nx",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// A mutation at one position.
#[derive(Debug, Clone)]
pub(super) enum Damage {
    Insert(&'static str),
    Remove(usize),
    Replace(u8),
    /// Repeats this many bytes.
    Repeat(usize),
    Case,
}

pub(super) fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => select(&PIECES[..]).prop_map(Damage::Insert),
        2 => (1..24_usize).prop_map(Damage::Remove),
        1 => any::<u8>().prop_map(Damage::Replace),
        1 => (1..40_usize).prop_map(Damage::Repeat),
        1 => Just(Damage::Case),
    ]
}

pub(super) fn damaged(mut raw: Vec<u8>, all: &[(Index, Damage)]) -> Vec<u8> {
    for (at, damage) in all {
        let at = at.index(raw.len() + 1);
        let end = |length: usize| raw.len().min(at + length);
        match damage {
            Damage::Insert(piece) => drop(raw.splice(at..at, piece.bytes())),
            Damage::Remove(length) => drop(raw.drain(at..end(*length))),
            Damage::Replace(byte) => raw[at..].iter_mut().take(1).for_each(|old| *old = *byte),
            Damage::Repeat(length) => {
                let again = raw[at..end(*length)].to_vec();
                raw.splice(at..at, again);
            }
            Damage::Case => raw[at..].iter_mut().take(1).for_each(|byte| *byte ^= 0x20),
        }
    }
    raw
}
