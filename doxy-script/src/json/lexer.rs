//! The tokens of JSON: whitespace, literals, numbers and strings. It knows no schema.

use super::doc::{Node, Span};

/// A body, and how far it was read.
pub(super) struct Lexer<'b> {
    body: &'b str,
    pub(super) at: usize,
    /// The body as received, followed by the decoded strings that had escapes.
    pub(super) text: String,
}

impl<'b> Lexer<'b> {
    pub(super) fn new(body: &'b str) -> Self {
        Self {
            body,
            at: 0,
            text: body.to_owned(),
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.body.as_bytes().get(self.at).copied()
    }

    /// Skips blanks, and gives the byte after them.
    #[inline]
    pub(super) fn peek_token(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                byte => return byte,
            }
        }
    }

    pub(super) fn fault(&self, what: &str) -> String {
        format!("{what} (byte {} of the body)", self.at + 1)
    }

    pub(super) fn not_json(&self, expected: &str) -> String {
        self.fault(&format!("the body is not JSON: expected {expected}"))
    }

    pub(super) fn word(&mut self, word: &str, node: Node) -> Result<Node, String> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.not_json("a value"));
        }
        self.at += word.len();
        Ok(node)
    }

    pub(super) fn number(&mut self) -> Result<Node, String> {
        let rest = self.body.as_bytes().get(self.at..).unwrap_or_default();
        let digits = |from: usize| {
            rest.iter()
                .skip(from)
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let is = |at: usize, bytes: &[u8]| rest.get(at).is_some_and(|byte| bytes.contains(byte));

        let mut end = usize::from(is(0, b"-"));
        let whole = digits(end);
        if whole == 0 || (is(end, b"0") && whole > 1) {
            return Err(self.not_json("a number"));
        }
        end += whole;
        let mut int = true;
        if is(end, b".") {
            let fraction = digits(end + 1);
            if fraction == 0 {
                return Err(self.not_json("a digit behind the point"));
            }
            int = false;
            end += 1 + fraction;
        }
        if is(end, b"eE") {
            let sign = usize::from(is(end + 1, b"+-"));
            let exponent = digits(end + 1 + sign);
            if exponent == 0 {
                return Err(self.not_json("an exponent"));
            }
            int = false;
            end += 1 + sign + exponent;
        }
        let text = self.body.get(self.at..self.at + end).unwrap_or_default();
        let node = if int {
            text.parse().ok().map(Node::Int)
        } else {
            text.parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(Node::Float)
        };
        let node = node.ok_or_else(|| self.fault("a number is too large for 64 bits"))?;
        self.at += end;
        Ok(node)
    }

    /// Reads a string. If it has escapes, its decoded form is appended to `text`.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Span, String> {
        let start = self.at + 1;
        let end = start + plain(self.body.as_bytes().get(start..).unwrap_or_default());
        self.at = end;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Span::new(start, end));
        }
        self.decode(start)
    }

    /// Reads on where a string that began at `start` stops being plain.
    #[cold]
    fn decode(&mut self, start: usize) -> Result<Span, String> {
        let first = self.text.len();
        let mut copied = start;
        loop {
            let text = self.body.get(copied..self.at).unwrap_or_default();
            self.text.push_str(text);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Span::new(first, self.text.len()));
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    self.text.push(c);
                }
                Some(_) => return Err(self.fault("a string has a control character")),
                None => return Err(self.not_json("the end of a string")),
            }
            copied = self.at;
            self.at += plain(self.body.as_bytes().get(copied..).unwrap_or_default());
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        self.at += 1;
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.not_json("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            let rest = self.body.get(self.at..).unwrap_or_default();
            if !rest.starts_with("\\u") {
                return Err(self.fault("a string has a lone surrogate"));
            }
            self.at += 1;
            let second = self.hex()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.fault("a string has a lone surrogate"));
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        // The engine would replace a lone surrogate by U+FFFD.
        char::from_u32(code).ok_or_else(|| self.fault("a string has a lone surrogate"))
    }

    /// Reads the four digits of a `\u` escape.
    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.body.get(self.at + 1..self.at + 5).unwrap_or_default();
        if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(self.not_json("four hexadecimal digits"));
        }
        self.at += 5;
        u32::from_str_radix(digits, 16).map_err(|_| self.not_json("four hexadecimal digits"))
    }
}

/// How many bytes stand before the first quote, backslash or control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let (chunks, last) = bytes.as_chunks();
    for (at, chunk) in chunks.iter().enumerate() {
        let special = special_bytes(*chunk);
        if special != 0 {
            // At most seven: a byte is marked.
            let plain = usize::try_from(special.trailing_zeros() / 8).unwrap_or(0);
            return at * chunk.len() + plain;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    bytes.len() - last.len() + last.iter().position(special).unwrap_or(last.len())
}

/// Marks quotes, backslashes and control characters by the highest bit of their byte. A byte is
/// zero, or less than another, if subtracting from it borrows from its highest bit. A byte behind such
/// a one may lose to the borrow and be marked as well, but never one before it. With its second bit
/// inverted, a quote stands just above the control characters.
fn special_bytes(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(bytes);
    let control_or_quote = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    (control_or_quote | backslash) & !word & HIGHEST
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "the places are within the array")]

    use super::plain;

    /// Every byte at every place, among plain, special and high ones.
    #[test]
    fn eight_bytes_at_a_time_are_told_as_one_by_one() {
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        for before in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
            for after in [before, b'"', b'\\', 0, 0x1f, b' ', b'#', 0x80] {
                for place in 0..8 {
                    for byte in 0..=u8::MAX {
                        let mut bytes = [after; 8];
                        bytes[..place].fill(before);
                        bytes[place] = byte;
                        let expected = bytes.iter().position(special).unwrap_or(8);
                        assert_eq!(plain(&bytes), expected, "{bytes:?}");
                    }
                }
            }
        }
    }
}
