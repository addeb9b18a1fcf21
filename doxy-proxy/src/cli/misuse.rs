//! What clap says of a wrong command line, in the two lines of every other error.
//!
//! It explains, and never guesses silently: a wrong option is an error however clear its meaning.

use std::env;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::args::command;
use crate::config::LATER;

/// Options of other tools, and usual guesses, with what doxy calls them.
const GUESSES: &[(&str, &[&str])] = &[
    (
        "--proxy-socket",
        &[
            "--socket",
            "--listen",
            "--listen-socket",
            "--bind",
            "-l",
            "-s",
        ],
    ),
    (
        "--docker-socket",
        &[
            "--host",
            "-H",
            "--docker-host",
            "--docker",
            "--engine",
            "--upstream",
            "--backend",
        ],
    ),
    (
        "--pattern-file",
        &[
            "--pattern",
            "--rules",
            "--rules-file",
            "--rule-file",
            "--rule",
            "--allow",
        ],
    ),
    (
        "--config",
        &["--config-file", "--configuration", "--conf", "-c", "-f"],
    ),
    (
        "--allow-from",
        &["--allow-ip", "--allow-network", "--allow-cidr"],
    ),
    (
        "--tls-client-ca",
        &["--tlscacert", "--tls-ca", "--client-ca", "--tlsverify"],
    ),
    ("--tls-cert", &["--tlscert", "--cert", "--certificate"]),
    ("--tls-key", &["--tlskey", "--key"]),
    ("--preset", &["--profile", "--template"]),
    ("--insecure-tcp", &["--insecure"]),
    ("--dry-run", &["--audit", "--permissive", "--log-only"]),
    ("--takeover", &["--replace", "--force"]),
    ("--script", &["--policy", "--policy-file", "--script-file"]),
    ("--socket-mode", &["--mode", "--permissions", "--chmod"]),
    ("--socket-owner", &["--owner"]),
    ("--allow-uid", &["--allow-user", "--uid"]),
    ("--allow-gid", &["--allow-group", "--gid"]),
    ("--access-log", &["--log", "--log-file"]),
    ("--debug", &["--verbose", "--log-level", "--trace", "-d"]),
    ("--threads", &["--workers", "-j"]),
    ("--max-connections", &["--connections", "--max-conns"]),
    (
        "--shutdown-grace",
        &["--grace", "--grace-period", "--shutdown-timeout"],
    ),
];

pub(super) fn explain(error: &clap::Error) -> String {
    if let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg)
        && LATER
            .iter()
            .any(|name| given.strip_prefix("--") == Some(name))
    {
        return format!("{given}: not in this version\nhelp: leave it out");
    }
    if error.kind() == ErrorKind::MissingRequiredArgument
        && let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg)
    {
        let missing = missing.join(" and ");
        return format!("{missing} is missing\nhelp: the tool's own `--help` lists what it needs");
    }
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let tip = lines.find_map(|line| line.strip_prefix("tip: "));
    let help = match (guess(error), tip, variable(what)) {
        (Some(option), _, _) => format!("the option is {option}; `doxy --help` lists all of them"),
        (None, Some(tip), _) => tip.to_owned(),
        (None, None, Some(name)) => format!("the value may come from the variable {name}"),
        (None, None, None) => "`doxy --help` lists the options".to_owned(),
    };
    format!("{what}\nhelp: {help}")
}

/// The option that may be meant by an unknown one.
fn guess(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let known = |(_, guesses): &&(&str, &[&str])| guesses.contains(&given.as_str());
    GUESSES.iter().find(known).map(|(option, _)| *option)
}

/// The variable of the option that an error names, if it is set.
fn variable(what: &str) -> Option<String> {
    let name = what.split("--").nth(1)?.split([' ', '\'']).next()?;
    let command = command();
    let option = command
        .get_arguments()
        .find(|it| it.get_long() == Some(name))?;
    let variable = option.get_env()?.to_str()?.to_owned();
    env::var_os(&variable).map(|_| variable)
}

#[cfg(test)]
mod tests {
    use super::{GUESSES, command, guess};

    #[test]
    fn guesses_are_unknown_options_and_lead_to_known_ones() {
        for (option, guesses) in GUESSES {
            let known = command().get_arguments().any(|arg| {
                arg.get_long().map(|name| format!("--{name}")).as_deref() == Some(*option)
            });
            assert!(known, "{option}");
            for given in *guesses {
                for args in [&["doxy", given, "x"][..], &["doxy", given]] {
                    let error = command().try_get_matches_from(args).err();
                    assert_eq!(error.as_ref().and_then(guess), Some(*option), "{args:?}");
                }
            }
        }
    }
}
