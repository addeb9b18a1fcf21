//! How the end of a body is found: RFC 9112 section 6.3, with what is ambiguous refused.

use crate::http::malformed::Malformed;

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body.
    None,
    /// By its length, in bytes.
    Length(u64),
    /// By the chunked transfer coding.
    Chunked,
    /// By the end of the connection. Only a response may be framed so.
    Close,
}

impl Framing {
    /// The length in bytes, if the head gives it and a buffer could hold as much.
    pub(crate) fn length(self) -> Option<usize> {
        match self {
            Self::None => Some(0),
            Self::Length(length) => usize::try_from(length).ok(),
            Self::Chunked | Self::Close => None,
        }
    }
}

/// Parses a length that every reader reads alike: digits only, and no more than an `i64` holds, as the
/// engine counts in those.
pub(crate) fn parse_length(text: &[u8]) -> Result<u64, Malformed> {
    if text.is_empty() {
        return Err(Malformed::ContentLength);
    }
    text.iter()
        .try_fold(0_i64, |number, digit| {
            let digit = char::from(*digit).to_digit(10)?;
            number.checked_mul(10)?.checked_add(i64::from(digit))
        })
        .and_then(|number| u64::try_from(number).ok())
        .ok_or(Malformed::ContentLength)
}
