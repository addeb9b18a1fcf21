//! Finds the end of a message's head, and bounds its size.
//!
//! A head is scanned once while it comes in, however small the pieces are, and parsed when it is
//! complete.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use crate::net::buffer::{HEADROOM, LARGEST_BUF, ReadBuf};
use crate::net::handshake::is_hello;
use crate::net::stream::Stream;

/// The largest head, in bytes: first line and header lines together.
pub const MAX_HEAD: usize = 128 * 1024;
const _: () = assert!(
    MAX_HEAD + HEADROOM < LARGEST_BUF,
    "a head fits, and one byte more"
);
/// The most header lines. Real clients have been seen to send 150.
pub const MAX_HEADERS: usize = 256;

/// Why no head could be read.
#[derive(Debug)]
pub(crate) enum HeadError {
    /// The connection ended before the head did.
    Ended,
    /// The connection failed.
    Failed(std::io::Error),
    /// The head is larger than doxy reads.
    TooLarge,
    /// It begins like TLS.
    Tls,
}

/// The length of the head at the beginning of `bytes`, if all of it has come.
pub(crate) fn find_head(bytes: &[u8]) -> Result<Option<usize>, HeadError> {
    Scan::default().end(bytes)
}

/// Waits for a complete head and gives its length. The head stays in `input`.
pub(crate) async fn read_head(
    input: &mut ReadBuf,
    from: &Stream,
    size: usize,
) -> Result<usize, HeadError> {
    let mut scan = Scan::default();
    loop {
        if let Some(end) = scan.end(input.unread())? {
            return Ok(end);
        }
        // Its next bytes would be waited for, up to the time limit.
        if is_hello(input.unread()) {
            return Err(HeadError::Tls);
        }
        match input.fill(from, size).await {
            Ok(0) => return Err(HeadError::Ended),
            Ok(_) => {}
            Err(error) => return Err(HeadError::Failed(error)),
        }
    }
}

/// The end of a line followed by an empty line: as all clients write it, and as a few might.
static EMPTY: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new(b"\n\r\n"), Finder::new(b"\n\n")]);

/// The end of a head of the usual form: it came in one piece, begins with its first line and has few
/// lines. None does not mean that the head is incomplete.
fn usual_end(bytes: &[u8]) -> Option<usize> {
    let [usual, other] = &*EMPTY;
    let end = usual.find(bytes)? + 3;
    let head = bytes.get(..end)?;
    let begins = !matches!(head.first(), Some(b'\r' | b'\n'));
    // No line is shorter than two bytes, so a head this short has not too many of them.
    (begins && end <= 2 * MAX_HEADERS && other.find(head).is_none()).then_some(end)
}

/// How far a head has been scanned for the empty line at its end.
#[derive(Debug, Default)]
struct Scan {
    /// All line ends before this position have been seen.
    seen: usize,
    /// Where the current line begins.
    line: usize,
    lines: usize,
}

impl Scan {
    /// Scans on. `bytes` are the head as far as it has come, and possibly more.
    fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        if self.seen == 0
            && let Some(end) = usual_end(bytes)
        {
            return Ok(Some(end));
        }
        while let Some(at) = memchr(b'\n', bytes.get(self.seen..).unwrap_or_default()) {
            let end = self.seen + at + 1;
            let empty = matches!(bytes.get(self.line..end), Some(b"\n" | b"\r\n"));
            (self.seen, self.line) = (end, end);
            // Empty lines before the first line do not count.
            if !empty {
                self.lines += 1;
            } else if self.lines > 0 {
                return if end > MAX_HEAD {
                    Err(HeadError::TooLarge)
                } else {
                    Ok(Some(end))
                };
            }
            if self.lines > MAX_HEADERS + 1 {
                return Err(HeadError::TooLarge);
            }
        }
        self.seen = bytes.len();
        if bytes.len() > MAX_HEAD {
            Err(HeadError::TooLarge)
        } else {
            Ok(None)
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_whatever_the_pieces() {
        for head in [
            "GET / HTTP/1.1\r\nHost: d\r\n\r\n",
            "\r\n\n\r\nGET / HTTP/1.1\r\nHost: d\r\n\r\n",
            "GET / HTTP/1.1\nHost: d\n\n",
            "GET / HTTP/1.1\r\n\n",
        ] {
            let bytes = format!("{head}GET /behind HTTP/1.1\r\n\r\n");
            for piece in 1..=bytes.len() {
                let mut scan = Scan::default();
                let found = (0..=bytes.len())
                    .step_by(piece)
                    .chain([bytes.len()])
                    .find_map(|end| scan.end(&bytes.as_bytes()[..end]).unwrap());
                assert_eq!(found, Some(head.len()), "{head:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn the_usual_end_is_the_end() {
        // Every text of these pieces, which is every way in which lines can end.
        let pieces: [&[u8]; 4] = [b"\r\n", b"\n", b"\r", b"x"];
        let mut usual = 0;
        for number in 0..4_usize.pow(8) {
            let mut text = Vec::new();
            let mut rest = number;
            for _ in 0..8 {
                text.extend(pieces[rest % 4]);
                rest /= 4;
            }
            // The first byte alone has no end in it: from then on it is looked for line by line.
            let mut scan = Scan::default();
            let _ = scan.end(&text[..1]);
            let slow = scan.end(&text).unwrap();
            if let Some(end) = usual_end(&text) {
                assert_eq!(slow, Some(end), "{text:?}");
                usual += 1;
            }
            assert_eq!(find_head(&text).unwrap(), slow, "{text:?}");
        }
        assert!(usual > 1_000, "{usual}");
    }

    #[test]
    fn what_is_too_large_is_told_before_its_end() {
        let long = vec![b'x'; MAX_HEAD + 1];
        assert!(matches!(
            Scan::default().end(&long),
            Err(HeadError::TooLarge)
        ));
        let many = "x\r\n".repeat(MAX_HEADERS + 2);
        assert!(matches!(
            Scan::default().end(many.as_bytes()),
            Err(HeadError::TooLarge)
        ));
    }
}
