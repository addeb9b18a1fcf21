//! The metrics: those that the manual lists and no others, each moved by what it counts.

#[cfg(feature = "script")]
mod admin;
mod documented;
#[cfg(feature = "script")]
mod ledger;
#[cfg(feature = "script")]
mod moved;
#[cfg(feature = "script")]
mod process;
mod scrape;
#[cfg(feature = "script")]
mod setting;
#[cfg(feature = "script")]
mod shares;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::admin::with_admin;
use crate::support::{Binary, Fake, Need, Setup, needs, wait};

use self::documented::Documented;
pub(super) use self::documented::documented;
use self::scrape::{Scrape, parts};

#[test]
fn the_manual_lists_what_is_there_and_no_more() {
    let mut documented = documented();
    if !kernel_counts_files() {
        documented.remove("process_open_fds");
    }
    let doxy = with_admin(Setup::new()).start();
    let scrape = Scrape::of(&doxy);
    let types = documented.iter().map(|(name, it)| (&**name, &*it.kind));
    assert_eq!(types.collect::<Vec<_>>(), scrape.types());
    labels_are_documented(&scrape, &documented);
    doxy.stop();
}

/// Whether the kernel says how many files a process has open, without listing them.
fn kernel_counts_files() -> bool {
    fs::metadata("/proc/self/fd").is_ok_and(|it| it.len() > 0)
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

#[test]
fn clients_that_invent_methods_and_paths_add_no_label_values() {
    const INVENTED: usize = 1_000;
    let fake = Fake::start();
    let setup = Setup::new().engine(fake.path());
    let setup = setup.rules("/info\n* /allowed/.*").args(["--threads", "3"]);
    let doxy = with_admin(setup).start();
    let ask = |number: usize| {
        let method = format!("M{number}");
        for line in [
            format!("{method} /allowed/{number}"),
            format!("GET /invented-{number}"),
            format!("{method} /v1.{number}/invented/{number}"),
            format!("GET /containers/c{number}/json?x{number}={number}"),
        ] {
            let head = format!("{line} HTTP/1.1\r\nHost: h{number}\r\nX-{number}: {number}");
            doxy.ask(format!("{head}\r\n\r\n"));
        }
    };
    ask(0);
    let names = |of: &Scrape| of.samples().keys().cloned().collect::<Vec<_>>();
    let before = wait::until("all requests are counted", || counted(&doxy, 4));
    (1..INVENTED).for_each(ask);
    let after = wait::until("all requests are counted", || counted(&doxy, 4 * INVENTED));
    assert_eq!(names(&before), names(&after));
    doxy.stop();
}

/// A scrape, if it has so many requests.
fn counted(doxy: &Binary, requests: usize) -> Option<Scrape> {
    let scrape = Scrape::of(doxy);
    let all = scrape.samples().iter();
    let all = all.filter(|(sample, _)| sample.starts_with("doxy_requests_total{"));
    let count: f64 = all.map(|(_, value)| value).sum();
    (count == requests as f64).then_some(scrape)
}
