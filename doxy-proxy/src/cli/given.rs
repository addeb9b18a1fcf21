//! What was given: of everything that clap has read, the task and the settings.
//!
//! Defaults are left out. No value is checked here.

use std::ffi::{OsStr, OsString};

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::cli::tools::TOOLS;
use crate::config::{KEYS, Kind, Layer, Setting, Source};
use crate::startup::Failure;

/// The setting that is a list of addresses.
const ADDRESSES: &str = "proxy-socket";
/// What an address can begin with.
const SCHEMES: [&str; 3] = ["unix://", "tcp://", "fd://"];

/// What doxy is to do, by which options and variables.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) task: Task,
    pub(crate) given: Layer,
}

/// What doxy can do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Run the proxy.
    Serve,
    /// Run a tool.
    Tool {
        run: fn(&ArgMatches, Source) -> Result<u8, Failure>,
        arguments: ArgMatches,
    },
}

/// What doxy is to do.
pub(super) fn call(matches: &ArgMatches) -> Call {
    let tool = matches.subcommand().and_then(|(name, arguments)| {
        let tool = TOOLS.iter().find(|tool| tool.name == name)?;
        Some((tool.run, arguments.clone()))
    });
    Call {
        task: match tool {
            Some((run, arguments)) => Task::Tool { run, arguments },
            None => Task::Serve,
        },
        given: given(matches),
    }
}

/// What was given. Defaults are not.
fn given(matches: &ArgMatches) -> Layer {
    let mut layer = Layer::default();
    for key in KEYS {
        let setting = match matches.value_source(key.name) {
            Some(ValueSource::EnvVariable) => Setting::variable,
            Some(ValueSource::CommandLine) => Setting::option,
            _ => continue,
        };
        if key.kind == Kind::Flag {
            let value = if matches.get_flag(key.name) {
                "true"
            } else {
                "false"
            };
            layer.add(setting(key.name, value.as_ref()));
            continue;
        }
        let values = matches.get_many::<OsString>(key.name);
        for value in values.into_iter().flatten() {
            if key.name == ADDRESSES {
                for address in addresses(value) {
                    layer.add(setting(key.name, address));
                }
            } else {
                layer.add(setting(key.name, value));
            }
        }
    }
    layer
}

/// The addresses in a list. A path may have commas, so that only a comma before a scheme separates.
fn addresses(list: &OsStr) -> Vec<&OsStr> {
    let Some(text) = list.to_str() else {
        return vec![list];
    };
    let mut addresses: Vec<&str> = vec![];
    let mut rest = text;
    let mut from = 0;
    while let Some((at, _)) = rest.match_indices(',').find(|(at, _)| *at >= from) {
        let (before, after) = rest.split_at(at);
        let after = after.strip_prefix(',').unwrap_or_default();
        if SCHEMES.iter().any(|scheme| after.starts_with(scheme)) {
            addresses.push(before);
            (rest, from) = (after, 0);
        } else {
            from = at + 1;
        }
    }
    addresses.push(rest);
    addresses.into_iter().map(OsStr::new).collect()
}

#[cfg(test)]
mod tests {
    use super::{Kind, TOOLS, Task, addresses, call, given};
    use crate::cli::args::command;
    use crate::config::KEYS;

    #[test]
    fn every_setting_is_an_option_and_reaches_its_layer() {
        let args = KEYS.iter().map(|key| match key.kind {
            Kind::Flag => format!("--{}", key.name),
            _ => format!("--{}=value-of-{}", key.name, key.name),
        });
        let args = ["doxy".to_owned()].into_iter().chain(args);
        let read = format!("{:?}", given(&command().get_matches_from(args)));
        for key in KEYS {
            let value = match key.kind {
                Kind::Flag => format!("key: {:?}, value: \"true\"", key.name),
                _ => format!("key: {0:?}, value: \"value-of-{0}\"", key.name),
            };
            assert!(read.contains(&value), "{value} is not in {read}");
        }
    }

    #[test]
    fn nothing_is_given_without_arguments() {
        let layer = given(&command().get_matches_from(["doxy"]));
        assert_eq!(format!("{layer:?}"), "Layer({})");
    }

    #[test]
    fn tools_and_options_around_them() {
        for (args, is_tool, threads) in [
            (&["doxy"][..], false, None),
            (&["doxy", "--threads=2"], false, Some("2")),
            (&["doxy", "config", "example"], true, None),
            (&["doxy", "config", "show"], true, None),
            (&["doxy", "--threads=2", "config", "show"], true, Some("2")),
            (&["doxy", "config", "--threads=2", "show"], true, Some("2")),
            (&["doxy", "config", "show", "--threads=2"], true, Some("2")),
            (
                &["doxy", "config", "show", "--format", "json", "--threads=2"],
                true,
                Some("2"),
            ),
        ] {
            let call = call(&command().get_matches_from(args));
            assert_eq!(matches!(call.task, Task::Tool { .. }), is_tool, "{args:?}");
            let given = format!("{:?}", call.given);
            let expected = threads.map(|it| format!("key: \"threads\", value: {it:?}"));
            match expected {
                Some(words) => assert!(given.contains(&words), "{args:?}: {given}"),
                None => assert_eq!(given, "Layer({})", "{args:?}"),
            }
        }
        for args in [
            &["doxy", "config"][..],
            &["doxy", "show"],
            &["doxy", "config", "shw"],
            &["doxy", "--format", "json"],
            &["doxy", "config", "show", "--format", "xml"],
        ] {
            assert!(command().try_get_matches_from(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn every_tool_is_found_by_its_name() {
        for tool in TOOLS {
            assert_eq!((tool.command)().get_name(), tool.name);
        }
        assert!(TOOLS.is_sorted_by_key(|tool| tool.name));
    }

    #[test]
    fn lists_of_addresses() {
        for (list, expected) in [
            ("/run/d.sock", &["/run/d.sock"][..]),
            ("/run/a,b,c.sock", &["/run/a,b,c.sock"]),
            (
                "/run/a,b.sock,tcp://[::1]:1,fd://x,unix:///y",
                &["/run/a,b.sock", "tcp://[::1]:1", "fd://x", "unix:///y"],
            ),
            ("tcp://a,", &["tcp://a,"]),
            ("", &[""]),
        ] {
            assert_eq!(addresses(list.as_ref()), expected, "{list}");
        }
    }
}
