//! The path of a request as the engine's router sees it.
//!
//! The engine decodes the path once and matches the result. If the decoded path is not clean (`//`,
//! `.`, `..`), the engine redirects and does not serve it. This module refuses such paths, and
//! paths that two readers could interpret differently, before any rule is asked. It never repairs a
//! path: doxy would then judge one path and forward another.

use std::borrow::Cow;

use thiserror::Error;

/// The longest path that is accepted, in bytes after decoding.
pub const MAX_PATH: usize = 4096;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// Empty, or not a path: `*`, `host:port`, `http://…`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// More than [`MAX_PATH`] bytes.
    #[error("the path is longer than {MAX_PATH} bytes")]
    TooLong,
    /// A `%` without two hexadecimal digits.
    #[error("the path has a `%` that is not followed by two hexadecimal digits")]
    BadEscape,
    /// A `%` that remains after decoding, as in `%2563`.
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
    /// The decoded bytes are not UTF-8.
    #[error("the path is not valid UTF-8")]
    NotUtf8,
    /// A control character, such as a newline.
    #[error("the path has a control character")]
    Control,
    /// A backslash, which some parsers treat as a slash.
    #[error("the path has a backslash")]
    Backslash,
    /// Two slashes in a row.
    #[error("the path has an empty segment (`//`)")]
    EmptySegment,
    /// A `.` or `..` segment.
    #[error("the path has a `.` or `..` segment")]
    DotSegment,
}

/// The path of a request target, without its query, as the engine's router sees it.
///
/// Percent-encoding is decoded exactly once. An encoded slash becomes a slash and counts as a
/// separator. A canonical path is its own canonical form.
///
/// # Errors
///
/// If the path is ambiguous or is not a path. Such a request must not be forwarded.
pub fn canonical_path(raw: &str) -> Result<Cow<'_, str>, PathError> {
    // Checked before decoding: the engine requires the first slash unencoded.
    if !raw.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if is_plain(raw.as_bytes()) {
        return Ok(Cow::Borrowed(raw));
    }
    let path = if raw.as_bytes().contains(&b'%') {
        Cow::Owned(decode(raw)?)
    } else {
        Cow::Borrowed(raw)
    };

    if path.len() > MAX_PATH {
        return Err(PathError::TooLong);
    }
    if !matches!(&path, Cow::Owned(decoded) if is_plain(decoded.as_bytes())) {
        clean(&path)?;
    }
    Ok(path)
}

/// Whether the path needs neither decoding nor a closer check; most paths do not. The loop has no
/// early exit, so that the compiler can vectorize it.
fn is_plain(path: &[u8]) -> bool {
    let Some((_, behind)) = path.split_first() else {
        return false;
    };
    let found = path
        .iter()
        .zip(behind)
        .fold(0, |found, (one, next)| found | is_odd(*one, *next));
    path.len() <= MAX_PATH && found == 0
}

/// 1 if `byte`, which follows `before`, needs a closer check, else 0. At most one of the conditions
/// is true.
fn is_odd(before: u8, byte: u8) -> u8 {
    let odd = u8::from(!(b' '..=b'~').contains(&byte));
    let coded = u8::from(byte == b'%') | u8::from(byte == b'\\');
    let unclean = u8::from(byte == b'/') | u8::from(byte == b'.');
    odd | coded | unclean & u8::from(before == b'/')
}

/// Refuses an ambiguous path.
fn clean(path: &str) -> Result<(), PathError> {
    // The length of the current segment, and how many of its bytes are dots.
    let (mut length, mut dots) = (0_usize, 0_usize);
    let mut before = b'/';
    for byte in path.bytes().skip(1) {
        match byte {
            b'/' if length == 0 => return Err(PathError::EmptySegment),
            b'/' if length == dots && length <= 2 => return Err(PathError::DotSegment),
            b'/' => (length, dots) = (0, 0),
            b'%' => return Err(PathError::EncodedTwice),
            b'\\' => return Err(PathError::Backslash),
            0..=0x1F | 0x7F => return Err(PathError::Control),
            // U+0080 to U+009F are control characters too.
            0x80..=0x9F if before == 0xC2 => return Err(PathError::Control),
            _ => {
                length += 1;
                dots += usize::from(byte == b'.');
            }
        }
        before = byte;
    }
    // After a trailing slash the length is 0; that is not an empty segment.
    if length > 0 && length == dots && length <= 2 {
        return Err(PathError::DotSegment);
    }
    Ok(())
}

/// Splits a canonical path into API version and endpoint: `("1.41", "/info")`. The version is empty
/// if there is none. Like the engine, accepts any digits and dots as a version.
#[must_use]
pub fn split_version(path: &str) -> (&str, &str) {
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let is_version = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        let end = rest.bytes().position(|byte| !is_version(byte))?;
        let (version, endpoint) = rest.split_at_checked(end)?;
        (!version.is_empty() && endpoint.starts_with('/')).then_some((version, endpoint))
    });
    versioned.unwrap_or(("", path))
}

fn decode(raw: &str) -> Result<String, PathError> {
    // Decoding turns at most three bytes into one, so a longer path is too long in any case.
    if raw.len() > 3 * MAX_PATH {
        return Err(PathError::TooLong);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (Some(high), Some(low)) = (hex(bytes.next()), hex(bytes.next())) else {
                return Err(PathError::BadEscape);
            };
            decoded.push(high.wrapping_mul(16).wrapping_add(low));
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).map_err(|_| PathError::NotUtf8)
}

fn hex(digit: Option<u8>) -> Option<u8> {
    let value = char::from(digit?).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{MAX_PATH, PathError, canonical_path, clean, is_odd, is_plain, split_version};

    #[test]
    fn a_plain_path_is_clean_in_every_way() {
        // All paths of up to six of these characters.
        let pieces = [
            '/', '.', 'a', '%', '\\', ' ', '~', '\u{7f}', '\u{1f}', '\u{85}',
        ];
        let mut plain = 0;
        for length in 0..=6 {
            for number in 0..pieces.len().pow(length) {
                let mut path = String::from("/");
                let mut rest = number;
                for _ in 0..length {
                    path.extend(pieces.get(rest % pieces.len()));
                    rest /= pieces.len();
                }
                if is_plain(path.as_bytes()) {
                    assert_eq!(clean(&path), Ok(()), "{path:?}");
                    plain += 1;
                }
            }
        }
        assert!(plain > 1_000, "{plain}");
        assert!(is_plain(
            format!("/{}", "x".repeat(MAX_PATH - 1)).as_bytes()
        ));
        assert!(!is_plain(format!("/{}", "x".repeat(MAX_PATH)).as_bytes()));
    }

    /// So `|` and `^` mean the same in `is_odd`. `.cargo/mutants.toml` relies on this.
    #[test]
    fn no_two_reasons_to_look_closer_hold_at_once() {
        for (before, byte) in (0..=255).flat_map(|before| (0..=255).map(move |byte| (before, byte)))
        {
            let reasons = [
                !(b' '..=b'~').contains(&byte),
                byte == b'%',
                byte == b'\\',
                byte == b'/' && before == b'/',
                byte == b'.' && before == b'/',
            ];
            let count = reasons.into_iter().filter(|reason| *reason).count();
            assert!(count <= 1, "{before} {byte}");
            assert_eq!(usize::from(is_odd(before, byte)), count, "{before} {byte}");
        }
    }

    #[test]
    fn a_plain_path_is_borrowed() {
        for raw in [
            "/",
            "/_ping",
            "/v1.41/containers/json",
            "/networks/",
            "/info;x",
            "/...",
            "/a/.b/c..",
            "/é/１",
        ] {
            assert!(
                matches!(canonical_path(raw), Ok(Cow::Borrowed(path)) if path == raw),
                "{raw}"
            );
        }
    }

    #[test]
    fn encodings_are_decoded_once() {
        for (raw, path) in [
            ("/%69nfo", "/info"),
            ("/v1%2E41/version", "/v1.41/version"),
            ("/containers%2fjson", "/containers/json"),
            ("/containers%2Fx%2fattach%2Fws", "/containers/x/attach/ws"),
            ("/info%3fx%23", "/info?x#"),
            ("/info%20", "/info "),
            ("/%EF%BC%91", "/１"),
            ("/x+y", "/x+y"),
        ] {
            assert_eq!(canonical_path(raw).as_deref(), Ok(path), "{raw}");
        }
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        use PathError::*;
        for (raw, error) in [
            ("", NotAbsolute),
            ("*", NotAbsolute),
            ("info", NotAbsolute),
            ("http://x/info", NotAbsolute),
            ("?x", NotAbsolute),
            ("%2finfo", NotAbsolute),
            ("/%", BadEscape),
            ("/%2", BadEscape),
            ("/%zz", BadEscape),
            ("/%+1", BadEscape),
            ("/%u0069", BadEscape),
            ("/%é", BadEscape),
            ("/%2563", EncodedTwice),
            ("/%25", EncodedTwice),
            ("/%252e%252e/x", EncodedTwice),
            ("/%FF", NotUtf8),
            ("/%C0%AF", NotUtf8),
            ("/%ED%A0%80", NotUtf8),
            ("/a\nb", Control),
            ("/info%0a", Control),
            ("/%00", Control),
            ("/%7f", Control),
            ("/%C2%85", Control),
            ("/a\\b", Backslash),
            ("/a%5cb", Backslash),
            ("//info", EmptySegment),
            ("/info//", EmptySegment),
            ("/%2finfo", EmptySegment),
            ("/a%2f%2Fb", EmptySegment),
            ("/.", DotSegment),
            ("/..", DotSegment),
            ("/./info", DotSegment),
            ("/x/../info", DotSegment),
            ("/info/.", DotSegment),
            ("/%2e%2e/info", DotSegment),
            ("/.%2finfo", DotSegment),
            ("/info/.%2E", DotSegment),
        ] {
            assert_eq!(canonical_path(raw), Err(error), "{raw}");
        }
    }

    #[test]
    fn versions_are_digits_and_dots() {
        for (path, version, endpoint) in [
            ("/v1.41/info", "1.41", "/info"),
            ("/v1.41.0/containers/x/json", "1.41.0", "/containers/x/json"),
            ("/v01./info", "01.", "/info"),
            ("/v1.41/", "1.41", "/"),
            ("/info", "", "/info"),
            ("/v1.41", "", "/v1.41"),
            ("/v/info", "", "/v/info"),
            ("/vx/info", "", "/vx/info"),
            ("/v1.4１/info", "", "/v1.4１/info"),
            ("/version", "", "/version"),
            ("/", "", "/"),
        ] {
            assert_eq!(split_version(path), (version, endpoint), "{path}");
        }
    }

    #[test]
    fn the_limit_counts_decoded_bytes() {
        let longest = format!("/{}", "a".repeat(MAX_PATH - 1));
        assert!(canonical_path(&longest).is_ok());
        assert_eq!(
            canonical_path(&format!("{longest}a")),
            Err(PathError::TooLong)
        );

        let encoded = "%61".repeat(MAX_PATH - 1);
        assert!(canonical_path(&format!("/{encoded}")).is_ok());
        assert_eq!(
            canonical_path(&format!("/%61{encoded}")),
            Err(PathError::TooLong)
        );
        assert_eq!(
            canonical_path(&format!("/%61%61{encoded}")),
            Err(PathError::TooLong)
        );

        // A path that cannot be short enough is refused without decoding.
        let broken = format!("/%zz{}", "a".repeat(3 * MAX_PATH - 4));
        assert_eq!(canonical_path(&broken), Err(PathError::BadEscape));
        let longer = broken + "a";
        assert_eq!(canonical_path(&longer), Err(PathError::TooLong));
        assert_eq!(canonical_path(&(longer + "a")), Err(PathError::TooLong));
    }
}
