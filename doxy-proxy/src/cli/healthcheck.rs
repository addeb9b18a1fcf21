//! `doxy healthcheck`: whether a running doxy answers, for container engines and service managers.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::cli::print;
use crate::config::{ConfigError, Setting, Source, timeout};
use crate::startup::{Failure, raise_descriptor_limit, runtime};
use crate::tools::healthcheck::{Health, check};

/// Not well.
const UNHEALTHY: u8 = 1;
/// How many faults are named in the line.
const MOST: usize = 3;

const EXAMPLES: &str = "\
Give it the settings that the running doxy has: the same variables or --config, and options again. At each \
proxy socket it asks GET //_ping, marked as its own, and any answer counts that is doxy's own. Where clients \
need a certificate, TLS is an answer. An fd:// socket has no address here and is skipped.

Examples:
  doxy healthcheck
  doxy healthcheck --ready --timeout 3s --config /etc/doxy.toml
  HEALTHCHECK CMD [\"doxy\", \"healthcheck\"]              (in a Dockerfile)

Exit codes: 0 all answer; 1 one does not, the line says which; 2 wrong arguments or settings.";

pub(super) fn command() -> Command {
    Command::new("healthcheck")
        .about("Say whether a running doxy answers at its sockets")
        .after_help(EXAMPLES)
        .next_help_heading("Health")
        .args([
            Arg::new("ready")
                .long("ready")
                .action(ArgAction::SetTrue)
                .help("Ask the engine itself too, at --docker-socket: it must answer"),
            within(),
        ])
}

/// The option for how long to wait.
pub(super) fn within() -> Arg {
    Arg::new("timeout")
        .long("timeout")
        .value_name("TIME")
        .value_parser(OsStringValueParser::new())
        .default_value("5s")
        .help("How long all answers together may take")
}

/// What it says.
pub(super) fn time(matches: &ArgMatches) -> Result<Duration, ConfigError> {
    let given = matches.get_one::<OsString>("timeout").cloned();
    timeout(&Setting::named(
        "--timeout",
        "timeout",
        &given.unwrap_or_default(),
    ))
}

pub(super) fn run(matches: &ArgMatches, source: Source) -> Result<u8, Failure> {
    let time = time(matches)?;
    let sockets = source.reach()?;
    // A thousand sockets are asked at the same time.
    raise_descriptor_limit();
    let health = runtime()?.block_on(check(&sockets, matches.get_flag("ready"), time))?;
    let (code, line) = said(&health)?;
    print::result(&format!("{line}\n"))?;
    Ok(code)
}

/// The exit code, and why.
fn said(health: &Health) -> Result<(u8, String), ConfigError> {
    let Health {
        answering,
        engines,
        faults,
        skipped,
    } = health;
    if *answering == 0 && faults.is_empty() {
        return Err(ConfigError::new(
            skipped.join(", "),
            "the settings do not say where these sockets are, and there are no others",
            "name the path or address of one: doxy healthcheck --proxy-socket PATH",
        ));
    }
    let skipped = match skipped.as_slice() {
        [] => String::new(),
        skipped => format!("; skipped: {}", skipped.join(", ")),
    };
    if faults.is_empty() {
        let engines = match engines {
            0 => "",
            1 => ", and so does the engine",
            _ => ", and so do the engines",
        };
        let answer = match answering {
            1 => "1 socket answers".to_owned(),
            many => format!("{many} sockets answer"),
        };
        return Ok((0, format!("healthy: {answer}{engines}{skipped}")));
    }
    let named: Vec<_> = faults.iter().take(MOST).map(String::as_str).collect();
    let more = match faults.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let line = format!("unhealthy: {}{more}{skipped}", named.join("; "));
    Ok((UNHEALTHY, line))
}
