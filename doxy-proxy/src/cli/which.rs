//! Whose policy a tool asks, where the configuration has several sockets.

use clap::{Arg, ArgMatches};

use crate::config::{ConfigError, SocketConfig};

/// The option that names the socket.
pub(super) fn socket() -> Arg {
    Arg::new("socket")
        .long("socket")
        .value_name("NAME")
        .help("Whose policy to ask, if the configuration has several sockets")
}

/// The socket that is named, or the only one.
pub(super) fn chosen<'s>(
    sockets: &'s [SocketConfig],
    matches: &ArgMatches,
) -> Result<&'s SocketConfig, ConfigError> {
    let names = || {
        let names: Vec<_> = sockets.iter().map(|socket| &*socket.name).collect();
        format!("the sockets are {}", names.join(", "))
    };
    match (matches.get_one::<String>("socket"), sockets) {
        (None, [one]) => Ok(one),
        (None, _) => Err(ConfigError::new(
            "--socket",
            "the configuration has several sockets, each with a policy of its own",
            format_args!("name the one to ask; {}", names()),
        )),
        (Some(name), _) => {
            let found = sockets.iter().find(|socket| socket.name == *name);
            let setting = format!("--socket {}", name.escape_debug());
            found.ok_or_else(|| ConfigError::new(setting, "no such socket", names()))
        }
    }
}
