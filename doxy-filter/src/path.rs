//! The path of a request as the engine's router sees it.
//!
//! The engine decodes the path once and matches the result. If the decoded path is not clean (`//`,
//! `.`, `..`), the engine redirects and does not serve it. This module refuses such paths, and
//! paths that two readers could interpret differently, before any rule is asked. It never repairs a
//! path that is then forwarded: doxy would judge one path and forward another. The one repair is for
//! a redirect of doxy's own, behind which the client asks anew.

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

/// The path with each run of slashes made one, if there is a run and nothing else is wrong.
///
/// Only slashes count that are sent as such. A path that has `%2F` beside a slash stays refused, as
/// does one with a `.` or `..` segment. The result begins with one slash, so no client can take it
/// for the address of another host.
#[must_use]
pub fn merge_slashes(raw: &str) -> Option<String> {
    if !raw.starts_with('/') || !raw.contains("//") {
        return None;
    }
    let mut merged = String::with_capacity(raw.len());
    for character in raw.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    canonical_path(&merged).is_ok().then_some(merged)
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
mod tests;
