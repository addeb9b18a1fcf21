//! The path of a request, canonical or refused.
//!
//! Held against a decoder of its own, written from the documentation, and against the way in which
//! the engine's router cleans paths: what is passed on it must neither redirect nor read otherwise.

#![no_main]

use std::borrow::Cow;

use doxy_filter::{MAX_PATH, canonical_path, split_version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &str| {
    let path = canonical_path(raw);
    assert_eq!(path.as_deref().ok(), reference(raw).as_deref(), "{raw:?}");
    let Ok(path) = path else { return };

    assert!(
        matches!(canonical_path(&path), Ok(Cow::Borrowed(again)) if again == path),
        "not its own canonical path: {path:?}"
    );
    assert_eq!(cleaned(&path), path, "the engine would redirect it");

    let (version, endpoint) = split_version(&path);
    if version.is_empty() {
        assert_eq!(endpoint, path);
    } else {
        assert_eq!(format!("/v{version}{endpoint}"), path);
        assert!(version.bytes().all(|byte| b"0123456789.".contains(&byte)));
        assert!(endpoint.starts_with('/'));
    }
});

/// What the documentation says of a path, in the plainest way there is to write it.
fn reference(raw: &str) -> Option<String> {
    let mut pieces = raw.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    let path = String::from_utf8(bytes).ok()?;
    // C0, delete, C1: all the control characters there are.
    let control = |c: char| matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}');
    let clean = raw.starts_with('/')
        && path.len() <= MAX_PATH
        && !path.contains(['%', '\\'])
        && !path.contains(control)
        && !path.contains("//")
        && !format!("{path}/").contains("/./")
        && !format!("{path}/").contains("/../");
    clean.then_some(path)
}

/// gorilla/mux: Go's `path.Clean`, and a slash at the end kept.
fn cleaned(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    clean
}
