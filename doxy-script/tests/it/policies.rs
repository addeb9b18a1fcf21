//! Runs `scripts/NAME.cases` against `scripts/NAME.rhai`, `NAME.pattern`, or both.
//! `scripts/README.md` describes the cases. `doxy check` runs them as well, the rules' own too.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use doxy_filter::RuleSet;
use doxy_filter::cases::{Case, CasePeer, Expected, parse};
use doxy_script::{Peer, Script};

use crate::support::{Ask, words};

/// A policy of the folder, with its rules.
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) script: Script,
    pub(crate) rules: Option<RuleSet>,
    /// Whether there is a script. Rules alone are judged as if beside one that asks nothing but them.
    pub(crate) has_script: bool,
    /// The classes of risk that its first lines name.
    pub(crate) opens: Vec<String>,
    cases: Vec<Case>,
}

impl Policy {
    /// The requests of its cases. Those that are refused never reach a policy.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Ask> {
        self.judged().map(ask)
    }

    /// The targets of the requests that it must deny.
    pub(crate) fn denied(&self) -> impl Iterator<Item = &str> {
        let denied = self.judged().filter(|case| case.expected == Expected::Deny);
        denied.map(|case| case.target.as_str())
    }

    fn judged(&self) -> impl Iterator<Item = &Case> {
        let cases = self.cases.iter();
        cases.filter(|case| case.expected != Expected::Refused)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts")
}

/// The file of each policy: its script, or its rules if it has none.
fn files() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap();
    let mut files: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| match path.extension().and_then(OsStr::to_str) {
            Some("rhai") => true,
            Some("pattern") => !path.with_extension("rhai").exists(),
            _ => false,
        })
        .collect();
    files.sort();
    assert!(files.len() >= 30);
    files
}

pub(crate) fn all() -> Vec<Policy> {
    files().iter().map(|path| load(path)).collect()
}

/// The policy of this name.
pub(crate) fn named(name: &str) -> Option<Policy> {
    let files = files();
    let file = files
        .iter()
        .find(|path| path.file_stem() == Some(name.as_ref()));
    file.map(|path| load(path))
}

fn load(path: &Path) -> Policy {
    let name = path.file_name().unwrap().to_str().unwrap();
    let has_script = name.ends_with(".rhai");
    let text = fs::read_to_string(path).unwrap();
    let script = match has_script {
        true => Script::compile(name, text.as_bytes()),
        false => Script::compile(name, b"fn decide(req) { pass() }"),
    };
    let opens = text
        .lines()
        .find_map(|line| line.trim_start_matches(['/', '#']).strip_prefix(" Opens: "))
        .map(|classes| classes.split(", ").map(str::to_owned).collect());
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
        has_script,
        opens: opens.unwrap_or_default(),
        // A policy without this file has no cases, which is a failure of its own.
        cases: fs::read(path.with_extension("cases"))
            .map_or_else(|_| vec![], |text| cases(name, &text)),
    }
}

fn cases(name: &str, text: &[u8]) -> Vec<Case> {
    parse(name, text).unwrap_or_else(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", errors.join("\n"))
    })
}

#[test]
fn every_case_of_every_policy() {
    let mut failures = Vec::new();
    let mut total = 0;
    for policy in all() {
        let mut count = 0;
        for case in policy.judged() {
            count += 1;
            let got = words(&ask(case).of(&policy.script, policy.rules.as_ref()));
            let verdict = match got.split(' ').next().unwrap() {
                "fail" => "deny",
                verdict => verdict,
            };
            let because = case.because.iter().all(|part| got.contains(part));
            if verdict != case.expected.word() || !because {
                let place = format!("{}: line {}", policy.name, case.line);
                failures.push(format!("{place}: {case}\n    got {got}"));
            }
        }
        if count == 0 {
            let file = Path::new(&policy.name).with_extension("cases");
            let file = file.display();
            failures.push(format!(
                "scripts/{file} has no cases\n    help: write what the policy must answer, as in `allow GET /_ping`"
            ));
        }
        total += count;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(total > 200, "only {total} cases were found");
}

/// The request of a case.
fn ask(case: &Case) -> Ask {
    let mut ask = Ask::new(&case.method, &case.target);
    for (name, value) in &case.headers {
        ask = ask.header(name, value);
    }
    ask.body = case.body.as_ref().map(|body| body.as_bytes().to_owned());
    ask.peer = case.peer.as_ref().map(|peer| match *peer {
        CasePeer::Unix { uid, gid, pid } => Peer::Unix { uid, gid, pid },
        CasePeer::Net(address) => Peer::Net {
            address,
            certificate: None,
        },
    });
    ask.container.clone_from(&case.container);
    if let Some(socket) = &case.socket {
        ask.socket.clone_from(socket);
    }
    for lookup in &case.lookups {
        ask.engine
            .insert(lookup.target.clone(), lookup.answer.clone());
    }
    ask
}
