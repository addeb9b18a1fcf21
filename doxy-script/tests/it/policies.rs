//! Runs `scripts/NAME.cases` against `scripts/NAME.rhai`, and `NAME.pattern` if there is one.
//! `scripts/README.md` describes the cases.

use std::fs;
use std::path::{Path, PathBuf};

use doxy_filter::RuleSet;
use doxy_script::{Peer, Script};

use crate::support::{Ask, words};

/// A policy of the folder, with its rules.
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) script: Script,
    pub(crate) rules: Option<RuleSet>,
    cases: String,
}

impl Policy {
    /// The requests of its cases.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Ask> {
        cases(&self.cases).into_iter().map(|case| case.ask)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts")
}

pub(crate) fn all() -> Vec<Policy> {
    let mut names: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "rhai")
        })
        .collect();
    names.sort();
    let policies: Vec<_> = names.iter().map(|path| load(path)).collect();
    assert!(policies.len() >= 10);
    policies
}

fn load(path: &Path) -> Policy {
    let name = path.file_name().unwrap().to_str().unwrap();
    let script = Script::compile(name, &fs::read(path).unwrap());
    let rules = fs::read(path.with_extension("pattern"))
        .ok()
        .map(|text| RuleSet::parse(name, &text).unwrap());
    Policy {
        name: name.to_owned(),
        script: script
            .unwrap_or_else(|error| panic!("{error}"))
            // The machine that runs this may be busy.
            .with_limits(doxy_script::Limits {
                time: std::time::Duration::from_secs(60),
                ..doxy_script::Limits::default()
            }),
        rules,
        // A policy without this file has no cases, which is a failure of its own.
        cases: fs::read_to_string(path.with_extension("cases")).unwrap_or_default(),
    }
}

#[test]
fn every_case_of_every_policy() {
    let mut failures = Vec::new();
    let mut total = 0;
    for policy in all() {
        let mut count = 0;
        for case in cases(&policy.cases) {
            count += 1;
            let got = words(&case.ask.of(&policy.script, policy.rules.as_ref()));
            let verdict = match got.split(' ').next().unwrap() {
                "fail" => "deny",
                verdict => verdict,
            };
            if verdict != case.expected || !got.contains(&case.because) {
                failures.push(format!("{}: {}\n    got {got}", policy.name, case.line));
            }
        }
        if count == 0 {
            let file = policy.name.replace(".rhai", ".cases");
            failures.push(format!(
                "scripts/{file} has no cases\n    help: write what the policy must answer, as in `allow GET /_ping`"
            ));
        }
        total += count;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(total > 200, "only {total} cases were found");
}

struct Case {
    line: String,
    expected: String,
    because: String,
    ask: Ask,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    // Details before the first case are those of all cases.
    let mut common = Ask::new("GET", "/");
    let lines = text.lines().enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.trim_start().starts_with('#')) {
        let line = line.trim_end();
        let fault = |what: &str| -> ! { panic!("line {}: {what}: {line}", at + 1) };
        if line.is_empty() {
            continue;
        }
        let Some(detail) = line.strip_prefix("  ") else {
            let words: Vec<_> = line.split(' ').collect();
            let [expected @ ("allow" | "deny" | "pass"), method, target] = *words.as_slice() else {
                fault("not a case");
            };
            cases.push(Case {
                line: format!("line {}: {line}", at + 1),
                expected: expected.to_owned(),
                because: String::new(),
                ask: Ask {
                    method: method.to_owned(),
                    target: target.to_owned(),
                    ..common.clone()
                },
            });
            continue;
        };
        let Some((word, rest)) = detail.split_once(' ') else {
            fault("not a detail of a case");
        };
        let Some(case) = cases.last_mut() else {
            match word {
                "peer" => common.peer = Some(peer(rest)),
                "lookup" => common.looks_up(rest),
                "container" => common.container = Some(rest.to_owned()),
                _ => fault("a detail that cannot be common to all cases"),
            }
            continue;
        };
        match word {
            "body" => {
                case.ask.body = Some(rest.into());
                let json = ("Content-Type".to_owned(), b"application/json".to_vec());
                case.ask.headers.push(json);
            }
            "text" => case.ask.body = Some(rest.into()),
            "header" => {
                let (name, value) = rest.split_once(": ").unwrap_or_else(|| fault("no header"));
                case.ask.headers.push((name.to_owned(), value.into()));
            }
            "peer" if rest == "unknown" => case.ask.peer = None,
            "peer" => case.ask.peer = Some(peer(rest)),
            "container" if rest == "unknown" => case.ask.container = None,
            "container" => case.ask.container = Some(rest.to_owned()),
            "socket" => rest.clone_into(&mut case.ask.socket),
            "lookup" => case.ask.looks_up(rest),
            "because" => rest.clone_into(&mut case.because),
            _ => fault("an unknown detail"),
        }
    }
    cases
}

fn peer(text: &str) -> Peer {
    if let Some(address) = text.strip_prefix("address=") {
        return Peer::Net {
            address: address.parse().unwrap(),
            certificate: None,
        };
    }
    let number = |name: &str| {
        let mut parts = text.split(' ').filter_map(|part| part.split_once('='));
        parts
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.parse::<u32>().unwrap())
    };
    Peer::Unix {
        uid: number("uid").unwrap(),
        gid: number("gid").unwrap(),
        pid: number("pid").map(|pid| pid.try_into().unwrap()),
    }
}
