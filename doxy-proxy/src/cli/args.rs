//! The options, each with its variable, its group and what `-h` says of it.
//!
//! No value is checked here. What `--help` says beyond that is in `help`.

use clap::builder::{BoolishValueParser, OsStringValueParser};
use clap::{Arg, ArgAction, Command, ValueHint};

use crate::cli::tools::TOOLS;
use crate::cli::{help, pages, tool_help};
use crate::config::find;

/// The widest that help is wrapped to.
const MAX_WIDTH: usize = 100;

/// The command line. Options may stand before and behind a subcommand.
pub(super) fn command() -> Command {
    let options = options();
    let tools: Vec<_> = TOOLS
        .iter()
        .map(|tool| tool_help::with_shared((tool.command)(), &options, tool.shown))
        .chain(pages::commands().map(|page| tool_help::with_shared(page, &options, &[])))
        .collect();
    options
        .mut_args(|arg| {
            let everywhere = arg.get_id() != "version";
            arg.global(everywhere)
        })
        .disable_help_subcommand(true)
        .subcommands(tools)
}

fn options() -> Command {
    Command::new("doxy")
        .version(env!("CARGO_PKG_VERSION"))
        .about(help::ABOUT)
        .long_about(help::LONG_ABOUT)
        .after_help(help::AFTER)
        .after_long_help(help::after_long())
        .max_term_width(MAX_WIDTH)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .next_help_heading("Configuration")
        .args([
            option("config", "DOXY_CONFIG", "FILE")
                .help("A file with settings, and with any number of sockets")
                .long_help(help::CONFIG),
            option("compat", "DOXY_COMPAT", "tecnativa")
                .help("Run by the variables of Tecnativa's docker-socket-proxy")
                .long_help(help::COMPAT),
            flag("watch", "DOXY_WATCH")
                .help("Reload when a file that doxy reads has changed")
                .long_help(help::WATCH),
            flag("takeover", "DOXY_TAKEOVER")
                .help("Take the sockets of a running doxy over")
                .long_help(help::TAKEOVER),
        ])
        .next_help_heading("Admin side (metrics, health, a live page)")
        .args([
            option("admin-listen", "DOXY_ADMIN_LISTEN", "ADDRESS")
                .help("Show metrics, health and a live page here: a path, tcp://ADDRESS:PORT or fd://NAME")
                .long_help(help::ADMIN_LISTEN),
            list("admin-allow-from", "DOXY_ADMIN_ALLOW_FROM", "NETWORK")
                .help("A network from which the admin side may be read; repeatable")
                .long_help(help::ADMIN_ALLOW_FROM),
        ])
        .next_help_heading("Sockets")
        .args([
            option("docker-socket", "DOXY_DOCKER_SOCKET", "ADDRESS")
                .help("The Docker engine: a socket's path, unix://PATH or tcp://HOST:PORT")
                .long_help(help::DOCKER_SOCKET),
            option("docker-tls-ca", "DOXY_DOCKER_TLS_CA", "FILE")
                .help("Speak TLS with the engine, whose certificate this CA has signed"),
            option("docker-tls-cert", "DOXY_DOCKER_TLS_CERT", "FILE")
                .help("Doxy's certificate for the engine"),
            option("docker-tls-key", "DOXY_DOCKER_TLS_KEY", "FILE")
                .help("The key of --docker-tls-cert"),
            option("proxy-socket", "DOXY_PROXY_SOCKET", "ADDRESS")
                .action(ArgAction::Append)
                .help("Where clients connect: a path, tcp://ADDRESS:PORT or fd://NAME; repeatable")
                .long_help(help::PROXY_SOCKET),
            option("socket-mode", "DOXY_SOCKET_MODE", "MODE")
                .help("Permissions of the proxy socket, in octal")
                .long_help(help::SOCKET_MODE),
            option("socket-owner", "DOXY_SOCKET_OWNER", "USER")
                .help("Owner of the proxy socket: a name or a number"),
            option("socket-group", "DOXY_SOCKET_GROUP", "GROUP")
                .help("Group of the proxy socket: a name or a number"),
        ])
        .next_help_heading("Policy (which requests are allowed)")
        .args([
            list("preset", "DOXY_PRESET", "NAME")
                .help("A policy that comes with doxy (`doxy presets`); repeatable")
                .long_help(help::PRESET),
            option("pattern-file", "DOXY_PATTERN_FILE", "FILE")
                .help("The rules [default: /etc/doxy.pattern, or the embedded rules without it]")
                .long_help(help::PATTERN_FILE),
            option("patterns", "DOXY_PATTERNS", "RULES")
                .help("Rules in line, without a file or beside it")
                .long_help(help::PATTERNS),
            option("script", "DOXY_SCRIPT", "FILE")
                .hide(cfg!(not(feature = "script")))
                .help("A policy script in Rhai, asked before the rules")
                .long_help(help::SCRIPT),
            option("max-body", "DOXY_MAX_BODY", "SIZE")
                .hide(cfg!(not(feature = "script")))
                .help("The largest body that the script may read")
                .long_help(help::MAX_BODY),
            option("dry-run", "DOXY_DRY_RUN", "TIME")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .help("Log what would be denied, and forward it")
                .long_help(help::DRY_RUN),
            flag("explain-denials", "DOXY_EXPLAIN_DENIALS")
                .help("Tell clients the rule that would allow what is denied")
                .long_help(help::EXPLAIN_DENIALS),
        ])
        .next_help_heading("Peers (who may connect)")
        .args([
            list("allow-uid", "DOXY_ALLOW_UID", "USER")
                .help("A user that may connect: a name or a number; repeatable")
                .long_help(help::ALLOW_UID),
            list("allow-gid", "DOXY_ALLOW_GID", "GROUP")
                .help("A group whose members may connect: a name or a number; repeatable"),
            list("allow-from", "DOXY_ALLOW_FROM", "NETWORK")
                .help("A network that may connect over TCP; repeatable")
                .long_help(help::ALLOW_FROM),
            list("allow-cert", "DOXY_ALLOW_CERT", "RULE")
                .help("A client certificate that may connect: spki:…, dns:… or uri:…; repeatable")
                .long_help(help::ALLOW_CERT),
            list("allow-container", "DOXY_ALLOW_CONTAINER", "CONTAINER")
                .help("A container that may connect: a name or label:KEY=VALUE; repeatable")
                .long_help(help::ALLOW_CONTAINER),
        ])
        .next_help_heading("TCP")
        .args([
            option("tls-cert", "DOXY_TLS_CERT", "FILE")
                .help("Doxy's certificate; TCP clients must speak TLS then"),
            option("tls-key", "DOXY_TLS_KEY", "FILE").help("The key of --tls-cert"),
            option("tls-client-ca", "DOXY_TLS_CLIENT_CA", "FILE")
                .help("Clients need certificates that this CA has signed"),
            list("allow-host", "DOXY_ALLOW_HOST", "NAME")
                .help("A name by which clients call doxy; repeatable")
                .long_help(help::ALLOW_HOST),
            flag("insecure-tcp", "DOXY_INSECURE_TCP")
                .help("Let everyone in the network connect")
                .long_help(help::INSECURE_TCP),
            list("accept-risk", "DOXY_ACCEPT_RISK", "CLASS")
                .help("Let a policy over TCP open this class of risk: host-root, exec; repeatable")
                .long_help(help::ACCEPT_RISK),
        ])
        .next_help_heading("Limits")
        .args([
            option("max-connections", "DOXY_MAX_CONNECTIONS", "N")
                .help("How many connections are served at a time; users share them")
                .long_help(help::MAX_CONNECTIONS),
            option("threads", "DOXY_THREADS", "N")
                .help("How many threads serve connections")
                .long_help(help::THREADS),
            option("head-timeout", "DOXY_HEAD_TIMEOUT", "TIME")
                .help("How long a client may take to send the head of a request"),
            option("idle-timeout", "DOXY_IDLE_TIMEOUT", "TIME")
                .help("How long a connection may wait for its next request")
                .long_help(help::IDLE_TIMEOUT),
            option("shutdown-grace", "DOXY_SHUTDOWN_GRACE", "TIME")
                .help("How long running requests may take once doxy is told to stop")
                .long_help(help::SHUTDOWN_GRACE),
        ])
        .next_help_heading("Logs")
        .args([
            option("access-log", "DOXY_ACCESS_LOG", "FILE|stdout|journal|off")
                .help("Where to write a record of every request")
                .long_help(help::ACCESS_LOG),
            option("log-format", "DOXY_LOG_FORMAT", "text|json|journald")
                .help("The format of the access log")
                .long_help(help::LOG_FORMAT),
            flag("debug", "DOXY_DEBUG")
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
    let arg = Arg::new(name)
        .long(name)
        .env(variable)
        .hide_env_values(true)
        .value_name(value)
        .value_parser(OsStringValueParser::new())
        .value_hint(match value.contains("FILE") {
            true => ValueHint::FilePath,
            false => ValueHint::Unknown,
        });
    match find(name).and_then(|key| key.default) {
        Some(default) => arg.default_value(default),
        None => arg,
    }
}

/// An option that can be given more than once, or with values that are separated by commas.
fn list(name: &'static str, variable: &'static str, value: &'static str) -> Arg {
    option(name, variable, value)
        .action(ArgAction::Append)
        .value_delimiter(',')
}

/// An option without a value.
fn flag(name: &'static str, variable: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .env(variable)
        .hide_env_values(true)
        .action(ArgAction::SetTrue)
        .value_parser(BoolishValueParser::new())
}

#[cfg(test)]
mod tests {
    use super::command;

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
}
