//! Takes the examples out of `docs/scripts.md` and runs them: each line of a `rhai` block is true for the request in the
//! `request` block, no `policy` block denies it.

use doxy_script::{Decision, Peer, Script};

use crate::support::Ask;

const REFERENCE: &str = include_str!("../../../docs/scripts.md");

const LOOKUPS: &str = r#"const LOOKUPS = ["container", "engine"];"#;

fn blocks(kind: &str) -> impl Iterator<Item = &'static str> {
    let open = format!("```{kind}\n");
    let parts: Vec<_> = REFERENCE.split(&open).skip(1).collect();
    parts
        .into_iter()
        .map(|part| part.split_once("```").unwrap().0)
}

fn request() -> Ask {
    let text = blocks("request").next().unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let mut ask = Ask::new(method, target).body(body.trim());
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        ask = ask.header(name, value);
    }
    for line in blocks("lookups").flat_map(str::lines) {
        ask.looks_up(line);
    }
    ask.container = blocks("container").next().map(str::to_owned);
    ask.peer = Some(Peer::Unix {
        uid: 1000,
        gid: 1000,
        pid: None,
    });
    ask
}

#[test]
fn every_line_is_true() {
    let mut count = 0;
    for line in blocks("rhai").flat_map(str::lines) {
        let expression = line.split("  //").next().unwrap();
        let source = format!(
            "{LOOKUPS} fn decide(req) {{ if {expression} {{ allow() }} else {{ pass() }} }}"
        );
        let script = Script::compile("reference", source.as_bytes());
        let script = script.unwrap_or_else(|error| panic!("{error}\n{line}"));
        assert_eq!(request().of(&script, None), Decision::Allow, "{line}");
        count += 1;
    }
    assert!(count > 50);
}

#[test]
fn every_policy_runs() {
    for policy in blocks("policy") {
        let script = Script::compile("reference", policy.as_bytes());
        let script = script.unwrap_or_else(|error| panic!("{error}\n{policy}"));
        let decision = request().of(&script, None);
        assert!(
            matches!(
                decision,
                Decision::Allow | Decision::Rewrite(_) | Decision::Pass
            ),
            "{decision:?}: {policy}"
        );
    }
}
