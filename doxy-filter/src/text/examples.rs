//! Texts that a pattern matches, to ask a policy about. It must never be taken for all that a pattern
//! matches: it has a few of them.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use crate::rules::pattern;

/// How many texts there are at most, and how long they may be.
const MAX_TEXTS: usize = 16;
const MAX_LENGTH: usize = 512;
/// What a class stands for, if it has one of these: what names are made of.
const USUAL: [char; 8] = ['a', '0', 'A', '-', '_', '.', '/', ':'];

/// Some texts that a pattern matches: with each alternative, and with and without what may be
/// missing. None for a text that is no pattern.
#[must_use]
pub fn texts_matching(pattern: &str) -> Vec<String> {
    pattern::parse(pattern).map_or(vec![], |hir| texts(&hir))
}

fn texts(hir: &Hir) -> Vec<String> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => match str::from_utf8(&literal.0) {
            Ok(text) => vec![text.to_owned()],
            Err(_) => vec![],
        },
        HirKind::Class(class) => one_of(class).map_or(vec![], |c| vec![c.to_string()]),
        HirKind::Repetition(repeated) => repetition(repeated),
        HirKind::Capture(group) => texts(&group.sub),
        HirKind::Concat(parts) => parts.iter().fold(vec![String::new()], |texts, part| {
            joined(&texts, &self::texts(part))
        }),
        HirKind::Alternation(parts) => {
            let all = parts.iter().flat_map(texts);
            all.take(MAX_TEXTS).collect()
        }
    }
}

/// Each text with each of the ends.
fn joined(texts: &[String], ends: &[String]) -> Vec<String> {
    let all = ends
        .iter()
        .flat_map(|end| texts.iter().map(move |text| format!("{text}{end}")));
    all.filter(|text| text.len() <= MAX_LENGTH)
        .take(MAX_TEXTS)
        .collect()
}

fn repetition(repeated: &Repetition) -> Vec<String> {
    let some = |count: u32| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let of = move |text: String| {
            let fits = text.len().saturating_mul(count) <= MAX_LENGTH;
            fits.then(|| text.repeat(count))
        };
        texts(&repeated.sub).into_iter().filter_map(of)
    };
    match repeated.min {
        0 => some(1).chain([String::new()]).take(MAX_TEXTS).collect(),
        least => some(least).collect(),
    }
}

fn one_of(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => {
            let ranges = class.iter();
            ranges.map(|range| (range.start(), range.end())).collect()
        }
        Class::Bytes(class) => {
            let ranges = class.iter();
            let ascii = ranges.filter(|range| range.end().is_ascii());
            ascii
                .map(|range| (range.start().into(), range.end().into()))
                .collect()
        }
    };
    let has = |c: &char| {
        ranges
            .iter()
            .any(|(first, last)| (first..=last).contains(&c))
    };
    let usual = USUAL.into_iter().find(has);
    usual.or_else(|| ranges.first().map(|(first, _)| *first))
}

#[cfg(test)]
mod tests {
    use super::texts_matching;
    use crate::TextPattern;

    #[test]
    fn what_is_given_matches() {
        for (pattern, expected) in [
            ("web", &["web"][..]),
            ("web-[0-9]{3}", &["web-000"]),
            ("(aa|bb)c?", &["aac", "bbc", "aa", "bb"]),
            (".*/json", &["a/json", "/json"]),
            ("^x+$", &["x"]),
            ("[^a-z]", &["0"]),
            ("", &[""]),
            ("a)(", &[]),
        ] {
            assert_eq!(texts_matching(pattern), expected, "{pattern}");
            let whole = TextPattern::whole(pattern);
            for text in texts_matching(pattern) {
                assert!(
                    whole.as_ref().is_ok_and(|whole| whole.is_match(&text)),
                    "{pattern} {text}"
                );
            }
        }
    }

    #[test]
    fn they_are_few_and_short() {
        let many = texts_matching("(aa|bb|cc)(dd|ee|ff)(gg|hh)");
        assert_eq!(many.len(), super::MAX_TEXTS);
        assert_eq!(texts_matching("(a{1000})+"), [""; 0]);
    }
}
