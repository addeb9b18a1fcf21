//! What people and other programs write, and doxy's tools read: files of cases, the settings of other
//! proxies, and recorded requests. The first byte chooses.

#![no_main]

use doxy_filter::api::{Risk, endpoint_of};
use doxy_filter::import::{env_file, switches};
use doxy_filter::{Learned, Request, RuleSet, Verdict, canonical_path, cases};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else {
        return;
    };
    match first % 3 {
        0 => read_cases(text),
        1 => import(&String::from_utf8_lossy(text)),
        _ => learn(&String::from_utf8_lossy(text)),
    }
});

fn read_cases(text: &[u8]) {
    let lines = text.split(|byte| *byte == b'\n').count();
    match cases::parse("f", text) {
        Ok(cases) => assert!(!cases.is_empty()),
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.line <= lines && (error.line == 0) == (error.column == 0));
                assert_eq!(error.to_string().lines().count(), 2, "{error}");
            }
        }
    }
}

fn import(text: &str) {
    let Ok(variables) = env_file::read("f", text) else {
        return;
    };
    for tool in [switches::Tool::Tecnativa, switches::Tool::LinuxServer] {
        if let Ok(imported) = switches::import(tool, &variables) {
            // What it prints must load, whatever the other tool was given.
            RuleSet::parse("f", imported.patterns.as_bytes()).expect("rules that load");
        }
    }
}

fn learn(text: &str) {
    let mut learned = Learned::default();
    let mut seen = vec![];
    for line in text.lines().take(64) {
        let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
        let Ok(path) = canonical_path(path) else {
            continue;
        };
        learned.note(method, &path, false);
        seen.push((method, path));
    }
    let file = learned.pattern_file(&Risk::ALL);
    let Ok(rules) = RuleSet::parse("f", file.text.as_bytes()) else {
        assert!(file.allowed.is_empty(), "{}", file.text);
        return;
    };
    let allows = |method: &str, path: &str| {
        let request = Request {
            method,
            path,
            query: None,
        };
        matches!(rules.decide(&request), Verdict::Allow(_))
    };
    for (method, path) in &seen {
        // HEAD goes with GET in rules; the table has each by itself.
        assert!(
            !allows(method, path) || endpoint_of(method, path).is_some(),
            "{method} {path}:\n{}",
            file.text
        );
    }
    let learned = |path| {
        seen.iter().any(|(_, other)| {
            endpoint_of("GET", other).map(|it| it.template)
                == endpoint_of("GET", path).map(|it| it.template)
        })
    };
    for path in [
        "/containers/x/export",
        "/images/get",
        "/secrets",
        "/containers/x/archive",
    ] {
        assert!(
            !allows("GET", path) || learned(path),
            "{path}:\n{}",
            file.text
        );
    }
}
