//! Reads what rustls does not tell of a certificate: whose it is, in words, and when it is valid.
//!
//! DER of a certificate that a library has accepted already. For people to read: nothing is decided
//! by it. Source: RFC 5280 (4.1), X.690.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version of a certificate.
const CONTEXT_0: u8 = 0xa0;
/// `UTF8String`, `PrintableString` and `IA5String`.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// Elements, one behind the other.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        let (length, mut rest) = rest.split_first()?;
        let mut size = usize::from(*length);
        if *length >= 0x80 {
            let count = usize::from(length & 0x7f);
            let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
            size = digits
                .iter()
                .fold(0, |size, digit| size << 8 | usize::from(*digit));
            rest = rest.get(count..)?;
        }
        let value = rest.get(..size)?;
        self.0 = rest.get(size..)?;
        Some((*tag, value))
    }
}

impl<'a> Elements<'a> {
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == tag)
            .map(|(_, value)| value)
    }
}

/// From when on, and until when, a certificate is valid.
pub(super) fn validity(certificate: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let mut signed = Elements(Elements(certificate).expect(SEQUENCE)?);
    let mut fields = Elements(signed.expect(SEQUENCE)?);
    if fields.0.first() == Some(&CONTEXT_0) {
        fields.next()?;
    }
    // Serial number, algorithm, issuer.
    let mut fields = fields.skip(3);
    let (_, validity) = fields.next()?;
    let mut times = Elements(validity).map(|(tag, value)| time(tag, value));
    Some((times.next()??, times.next()??))
}

/// `YYMMDDHHMMSSZ`, or with four digits of the year.
fn time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            // Two digits mean 1950 to 2049.
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let mut parts = [0_u64; 5];
    for (at, part) in parts.iter_mut().enumerate() {
        *part = rest.get(2 * at..2 * at + 2)?.parse().ok()?;
    }
    let [month, day, hour, minute, second] = parts;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// None before 1970.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let years: u64 = (1970..year).map(|year| 365 + u64::from(leap(year))).sum();
    let months: u64 = lengths.iter().take(usize::try_from(month).ok()? - 1).sum();
    Some(years + months + day - 1)
}

/// A name as RFC 4514 writes it, for instance `CN=alice,O=ops`: of the content of a `Name`.
pub(super) fn name(name: &[u8]) -> String {
    let mut parts = Vec::new();
    for (_, set) in Elements(name) {
        let attributes = Elements(set).filter_map(|(_, attribute)| attribute_text(attribute));
        parts.push(attributes.collect::<Vec<_>>().join("+"));
    }
    parts.reverse();
    parts.join(",")
}

fn attribute_text(attribute: &[u8]) -> Option<String> {
    let mut parts = Elements(attribute);
    let id = parts.expect(OBJECT_ID)?;
    let (tag, value) = parts.next()?;
    let known = match id {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        _ => "",
    };
    let text = std::str::from_utf8(value).ok();
    let text = text.filter(|_| TEXTS.contains(&tag) && !known.is_empty());
    let name = match known {
        "" => dotted(id),
        known => known.to_owned(),
    };
    Some(match text {
        Some(text) => format!("{name}={}", escaped(text)),
        None => format!("{name}=#{}", hex(value)),
    })
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    let last = text.chars().count().saturating_sub(1);
    for (at, char) in text.chars().enumerate() {
        let special = ",+\"\\<>;=".contains(char)
            || (at == 0 && [' ', '#'].contains(&char))
            || (at == last && char == ' ');
        if special {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

fn dotted(id: &[u8]) -> String {
    let mut out = String::new();
    let mut number = 0_u64;
    for byte in id {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if out.is_empty() {
                let first = (number / 40).min(2);
                let _ = write!(out, "{first}.{}", number - first * 40);
            } else {
                let _ = write!(out, ".{number}");
            }
            number = 0;
        }
    }
    out
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{GENERALIZED_TIME, UTC_TIME, days_since_1970, name, time, validity};

    #[test]
    fn names_as_rfc_4514_writes_them() {
        fn part(id: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
            let wrap = |tag, inner: &[u8]| [&[tag, inner.len() as u8][..], inner].concat();
            let inner = [wrap(6, id), wrap(tag, value)].concat();
            wrap(0x31, &wrap(0x30, &inner))
        }
        for (parts, expected) in [
            (vec![], ""),
            (vec![part(&[0x55, 4, 3], 0x0c, b"alice")], "CN=alice"),
            (
                vec![
                    part(&[0x55, 4, 10], 0x13, b"ops"),
                    part(&[0x55, 4, 3], 0x0c, "b\u{f6}b".as_bytes()),
                ],
                "CN=b\u{f6}b,O=ops",
            ),
            // It cannot look like two names.
            (
                vec![part(&[0x55, 4, 3], 0x0c, b" a,O=root+x ")],
                "CN=\\ a\\,O\\=root\\+x\\ ",
            ),
            (vec![part(&[0x55, 4, 3], 0x0c, b"\xff")], "CN=#ff"),
            (vec![part(&[0x55, 4, 3], 0x1e, b"\0a")], "CN=#0061"),
            (
                vec![part(&[0x2a, 0x86, 0x48, 1], 0x0c, b"x")],
                "1.2.840.1=#78",
            ),
        ] {
            assert_eq!(name(&parts.concat()), expected);
        }
        // Cut at every place: no more than less of it.
        let whole = part(&[0x55, 4, 3], 0x0c, b"alice");
        for end in 0..whole.len() {
            assert_eq!(name(whole.get(..end).unwrap_or_default()), "", "{end}");
        }
    }

    #[test]
    fn times() {
        let seconds = |tag, text: &str| {
            let time = time(tag, text.as_bytes())?;
            let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH);
            since.ok().map(|since| since.as_secs())
        };
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229235959Z", Some(951_868_799)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", None),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "2050010100000Z", None),
            (UTC_TIME, "001301000000Z", None),
            (UTC_TIME, "000101240000Z", None),
            (GENERALIZED_TIME, "99991231235960Z", None),
            (UTC_TIME, "000101000000", None),
            (0x0c, "000101000000Z", None),
        ] {
            assert_eq!(seconds(tag, text), expected, "{text}");
        }
        assert_eq!(days_since_1970(2001, 1, 1), Some(11_323));
        assert_eq!(validity(b"\x30\x82\xff"), None);
    }
}
