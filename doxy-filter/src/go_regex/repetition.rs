//! Repetitions: `*`, `+`, `?` and `{n,m}`.
//!
//! If `{` does not begin a valid repetition, Go reads it as the character.

use super::reader::Reader;
use crate::error::Fault;

/// The highest count that Go accepts.
const MAX_COUNT: u32 = 1000;

/// Reads a repetition, with the `?` that makes it lazy, if one is next. Both dialects write it
/// alike.
pub(super) fn read<'p>(reader: &mut Reader<'p>) -> Result<Option<&'p str>, Fault> {
    let start = reader.at();
    match reader.peek() {
        Some('*' | '+' | '?') => {
            reader.next();
        }
        Some('{') => {
            let counted = reader
                .rest()
                .strip_prefix('{')
                .and_then(|rest| rest.split_once('}'));
            let Some((inner, _)) = counted else {
                return Ok(None);
            };
            let Some((min, max)) = counts(inner) else {
                return Ok(None);
            };
            if min.max(max.unwrap_or(0)) > MAX_COUNT {
                return Err(Fault::new(
                    start,
                    format!("`{{{inner}}}` repeats more than {MAX_COUNT} times"),
                    format!("count up to {MAX_COUNT}, or write `*` for any number"),
                ));
            }
            if max.is_some_and(|max| max < min) {
                return Err(Fault::new(
                    start,
                    format!("`{{{inner}}}` has a minimum above its maximum"),
                    "write the lower number first",
                ));
            }
            reader.eat_until("}");
        }
        _ => return Ok(None),
    }
    reader.eat("?");
    Ok(Some(reader.since(start)))
}

/// The numbers of `n`, `n,` and `n,m`.
fn counts(inner: &str) -> Option<(u32, Option<u32>)> {
    match inner.split_once(',') {
        None => count(inner).map(|n| (n, Some(n))),
        Some((min, "")) => count(min).map(|min| (min, None)),
        Some((min, max)) => Some((count(min)?, Some(count(max)?))),
    }
}

/// A number as Go reads it: digits without a leading zero. One too large for `u32` becomes the
/// largest.
fn count(digits: &str) -> Option<u32> {
    let valid =
        digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    (valid && !digits.is_empty()).then(|| digits.parse().unwrap_or(u32::MAX))
}
