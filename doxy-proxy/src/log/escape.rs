//! Text from clients, made safe for a log: one line, one column, bounded length.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest text that a log takes from a client, in bytes.
const LONGEST: usize = 768;

/// Which logs have to escape a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// None.
    Nothing,
    /// JSON alone.
    InJson,
    /// Every log.
    Everywhere,
}

/// Which logs have to escape this text.
pub(crate) fn escape_for(text: &[u8]) -> Escape {
    // A fold over every byte, without an early exit, so that the compiler vectorizes it.
    let found = text.iter().fold(0, |found, byte| {
        let odd = u8::from(!(b' '..=b'~').contains(byte)) | u8::from(*byte == b'|');
        let escapes = u8::from(*byte == b'"') | u8::from(*byte == b'\\');
        found | odd << 1 | escapes
    });
    match found {
        _ if text.len() > LONGEST => Escape::Everywhere,
        0 => Escape::Nothing,
        1 => Escape::InJson,
        _ => Escape::Everywhere,
    }
}

/// Escapes text from a client for a log: one line, one column, bounded length.
pub(crate) fn escaped(text: &[u8]) -> Cow<'_, str> {
    if escape_for(text) != Escape::Everywhere
        && let Ok(text) = str::from_utf8(text)
    {
        return text.into();
    }
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            if out.len() > LONGEST {
                out.push('\u{2026}');
                return out.into();
            }
            // `|` separates columns. Characters that are neither letters nor digits may turn the line
            // around, but not the dashes, quotes and the ellipsis, which scripts have in their texts.
            let plain = char.is_alphanumeric()
                || (char.is_ascii() && !char.is_ascii_control())
                || ('\u{2010}'..='\u{2027}').contains(&char);
            if plain && char != '|' {
                out.push(char);
            } else {
                out.extend(char.escape_unicode());
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_a_client_sends_stays_on_one_line() {
        for (text, line) in [
            (&b"/v1.41/info?"[..], "/v1.41/info?"),
            (b"/a\r\nGET /b", "/a\\u{d}\\u{a}GET /b"),
            (b"\x1b[31m", "\\u{1b}[31m"),
            (
                b"a | GET /info | allowed",
                "a \\u{7c} GET /info \\u{7c} allowed",
            ),
            (
                "n\u{fc}\u{85}\u{2028}\u{202e}x".as_bytes(),
                "n\u{fc}\\u{85}\\u{2028}\\u{202e}x",
            ),
            (
                "agent-\u{2026}\u{200b}\u{200f}".as_bytes(),
                "agent-\u{2026}\\u{200b}\\u{200f}",
            ),
            (b"/\xff", "/\\xff"),
        ] {
            assert_eq!(escaped(text), line);
        }
        let long = escaped(&[b'x'; 100_000]);
        assert!(long.len() < 800 && long.ends_with('\u{2026}'));
    }
}
