//! The smallest rule for one endpoint, written from its template alone.
//!
//! It takes nothing from a request, so no client's text ever becomes a rule. It must never write a
//! rule that reaches another endpoint, HEAD of the same path aside: in rules GET brings HEAD along.

use std::collections::BTreeSet;

use super::endpoint::{Api, Endpoint, Group};
use super::surroundings::{has_long_names, surroundings};

/// A rule that allows this endpoint, in every version that has it and for every name, and no other
/// endpoint: `POST (/v[\d.]+)?/containers/[^/]+/start`.
///
/// A name is one segment, unless such objects have slashes in their names. Where a fixed path
/// stands in the place of a name, it is left out, and an object of that name with it.
#[must_use]
pub fn suggest(endpoint: &Endpoint) -> String {
    let (group, before) = surroundings(endpoint);
    let mut pattern = version(endpoint, group).to_owned();
    match endpoint.template.split_once('{') {
        None => pattern.push_str(&literal(endpoint.template)),
        Some((head, names)) => {
            let (name, tail) = names.split_once('}').unwrap_or((names, ""));
            pattern.push_str(&literal(head));
            pattern.push_str(&first_name(head, name, tail, group, &before));
            let mut rest = tail;
            while let Some((between, names)) = rest.split_once('{') {
                pattern.push_str(&literal(between));
                pattern.push_str("[^/]+");
                rest = names.split_once('}').map_or("", |(_, behind)| behind);
            }
            pattern.push_str(&literal(rest));
        }
    }
    format!("{} {pattern}", endpoint.method)
}

/// The versions under which an engine serves it.
fn version(endpoint: &Endpoint, group: Option<&Group>) -> &'static str {
    match (endpoint.api, group) {
        (Api::Docker, _) => r"(/v[\d.]+)?",
        (Api::Libpod, Some(group)) if group.serves("") => r"(/v\d[\w.-]*)?",
        (Api::Libpod, Some(group)) if !group.versions.contains('4') => r"/v[0-3][\w.-]*",
        (Api::Libpod, Some(group)) if !group.versions.contains('3') => r"/v[4-9][\w.-]*",
        (Api::Libpod, _) => r"/v\d[\w.-]*",
    }
}

/// A pattern for the first name of a template, between `head` and `tail`, that leaves out what the
/// endpoints before it take.
fn first_name(
    head: &str,
    name: &str,
    tail: &str,
    group: Option<&Group>,
    before: &[&Endpoint],
) -> String {
    let Some(group) = group else {
        return ".*".to_owned(); // the endpoint for any path
    };
    let beside = || {
        before
            .iter()
            .filter_map(|row| row.template.strip_prefix(head))
    };
    let end = |rest: &str| rest.rsplit('}').next().unwrap_or_default().to_owned();
    // A name with slashes may take in what a template before it has behind its own name.
    let hidden = beside().any(|rest| {
        let more = rest.split_once('}').map_or("", |(_, more)| more);
        rest.starts_with('{') && more.contains('{') && end(rest).ends_with(tail)
    });
    let long = name.contains(':') && has_long_names(group) && !hidden;
    let mut taken = BTreeSet::new();
    for rest in beside().filter(|rest| !rest.starts_with('{')) {
        let (word, more) = rest.split_once('/').unwrap_or((rest, ""));
        let alone = rest.strip_prefix(word) == Some(tail);
        let within = !more.is_empty() && end(rest).ends_with(tail) | more.ends_with('}');
        if !word.is_empty() && (alone || long && within) {
            taken.insert(word);
        }
    }
    match (long, taken.is_empty()) {
        (false, true) => "[^/]+".to_owned(),
        (true, true) => ".+".to_owned(),
        (false, false) => other_than(&taken, true),
        (true, false) => other_than(&taken, true) + "(/.+)?",
    }
}

/// A pattern for what is left of a segment, other than these words. Patterns have no `not`, so it goes
/// letter by letter. At its `beginning` a segment is not empty.
fn other_than(words: &BTreeSet<&str>, beginning: bool) -> String {
    let letters: BTreeSet<char> = words
        .iter()
        .filter_map(|word| word.chars().next())
        .collect();
    if letters.is_empty() {
        return "[^/]+".to_owned();
    }
    let set: String = letters.iter().collect();
    let mut choices = vec![format!("[^/{set}][^/]*")];
    for letter in letters {
        let rest = words.iter().filter_map(|word| word.strip_prefix(letter));
        choices.push(format!("{letter}{}", other_than(&rest.collect(), false)));
    }
    let may_end = !beginning && !words.contains("");
    format!("({}){}", choices.join("|"), if may_end { "?" } else { "" })
}

/// A pattern for this text. The table has letters, digits, `_` and `/` in its paths.
fn literal(text: &str) -> String {
    text.replace('.', r"\.")
}
