//! `doxy check`: what is wrong or odd about policies and configurations, and whether they do what their
//! cases say.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use crate::cli::print::{self, format, is_json};

use crate::config::Source;
use crate::startup::Failure;
use crate::tools::check::{self, Level, Report};

/// The exit code for what doxy would not start with.
const WRONG: u8 = 2;
/// The exit code for cases that disagree with their policy.
const DISAGREEMENT: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  doxy check                                        # what a start with these settings would read
  doxy --config /etc/doxy.toml check
  doxy check my.pattern my.cases                    # rules, and what they must answer
  doxy check --strict *.pattern *.rhai *.cases      # for CI: warnings are errors
  doxy --pattern-file my.pattern check other.cases  # cases with a policy from elsewhere

A file is checked by what its name ends with: .pattern (rules), .rhai (a policy script), .toml (a \
configuration) or .cases. NAME.cases is run against NAME.rhai and NAME.pattern beside it, whichever there \
are, else against the policy of the settings, which must name one. scripts/README.md has the form of cases.

Warnings: a rule that reaches no endpoint of the engine, that another covers, that leaves out names with \
a dot or a dash, that lacks the optional version, or that opens what is known to leak.

Exit codes: 0 if nothing is wrong, 2 if doxy would not start with it, 3 if a case disagrees with its \
policy.";

pub(super) fn command() -> Command {
    Command::new("check")
        .about("Check policies and configurations, and run their cases, without starting")
        .after_help(EXAMPLES)
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .action(ArgAction::Append)
                .num_args(0..)
                .value_parser(OsStringValueParser::new())
                .help("Rules, scripts, configurations and cases [default: what the settings name]"),
        )
        .arg(
            Arg::new("strict")
                .long("strict")
                .action(ArgAction::SetTrue)
                .help("Exit with 2 for warnings too"),
        )
        .arg(format())
}

pub(super) fn run(matches: &ArgMatches, mut source: Source) -> Result<u8, Failure> {
    let files = matches.get_many::<OsString>("files").into_iter().flatten();
    let files: Vec<_> = files.map(PathBuf::from).collect();
    let report = match files.is_empty() {
        true => check::settings(&source),
        false => check::files(&mut source, &files),
    };
    let text = match is_json(matches) {
        true => in_json(&report),
        false => in_text(&report, print::has_colours()),
    };
    print::result(&text)?;
    let strict = matches.get_flag("strict") && report.count(Level::Warning) > 0;
    Ok(
        match (report.count(Level::Error), report.count(Level::Case)) {
            (0, 0) if !strict => 0,
            (0, 1..) => DISAGREEMENT,
            _ => WRONG,
        },
    )
}

/// `FILE:LINE:COLUMN: LEVEL: what`, with more below it, and a last line that counts.
fn in_text(report: &Report, colours: bool) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let level = finding.level.word();
        let level = match (colours, finding.level) {
            (false, _) => level.to_owned(),
            (true, Level::Error) => format!("\x1b[1;31m{level}\x1b[0m"),
            (true, Level::Warning) => format!("\x1b[1;33m{level}\x1b[0m"),
            (true, Level::Case) => format!("\x1b[1;35m{level}\x1b[0m"),
        };
        let place = match &finding.place {
            Some((file, line, column)) => format!("{file}:{line}:{column}: "),
            None => String::new(),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{place}{level}: {finding}");
    }
    for checked in &report.checked {
        let _ = writeln!(text, "checked {checked}");
    }
    let count = |level, one: &str, many: &str| match report.count(level) {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let mut counts = vec![
        count(Level::Error, "error", "errors"),
        count(Level::Warning, "warning", "warnings"),
    ];
    if report.cases > 0 {
        let disagree = report.count(Level::Case);
        counts.push(match report.cases {
            1 => format!("1 case, {disagree} disagree"),
            cases => format!("{cases} cases, {disagree} disagree"),
        });
    }
    let _ = writeln!(text, "{}", counts.join(", "));
    text
}

fn in_json(report: &Report) -> String {
    let findings: Vec<_> = report.findings.iter().map(|it| it.json()).collect();
    let json = json!({
        "findings": findings,
        "checked": report.checked,
        "errors": report.count(Level::Error),
        "warnings": report.count(Level::Warning),
        "cases": report.cases,
        "disagree": report.count(Level::Case),
    });
    format!("{json:#}\n")
}
