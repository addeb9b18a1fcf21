//! `doxy import`: the policy of another socket proxy, as rules and options of doxy.
//!
//! It reads what that proxy is given and prints. The translation is `doxy_filter::import`'s.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use doxy_filter::api::Risk;
use doxy_filter::import::switches::{self, Tool};
use doxy_filter::import::{ImportError, Imported, Variable, cetusguard, env_file, wollomatic};
use doxy_filter::{Access, RuleSet};
use doxy_proxy::{io_reason, read_file};

use crate::cli::print;
use crate::config::{ConfigError, Source};
use crate::startup::Failure;
use crate::tools::compose::{self, Service, Settings};

/// The exit code if something is not translated.
const LEFT_OUT: u8 = 3;
/// More than any such file has, in bytes.
const MAX_SIZE: u64 = 4 << 20;

const EXAMPLES: &str = "\
Examples:
  doxy import tecnativa --env compose.yaml > my.pattern
  docker compose config | doxy import linuxserver --env - > my.pattern
  doxy import wollomatic -- '-allowGET=/v1\\..{1,2}/(version|containers/.*)' -listenip=0.0.0.0
  doxy import wollomatic --label 'socket-proxy.allow.get=/events'      # the rules of one client
  doxy import cetusguard rules.list > my.pattern

The rules go to standard output, with the options of doxy that go with them as comments. What is not \
translated is named on standard error, and the exit code is 3.";

/// A proxy whose policy can be imported.
struct Proxy {
    name: &'static str,
    about: &'static str,
    /// What the name of its image has in it.
    image: &'static str,
    /// Whether it reads a variable of this name.
    reads: fn(&str) -> bool,
}

const PROXIES: [Proxy; 4] = [
    Proxy {
        name: "cetusguard",
        about: "hectorm/cetusguard: its rules",
        image: "cetusguard",
        reads: cetusguard::is_variable,
    },
    Proxy {
        name: "linuxserver",
        about: "linuxserver/socket-proxy: CONTAINERS=1 POST=0 …",
        image: "linuxserver/socket-proxy",
        reads: |name| switches::is_variable(Tool::LinuxServer, name),
    },
    Proxy {
        name: "tecnativa",
        about: "Tecnativa/docker-socket-proxy: CONTAINERS=1 POST=0 …",
        image: "docker-socket-proxy",
        reads: |name| switches::is_variable(Tool::Tecnativa, name),
    },
    Proxy {
        name: "wollomatic",
        about: "wollomatic/socket-proxy: its arguments, SP_ALLOW_GET=… and labels",
        image: "wollomatic/socket-proxy",
        reads: wollomatic::is_variable,
    },
];

pub(super) fn command() -> Command {
    let command = Command::new("import")
        .about("Translate the policy of another socket proxy")
        .subcommand_required(true)
        .after_help(EXAMPLES);
    PROXIES
        .iter()
        .fold(command, |command, proxy| command.subcommand(of(proxy)))
}

fn of(proxy: &Proxy) -> Command {
    let command = Command::new(proxy.name)
        .about(proxy.about)
        .after_help(EXAMPLES)
        .arg(
            Arg::new("env")
                .long("env")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("A file of variables, or a compose file; - for standard input [default: the variables of this process]"),
        )
        .arg(
            Arg::new("service")
                .long("service")
                .value_name("NAME")
                .help("Which service of the compose file [default: the one with its image]"),
        );
    let arguments = Arg::new("arguments")
        .value_name("ARGUMENTS")
        .num_args(0..)
        .last(true)
        .allow_hyphen_values(true)
        .help("Its arguments, behind --");
    match proxy.name {
        "wollomatic" => command.arg(arguments).arg(
            Arg::new("label")
                .long("label")
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .help("A label of a client; repeatable"),
        ),
        "cetusguard" => {
            let rules = Arg::new("rules")
                .value_name("FILE")
                .num_args(0..)
                .value_parser(value_parser!(PathBuf))
                .help("Its files with rules");
            command.arg(rules).arg(arguments)
        }
        _ => command,
    }
}

pub(super) fn run(matches: &ArgMatches, _: Source) -> Result<u8, Failure> {
    let (name, matches) = matches.subcommand().unwrap_or(("", matches));
    let Some(proxy) = PROXIES.iter().find(|proxy| proxy.name == name) else {
        return Err(
            ConfigError::new(name, "no such proxy", "`doxy import --help` lists them").into(),
        );
    };
    let given = given(proxy, matches)?;
    let imported = translate(proxy, &given, matches)?;
    for (name, _) in given
        .environment
        .iter()
        .filter(|(name, _)| !(proxy.reads)(name))
    {
        say(&format!(
            "note: {}: {} does not read it",
            name.escape_debug(),
            proxy.name
        ));
    }
    for line in &imported.notes {
        say(&format!("note: {line}"));
    }
    for line in &imported.left_out {
        say(&format!("not translated: {line}"));
    }
    print::result(&page(proxy, &imported))?;
    Ok(if imported.left_out.is_empty() {
        0
    } else {
        LEFT_OUT
    })
}

/// Beside the result. If printing fails, the exit code still says it.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What the proxy is given. Of the variables of this process only those that it reads.
fn given(proxy: &Proxy, matches: &ArgMatches) -> Result<Settings, ConfigError> {
    let mut given = match matches.get_one::<PathBuf>("env") {
        Some(path) => of_file(proxy, path, matches.get_one::<String>("service"))?,
        None => Settings {
            environment: of_process(proxy)?,
            ..Settings::default()
        },
    };
    if let Ok(Some(arguments)) = matches.try_get_many::<String>("arguments") {
        given.command.extend(arguments.cloned());
    }
    if let Ok(Some(labels)) = matches.try_get_many::<String>("label") {
        for label in labels {
            let pair = label.split_once('=').ok_or_else(|| {
                let label = label.escape_debug();
                ConfigError::new(
                    format_args!("--label {label}"),
                    "no value",
                    "write KEY=VALUE",
                )
            })?;
            given.labels.push((pair.0.to_owned(), pair.1.to_owned()));
        }
    }
    Ok(given)
}

fn of_process(proxy: &Proxy) -> Result<Vec<Variable>, ConfigError> {
    let mut variables = vec![];
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| (proxy.reads)(name)) else {
            continue;
        };
        let value = value.into_string().map_err(|_| {
            ConfigError::new(
                name,
                "the value is not valid UTF-8",
                "give the settings with --env",
            )
        })?;
        variables.push((name.to_owned(), value));
    }
    variables.sort();
    Ok(variables)
}

fn of_file(proxy: &Proxy, path: &Path, name: Option<&String>) -> Result<Settings, ConfigError> {
    let text = read(path)?;
    let place = path.display().to_string();
    if !compose::is_compose(&text) {
        return Ok(Settings {
            environment: env_file::read(&place, &text).map_err(ConfigError::of)?,
            ..Settings::default()
        });
    }
    let services = compose::read(&place, &text)?;
    let names: Vec<_> = services
        .iter()
        .map(|service| service.name.escape_debug().to_string())
        .collect();
    let names = names.join(", ");
    let wanted = |service: &&Service<'_>| match name {
        Some(name) => service.name == *name,
        None => service.image.contains(proxy.image),
    };
    let mut found = services.iter().filter(wanted);
    match (found.next(), found.next()) {
        (Some(service), None) => service.settings(),
        (None, _) => Err(ConfigError::new(
            &place,
            "no service is this proxy",
            format_args!("name it with --service: {names}"),
        )),
        (Some(_), Some(_)) => Err(ConfigError::new(
            &place,
            "several services are this proxy",
            format_args!("name one with --service: {names}"),
        )),
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let wrong = |why: &str| ConfigError::new(path.display(), why, "name a readable file of text");
    let bytes = match path == Path::new("-") {
        true => {
            let mut bytes = vec![];
            let read = io::stdin().lock().take(MAX_SIZE).read_to_end(&mut bytes);
            read.map(|_| bytes)
        }
        false => read_file(path, MAX_SIZE),
    };
    let bytes = bytes.map_err(|error| wrong(&format!("cannot read it: {}", io_reason(&error))))?;
    String::from_utf8(bytes).map_err(|_| wrong("it is not valid UTF-8"))
}

fn translate(
    proxy: &Proxy,
    given: &Settings,
    matches: &ArgMatches,
) -> Result<Imported, ConfigError> {
    let environment = &given.environment;
    let translated = match proxy.name {
        "tecnativa" => switches::import(Tool::Tecnativa, environment),
        "linuxserver" => switches::import(Tool::LinuxServer, environment),
        "wollomatic" => wollomatic::import(environment, &given.command, &given.labels),
        _ => return of_cetusguard(given, matches),
    };
    translated.map_err(ConfigError::of)
}

fn of_cetusguard(given: &Settings, matches: &ArgMatches) -> Result<Imported, ConfigError> {
    let named = |files: Result<Vec<String>, ImportError>| files.map_err(ConfigError::of);
    let files = named(cetusguard::files(&given.environment, &given.command))?;
    let own = matches
        .get_many::<PathBuf>("rules")
        .into_iter()
        .flatten()
        .cloned();
    let mut rules = vec![];
    for path in files.into_iter().map(PathBuf::from).chain(own) {
        rules.push(cetusguard::Rules {
            text: read(&path)?,
            place: path.display().to_string(),
        });
    }
    cetusguard::import(&given.environment, &given.command, &rules).map_err(ConfigError::of)
}

/// The pattern file, with the options as comments at its top.
fn page(proxy: &Proxy, imported: &Imported) -> String {
    let mut text = format!(
        "# Made by `doxy import {}`. Options that go with these rules:\n#\n",
        proxy.name
    );
    for (name, value) in &imported.options {
        // Writing to a string cannot fail.
        let _ = match value {
            Some(value) => writeln!(text, "#   --{name} {}", print::quoted(value)),
            None => writeln!(text, "#   --{name}"),
        };
    }
    text.push_str(&door(imported));
    if !imported.left_out.is_empty() {
        text.push_str("#\n# Not translated:\n");
        for line in &imported.left_out {
            let _ = writeln!(text, "#   {line}");
        }
    }
    text.push('\n');
    text.push_str(&imported.patterns);
    text
}

/// What doxy asks for where the other proxy served everyone over TCP: who may connect, and that it is
/// known what they get.
fn door(imported: &Imported) -> String {
    let value = |wanted: &str| {
        let mut options = imported.options.iter();
        options.find(|(name, _)| *name == wanted)
    };
    let tcp = |(_, value): &&(&str, Option<String>)| {
        let address = value.as_deref().unwrap_or_default();
        address.starts_with("tcp://")
    };
    let mut text = String::new();
    if value("proxy-socket").filter(tcp).is_none() {
        return text;
    }
    if value("allow-from").is_none() {
        text.push_str(
            "#   --allow-from NETWORK          # that of the clients, such as 172.18.0.0/16\n",
        );
    }
    let rules = RuleSet::parse("imported", imported.patterns.as_bytes()).ok();
    let coverage = rules.map(|rules| rules.coverage()).unwrap_or_default();
    let opens = |risk: &Risk| {
        let mut open = coverage.iter().filter(|it| it.access != Access::Denied);
        open.any(|it| it.endpoint.risks.contains(risk))
    };
    let risks: Vec<_> = [Risk::HostRoot, Risk::Exec]
        .into_iter()
        .filter(opens)
        .map(Risk::name)
        .collect();
    if !risks.is_empty() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "#   --accept-risk {}   # everyone there gets that; take out the rules that open it instead",
            risks.join(",")
        );
    }
    text
}
