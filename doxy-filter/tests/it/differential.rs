//! Patterns made at random, matched by doxy and by Go's own regexp package: where doxy accepts a
//! pattern, both must agree on every text.
//!
//! Needs `go`. Without it the test says so and is skipped, unless `DOXY_TEST_GO` is set: then it
//! fails.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};

use doxy_filter::TextPattern;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::properties::PIECES;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/regexp.go");
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/go");
const PATTERNS: usize = 1500;
/// Texts that pieces of patterns often mean, tried with every pattern.
const TEXTS: [&str; 14] = [
    "", "a", "aa", "/", "/a", "json", "-", "{", "{,3}", "é", "\n", "a\n", "1", "(",
];

#[test]
fn go_agrees_wherever_a_pattern_is_accepted() {
    let mut runner = TestRunner::deterministic();
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 1..7);
    let texts = prop::collection::vec("[ab/.é\n_0{}-]{0,4}", 6);
    let cases: Vec<(String, Vec<String>)> = (0..PATTERNS)
        .map(|_| {
            let (pieces, texts) = (&pieces, &texts).new_tree(&mut runner).unwrap().current();
            let fixed = TEXTS.iter().map(|text| (*text).to_owned());
            (pieces.concat(), fixed.chain(texts).collect())
        })
        .collect();

    let Some(answers) = ask_go(&cases) else {
        return;
    };
    assert_eq!(answers.len(), cases.len());
    let (mut accepted, mut matched) = (0, 0);
    for ((pattern, texts), answer) in cases.iter().zip(&answers) {
        let Ok(compiled) = TextPattern::whole(pattern) else {
            continue; // doxy may refuse what Go accepts
        };
        accepted += 1;
        assert_ne!(answer, "error", "doxy accepts {pattern:?}, and Go does not");
        for (text, go) in texts.iter().zip(answer.chars()) {
            let ours = compiled.is_match(text);
            matched += usize::from(ours);
            assert_eq!(ours, go == '1', "{pattern:?} on {text:?}: Go says {go}");
        }
    }
    assert!(
        accepted > PATTERNS / 10,
        "only {accepted} patterns are accepted"
    );
    assert!(matched > PATTERNS / 10, "only {matched} texts match");
}

/// Go's answer to each pattern; `None` if there is no `go` and none is required.
fn ask_go(cases: &[(String, Vec<String>)]) -> Option<Vec<String>> {
    let hex = |text: &str| {
        text.bytes().fold("x".to_owned(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    let lines: Vec<_> = cases
        .iter()
        .map(|(pattern, texts)| {
            let words = std::iter::once(pattern).chain(texts);
            words.map(|word| hex(word)).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let started = Command::new("go")
        .args(["run", PROGRAM])
        .envs([
            ("GOCACHE", CACHE),
            ("GO111MODULE", "off"),
            ("GOTOOLCHAIN", "local"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut go = match started {
        Ok(go) => go,
        Err(error) if error.kind() == ErrorKind::NotFound && !go_is_required() => {
            say_skipped();
            return None;
        }
        Err(error) => panic!("cannot run go: {error}"),
    };
    // Go reads all of it before it answers; the pipe is closed behind it.
    let mut input = go.stdin.take().unwrap();
    input.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(input);
    let output = go.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let answers = String::from_utf8(output.stdout).unwrap();
    Some(answers.lines().map(str::to_owned).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "how CI declares that `go` is there"
)]
fn go_is_required() -> bool {
    std::env::var_os("DOXY_TEST_GO").is_some()
}

#[expect(clippy::print_stderr, reason = "a skip is told")]
fn say_skipped() {
    eprintln!("skipped: there is no `go` in PATH");
}
