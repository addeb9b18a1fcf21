//! The chunked transfer coding, read strictly and rewritten in its plainest form.
//!
//! Whatever two readers could take differently is refused: line ends other than CR LF, sizes that are
//! not plain hexadecimal, forbidden trailers. Chunks keep their bounds, since some clients take one
//! chunk for one message; extensions are dropped. The plain form is never longer than the original,
//! so it is written in place.

use std::io::Write as _;

use memchr::memchr;

use crate::http::headers;
use crate::http::malformed::Malformed;

/// The longest line with a chunk's size, extensions included, in bytes.
const LONGEST_LINE: usize = 1024;
/// The longest trailer section, in bytes.
const LONGEST_TRAILERS: usize = 8 * 1024;
/// The most trailer lines.
const MOST_TRAILERS: usize = 32;

/// The decoder of one chunked body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkedDecoder {
    state: State,
    /// Whether sizes and trailers are left out of the output.
    strip_framing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the line with a size.
    Size,
    /// Within a chunk, with so many bytes left of it.
    Data(u64),
    /// Before the line end behind a chunk.
    DataEnd,
    /// Behind the last chunk.
    Trailers,
    Done,
}

/// The result of one step of decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// How many bytes were consumed. The rest is needed again, with more behind it.
    pub(crate) consumed: usize,
    /// How many bytes, from the beginning, are output.
    pub(crate) emitted: usize,
}

impl ChunkedDecoder {
    /// A body about to begin. `strip_framing` leaves sizes and trailers out of the output.
    pub(crate) fn new(strip_framing: bool) -> Self {
        Self {
            state: State::Size,
            strip_framing,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes on, and leaves the output at the beginning of `bytes`.
    pub(crate) fn advance(&mut self, bytes: &mut [u8]) -> Result<Step, Malformed> {
        let mut step = Step {
            consumed: 0,
            emitted: 0,
        };
        loop {
            let rest = bytes.get(step.consumed..).unwrap_or_default();
            match self.state {
                State::Done => return Ok(step),
                State::Size => {
                    let Some(end) = memchr(b'\n', rest) else {
                        return if rest.len() > LONGEST_LINE {
                            Err(Malformed::Chunk)
                        } else {
                            Ok(step)
                        };
                    };
                    let size = size(rest.get(..=end).unwrap_or_default())?;
                    step.consumed += end + 1;
                    if !self.strip_framing {
                        let mut room = bytes
                            .get_mut(step.emitted..step.consumed)
                            .unwrap_or_default();
                        let before = room.len();
                        write!(room, "{size:x}\r\n").map_err(|_| Malformed::Chunk)?;
                        step.emitted += before - room.len();
                    }
                    self.state = match size {
                        0 => State::Trailers,
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if rest.is_empty() {
                        return Ok(step);
                    }
                    let here =
                        usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    pass(bytes, &mut step, here);
                    self.state = match left - here as u64 {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                }
                State::DataEnd => {
                    match rest {
                        [] | [b'\r'] => return Ok(step),
                        [b'\r', b'\n', ..] => {}
                        _ => return Err(Malformed::Chunk),
                    }
                    self.pass_framing(bytes, &mut step, 2);
                    self.state = State::Size;
                }
                State::Trailers => {
                    let Some(length) = trailers(rest)? else {
                        return Ok(step);
                    };
                    self.pass_framing(bytes, &mut step, length);
                    self.state = State::Done;
                }
            }
        }
    }

    fn pass_framing(&self, bytes: &mut [u8], step: &mut Step, count: usize) {
        if self.strip_framing {
            step.consumed += count;
        } else {
            pass(bytes, step, count);
        }
    }
}

/// Outputs the next `count` bytes unchanged.
fn pass(bytes: &mut [u8], step: &mut Step, count: usize) {
    if step.emitted != step.consumed {
        bytes.copy_within(step.consumed..step.consumed + count, step.emitted);
    }
    step.consumed += count;
    step.emitted += count;
}

/// The size in a line `HEX CRLF`, or with extensions, `HEX ; anything CRLF`.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let text = line.strip_suffix(b"\r\n").ok_or(Malformed::Chunk)?;
    if text.len() > LONGEST_LINE {
        return Err(Malformed::Chunk);
    }
    let digits = text
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (digits, rest) = text.split_at_checked(digits).ok_or(Malformed::Chunk)?;
    let extensions = rest.trim_ascii_start();
    let plain = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    if !matches!(extensions, [] | [b';', ..]) || !rest.iter().all(plain) {
        return Err(Malformed::Chunk);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| Malformed::Chunk)?;
    // This refuses an empty number and one that is too large. A sign is no digit.
    u64::from_str_radix(digits, 16).map_err(|_| Malformed::Chunk)
}

/// The length of the trailer section, with the empty line at its end. None if that has not come yet.
fn trailers(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut at = 0;
    while let Some(end) = memchr(b'\n', bytes.get(at..).unwrap_or_default()) {
        let line = bytes.get(at..=at + end).unwrap_or_default();
        if !line.ends_with(b"\r\n") {
            return Err(Malformed::Trailer);
        }
        at += end + 1;
        if line == b"\r\n" {
            if at > 2 {
                let mut lines = [httparse::EMPTY_HEADER; MOST_TRAILERS];
                let section = bytes.get(..at).unwrap_or_default();
                let Ok(httparse::Status::Complete((_, lines))) =
                    httparse::parse_headers(section, &mut lines)
                else {
                    return Err(Malformed::Trailer);
                };
                if lines
                    .iter()
                    .any(|line| headers::forbidden_in_trailer(line.name.as_bytes()))
                {
                    return Err(Malformed::Trailer);
                }
            }
            return Ok(Some(at));
        }
        if at > LONGEST_TRAILERS {
            break;
        }
    }
    if bytes.len() > LONGEST_TRAILERS {
        Err(Malformed::Trailer)
    } else {
        Ok(None)
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

    /// Reads a body in pieces of `piece` bytes, as they would come from a socket.
    fn read(
        body: &[u8],
        piece: usize,
        strip_framing: bool,
    ) -> Result<(Vec<u8>, usize, bool), Malformed> {
        let mut chunks = ChunkedDecoder::new(strip_framing);
        let (mut held, mut out, mut consumed) = (Vec::new(), Vec::new(), 0);
        for bytes in body.chunks(piece) {
            held.extend_from_slice(bytes);
            let step = chunks.advance(&mut held)?;
            out.extend_from_slice(&held[..step.emitted]);
            held.drain(..step.consumed);
            consumed += step.consumed;
        }
        Ok((out, consumed, chunks.is_done()))
    }

    #[test]
    fn the_plain_form_whatever_the_pieces() {
        let body =
            b"5;ext=1\r\nhello\r\n000C \t;x\r\n world again\r\n0\r\nX-Sum: 7\r\n\r\nGET /next";
        let plain = b"5\r\nhello\r\nc\r\n world again\r\n0\r\nX-Sum: 7\r\n\r\n";
        for piece in 1..=body.len() {
            let (out, consumed, done) = read(body, piece, false).unwrap();
            assert_eq!(
                (out.as_slice(), done),
                (&plain[..], true),
                "pieces of {piece}"
            );
            assert_eq!(&body[consumed..], b"GET /next");
            let (out, _, _) = read(body, piece, true).unwrap();
            assert_eq!(out, b"hello world again");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for body in [
            "\r\n",
            "x\r\n",
            "0x5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "+5\r\nhello\r\n",
            "-5\r\nhello\r\n",
            "5\nhello\r\n",
            "5 5\r\nhello\r\n",
            "5\rhello\r\n",
            "5;\nx\r\nhello\r\n",
            "5;\rx\r\nhello\r\n",
            "5\r\nhello\n",
            "5\r\nhello!\r\n",
            "5\r\nhell\r\n0\r\n\r\n",
            "10000000000000000\r\n",
            "0\r\nContent-Length: 5\r\n\r\n",
            "0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "0\r\nX : 5\r\n\r\n",
            "0\r\nX: 5\n\r\n",
            "0\r\n X: 5\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n\n",
        ] {
            for piece in 1..=body.len() {
                assert!(
                    read(body.as_bytes(), piece, false).is_err(),
                    "{body:?}, {piece}"
                );
            }
        }
        let long = format!("5;{}\r\n", "x".repeat(LONGEST_LINE));
        assert!(read(long.as_bytes(), 100, false).is_err());
        let long = format!("0\r\nX: {}\r\n\r\n", "x".repeat(LONGEST_TRAILERS));
        assert!(read(long.as_bytes(), 100, false).is_err());
    }

    #[test]
    fn the_largest_size_that_fits() {
        let mut chunks = ChunkedDecoder::new(false);
        let mut line = *b"ffffffffffffffff\r\nx";
        let step = chunks.advance(&mut line).unwrap();
        assert_eq!(
            step,
            Step {
                consumed: 19,
                emitted: 19
            }
        );
        assert!(!chunks.is_done());
    }
}
