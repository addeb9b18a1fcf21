//! What is counted, and that what is kept has a limit.

#![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use doxy_filter::RuleSet;
use doxy_proxy::Policy;

use super::{
    Asked, ConfigError, HashMap, MAX_CHANGES, MAX_REMEMBERED, Path, Records, Replayed, Replaying,
    To,
};

fn replayed(rules: &str, log: &str) -> Replayed {
    let policy = Policy::new(RuleSet::parse("rules", rules.as_bytes()).unwrap());
    let mut replaying = Replaying {
        path: Path::new("log"),
        records: Records::new(log.as_bytes()),
        asked: Asked {
            policy: &policy,
            socket: "",
            said: HashMap::new(),
        },
        progress: None,
    };
    let unread = ConfigError::of;
    let replayed = replaying.run(unread).unwrap();
    assert!(replaying.asked.said.len() <= MAX_REMEMBERED);
    replayed
}

fn record(method: &str, path: &str, verdict: &str) -> String {
    format!(r#"{{"uid":0,"gid":0,"method":"{method}","path":"{path}","verdict":"{verdict}"}}"#)
        + "\n"
}

#[test]
fn what_would_change_is_counted() {
    let log = [
        record("GET", "/info", "allowed"),
        record("GET", "/info", "denied"),
        record("GET", "/info", "would_deny"),
        record("GET", "/version", "allowed"),
        record("GET", "/version", "denied"),
        record("GET", "/version", "would_deny"),
        record("GET", "//x", "refused"),
        record("GET", "/version", "allowed"),
    ];
    let replayed = replayed("/info\n", &log.concat());
    assert_eq!(
        (replayed.requests, replayed.same, replayed.refused),
        (8, 3, 1)
    );
    let changes: Vec<_> = replayed.changes().collect();
    let told = changes.iter().map(|(change, count)| {
        let path = change.path.as_deref().unwrap_or_default();
        (
            change.to,
            change.from,
            path,
            *change.by == *"rules:1",
            *count,
        )
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (To::Denied, "allowed", "/version", false, 2),
            (To::Allowed, "denied", "/info", true, 1),
            (To::Allowed, "would_deny", "/info", true, 1),
        ]
    );
}

#[test]
fn what_is_kept_is_bounded_and_nothing_is_left_out_of_the_count() {
    let mut log = String::new();
    for count in 0..20_000 {
        log += &record("GET", &format!("/containers/c{count}/json"), "allowed");
        log += &record("GET", &format!("/nothing/{count}"), "allowed");
    }
    let replayed = replayed("/info\n", &log);
    assert!(
        replayed.changes.len() <= MAX_CHANGES + 2,
        "{}",
        replayed.changes.len()
    );
    assert_eq!(replayed.would_be_denied, 40_000);
    assert_eq!(
        replayed.changes().map(|(_, count)| count).sum::<u64>(),
        40_000
    );
    let folded: Vec<_> = replayed
        .changes()
        .filter(|(it, _)| it.path.is_none())
        .collect();
    assert_eq!(folded.len(), 2, "{folded:?}");
}
