//! `doxy run`: one command with a socket of its own.
//!
//! `--user` and `--group` are the command's here. Those of the proxy come from variables or the file.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::command::{self, Order};
use crate::config::{ConfigError, Setting, Source};
use crate::startup::Failure;
use crate::tools::docker_host::use_docker_host;

const AFTER: &str = "\
The command gets a socket of its own, which DOCKER_HOST names and which is gone when it ends. Standard \
error says what was denied.

It does not start if it could open the engine's socket itself. Two ways keep it from that:
  as root, with --user   the command runs as that user, who must not be in the socket's group
  as another user        doxy's socket lies over the engine's path and /run/docker.sock, in a
                         namespace; the folders around them are for reading only

--user and --group are the command's here. The proxy keeps the user that starts doxy, or becomes that of \
DOXY_USER or the key `user`. The policy comes from options, variables and /etc/doxy, never from the \
current folder. The engine is --docker-socket, or else DOCKER_HOST unless a doxy listens there.

Examples:
  doxy run --preset docker-cli-read-only -- ./report.sh
  sudo doxy run --script agent.rhai --user agent -- agent-cli
  doxy run --socket ~/.doxy/docker.sock --preset read-only -- harness

Exit codes: that of the command, or 128 and the number of the signal that has ended it; 126 it cannot be \
run, 127 there is no such command, 2 it was not started.";

pub(super) fn command() -> Command {
    Command::new("run")
        .about("Run a command with a socket of its own, and keep it from the engine's")
        .after_help(AFTER)
        .next_help_heading("Running")
        .args([
            Arg::new("socket")
                .long("socket")
                .value_name("PATH")
                .value_parser(OsStringValueParser::new())
                .help("Where its socket is to be, for harnesses that allow sockets by path"),
            Arg::new("advisory")
                .long("advisory")
                .action(ArgAction::SetTrue)
                .help("Run the command even if it can open the engine's socket, and say so"),
            Arg::new("command")
                .value_name("COMMAND")
                .value_parser(OsStringValueParser::new())
                .num_args(1..)
                .last(true)
                .help("The command, with its arguments"),
        ])
}

pub(super) fn run(matches: &ArgMatches, mut source: Source) -> Result<u8, Failure> {
    let words = matches.get_many::<OsString>("command");
    let command: Vec<_> = words.into_iter().flatten().cloned().collect();
    if command.is_empty() {
        return Err(Failure::Config(ConfigError::new(
            "doxy run",
            "there is no command",
            "write it behind `--`, as in `doxy run -- docker ps`",
        )));
    }
    if let Some(given) = source.take_option("proxy-socket") {
        return Err(Failure::Config(given.wrong(
            "the command gets a socket of its own",
            "leave it out, or name its path with --socket",
        )));
    }
    if let Some(name) = source.table()? {
        return Err(Failure::Config(ConfigError::new(
            format_args!("[socket.{name}]"),
            "the command gets one socket, which has no table",
            "name a file without tables: what stands at its top holds",
        )));
    }
    use_docker_host(&mut source)?;
    let (user, group) = (source.take_option("user"), source.take_option("group"));
    let login = match (user, group) {
        (Some(user), group) => Some(source.login(&user, group.as_ref())?),
        (None, Some(group)) => {
            return Err(Failure::Config(group.wrong(
                "this is the group of --user, which is not given",
                "name the user as well, or leave it out",
            )));
        }
        (None, None) => None,
    };
    // The option has hidden them.
    for (key, variable) in [("user", "DOXY_USER"), ("group", "DOXY_GROUP")] {
        if let (Some(value), Some(_)) = (std::env::var_os(variable), &login) {
            source.default(Setting::variable(key, &value))?;
        }
    }
    command::run(
        Order {
            command,
            login,
            socket: matches.get_one::<OsString>("socket").map(PathBuf::from),
            advisory: matches.get_flag("advisory"),
        },
        source,
    )
}
