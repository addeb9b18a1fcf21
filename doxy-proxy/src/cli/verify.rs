//! `doxy verify`: whether a running doxy is well, as a table or as JSON.

use std::fmt::Write as _;

use clap::{ArgMatches, Command};
use doxy_proxy::log::probe::VERIFY;
use serde_json::json;

use crate::cli::admin;
use crate::cli::healthcheck::{time, within};
use crate::cli::print::{self, format, is_json, on_one_line};
use crate::config::Source;
use crate::startup::{Failure, raise_descriptor_limit, runtime};
use crate::tools::admin_client::Asks;
use crate::tools::verify::{Level, Report, refused, verify};

/// Something failed.
const FAILED: u8 = 1;

const EXAMPLES: &str = "\
Give it the settings that the running doxy has: the same variables or --config, and options again. It looks \
at sockets as clients see them, engines, certificates, policies and, at the admin side, at doxy itself. \
Through each address it sends two requests, marked as its own: GET /_ping and GET /doxy-verify. With --admin \
and no settings it looks at the sockets that the admin side says it serves.

Examples:
  doxy verify --config /etc/doxy.toml
  doxy verify --config /etc/doxy.toml --admin /run/doxy/admin.sock
  doxy verify --format json | jq '.checks[] | select(.level == \"failed\")'

Each line is ok, warning, failed or skipped (not known from here), with the cure below it.

Exit codes: 0 nothing has failed; 1 something has; 2 wrong arguments or settings.";

pub(super) fn command() -> Command {
    Command::new("verify")
        .about("Say whether a running doxy is well, and what to do if not")
        .after_help(EXAMPLES)
        .next_help_heading("Verify")
        .args([
            admin::option(),
            within().help("How long each answer may take"),
            format(),
        ])
}

pub(super) fn run(matches: &ArgMatches, source: Source) -> Result<u8, Failure> {
    let report = match found(matches, &source) {
        Ok(report) => report,
        // Programs have to find it where they look. It is told on standard error too.
        Err(Failure::Config(error)) if is_json(matches) => {
            print::result(&json_of(&refused(&error)))?;
            return Err(Failure::Config(error));
        }
        Err(failure) => return Err(failure),
    };
    print::result(&match is_json(matches) {
        true => json_of(&report),
        false => text_of(&report),
    })?;
    Ok(match report.count(Level::Failed) {
        0 => 0,
        _ => FAILED,
    })
}

fn found(matches: &ArgMatches, source: &Source) -> Result<Report, Failure> {
    let time = time(matches)?;
    let asks = Asks { tool: VERIFY, time };
    let admin = match admin::address(matches, source)? {
        Some(address) => Some(admin::client(address, source, asks)?),
        None => None,
    };
    raise_descriptor_limit();
    let runtime = runtime()?;
    let report = runtime.block_on(verify(source, admin.as_ref(), time));
    // The lookup of a name may still run.
    runtime.shutdown_background();
    Ok(report?)
}

fn json_of(report: &Report) -> String {
    let checks = report.lines.iter().map(|line| {
        json!({
            "level": line.level.name(),
            "check": line.check,
            "about": Some(&line.about).filter(|about| !about.is_empty()),
            "says": line.says,
            "cure": line.cure,
        })
    });
    let count = |level| report.count(level);
    let all = json!({
        "checks": checks.collect::<Vec<_>>(),
        "ok": count(Level::Ok),
        "warnings": count(Level::Warning),
        "failed": count(Level::Failed),
        "skipped": count(Level::Skipped),
    });
    format!("{all:#}\n")
}

fn text_of(report: &Report) -> String {
    let mut text = String::new();
    let mut said = None;
    for line in &report.lines {
        let about = match &*line.about {
            "" => String::new(),
            about => format!("{}: ", on_one_line(about)),
        };
        let (level, says) = (line.level.name(), on_one_line(&line.says));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{level:<7}  {:<11}  {about}{says}", line.check);
        // One cure for many lines is said once.
        if let Some(cure) = line.cure.as_deref().filter(|cure| said != Some(*cure)) {
            let _ = writeln!(text, "{:<22}cure: {}", "", on_one_line(cure));
            said = Some(cure);
        }
    }
    let count = |level| report.count(level);
    let warnings = match count(Level::Warning) {
        1 => "1 warning".to_owned(),
        many => format!("{many} warnings"),
    };
    let _ = writeln!(
        text,
        "\n{} ok, {warnings}, {} failed, {} skipped",
        count(Level::Ok),
        count(Level::Failed),
        count(Level::Skipped),
    );
    text
}
