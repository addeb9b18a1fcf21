//! Variables that look like settings and are none: misspelt ones, and those of other socket proxies.
//!
//! They only get warnings: an environment is often shared, and another program may read them.

use std::ffi::{OsStr, OsString};

use clap::Command;
use doxy_filter::import::{switches, wollomatic};

use crate::cli::args::command;
use crate::config::LATER;

/// An error about a variable of a version to come, if there is one. A warning would be too little:
/// doxy would run with other rules than were asked for.
pub(super) fn to_come(variable: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    LATER.iter().find_map(|name| {
        let name = format!("DOXY_{}", name.to_uppercase());
        let value = variable(&name)?;
        Some(format!(
            "{name}={}: not in this version\nhelp: leave it out",
            value.display()
        ))
    })
}

/// What to say of the environment: one line for each unknown `DOXY_…` variable, and one for each
/// other proxy whose settings are there; not of switches if doxy runs by them.
pub(crate) fn warnings(
    environment: impl Iterator<Item = (OsString, OsString)>,
    by_switches: bool,
) -> Vec<String> {
    let (own, others): (Vec<_>, Vec<_>) = environment.partition(is_own);
    let mut warnings = unknown_variables(own.into_iter());
    let (mut switches, mut wollomatic) = (vec![], vec![]);
    for (name, value) in others {
        let shown = name.display().to_string();
        if is_switch(&shown, &value) {
            switches.push(format!("{shown}={}", value.display()));
        } else if wollomatic::is_variable(&shown) {
            wollomatic.push(shown);
        }
    }
    if !switches.is_empty() && !by_switches {
        switches.sort();
        warnings.push(format!(
            "{}: doxy does not read the settings of Tecnativa's and LinuxServer's \
             docker-socket-proxy; `doxy import tecnativa` translates them to rules, and --compat tecnativa runs by them",
            switches.join(" "),
        ));
    }
    if !wollomatic.is_empty() {
        wollomatic.sort();
        warnings.push(format!(
            "{}: doxy does not read the settings of wollomatic's socket-proxy; `doxy import wollomatic` \
             translates them to rules, for --pattern-file",
            wollomatic.join(" "),
        ));
    }
    warnings
}

/// One line for each unknown `DOXY_…` variable.
pub(crate) fn unknown_variables(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<String> {
    let command = command();
    let of_tools = command.get_subcommands().flat_map(Command::get_arguments);
    let known: Vec<&str> = command
        .get_arguments()
        .chain(of_tools)
        .filter_map(|arg| arg.get_env()?.to_str())
        .collect();
    let names = environment
        .filter(is_own)
        .map(|(name, _)| name.display().to_string());
    let others = names.filter(|name| !known.contains(&name.as_str()));
    others.map(|name| unknown(&name, &known)).collect()
}

fn is_own((name, _): &(OsString, OsString)) -> bool {
    name.as_encoded_bytes().starts_with(b"DOXY_")
}

fn unknown(name: &str, known: &[&str]) -> String {
    // One slip of the fingers in three letters is still a slip.
    let distance = |other: &str| strsim::osa_distance(name, other);
    let near = known.iter().min_by_key(|other| distance(other));
    match near.filter(|near| distance(near) <= (name.len() - "DOXY_".len()) / 3) {
        Some(near) => format!("the variable {name} is not a setting of doxy; is {near} meant?"),
        None => format!(
            "the variable {name} is not a setting of doxy; `doxy --help` lists the variables"
        ),
    }
}

/// Other programs have variables such as `VERSION` too, but hardly with 0 or 1 as their value.
fn is_switch(name: &str, value: &OsStr) -> bool {
    let known = switches::is_switch(name) || name.starts_with("LIBPOD_");
    known && ["0", "1"].iter().any(|switch| value == *switch)
}

#[cfg(test)]
mod tests {
    use super::warnings;

    /// Whether each pair of variables leads to a line with these words, or to none.
    #[test]
    fn variables_that_are_no_settings() {
        for (variables, expected) in [
            (&[("DOXY_DEBUG", "1"), ("PATH", "/bin")][..], None),
            // Tools read it.
            (&[("DOXY_ADMIN", "/run/doxy/admin.sock")], None),
            (
                &[("DOXY_PROXY_SOKET", "/tmp/x")],
                Some("DOXY_PROXY_SOKET is not a setting of doxy; is DOXY_PROXY_SOCKET meant?"),
            ),
            (
                &[("DOXY_PATTERNS_FILE", "x")],
                Some("is DOXY_PATTERN_FILE meant?"),
            ),
            (&[("DOXY_USERS", "x")], Some("is DOXY_USER meant?")),
            (
                &[("DOXY_", "x")],
                Some("DOXY_ is not a setting of doxy; `doxy --help`"),
            ),
            (
                &[("DOXY_CACHE_SIZE_LIMIT", "x")],
                Some("; `doxy --help` lists the variables"),
            ),
            (
                &[("POST", "0"), ("CONTAINERS", "1")],
                Some("CONTAINERS=1 POST=0: doxy does not read the settings of Tecnativa's"),
            ),
            (&[("ALLOW_START", "1")], Some("ALLOW_START=1: ")),
            (&[("LIBPOD_PODS", "1")], Some("LIBPOD_PODS=1: ")),
            (
                &[("VERSION", "1.2.3"), ("INFO", ""), ("CONTAINERS", "web")],
                None,
            ),
            (
                &[("SP_ALLOW_GET", "/version"), ("SP_ALLOW_POST_2", "/x")],
                Some(
                    "SP_ALLOW_GET SP_ALLOW_POST_2: doxy does not read the settings of wollomatic's",
                ),
            ),
            (&[("SP_LISTENIP", "0.0.0.0")], Some("SP_LISTENIP: ")),
            (&[("SP_ALLOW_ALL", "1"), ("SP_HOME", "x")], None),
        ] {
            let environment = variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()));
            let warnings = warnings(environment, false);
            assert_eq!(
                warnings.len(),
                usize::from(expected.is_some()),
                "{warnings:?}"
            );
            for warning in warnings {
                let expected = expected.unwrap_or_default();
                assert!(warning.contains(expected), "{warning}: no {expected:?}");
                assert!(!warning.contains("/version"), "{warning}");
            }
        }
    }
}
