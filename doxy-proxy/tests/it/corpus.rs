//! The corpus: raw requests, and what doxy must do with each.
//!
//! `corpus.jsonl` also describes what the engine itself does with each. `own.jsonl` has further
//! cases, some with rules of their own. Every case is sent unchanged to a doxy with the default
//! patterns, or with those rules. In every case this must hold: the engine receives no more
//! requests than were sent; the rules allow each of them; and the client sent each of them, with
//! the target and the body that the second reader finds.

use std::collections::HashMap;
use std::path::Path;

use doxy_filter::{DEFAULT_PATTERNS, Request, RuleSet, Verdict, canonical_path};

use crate::support::{Client, Doxy, Fake, Recorded, wire};

const CORPUS: [&str; 2] = [
    include_str!("../data/corpus.jsonl"),
    include_str!("../data/own.jsonl"),
];

struct Case {
    id: String,
    why: String,
    rules: String,
    raw: Vec<u8>,
    must: String,
    count: usize,
}

fn cases() -> Vec<Case> {
    let text = |json: &serde_json::Value, key: &str| json[key].as_str().unwrap().to_owned();
    CORPUS
        .iter()
        .flat_map(|file| file.lines())
        .map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            Case {
                id: text(&json, "id"),
                why: text(&json, "why"),
                rules: json["rules"]
                    .as_str()
                    .unwrap_or(DEFAULT_PATTERNS)
                    .to_owned(),
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

/// The bytes of all cases.
pub(crate) fn raw() -> impl Iterator<Item = Vec<u8>> {
    cases().into_iter().map(|case| case.raw)
}

/// Sends a case, and returns what the engine got and the statuses that the client saw.
fn run(fake: &Fake, doxy: &Doxy, case: &Case) -> (Vec<Recorded>, Vec<u16>) {
    let before = fake.requests().len();
    let mut client = Client::connect(doxy.path());
    // doxy may have responded and closed before all of it is written.
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

/// Whether the client sent these requests, in this order, each once.
fn were_sent(raw: &[u8], got: &[Recorded]) -> bool {
    let mut sent = wire::sent(raw).into_iter();
    got.iter().all(|got| {
        sent.any(|sent| {
            sent.whole
                && sent.method == got.method()
                && sent.target == got.target()
                && sent.body == got.body
                && sent.trailers == got.trailers.as_bytes()
        })
    })
}

#[test]
fn every_case_of_the_corpus_gets_its_verdict() {
    let fake = Fake::start();
    let mut doxies = HashMap::new();
    let mut failures = Vec::new();
    for case in cases() {
        let (doxy, rules) = doxies.entry(case.rules.clone()).or_insert_with(|| {
            let rules = RuleSet::parse("corpus", case.rules.as_bytes()).unwrap();
            (Doxy::with(fake.path(), &case.rules), rules)
        });
        let (got, statuses) = run(&fake, doxy, &case);
        let last = statuses.last().copied().unwrap_or(0);
        // A refusal may close the connection; further requests then get no response.
        // A redirect sends the client to a path that is judged when it asks for that.
        let refused = (400..500).contains(&last) || last == 301 || statuses.len() < case.count;
        let right = match case.must.as_str() {
            // The corpus allows these, because some proxies remove the fragment. doxy refuses them.
            "allow" if case.raw.starts_with(b"GET /info#") => got.is_empty() && statuses == [400],
            "allow" => got.len() == case.count && statuses == vec![200; case.count],
            "deny" | "deny-or-400" => got.len() < case.count && refused,
            other => panic!("{}: unknown verdict {other}", case.id),
        };
        let sound = got.len() <= case.count
            && got.iter().all(|request| allowed(rules, request))
            && were_sent(&case.raw, &got);
        if !right || !sound {
            let got: Vec<_> = got.iter().map(|request| request.head.clone()).collect();
            failures.push(format!("{} ({}): {statuses:?} {got:?}", case.id, case.why));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Writes seeds for the fuzz targets to the folder that `DOXY_FUZZ_SEEDS` names: every case, with
/// one of four policies and one kind of engine, and every path.
#[test]
#[ignore = "a tool: writes files where it is told"]
fn seeds_for_fuzzing() {
    let folder = std::env::var_os("DOXY_FUZZ_SEEDS").expect("DOXY_FUZZ_SEEDS names a folder");
    let folder = Path::new(&folder);
    for target in ["proxy", "path"] {
        std::fs::create_dir_all(folder.join(target)).unwrap();
    }
    for (number, case) in cases().into_iter().enumerate() {
        let piece = [0, 0, 7, 64][number / 4 % 4];
        let how = [number % 4, piece, number % 12, number % 16].map(|n| u8::try_from(n).unwrap());
        let seed = [&how[..], &case.raw].concat();
        std::fs::write(folder.join("proxy").join(&case.id), seed).unwrap();
        for sent in wire::sent(&case.raw) {
            let path = sent.target.split('?').next().unwrap();
            std::fs::write(folder.join("path").join(&case.id), path).unwrap();
        }
    }
}
