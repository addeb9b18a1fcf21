//! `doxy coverage`: how much of each endpoint the policy opens, and what that gives a client.

mod compare;
mod page;
mod rows;

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use doxy_filter::api::Endpoint;
use doxy_filter::{Access, Coverage};
use doxy_proxy::Covered;

use crate::admin::{coverage_json, risks};
use crate::cli::coverage::rows::opened;
use crate::cli::{print, which};
use crate::config::Source;
use crate::startup::Failure;
use crate::tools::output::Output;
use crate::tools::say::say;

const AFTER: &str = "\
The policy is that of the other options, as for serving: --pattern-file, --script, --preset, --config.

allowed   every request for the endpoint that clients make, whatever the object's name and the version
partly    only some names, versions, queries or bodies; or it takes too long to find out
denied    no request for it
Rules are judged by what they match. A script can only be asked, with typical requests; where it decides \
by a body, by a lookup or in a place for few endpoints, the answer is partly.

What an endpoint opens, at worst: host-root (become root on the host), exec (run commands), secrets \
(read environments, keys, passwords), files-out, files-in, state (change or stop what runs), egress \
(have the engine call other hosts), dos (slow the engine down), info (look).

Examples:
  doxy coverage --preset traefik
  doxy coverage --config doxy.toml --socket ci --format html --out coverage.html
  doxy coverage --diff old.pattern new.pattern
  doxy coverage --script new.rhai --format json > new.json; doxy coverage --diff old.json new.json

Exit codes: 0 done, 1 failed, 2 wrong arguments, settings or files.";

pub(super) fn command() -> Command {
    let flag = |name| Arg::new(name).long(name).action(ArgAction::SetTrue);
    Command::new("coverage")
        .about("Say how much of each endpoint of the engine the policy opens")
        .after_help(AFTER)
        .next_help_heading("Coverage")
        .args([
            Arg::new("format")
                .long("format")
                .value_name("text|json|html")
                .value_parser(["text", "json", "html"])
                .default_value("text")
                .help("How to print: for people, for programs, or a page to look at"),
            Arg::new("out")
                .long("out")
                .value_name("FILE")
                .value_parser(value_parser!(std::path::PathBuf))
                .help("Write to this file, whole or not at all"),
            flag("force")
                .requires("out")
                .help("Replace the file if it exists"),
            flag("all").help("Print endpoints that are denied as well"),
            Arg::new("diff")
                .long("diff")
                .value_names(["OLD", "NEW"])
                .num_args(2)
                .conflicts_with("socket")
                .value_parser(value_parser!(std::path::PathBuf))
                .help("Compare two pattern files, or what --format json has printed"),
            which::socket(),
        ])
}

pub(super) fn run(matches: &ArgMatches, source: Source) -> Result<u8, Failure> {
    let format = matches
        .get_one::<String>("format")
        .map_or("text", String::as_str);
    let out = matches.get_one::<std::path::PathBuf>("out");
    let out = out
        .map(|path| Output::new(path, matches.get_flag("force")))
        .transpose()?;
    let text = match matches.get_many::<std::path::PathBuf>("diff") {
        Some(mut files) => {
            let mut next = || files.next().map_or(Path::new(""), |path| path.as_path());
            compare::compared(next(), next(), format)?
        }
        None => {
            let config = source.load()?;
            let socket = which::chosen(&config.sockets, matches)?;
            let covered = socket.policy.policy.coverage(&socket.name);
            if let Some((count, first)) = &covered.failures {
                let first = print::on_one_line(first);
                say(&format!(
                    "requests at which the script failed, each a denial: {count}; the first: {first}"
                ));
            }
            match format {
                "json" => format!("{:#}\n", coverage_json(&covered.endpoints)),
                "html" => page::page(&covered, &socket.policy.described),
                _ => text_of(&covered, matches.get_flag("all")),
            }
        }
    };
    match out {
        Some(out) => {
            out.write(text.as_bytes())?;
            say(&format!("written: {}", out.named().display()));
        }
        None => print::result(&text)?,
    }
    Ok(0)
}

fn text_of(covered: &Covered, all: bool) -> String {
    let shown = |row: &&Coverage| all || row.access != Access::Denied;
    let rows = || covered.endpoints.iter().filter(shown);
    let width = rows().map(|row| row.endpoint.template.len()).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for row in rows() {
        let Endpoint {
            method, template, ..
        } = row.endpoint;
        let risks = match risks(row.endpoint) {
            risks if risks.is_empty() => "harmless".to_owned(),
            risks => risks.join(", "),
        };
        let access = row.access.name();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{access:<7}  {method:<7}  {template:<width$}  {risks}"
        );
    }
    let count = |access| {
        covered
            .endpoints
            .iter()
            .filter(|it| it.access == access)
            .count()
    };
    let _ = writeln!(
        text,
        "{}allowed: {}; partly: {}; denied: {}{}",
        if text.is_empty() { "" } else { "\n" },
        count(Access::Allowed),
        count(Access::Partly),
        count(Access::Denied),
        if all { "" } else { " (--all lists them)" },
    );
    let open = opened(&covered.endpoints).map(|(risk, count)| format!("{} {count}", risk.name()));
    let open: Vec<_> = open.collect();
    let _ = match open.is_empty() {
        true => writeln!(text, "what is open is harmless"),
        false => writeln!(
            text,
            "endpoints that are open, by what they give: {}",
            open.join(", ")
        ),
    };
    if covered.has_script {
        let _ = writeln!(
            text,
            "a script decides: it was asked with typical requests, and is `partly` where it looks closer"
        );
    }
    text
}
