//! The corpus: raw requests, what the engine itself makes of each, and what doxy must do.
//!
//! Every case is sent as it stands to a doxy with the default patterns. Whatever the case says,
//! three things must hold of all: the engine gets no more requests than were sent, each that it
//! gets is one that the rules allow, and of each request that was sent alone the target arrives
//! as it was judged.

use doxy_filter::{Request, RuleSet, Verdict, canonical_path};

use crate::support::{Client, Doxy, Fake, Recorded};

const CORPUS: &str = include_str!("../data/corpus.jsonl");

struct Case {
    id: String,
    why: String,
    raw: Vec<u8>,
    must: String,
    count: usize,
}

fn cases() -> Vec<Case> {
    let text = |json: &serde_json::Value, key: &str| json[key].as_str().unwrap().to_owned();
    CORPUS
        .lines()
        .map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            Case {
                id: text(&json, "id"),
                why: text(&json, "why"),
                // The bytes of a request, written as Latin-1.
                raw: text(&json, "raw")
                    .chars()
                    .map(|c| u8::try_from(c).unwrap())
                    .collect(),
                must: text(&json, "must"),
                count: usize::try_from(json["n"].as_u64().unwrap()).unwrap(),
            }
        })
        .collect()
}

/// Sends a case, and returns what the engine got and the statuses that the client saw.
fn run(fake: &Fake, doxy: &Doxy, case: &Case) -> (Vec<Recorded>, Vec<u16>) {
    let before = fake.requests().len();
    let mut client = Client::connect(doxy.path());
    // Doxy may have answered and closed before all of it is written.
    client.try_send(&case.raw);
    client.end();
    let answers = String::from_utf8_lossy(&client.rest()).into_owned();
    let statuses = answers
        .match_indices("HTTP/1.")
        .filter(|(at, _)| answers[at + 8..].starts_with(' '))
        .map(|(at, _)| answers[at + 9..at + 12].parse().unwrap())
        .collect();
    (fake.requests().split_off(before), statuses)
}

fn allowed(rules: &RuleSet, request: &Recorded) -> bool {
    let raw = request.target().split('?').next().unwrap();
    let path = canonical_path(raw).expect("a path that was judged");
    let request = Request {
        method: request.method(),
        path: &path,
        query: None,
    };
    matches!(rules.decide(&request), Verdict::Allow(_))
}

#[test]
fn every_case_is_treated_as_it_must_be() {
    let fake = Fake::start();
    let doxy = Doxy::start(fake.path());
    let rules = RuleSet::embedded().unwrap();
    let mut failures = Vec::new();
    for case in cases() {
        let (got, statuses) = run(&fake, &doxy, &case);
        let last = statuses.last().copied().unwrap_or(0);
        // Behind a request with two framings hyper closes the connection: what follows is not
        // answered, and not read.
        let refused = (400..500).contains(&last) || statuses.len() < case.count;
        let right = match case.must.as_str() {
            "allow" => got.len() == case.count && statuses == vec![200; case.count],
            "deny" | "deny-or-400" => got.len() < case.count && refused,
            other => panic!("{}: unknown verdict {other}", case.id),
        };
        let sound = got.len() <= case.count && got.iter().all(|request| allowed(&rules, request));
        if !right || !sound {
            let got: Vec<_> = got.iter().map(|request| request.head.clone()).collect();
            failures.push(format!("{} ({}): {statuses:?} {got:?}", case.id, case.why));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
