//! The walk over canonical paths, beside the function that makes them.

use regex_syntax::hir::Hir;

use super::{At, Flaw, Language, Paths, example, is_everything, meet};
use crate::path::{MAX_PATH, canonical_path};

const PLACES: [At; 7] = [
    At::Beginning,
    At::Root,
    At::Slash,
    At::Dots(1),
    At::Dots(2),
    At::Text,
    At::C2,
];
const FLAWS: [Option<Flaw>; 6] = [
    None,
    Some(Flaw::Percent),
    Some(Flaw::Backslash),
    Some(Flaw::Control),
    Some(Flaw::EmptySegment),
    Some(Flaw::DotSegment),
];

fn has(paths: Paths, path: &str) -> bool {
    let mut bytes = path.bytes();
    let end = bytes.try_fold(At::Beginning, |at, byte| paths.step(at, byte));
    end.is_some_and(|at| paths.may_end(at))
}

fn language(pattern: &str) -> Option<Language> {
    let hir = regex_syntax::parse(&format!("^(?:{pattern})$")).ok()?;
    Language::of(&hir)
}

#[test]
fn the_walk_knows_the_canonical_paths() {
    // Each path, and the flaw with which it would be one.
    let cases = [
        ("", None),
        ("a", None),
        ("/", None),
        ("/a", None),
        ("/a/", None),
        ("/a/b.c", None),
        ("/.a", None),
        ("/...", None),
        ("/a..", None),
        ("/\u{a0}", None),
        ("/\u{bf}a", None),
        ("/é", None),
        ("/ß/\u{20ac}", None),
        ("//", Some(Flaw::EmptySegment)),
        ("/a//b", Some(Flaw::EmptySegment)),
        ("/.", Some(Flaw::DotSegment)),
        ("/..", Some(Flaw::DotSegment)),
        ("/a/..", Some(Flaw::DotSegment)),
        ("/a/./b", Some(Flaw::DotSegment)),
        ("/a/../b", Some(Flaw::DotSegment)),
        ("/%", Some(Flaw::Percent)),
        ("/a\\b", Some(Flaw::Backslash)),
        ("/\u{1}", Some(Flaw::Control)),
        ("/\u{7f}", Some(Flaw::Control)),
        ("/\u{80}", Some(Flaw::Control)),
        ("/\u{9f}", Some(Flaw::Control)),
    ];
    for (path, flaw) in cases {
        let canonical = canonical_path(path).is_ok_and(|canonical| canonical == path);
        assert_eq!(has(Paths::ALL, path), canonical, "{path:?}");
        for with in FLAWS.into_iter().flatten() {
            let expected = canonical || flaw == Some(with);
            assert_eq!(
                has(Paths::with(with), path),
                expected,
                "{path:?} with {with:?}"
            );
        }
        assert!(!canonical || flaw.is_none(), "{path:?}");
    }
    assert!(!has(Paths::without(|byte| byte == b'a'), "/a"));
}

#[test]
fn an_example_is_no_longer_than_a_path() {
    let of = |count| {
        let hir = regex_syntax::parse(&format!("^/a{{{count}}}$")).ok()?;
        example(&hir).map(|text| text.len())
    };
    assert_eq!(of(MAX_PATH - 1), Some(MAX_PATH));
    assert_eq!(of(MAX_PATH), None);
}

#[test]
fn bytes_of_one_class_lead_to_the_same_place() {
    for with in FLAWS {
        let without: Option<fn(u8) -> bool> = Some(|byte| byte == b'x');
        for paths in [
            Paths {
                without: None,
                with,
            },
            Paths { without, with },
        ] {
            for (one, other) in (0..=u8::MAX).flat_map(|one| (0..=u8::MAX).map(move |it| (one, it)))
            {
                if paths.class(one) == paths.class(other) {
                    for at in PLACES {
                        assert_eq!(
                            paths.step(at, one),
                            paths.step(at, other),
                            "{at:?} {one} {other}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn what_matches_everything() {
    let cases = [
        (".*", Some(true)),
        ("/.*", Some(true)),
        ("/.+", Some(true)),
        ("(?s).*", Some(true)),
        ("/[ -~]*", Some(true)),
        ("/[^x]*", Some(false)),
        ("/a.*", Some(false)),
        ("/[^/]*", Some(false)),
        ("/..+", Some(false)),
    ];
    for (pattern, expected) in cases {
        let found = language(pattern).and_then(|mut it| is_everything(&mut it));
        assert_eq!(found, expected, "{pattern}");
    }
}

/// The time of a step grows with the pattern, so a large one gets fewer steps.
#[test]
fn a_walk_with_a_large_pattern_is_given_up_sooner() {
    // No path is in both, which takes as many steps to find out as there are letters.
    let met = |pattern: &str| {
        let (mut one, mut other) = (language(pattern)?, language("/[ab]*d")?);
        meet(&mut [&mut one, &mut other], Paths::ALL)
    };
    assert_eq!(met("/[ab]{0,200}c"), Some(false));
    // The second part makes the pattern large, and no path matches it.
    assert_eq!(met("/[ab]{0,200}c|%\\pL{100}"), None);
    assert!(Language::of(&Hir::empty()).is_some());
}
