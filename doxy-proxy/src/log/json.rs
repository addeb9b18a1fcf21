//! Strings in JSON. Most of what doxy writes needs nothing but quotes.

/// Appends text as a JSON string.
pub(crate) fn write_text(to: &mut Vec<u8>, text: &str) {
    // A fold over every byte, without an early exit, so that the compiler vectorizes it.
    let escapes = text.bytes().fold(0, |escapes, byte| {
        escapes | u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\')
    });
    if escapes == 0 {
        to.push(b'"');
        to.extend_from_slice(text.as_bytes());
        to.push(b'"');
    } else {
        // Writing to a vector cannot fail, and every string is valid JSON.
        let _ = serde_json::to_writer(to, text);
    }
}

#[cfg(test)]
mod tests {
    use super::write_text;

    #[test]
    fn it_is_what_the_library_makes_of_it() {
        let mut texts: Vec<String> = (0..=0x2FF)
            .filter_map(char::from_u32)
            .map(String::from)
            .collect();
        texts.extend(
            [
                "",
                "/v1.41/info",
                "a \"b\" \\ c",
                "n\u{fc}\u{2028}\u{10ffff}",
            ]
            .map(str::to_owned),
        );
        for text in texts {
            for text in [
                text.clone(),
                format!("{0}{text}{0}", "plain text of some length "),
            ] {
                let mut written = Vec::new();
                write_text(&mut written, &text);
                assert_eq!(serde_json::to_vec(&text).ok(), Some(written), "{text:?}");
            }
        }
    }
}
