//! The metrics: those that the manual lists and no others, each moved by what it counts.

mod documented;
mod scrape;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::admin::with_admin;
use crate::support::{Fake, Need, Setup, needs};

use self::documented::{Documented, documented};
use self::scrape::{Scrape, parts};

#[test]
fn the_manual_lists_what_is_there_and_no_more() {
    let documented = documented();
    let doxy = with_admin(Setup::new()).start();
    let scrape = Scrape::of(&doxy);
    let types = documented.iter().map(|(name, it)| (&**name, &*it.kind));
    assert_eq!(types.collect::<Vec<_>>(), scrape.types());
    labels_are_documented(&scrape, &documented);
    doxy.stop();
}

/// Each sample has the labels that the manual says, with values of the closed sets.
#[track_caller]
fn labels_are_documented(scrape: &Scrape, documented: &BTreeMap<String, Documented>) {
    for sample in scrape.samples().keys() {
        let (metric, labels) = parts(sample);
        let mut expected = documented[metric].labels.clone();
        for (label, value) in labels {
            // It belongs to the type.
            if label == "le" && documented[metric].kind == "histogram" {
                continue;
            }
            let values = expected.remove(label).unwrap_or_else(|| panic!("{sample}"));
            assert!(values.is_none_or(|it| it.contains(&value)), "{sample}");
        }
        assert!(expected.is_empty(), "{sample} has no {expected:?}");
    }
}

#[test]
fn promtool_finds_nothing_wrong() {
    if !needs(Need::Tool("promtool")) {
        return;
    }
    let fake = Fake::start();
    let doxy = with_admin(Setup::new().engine(fake.path())).start();
    doxy.ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
    doxy.ask("DELETE /info HTTP/1.1\r\nHost: d\r\n\r\n");
    let mut checking = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = Scrape::text(&doxy);
    assert!(text.contains("doxy_denials_total{"), "{text}");
    let mut input = checking.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let checked = checking.wait_with_output().unwrap();
    let said = [checked.stdout, checked.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(checked.status.success() && said.is_empty(), "{said}{text}");
    doxy.stop();
}
