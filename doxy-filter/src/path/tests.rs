//! Which paths are refused, and what becomes of the others.

use std::borrow::Cow;

use super::{
    MAX_PATH, PathError, canonical_path, clean, is_odd, is_plain, merge_slashes, split_version,
};

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
    for (before, byte) in (0..=255).flat_map(|before| (0..=255).map(move |byte| (before, byte))) {
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
fn slashes_are_merged_if_nothing_else_is_wrong() {
    for (raw, merged) in [
        ("//info", Some("/info")),
        ("/containers//web/json", Some("/containers/web/json")),
        ("///v1.41//info///", Some("/v1.41/info/")),
        ("//", Some("/")),
        ("//host/info", Some("/host/info")),
        // What is encoded stays so.
        ("//%69nfo", Some("/%69nfo")),
        ("//a%2Fb", Some("/a%2Fb")),
        ("//\u{fc}", Some("/\u{fc}")),
        ("/info", None),
        ("", None),
        ("x//y", None),
        ("http://x", None),
        ("/a/%2Fb", None),
        ("//%2Finfo", None),
        ("//a%2f/b", None),
        ("/a%2F%2fb", None),
        ("//./info", None),
        ("//a/../info", None),
        ("//a/%2e%2e/info", None),
        ("//\\host", None),
        ("//%5Chost", None),
        ("//a%0d%0aX:y", None),
        ("//a\nb", None),
        ("//a%", None),
        ("//%2563", None),
        ("//%FF", None),
    ] {
        assert_eq!(merge_slashes(raw).as_deref(), merged, "{raw}");
    }
    // The longest path, and one byte more.
    let longest = format!("//{}", "a".repeat(MAX_PATH - 1));
    assert_eq!(
        merge_slashes(&longest).map(|path| path.len()),
        Some(MAX_PATH)
    );
    assert_eq!(merge_slashes(&(longest + "a")), None);
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
