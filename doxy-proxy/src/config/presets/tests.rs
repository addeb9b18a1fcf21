//! That the presets are the files of `scripts/`, and that each says what the tool prints.

#![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
#[cfg(feature = "script")]
use std::{thread, time::Duration};

#[cfg(feature = "script")]
use doxy_filter::Access;
use doxy_filter::{RuleSet, RuleText};
#[cfg(feature = "script")]
use doxy_proxy::{Policy, Script, ScriptLimits};

use super::{PRESETS, Preset};

/// A policy that only teaches.
const NO_PRESET: &str = "tour.rhai";
const CLASSES: [&str; 9] = [
    "host-root",
    "exec",
    "secrets",
    "files-out",
    "files-in",
    "state",
    "egress",
    "dos",
    "info",
];

#[test]
fn every_policy_of_the_folder_is_a_preset() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let files = fs::read_dir(&folder).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let policies = names.filter(|name| name.ends_with(".pattern") || name.ends_with(".rhai"));
    let policies: BTreeSet<_> = policies.filter(|name| name != NO_PRESET).collect();
    let embedded = PRESETS.iter().flat_map(Preset::files);
    let embedded: BTreeSet<_> = embedded.map(|(name, _)| name).collect();
    assert_eq!(embedded, policies);
    assert!(PRESETS.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn every_head_has_its_lines() {
    for preset in PRESETS {
        let (name, head) = (preset.name, preset.head());
        for (what, line) in [("For", head.purpose), ("Safe for", head.safe_for)] {
            assert!(!line.is_empty(), "{name} has no line `{what}: `");
            assert!(line.chars().count() <= 110, "{name}: {line}");
            assert!(!line.ends_with('.'), "{name}: {line}");
        }
        let opens = head.opens();
        assert!(!opens.is_empty(), "{name} has no line `Opens: `");
        let order = opens
            .iter()
            .map(|class| CLASSES.iter().position(|it| it == class));
        let order: Option<Vec<_>> = order.collect();
        assert!(
            order.is_some_and(|order| order.is_sorted()),
            "{name}: {opens:?}"
        );
        for constant in head.edit() {
            let declared = format!("\nconst {constant} = ");
            assert!(
                preset.script.unwrap().contains(&declared),
                "{name}: {constant}"
            );
        }
    }
}

/// What the first lines say is what `doxy coverage` finds, and no script fails at what it asks.
#[cfg(feature = "script")]
#[test]
fn every_head_says_what_coverage_finds() {
    let wrong = |preset: &Preset| {
        let name = preset.name;
        let rules = preset.rules.unwrap_or("!.*");
        let rules = RuleSet::parse(name, rules.as_bytes()).unwrap();
        let script = preset.script.map(|text| {
            let script = Script::compile(name, text.as_bytes()).unwrap();
            // The machine that runs the tests may be slow.
            script.with_limits(ScriptLimits {
                time: Duration::from_secs(60),
                ..ScriptLimits::default()
            })
        });
        let policy = match script {
            Some(script) => Policy::with_script(rules, script),
            None => Policy::new(rules),
        };
        let covered = policy.coverage("main");
        let open = covered.endpoints.iter();
        let open = open.filter(|row| row.access != Access::Denied);
        let found: BTreeSet<_> = open
            .flat_map(|row| row.endpoint.risks.iter().map(|risk| risk.name()))
            .collect();
        let head = preset.head();
        let (opens, withholds) = (head.opens(), head.withholds());
        let said: BTreeSet<_> = opens.iter().chain(&withholds).copied().collect();
        let once = said.len() == opens.len() + withholds.len();
        let right = once && said == found && (withholds.is_empty() || preset.script.is_some());
        (!right || covered.failures.is_some())
            .then(|| format!("{name}: {said:?}, found {found:?}, {:?}", covered.failures))
    };
    let (some, others): (Vec<_>, Vec<_>) =
        PRESETS.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let all = |presets: Vec<(usize, &Preset)>| -> Vec<String> {
        presets
            .into_iter()
            .filter_map(|(_, it)| wrong(it))
            .collect()
    };
    let wrong = thread::scope(|scope| {
        let some = scope.spawn(|| all(some));
        [all(others), some.join().unwrap()].concat()
    });
    assert_eq!(wrong, [""; 0]);
}

/// A file that is a preset has the rules of the preset alone, and nothing of another.
#[test]
fn the_rules_of_all_presets_load_without_a_warning() {
    for preset in PRESETS {
        let Some(rules) = preset.rules else {
            continue;
        };
        let text = RuleText {
            source: preset.name,
            first_line: 1,
            text: rules.as_bytes(),
        };
        let (_, warnings) = RuleSet::parse_all(&[text]).unwrap();
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [""; 0], "{}", preset.name);
    }
}

#[test]
fn the_nearest_name() {
    for (name, expected) in [
        ("traefic", Some("traefik")),
        ("Read_Only", Some("read-only")),
        ("prometeus", Some("prometheus")),
        ("x", None),
        ("", None),
    ] {
        assert_eq!(Preset::nearest(name), expected, "{name:?}");
    }
}
