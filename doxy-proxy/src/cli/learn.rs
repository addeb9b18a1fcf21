//! `doxy learn`: a tool is exercised, and a pattern file is written of what it has asked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::OsStringValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use doxy_filter::PatternFile;
use doxy_filter::api::Risk;

use crate::cli::print;
use crate::config::{ConfigError, Source, find};
use crate::startup::Failure;
use crate::tools::learn::{Recording, Session, of_log, record};
use crate::tools::output::Output;
use crate::tools::say::say;

const AFTER: &str = "\
Without a command it waits for clients: start the tool with the DOCKER_HOST that is printed. \
Everything that is asked is forwarded to the engine, so learn where that does no harm; --observe \
forwards only what the policy allows.

Requests of the classes host-root, exec, secrets, files-out and files-in become comments with the \
reason, and rules only with --accept-risk. A rule knows neither query nor body.

Examples:
  doxy learn --out traefik.pattern
  doxy learn --out my.pattern --accept-risk secrets -- docker inspect web
  doxy learn --out my.pattern --from /var/log/doxy/access.jsonl

Exit codes: that of the command, or 0; 1 failed, 2 wrong arguments or settings.";

/// The options about the socket.
const SOCKET: [&str; 4] = [
    "proxy-socket",
    "socket-mode",
    "socket-owner",
    "socket-group",
];
/// The options about TLS with the engine.
const TLS: [&str; 3] = ["docker-tls-ca", "docker-tls-cert", "docker-tls-key"];
/// The options that say what is allowed.
const POLICY: [&str; 4] = ["pattern-file", "patterns", "script", "preset"];
/// The options of a server that learning has nothing to do with.
const SERVING: [&str; 10] = [
    "admin-listen",
    "admin-allow-from",
    "watch",
    "takeover",
    "dry-run",
    "access-log",
    "log-format",
    "user",
    "group",
    "sandbox",
];
/// Nothing was learned.
const FAILED: u8 = 1;
/// How long to wait for clients.
const TIME: Duration = Duration::from_secs(60 * 60);

pub(super) fn command() -> Command {
    let value = |name: &'static str, value: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .value_parser(OsStringValueParser::new())
    };
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    Command::new("learn")
        .about("Write the rules that a tool needs, by watching it")
        .after_help(AFTER)
        .next_help_heading("Learning")
        .args([
            value("out", "FILE").help("The pattern file to write [default: standard output]"),
            flag("force").help("Replace the file if it exists"),
            value("for", "TIME")
                .conflicts_with("command")
                .help("How long to wait for clients [default: 1h]"),
            value("accept-risk", "CLASS")
                .action(ArgAction::Append)
                .value_delimiter(',')
                .help("Write rules for what opens this too; repeatable"),
            flag("observe").help("Keep the policy's verdicts: what it denies is not forwarded"),
            value("from", "LOG")
                .conflicts_with_all(["command", "for", "observe"])
                .help("Learn from an access log of doxy (format json) instead"),
            Arg::new("command")
                .value_name("COMMAND")
                .num_args(1..)
                .last(true)
                .value_parser(OsStringValueParser::new())
                .help("The tool to run, with its arguments"),
        ])
}

pub(super) fn run(matches: &ArgMatches, mut source: Source) -> Result<u8, Failure> {
    let path = |name: &str| matches.get_one::<OsString>(name).map(PathBuf::from);
    refuse_unused(matches)?;
    let accepted = accepted(matches)?;
    // Here it is about rules, not about what a socket may open.
    source.take_option("accept-risk");
    let output = match path("out") {
        Some(path) => Some(Output::new(&path, matches.get_flag("force"))?),
        None => None,
    };
    let (recording, code, test) = match path("from") {
        Some(log) => (of_log(&log)?, 0, None),
        None => {
            let session = session(matches)?;
            let recorded = record(source, &session)?;
            let test = line_to_test(matches, &session, &recorded.engine);
            (recorded.recording, recorded.code, Some(test))
        }
    };
    if recording.learned.requests() == 0 {
        say("nothing was seen that can be learned, so nothing is written");
        summarize(&recording, None, None, None);
        return Ok(code.max(FAILED));
    }
    let file = recording.learned.pattern_file(&accepted);
    match &output {
        Some(output) => output.write(file.text.as_bytes())?,
        None => print::result(&file.text)?,
    }
    let path = output.as_ref().map(Output::named);
    summarize(&recording, Some(&file), path, test);
    Ok(code)
}

/// Refuses options that would mean nothing here: whoever gives one relies on it.
fn refuse_unused(matches: &ArgMatches) -> Result<(), ConfigError> {
    let own = (
        "learn makes a socket of its own, in a private folder",
        "leave the option out; DOCKER_HOST leads to the socket",
    );
    let policy = (
        "without --observe everything is forwarded, whatever a policy says",
        "add --observe, or leave the policy out",
    );
    let never = ("learn does not use it", "leave the option out");
    let judged = matches.get_flag("observe");
    for (options, (why, help), unused) in [
        (&SOCKET[..], own, true),
        (&POLICY, policy, !judged),
        (&SERVING, never, true),
    ] {
        let given = |name: &&&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        if let Some(name) = options.iter().find(given).filter(|_| unused) {
            return Err(ConfigError::new(format_args!("--{name}"), why, help));
        }
    }
    Ok(())
}

fn session(matches: &ArgMatches) -> Result<Session, ConfigError> {
    let time = match matches.get_one::<OsString>("for") {
        None => TIME,
        Some(text) => {
            let time = humantime::parse_duration(&text.to_string_lossy()).ok();
            time.filter(|time| !time.is_zero()).ok_or_else(|| {
                let setting = format!("--for {}", text.to_string_lossy());
                ConfigError::new(setting, "not a time", "write it as in 90s, 30m or 2h")
            })?
        }
    };
    let command = matches.get_many::<OsString>("command");
    Ok(Session {
        observe: matches.get_flag("observe"),
        command: command.into_iter().flatten().cloned().collect(),
        time,
    })
}

/// The classes that were given here. A variable that is meant for the server widens no rules.
fn accepted(matches: &ArgMatches) -> Result<Vec<Risk>, ConfigError> {
    if matches.value_source("accept-risk") != Some(ValueSource::CommandLine) {
        return Ok(vec![]);
    }
    let names = matches.get_many::<OsString>("accept-risk");
    let risk = |name: &OsString| {
        let name = name.to_string_lossy();
        Risk::named(&name).ok_or_else(|| {
            let known: Vec<_> = Risk::ALL.iter().map(|risk| risk.name()).collect();
            let help = format!("the classes are {}", known.join(", "));
            ConfigError::new(format!("--accept-risk {name}"), "no such class", help)
        })
    };
    names.into_iter().flatten().map(risk).collect()
}

/// How to run what was recorded with the rules: what stands before the file of them, and behind it.
fn line_to_test(matches: &ArgMatches, session: &Session, engine: &str) -> (String, String) {
    let mut behind = String::new();
    let default = find("docker-socket").and_then(|key| key.default);
    if default != Some(engine) {
        behind.push_str(&format!(" --docker-socket {}", print::quoted(engine)));
    }
    for name in TLS {
        if matches.value_source(name) == Some(ValueSource::CommandLine)
            && let Some(value) = matches.get_one::<OsString>(name)
        {
            let value = value.to_string_lossy();
            behind.push_str(&format!(" --{name} {}", print::quoted(&value)));
        }
    }
    let words = session.command.iter();
    let words: Vec<_> = words
        .map(|word| print::quoted(&word.to_string_lossy()))
        .collect();
    let before = match (words.is_empty(), rustix::process::geteuid().is_root()) {
        (true, _) => "doxy",
        (false, false) => "doxy run",
        // A command of root can open every socket, the engine's among them.
        (false, true) => "doxy run --advisory",
    };
    match words.is_empty() {
        true => behind.push_str("   # and start the tool with the socket that it names"),
        false => behind.push_str(&format!(" -- {}", words.join(" "))),
    }
    (before.to_owned(), behind)
}

/// Says what was seen, what the rules open beyond it, and how to test them.
fn summarize(
    recording: &Recording,
    file: Option<&PatternFile>,
    path: Option<&Path>,
    test: Option<(String, String)>,
) {
    let learned = &recording.learned;
    say(&format!(
        "seen: {}, for {}; allowed by the rules: {}",
        counted(learned.requests(), "request"),
        counted(learned.endpoints().count() as u64, "endpoint"),
        file.map_or(0, |file| file.allowed.len())
    ));
    for (count, what) in [
        (recording.denied, "denied by the policy in force"),
        (recording.refused, "refused by doxy, and not learned"),
        (
            recording.cut,
            "with a path too long for the log, and not learned",
        ),
        (recording.lost, "lost by the log: rules may be missing"),
        (learned.strangers(), "for no endpoint: comments in the file"),
    ] {
        if count > 0 {
            say(&format!("{}: {what}", counted(count, "request")));
        }
    }
    if recording.faults > 0 {
        say(&format!(
            "left out: {} of the log",
            counted(recording.faults, "line")
        ));
    }
    let Some(file) = file else {
        return;
    };
    withheld(file);
    beyond(file);
    let Some(path) = path else {
        return;
    };
    // Without a rule doxy would not start.
    if file.allowed.is_empty() {
        say(&format!("written to {}", path.display()));
        return;
    }
    say(&format!("written to {}. To test it:", path.display()));
    let path = print::quoted(&path.display().to_string());
    let tools = ["doxy check", "doxy coverage"].map(|tool| (tool.to_owned(), String::new()));
    for (before, behind) in tools.into_iter().chain(test) {
        say(&format!("    {before} --pattern-file {path}{behind}"));
    }
}

/// What was seen and is not allowed, and what would allow it.
fn withheld(file: &PatternFile) {
    let mut missing = vec![];
    for withheld in &file.withheld {
        let risks: Vec<_> = withheld.risks.iter().map(|risk| risk.name()).collect();
        let why = match withheld.denied {
            true => {
                "the policy in force denied it, and nothing is learned against a policy".to_owned()
            }
            false => format!("it opens {}", risks.join(", ")),
        };
        let endpoint = withheld.endpoint;
        say(&format!(
            "NOT allowed: {} {}: {why}",
            endpoint.method, endpoint.template
        ));
        // What a policy has denied stays a comment, whatever is accepted.
        if !withheld.denied {
            missing.extend(withheld.risks.iter().copied());
        }
    }
    let needed = Risk::ALL.iter().filter(|risk| missing.contains(risk));
    let needed: Vec<_> = needed.map(|risk| risk.name()).collect();
    if !needed.is_empty() {
        say(&format!(
            "the tool needs --accept-risk {} to work through these rules",
            needed.join(",")
        ));
    }
    if file.allowed.is_empty() {
        say("there is no rule yet, so doxy does not start with this file");
    }
}

/// What the rules open that was not seen.
fn beyond(file: &PatternFile) {
    let count = |test: &dyn Fn(&doxy_filter::api::Endpoint) -> bool| {
        file.allowed
            .iter()
            .filter(|endpoint| test(endpoint))
            .count() as u64
    };
    let opened: Vec<_> = [
        (count(&|it| it.template.contains('{')), "any name"),
        (count(&|it| it.query().next().is_some()), "any query"),
        (
            count(&|it| !matches!(it.body, doxy_filter::api::Body::None)),
            "any body",
        ),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{what} at {}", counted(count, "endpoint")))
    .collect();
    if !opened.is_empty() {
        say(&format!(
            "beyond what was seen the rules open {}",
            opened.join(", ")
        ));
    }
    let risks = Risk::ALL.iter().filter(|risk| {
        let mut allowed = file.allowed.iter();
        allowed.any(|endpoint| endpoint.risks.contains(risk))
    });
    let risks: Vec<_> = risks.map(|risk| risk.name()).collect();
    if !file.allowed.is_empty() {
        let risks = match risks.join(", ") {
            none if none.is_empty() => "nothing but what is harmless".to_owned(),
            risks => risks,
        };
        say(&format!("together they open: {risks}"));
    }
}

fn counted(count: u64, what: &str) -> String {
    let more = if count == 1 { "" } else { "s" };
    format!("{count} {what}{more}")
}
