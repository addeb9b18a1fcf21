//! Only `doxy_filter::api` knows the paths of the Docker API.
//!
//! Finds string literals that name an endpoint. Comments, attributes, tests and sentences may name them.

use std::collections::BTreeSet;

use doxy_filter::api::endpoints;

use crate::source::{Files, Source};

/// A string literal that names an endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The first segments of all templates, `containers` for one.
fn first_segments() -> BTreeSet<&'static str> {
    endpoints()
        .filter_map(|endpoint| endpoint.template.strip_prefix('/')?.split('/').next())
        .filter(|segment| !segment.contains('{'))
        .collect()
}

/// Every literal of the crate `name` that names an endpoint.
pub(crate) fn mentions(name: &str, files: &Files) -> Vec<Mention> {
    let segments = first_segments();
    let source = Source::read(name, files);
    let texts = source.texts.into_iter();
    texts
        .filter(|(_, _, text)| !is_prose(text) && names_endpoint(text, &segments))
        .map(|(file, line, text)| Mention { file, line, text })
        .collect()
}

/// Whether a text is written for people: a message or a help text, which may have an example in it.
fn is_prose(text: &str) -> bool {
    let is_word = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
    text.split(' ').filter(is_word).count() >= 4
}

/// Whether `/containers` or the like stands in `text`, as the beginning of a path or behind a version.
fn names_endpoint(text: &str, segments: &BTreeSet<&str>) -> bool {
    text.match_indices('/').any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
            .unwrap_or(after.len());
        segments.contains(&after[..end]) && begins_path(before)
    })
}

/// Whether a path begins behind `before`, with or without a version in front of it.
fn begins_path(before: &str) -> bool {
    let word = before
        .rsplit(|c: char| c.is_whitespace() || "\"'`(=,^|".contains(c))
        .next()
        .unwrap_or_default();
    let is_version = word.starts_with("/v") || word.starts_with('{');
    word.is_empty() || is_version && !word[1..].contains('/')
}

#[test]
fn literals_that_name_an_endpoint() {
    let segments = first_segments();
    for (text, expected) in [
        ("/containers", true),
        ("/containers/", true),
        ("/containers/json", true),
        ("/v1.41/containers/x/json", true),
        ("/v{version}/images/load", true),
        ("{version}/images/load", true),
        ("GET /_ping HTTP/1.1", true),
        ("req.path == \"/exec/x\"", true),
        ("^/info$", true),
        ("/libpod/info", true),
        ("http://x/info?a=/events", true),
        ("/", false),
        ("", false),
        ("containers", false),
        ("/container", false),
        ("/containersx", false),
        ("/containers-x", false),
        ("/var/lib/containers", false),
        ("/run/docker/plugins", false),
        ("a/info", false),
        ("application/json", false),
        ("/etc/passwd", false),
    ] {
        assert_eq!(names_endpoint(text, &segments), expected, "{text}");
    }
}

#[test]
fn only_code_counts() {
    let source = "//! Of `/containers/json`.
/// Of /containers/json.
#[arg(help = \"/containers/json\")] // \"/containers/json\"
const HELP: &str = \"a rule is a line like `/containers/json`\";
fn f() { path == b\"/containers/json\" || path.ends_with(r#\"/exec/\"#) }
#[cfg(test)]
mod tests { const PATH: &str = \"/containers/json\"; }
";
    let files = Files::from([("src/lib.rs".to_owned(), source.to_owned())]);
    let found = mentions("small-crate", &files);
    let expected = ["/containers/json", "/exec/"].map(|text| Mention {
        file: "src/lib.rs".to_owned(),
        line: 5,
        text: text.to_owned(),
    });
    assert_eq!(found, expected);
}
