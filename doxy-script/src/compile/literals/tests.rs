//! That what is written in a policy is found, wherever it is written.

#![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use crate::compile::compile;
use crate::literals::Literals;

fn literals(source: &str) -> Literals {
    let compiled = compile(source.as_bytes());
    let faults = compiled.as_ref().err();
    let faults = faults.map(|faults| {
        faults
            .iter()
            .map(|it| it.message.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(faults, None, "{source}");
    compiled.ok().unwrap().literals
}

#[test]
fn texts_and_numbers_wherever_they_are() {
    let source = r#"
const OWNER = "ci";
const MAP = #{key: "value", "quoted key": [7]};
const SUM = "sum-" + "of-two";
fn decide(req) {
    let made = `${OWNER}-made`;
    switch req.endpoint {
        "/a/case" => return allow(),
        "/b" | "/c" if req.method == "GET" => return allow(),
        _ => ()
    }
    let more = "in a " + OWNER + "-plus";
    let text = `before ${if made == "inside" { "branch" } else { #{deep: 1}.deep }} after`;
    if text == "x" || made == 41 || [1000, 2000].contains(made) || MAP.key == more { return allow(); }
    deny("behind")
}
"#;
    let got = literals(source);
    assert!(got.complete);
    for text in [
        "ci",
        "key",
        "value",
        "quoted key",
        "sum-of-two",
        "ci-made",
        "/a/case",
        "/b",
        "/c",
        "in a ci-plus",
        "inside",
        "branch",
        "deep",
        " after",
        "behind",
    ] {
        assert!(got.texts.contains(text), "{text}: {got:?}");
    }
    for number in [7, 41, 1000, 2000] {
        assert!(got.numbers.contains(&number), "{number}: {got:?}");
    }
}

#[test]
fn too_many_are_not_all() {
    let list: Vec<_> = (0..1100).map(|i| format!("\"t{i}\"")).collect();
    let two = "const A = [LIST]; fn decide(req) { if A.contains(req.endpoint) { allow() } else { deny(\"no\") } }";
    let got = literals(&two.replace("LIST", &list.join(",")));
    assert!(!got.complete);
    assert_eq!(got.texts.len(), super::MAX_TEXTS);
}

#[test]
fn what_is_only_compared() {
    for (body, path, name) in [
        ("req.endpoint == \"/info\"", true, true),
        ("\"/info\" == req.endpoint", true, true),
        ("req.endpoint in [\"/a\", \"/b\"]", true, true),
        ("LIST.contains(req.endpoint)", true, true),
        ("req.endpoint.matches(\"/[a-z]+\")", true, true),
        ("req.endpoint.matches(ONE + \"/x\")", true, true),
        ("`${req.method} ${req.endpoint}` == \"GET /a\"", true, true),
        (
            "{ let e = req.endpoint; let f = e; f.starts_with(\"/x\") }",
            true,
            true,
        ),
        (
            "{ if req.method == \"x\" { deny(`no ${req.endpoint} ${req.object.name}`); } true }",
            true,
            true,
        ),
        ("req.object.name == \"web\"", true, true),
        ("req.object.name == `${ONE}-web`", true, true),
        ("req.endpoint == \"/x/\" + req.object.name", false, false),
        ("req.endpoint.len() == 7", false, true),
        (
            "{ let e = req.endpoint; e.split(\"/\")[1] == \"x\" }",
            false,
            true,
        ),
        ("req.endpoint > \"/x\"", false, true),
        ("helper(req.endpoint)", false, true),
        ("is_info(req.endpoint)", true, true),
        (
            "{ let e = req.endpoint; LIST.some(|page| e.matches(page)) }",
            true,
            true,
        ),
        (
            "{ let e = req.endpoint; LIST.some(|page| e.len() > page.len()) }",
            false,
            true,
        ),
        ("{ must(true, `no ${req.endpoint}`); true }", true, true),
        (
            "{ let o = req.object; o.name.ends_with(req.socket) }",
            true,
            false,
        ),
        ("req.object.name.to_lower() == \"web\"", true, false),
        (
            "(if req.method == \"x\" { req.endpoint } else { \"\" }) == \"/a\"",
            false,
            true,
        ),
    ] {
        let source = format!(
            "const LIST = [\"/l\"]; const ONE = \"/1\";
             fn helper(x) {{ x.len() == 7 }}
             fn is_info(other) {{ other == \"/info\" }}
             fn must(fact, why) {{ if !fact {{ deny(why); }} }}
             fn decide(req) {{ let yes = {body}; if yes {{ return allow(); }} deny(\"no\") }}"
        );
        let got = literals(&source);
        assert_eq!(
            (got.compares_path, got.compares_name),
            (path, name),
            "{body}"
        );
    }
}
