//! `doxy replay`: what a policy would change, by the requests that were recorded under another one.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};

use crate::cli::{print, which};
use crate::config::Source;
use crate::startup::Failure;
use crate::tools::replay::{Change, Replayed, replay};

const AFTER: &str = "\
LOG is an access log of doxy in the format json. The policy is that of the other options, as for \
serving: --pattern-file, --script, --preset, --config.

A log has no query, no headers and no body. Where a script reads these, or what only the engine knows, \
the result is `depends`, with what decides.

Examples:
  doxy replay /var/log/doxy/access.jsonl --pattern-file new.pattern
  doxy replay access.jsonl --config new.toml --socket ci --format json
  zcat access.jsonl.gz | doxy replay /dev/stdin --script new.rhai --exit-code

Exit codes: 0 done, 1 failed, 2 wrong arguments, settings or log; with --exit-code 3 if something would \
change.";

/// How to decide what the log leaves open.
const DECIDING: &str = "\
to decide them: run the new policy with --dry-run, which logs what it would deny; or ask about one request:
  doxy explain METHOD 'PATH?QUERY' --body FILE --header 'NAME: VALUE' --uid NUMBER
";
/// Something would change.
const CHANGES: u8 = 3;
/// How many changes are printed for people.
const MAX_PRINTED: usize = 100;

pub(super) fn command() -> Command {
    Command::new("replay")
        .about("Say what a changed policy would do with recorded requests")
        .after_help(AFTER)
        .next_help_heading("Replay")
        .args([
            Arg::new("log")
                .value_name("LOG")
                .required(true)
                .value_parser(OsStringValueParser::new())
                .help("The access log"),
            which::socket(),
            Arg::new("exit-code")
                .long("exit-code")
                .action(ArgAction::SetTrue)
                .help("Exit with 3 if something would change"),
            print::format(),
        ])
}

pub(super) fn run(matches: &ArgMatches, source: Source) -> Result<u8, Failure> {
    let log = matches
        .get_one::<OsString>("log")
        .cloned()
        .unwrap_or_default();
    let config = source.load()?;
    let socket = which::chosen(&config.sockets, matches)?;
    let replayed = replay(Path::new(&log), &socket.policy.policy, &socket.name)?;
    let text = match print::is_json(matches) {
        true => format!("{}\n", json(&replayed)),
        false => text(&replayed),
    };
    print::result(&text)?;
    let changes = replayed.would_be_denied + replayed.would_be_allowed;
    Ok(if matches.get_flag("exit-code") && changes > 0 {
        CHANGES
    } else {
        0
    })
}

fn json(replayed: &Replayed) -> Value {
    let change = |(change, count): (&Change, u64)| {
        json!({
            "method": change.method,
            "path": change.path,
            "endpoint": change.endpoint,
            "from": change.from,
            "to": change.to.name(),
            "by": (!change.by.is_empty()).then_some(&change.by),
            "requests": count,
        })
    };
    json!({
        "requests": replayed.requests,
        "same": replayed.same,
        "would_be_denied": replayed.would_be_denied,
        "would_be_allowed": replayed.would_be_allowed,
        "depends": replayed.depends,
        "lacks": replayed.lacks,
        "refused": replayed.refused,
        "lost": replayed.lost,
        "left_out": replayed.faults,
        "changes": replayed.changes().map(change).collect::<Vec<_>>(),
    })
}

fn text(replayed: &Replayed) -> String {
    let mut text = String::new();
    // What breaks a tool comes first, and of that what is asked most.
    let mut changes: Vec<_> = replayed.changes().collect();
    changes.sort_by_key(|(change, count)| (change.to, std::cmp::Reverse(*count)));
    for (change, count) in changes.iter().take(MAX_PRINTED) {
        let path = match (&change.path, change.endpoint) {
            (Some(path), _) => print::on_one_line(path),
            (None, Some(template)) => format!("{template} (further names)"),
            (None, None) => "(further paths)".to_owned(),
        };
        let by = match &*change.by {
            "" => String::new(),
            by => format!("  ({})", print::on_one_line(by)),
        };
        let (to, from, method) = (
            change.to.name(),
            change.from,
            print::on_one_line(&change.method),
        );
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{from:>10} -> {to:<7} {count:>8}  {method} {path}{by}"
        );
    }
    if let Some(more @ 1..) = changes.len().checked_sub(MAX_PRINTED) {
        let _ = writeln!(
            text,
            "and {more} more kinds of requests; --format json has them"
        );
    }
    let Replayed {
        requests,
        same,
        would_be_denied,
        would_be_allowed,
        depends,
        ..
    } = replayed;
    let _ = writeln!(
        text,
        "requests: {requests}; the same: {same}; would be denied: {would_be_denied}; would be \
         allowed: {would_be_allowed}; depends: {depends}"
    );
    if *depends > 0 {
        text.push_str("those that depend, by what the log lacks:\n");
        for (what, count) in &replayed.lacks {
            let _ = writeln!(text, "{count:>8}  {what}");
        }
        text.push_str(DECIDING);
    }
    for (count, what) in [
        (replayed.refused, "refused before any policy was asked"),
        (replayed.lost, "lost by the log"),
        (replayed.faults, "lines left out: no records"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{what}: {count}");
        }
    }
    text
}
