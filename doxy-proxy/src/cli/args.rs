//! The options, each with its variable, its group and what `-h` says of it.
//!
//! No value is checked here. What `--help` says beyond that is in `help`.

use std::ffi::OsString;

use clap::builder::{BoolishValueParser, OsStringValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::cli::help;
use crate::config::{Setting, Settings};

/// The widest that help is wrapped to.
const MAX_WIDTH: usize = 100;

pub(super) fn command() -> Command {
    Command::new("doxy")
        .version(env!("CARGO_PKG_VERSION"))
        .about(help::ABOUT)
        .long_about(help::LONG_ABOUT)
        .after_help(help::AFTER)
        .after_long_help(help::after_long())
        .max_term_width(MAX_WIDTH)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .next_help_heading("Sockets")
        .args([
            option("docker-socket", "DOXY_DOCKER_SOCKET", "ADDRESS")
                .default_value("/var/run/docker.sock")
                .help("The Docker engine: a socket's path, unix://PATH or tcp://HOST:PORT")
                .long_help(help::DOCKER_SOCKET),
            option("proxy-socket", "DOXY_PROXY_SOCKET", "PATH")
                .default_value("/tmp/doxy.sock")
                .help("The proxy socket, which doxy creates for clients")
                .long_help(help::PROXY_SOCKET),
            option("socket-mode", "DOXY_SOCKET_MODE", "MODE")
                .default_value("0660")
                .help("Permissions of the proxy socket, in octal")
                .long_help(help::SOCKET_MODE),
            option("socket-owner", "DOXY_SOCKET_OWNER", "USER")
                .help("Owner of the proxy socket: a name or a number"),
            option("socket-group", "DOXY_SOCKET_GROUP", "GROUP")
                .help("Group of the proxy socket: a name or a number"),
        ])
        .next_help_heading("Policy (which requests are allowed)")
        .args([
            option("pattern-file", "DOXY_PATTERN_FILE", "FILE")
                .help("The rules [default: /etc/doxy.pattern, or the embedded rules without it]")
                .long_help(help::PATTERN_FILE),
            option("script", "DOXY_SCRIPT", "FILE")
                .hide(cfg!(not(feature = "script")))
                .help("A policy script in Rhai, asked before the rules")
                .long_help(help::SCRIPT),
            option("max-body", "DOXY_MAX_BODY", "SIZE")
                .default_value("1M")
                .hide(cfg!(not(feature = "script")))
                .help("The largest body that the script may read")
                .long_help(help::MAX_BODY),
        ])
        .next_help_heading("Peers (who may connect)")
        .args([
            list("allow-uid", "DOXY_ALLOW_UID", "USER")
                .help("A user that may connect: a name or a number; repeatable")
                .long_help(help::ALLOW_UID),
            list("allow-gid", "DOXY_ALLOW_GID", "GROUP")
                .help("A group whose members may connect: a name or a number; repeatable"),
        ])
        .next_help_heading("Limits")
        .args([
            option("max-connections", "DOXY_MAX_CONNECTIONS", "N")
                .default_value("4096")
                .help("How many connections are served at a time; users share them")
                .long_help(help::MAX_CONNECTIONS),
            option("threads", "DOXY_THREADS", "N")
                .default_value("1")
                .help("How many threads serve connections")
                .long_help(help::THREADS),
            option("head-timeout", "DOXY_HEAD_TIMEOUT", "TIME")
                .default_value("30s")
                .help("How long a client may take to send the head of a request"),
            option("idle-timeout", "DOXY_IDLE_TIMEOUT", "TIME")
                .default_value("10m")
                .help("How long a connection may wait for its next request")
                .long_help(help::IDLE_TIMEOUT),
            option("shutdown-grace", "DOXY_SHUTDOWN_GRACE", "TIME")
                .default_value("10s")
                .help("How long running requests may take once doxy is told to stop")
                .long_help(help::SHUTDOWN_GRACE),
        ])
        .next_help_heading("Logs")
        .args([
            option("access-log", "DOXY_ACCESS_LOG", "FILE|stdout|off")
                .default_value("off")
                .help("Where to write a record of every request")
                .long_help(help::ACCESS_LOG),
            option("log-format", "DOXY_LOG_FORMAT", "text|json")
                .default_value("text")
                .help("The format of the access log"),
            Arg::new("debug")
                .long("debug")
                .env("DOXY_DEBUG")
                .hide_env_values(true)
                .action(ArgAction::SetTrue)
                .value_parser(BoolishValueParser::new())
                .help("Print a line for each request, with the reason if it is denied")
                .long_help(help::DEBUG),
        ])
        .next_help_heading("Privileges")
        .args([
            option("user", "DOXY_USER", "USER")
                .help("The user to run as once the socket exists: a name or a number")
                .long_help(help::USER),
            option("group", "DOXY_GROUP", "GROUP")
                .help("The group to run as [default: the group of --user]"),
            option("sandbox", "DOXY_SANDBOX", "auto|require|off")
                .default_value("auto")
                .help("Give up what a proxy does not need")
                .long_help(help::SANDBOX),
        ])
        .next_help_heading("Options")
        .args([
            Arg::new("help")
                .short('h')
                .long("help")
                .action(ArgAction::Help)
                .help("Print a summary with -h, everything with --help"),
            Arg::new("version")
                .short('V')
                .short_alias('v')
                .long("version")
                .action(ArgAction::Version)
                .help("Print the version"),
        ])
}

/// An option with a value, and its variable.
fn option(name: &'static str, variable: &'static str, value: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .env(variable)
        .hide_env_values(true)
        .value_name(value)
        .value_parser(OsStringValueParser::new())
}

/// An option that can be given more than once, or with values that are separated by commas.
fn list(name: &'static str, variable: &'static str, value: &'static str) -> Arg {
    option(name, variable, value)
        .action(ArgAction::Append)
        .value_delimiter(',')
}

/// The settings that were given, or their defaults.
pub(super) fn settings(matches: &ArgMatches) -> Settings {
    let all = |name: &str| -> Vec<Setting> {
        let values = matches.get_many::<OsString>(name).into_iter().flatten();
        let variable = format!("DOXY_{}", name.to_uppercase().replace('-', "_"));
        let setting = |value: &OsString| match matches.value_source(name) {
            Some(ValueSource::EnvVariable) => Setting::variable(&variable, value),
            _ => Setting::option(name, value),
        };
        values.map(setting).collect()
    };
    let optional = |name: &str| all(name).pop();
    let given = |name: &str| optional(name).unwrap_or_default();
    Settings {
        docker_socket: given("docker-socket"),
        proxy_socket: given("proxy-socket"),
        socket_mode: given("socket-mode"),
        socket_owner: optional("socket-owner"),
        socket_group: optional("socket-group"),
        pattern_file: optional("pattern-file"),
        script: optional("script"),
        max_body: given("max-body"),
        allow_uid: all("allow-uid"),
        allow_gid: all("allow-gid"),
        max_connections: given("max-connections"),
        threads: given("threads"),
        head_timeout: given("head-timeout"),
        idle_timeout: given("idle-timeout"),
        shutdown_grace: given("shutdown-grace"),
        access_log: given("access-log"),
        log_format: given("log-format"),
        debug: matches.get_flag("debug"),
        user: optional("user"),
        group: optional("group"),
        sandbox: given("sandbox"),
    }
}

#[cfg(test)]
mod tests {
    use super::{command, settings};

    #[test]
    fn every_option_has_the_variable_of_its_name() {
        command().debug_assert();
        for arg in command().get_arguments() {
            let name = arg.get_long().unwrap_or_default();
            if ["help", "version"].contains(&name) {
                continue;
            }
            let variable = format!("DOXY_{}", name.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env(), Some(variable.as_ref()), "--{name}");
        }
    }

    #[test]
    fn every_option_reaches_the_settings() {
        let given: Vec<_> = command()
            .get_arguments()
            .filter_map(|arg| arg.get_long())
            .filter(|name| !["debug", "help", "version"].contains(name))
            .map(|name| format!("--{name}=value-of-{name}"))
            .collect();
        let args = ["doxy"].into_iter().chain(given.iter().map(String::as_str));
        let settings = settings(&command().get_matches_from(args));
        let read = format!("{settings:?}");
        for name in given.iter().filter_map(|arg| arg.split_once('=')) {
            assert!(read.contains(name.1), "{name:?} is not in {read}");
        }
    }
}
