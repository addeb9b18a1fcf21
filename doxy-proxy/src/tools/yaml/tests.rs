//! What is refused, and that a file from anywhere costs no more than its length.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test is meant to panic"
)]

use std::fmt::Write as _;

use super::{Kind, Node, read};

#[test]
fn faults_have_the_line_and_the_reason() {
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    // Each level is written on one line, and stands for the one before it.
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        writeln!(chain, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    for (text, line, what) in [
        (
            "a: 1\nb: 2\na: 3\n",
            3,
            "the key `a` stands here twice, first in line 1",
        ),
        (
            "x: {a: 1,\n 'a': 2}",
            2,
            "the key `a` stands here twice, first in line 1",
        ),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins here"),
        ("a:\n  b: 1\n c: 2\n", 3, "this is not YAML: "),
        ("a: [1\n", 2, "this is not YAML: "),
        ("a: *b\n", 1, "this is not YAML: "),
        (
            "a: &a [1,\n  *a]\n",
            2,
            "this stands for what it is a part of",
        ),
        ("? [a]\n: b\n", 1, "a key that is no text"),
        ("a:\n  <<: x\n", 2, "`<<` takes maps"),
        (&deep, 1, "too many levels"),
        (&chain, 65, "too many levels"),
    ] {
        let fault = read(text).unwrap_err();
        assert!(fault.what.starts_with(what), "{text}: {fault:?}");
        assert_eq!(fault.line, line, "{text}: {fault:?}");
    }
}

/// Nine levels of ten aliases each would be a thousand million nodes, if they were copied.
#[test]
fn aliases_are_shared() {
    let mut text = "a0: &a0 lol\n".to_owned();
    for level in 1..10 {
        let ten = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{ten}]").unwrap();
    }
    let top = read(&text).unwrap();
    let Kind::Map(entries) = &top.kind else {
        panic!("{top:?}");
    };
    fn first(node: &Node) -> &Node {
        match &node.kind {
            Kind::List(items) => first(&items[0]),
            _ => node,
        }
    }
    let lol = first(&entries[9].value);
    assert!(std::ptr::eq(lol, first(&entries[0].value)));
}

/// Each map has all keys of those before it, so that their number grows with the square.
#[test]
fn merges_have_a_limit() {
    let chain = |levels: usize| {
        let mut text = "a0: &a0 {k0: 1}\n".to_owned();
        for level in 1..levels {
            let before = level - 1;
            writeln!(text, "a{level}: &a{level} {{<<: *a{before}, k{level}: 1}}").unwrap();
        }
        read(&text)
    };
    assert!(chain(60).is_ok());
    let fault = chain(1000).unwrap_err();
    assert_eq!(fault.what, "`<<` brings in too much");
}
