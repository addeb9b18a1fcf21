//! The path of a request: canonical or refused, and the endpoint of a canonical one.
//!
//! Compares it with a second decoder, written from the documentation, and with the engine's router:
//! the router must neither redirect a path that doxy forwards nor read it differently.

#![no_main]

use std::borrow::Cow;

use doxy_filter::api::{Api, endpoint_of};
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
    check_endpoint(&path, endpoint);
});

/// A version changes no endpoint of Docker's, and the fixed parts of a template are in the path.
fn check_endpoint(path: &str, without_version: &str) {
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let template = |path| {
            endpoint_of(method, path)
                .filter(|endpoint| endpoint.api == Api::Docker)
                .map(|endpoint| endpoint.template)
        };
        // The engine takes one version off, never two.
        if split_version(without_version).0.is_empty() {
            assert_eq!(
                template(path),
                template(without_version),
                "{method} {path:?}"
            );
        }
        let Some(endpoint) = endpoint_of(method, path) else {
            continue;
        };
        assert_eq!(endpoint.method, method);
        let (head, _) = endpoint
            .template
            .split_once('{')
            .unwrap_or((endpoint.template, ""));
        let tail = endpoint.template.rsplit('}').next().unwrap_or_default();
        assert!(
            path.contains(head) && path.ends_with(tail),
            "{method} {path:?}"
        );
    }
}

/// What the documentation says about a path, written in the plainest way.
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
    // C0, delete, C1: all control characters.
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

/// gorilla/mux: Go's `path.Clean`, with a trailing slash kept.
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
