//! Rules that load and are probably mistakes, and rules that are none.

use doxy_filter::{DEFAULT_PATTERNS, RuleSet};

fn warnings(text: &str) -> Vec<String> {
    let loaded = RuleSet::parse_with_warnings("f", text.as_bytes());
    let (_, warnings) = loaded.unwrap_or_else(|error| panic!("{error}"));
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn lines() {
    let cases = include_str!("../data/warnings.txt").split("\n\n").skip(1);
    let mut compared = 0;
    for case in cases {
        let (text, expected) = case.trim_end_matches('\n').split_once('\n').unwrap();
        let expected: &[&str] = if expected == "-" { &[] } else { &[expected] };
        assert_eq!(warnings(text), expected, "{text}");
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

/// They came in by copying, and the denial denies nothing that anybody asks for.
#[test]
fn invisible_characters() {
    for invisible in ['\u{a0}', '\u{200b}', '\u{feff}', '\u{2028}', '\u{ad}'] {
        let text = format!("!(/v[\\d.]+)?/secrets{invisible}");
        let expected = "f:1:2: matches only paths with characters outside ASCII, which may be \
                        invisible; names in Docker have none: remove it, or write the character that \
                        it looks like";
        assert_eq!(warnings(&text), [expected], "{invisible:?}");
    }
}

/// A warning depends on the other rules too.
#[test]
fn files() {
    let cases: &[(&str, &[&str])] = &[
        (DEFAULT_PATTERNS, &[]),
        (include_str!("../../../scripts/traefik.pattern"), &[]),
        (include_str!("../../../scripts/prometheus.pattern"), &[]),
        (
            "/info\n\n  /info",
            &["f:3:3: the same rule as in line 1; remove one of them"],
        ),
        (
            "/info\nHEAD /_ping\nGET /in[f]o",
            &["f:3:5: the same rule as in line 1; remove one of them"],
        ),
        (
            "/info\n!/info",
            &[
                "f:2:2: denies `/info` but not `/v1.24/info`; write `(/v[\\d.]+)?` for the version: the engine takes any version, and none",
            ],
        ),
        (
            "/info\nPOST /info",
            &[
                "f:2:6: matches no endpoint of the engine for POST; put GET in front of the pattern if that is meant",
            ],
        ),
        // Both forms are there.
        ("/v1.41/info\n/info", &[]),
        ("/v1.41/info\n/v1.51/info", &[]),
        ("!/secrets\n!/v[\\d.]+/secrets", &[]),
        // A list of denials beside it.
        (".*\n!.*/(archive|export|attach/ws|get)", &[]),
        (
            "* .*\n!.*/(archive|export|attach/ws|get)",
            &[
                "f:1:3: allows everything, which is as good as the engine's own socket; list what the client needs",
            ],
        ),
        ("* (/v[\\d.]+)?/volumes/.+\n!POST .*", &[]),
        (
            "/info\n!GET .*",
            &[
                "f:2:6: denies every request; rules that allow have no effect; name the paths that it is to deny",
            ],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(warnings(text), *expected, "{text}");
    }
}
