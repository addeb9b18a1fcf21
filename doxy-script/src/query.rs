//! A query as Go's `url.ParseQuery` reads it, and the same with other values.
//!
//! Nothing here knows scripts, or what a parameter means.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Names and values of a query, decoded, in their order. None if the engine would reject it, or could
/// read it differently.
pub(crate) fn parse<T: for<'t> From<&'t str>>(raw: &str) -> Option<Vec<(T, T)>> {
    pairs(raw)
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some(((&*decode(name)?).into(), (&*decode(value)?).into()))
        })
        .collect()
}

/// The query with these parameters: each in the place of all that have its name. The others stay as
/// sent. None if the query cannot be read.
pub(crate) fn replaced(raw: &str, parameters: &[(String, String)]) -> Option<String> {
    let mut query = String::with_capacity(raw.len());
    for pair in pairs(raw) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        decode(value)?;
        let name = decode(name)?;
        if parameters.iter().all(|(set, _)| *set != name) {
            separate(&mut query);
            query.push_str(pair);
        }
    }
    for (name, value) in parameters {
        separate(&mut query);
        encode(&mut query, name);
        query.push('=');
        encode(&mut query, value);
    }
    Some(query)
}

fn pairs(raw: &str) -> impl Iterator<Item = &str> {
    raw.split('&').filter(|pair| !pair.is_empty())
}

fn separate(query: &mut String) {
    if !query.is_empty() {
        query.push('&');
    }
}

/// Writes what every reader takes for this text.
fn encode(query: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                query.push(char::from(byte));
            }
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(query, "%{byte:02X}");
            }
        }
    }
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains(';') {
        return None;
    }
    if !text.contains(['%', '+']) {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::{parse, replaced};

    #[test]
    fn a_parameter_takes_the_place_of_all_of_its_name() {
        let set = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect()
        };
        for (raw, parameters, expected) in [
            ("", vec![("a", "b")], Some("a=b")),
            ("a=1&b=2&a=3", vec![("a", "x")], Some("b=2&a=x")),
            ("%61=1&b=%2f+x&&c", vec![("a", "x")], Some("b=%2f+x&c&a=x")),
            ("a=1", vec![("A", "ü &=")], Some("a=1&A=%C3%BC%20%26%3D")),
            ("a=1", vec![("a", "1"), ("b", "")], Some("a=1&b=")),
            ("a=1", vec![], Some("a=1")),
            ("a=1;b=2", vec![("a", "x")], None),
            ("a=%zz", vec![("a", "x")], None),
            ("a=%ff", vec![("b", "x")], None),
        ] {
            let parameters = set(&parameters);
            let query = replaced(raw, &parameters);
            assert_eq!(query.as_deref(), expected, "{raw}");
            let read = query.and_then(|query| parse::<String>(&query));
            for set in parameters.iter().filter(|_| expected.is_some()) {
                let read = read.iter().flatten().filter(|pair| pair.0 == set.0);
                assert_eq!(read.collect::<Vec<_>>(), [set], "{raw}");
            }
        }
    }
}
