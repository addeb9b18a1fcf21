//! Patterns that a tool puts between `^` and `$` without a group around them.
//!
//! Of `/version|/_ping` it makes `^/version|/_ping$`: every path that begins with the first, and every
//! path that ends with the last. It must never know which tool.

use super::page::Page;
use crate::go_regex::alternatives;

/// Adds the rules for a pattern, with the methods of the rule in front (`GET `). Says what cannot be
/// translated.
pub(super) fn rules(page: &mut Page, methods: &str, pattern: &str) -> Result<(), String> {
    let parts = alternatives(pattern).map_err(|fault| fault.message)?;
    let [first, middle @ .., last] = &parts[..] else {
        return page.rule(&format!("{methods}{pattern}"));
    };
    // A flag without a group holds for the alternatives behind it too.
    if parts.iter().any(|part| has_flag(part)) {
        return Err(
            "flags such as `(?i)` before an alternative; put the pattern in a group".to_owned(),
        );
    }
    page.comment(
        "Without a group around it, only the beginning of the first alternative and the end of the last \
         were bound there: it allows more than it seems to. If this is what is meant, use it instead:",
    );
    page.commented(&format!("{methods}({pattern})"));
    let open_end = |part: &str| match part.ends_with('$') && !part.ends_with("\\$") {
        true => part.to_owned(),
        false => format!("{part}.*"),
    };
    let open_start = |part: &str| match part.starts_with('^') {
        true => part.to_owned(),
        false => format!(".*{part}"),
    };
    page.rule(&format!("{methods}{}", open_end(first)))?;
    for part in middle {
        page.rule(&format!("{methods}{}", open_start(&open_end(part))))?;
    }
    page.rule(&format!("{methods}{}", open_start(last)))
}

fn has_flag(part: &str) -> bool {
    part.match_indices("(?").any(|(at, _)| {
        let rest = part.get(at + 2..).unwrap_or_default();
        let flags = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '-');
        flags.len() < rest.len() && flags.starts_with(')')
    })
}
