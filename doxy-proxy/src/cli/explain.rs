//! `doxy explain`: what the policy says about one request, why, and which rule would allow it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use doxy_filter::api::{Endpoint, Risk, endpoints, suggest};
use doxy_filter::{MatchingRule, Request, RuleSet, Verdict};
use doxy_proxy::{
    Answer, Asker, AskingContainer, DecidedBy, Explanation, Policy, Question, io_reason, read_file,
};
use serde_json::json;

use crate::cli::print::{self, format, is_json, on_one_line};
use crate::cli::which;
use crate::config::{ConfigError, NO_RULES, Source};
use crate::startup::Failure;
use crate::tools::say::say;

/// More than a policy reads of a body, in bytes.
const MAX_BODY: u64 = 64 << 20;

const EXAMPLES: &str = "\
The policy is that of the other options, as for serving: --pattern-file, --script, --preset, --config. \
No engine is asked: where a script looks something up, there is nothing.

Examples:
  doxy explain GET /v1.41/containers/json
  doxy explain POST /containers/create --body create.json --uid 1000 --script policy.rhai
  doxy explain GET '/containers/web/logs?follow=1' --preset dozzle --format json

Exit codes: 0 explained, whatever the verdict is; 2 wrong arguments or settings.";

pub(super) fn command() -> Command {
    Command::new("explain")
        .about("Say what the policy does with a request, and why")
        .after_help(EXAMPLES)
        .next_help_heading("Explain")
        .args([
            Arg::new("method")
                .value_name("METHOD")
                .required(true)
                .help("The method of the request: GET"),
            Arg::new("target")
                .value_name("TARGET")
                .required(true)
                .help("Its path, with the query if there is one: /containers/json?all=1"),
            Arg::new("body")
                .long("body")
                .value_name("FILE")
                .value_parser(OsStringValueParser::new())
                .help("A file with its body"),
            Arg::new("header")
                .long("header")
                .value_name("NAME: VALUE")
                .action(ArgAction::Append)
                .help("A header line; repeatable"),
            Arg::new("uid")
                .long("uid")
                .value_name("NUMBER")
                .value_parser(value_parser!(u32))
                .help("The user of the process that asks"),
            Arg::new("gid")
                .long("gid")
                .value_name("NUMBER")
                .value_parser(value_parser!(u32))
                .requires("uid")
                .help("Its group, if it is not the number of the user"),
            which::socket(),
            format(),
        ])
}

pub(super) fn run(matches: &ArgMatches, source: Source) -> Result<u8, Failure> {
    let text = |name| matches.get_one::<String>(name).map_or("", String::as_str);
    let headers = matches.get_many::<String>("header").into_iter().flatten();
    let headers: Vec<_> = headers.map(|line| header(line)).collect::<Result<_, _>>()?;
    let body = matches
        .get_one::<OsString>("body")
        .map(read_body)
        .transpose()?;
    let uid = matches.get_one::<u32>("uid").copied();
    let peer = uid.map(|uid| Asker::Unix {
        uid,
        gid: matches.get_one::<u32>("gid").copied().unwrap_or(uid),
        pid: None,
    });
    let config = source.load()?;
    let socket = which::chosen(&config.sockets, matches)?;
    let policy = &socket.policy.policy;
    let question = Question {
        method: text("method"),
        target: text("target"),
        headers: &headers,
        body: body.as_deref(),
        peer: peer.as_ref(),
        container: AskingContainer::Open,
        socket: &socket.name,
        lookups: &[],
        only_these: false,
    };
    let explained = Explained::of(policy, ask(policy, question), question.method);
    print::result(&match is_json(matches) {
        true => explained.json(),
        false => explained.text(&question),
    })?;
    Ok(0)
}

fn read_body(path: &OsString) -> Result<Vec<u8>, ConfigError> {
    read_file(Path::new(path), MAX_BODY).map_err(|error| {
        let setting = format!("--body {}", Path::new(path).display());
        ConfigError::new(setting, io_reason(&error), "name a file with the body")
    })
}

fn header(line: &str) -> Result<(String, Vec<u8>), ConfigError> {
    match line.split_once(':') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.to_owned(), value.trim().as_bytes().to_vec()))
        }
        _ => Err(ConfigError::new(
            format_args!("--header {}", line.escape_debug()),
            "not a header line",
            "write the name, a colon and the value: --header 'X-Registry-Auth: x'",
        )),
    }
}

/// Asks the policy; what it wants to know and nobody said is said to be nothing.
fn ask(policy: &Policy, question: Question<'_>) -> Explanation {
    let mut question = question;
    loop {
        let explanation = policy.explain(&question);
        let Answer::Depends(what) = &explanation.answer else {
            return explanation;
        };
        let what = on_one_line(what);
        // Each of these is said once, so that this comes to an end.
        if question.body.is_none() {
            question.body = Some(&[]);
            if what == "the body" {
                say("the script asks for the body: answered as for none; --body FILE gives one");
            }
        } else if question.container == AskingContainer::Open {
            question.container = AskingContainer::Unknown;
            if what == "the caller's container" {
                say("the script asks for the caller's container: answered as for none");
            }
        } else if !question.only_these {
            question.only_these = true;
            say(&format!(
                "the script looks up {what}: answered as if there were none"
            ));
        } else {
            return explanation;
        }
    }
}

/// What there is to say about a request.
struct Explained<'p> {
    said: Explanation,
    /// Every rule that matches.
    matching: Vec<MatchingRule<'p>>,
    suggestion: Option<String>,
}

impl<'p> Explained<'p> {
    fn of(policy: &'p Policy, said: Explanation, method: &str) -> Self {
        let request = said.path.as_deref().map(|path| Request {
            method,
            path,
            query: None,
        });
        let matching = request.map_or(vec![], |request| policy.rules().matching(&request));
        let wanting = said.by == DecidedBy::NoRule && !matching.iter().any(|rule| rule.denies);
        let suggestion = request
            .filter(|_| wanting)
            .and_then(|request| rule_for(&request, said.endpoint?));
        Self {
            matching,
            suggestion,
            said,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.said.answer {
            Answer::Allow => "allow",
            Answer::Deny | Answer::Depends(_) => "deny",
        }
    }

    /// What decided, by file and line.
    fn place(&self) -> Option<&str> {
        match &self.said.by {
            DecidedBy::Rule(place) | DecidedBy::Script(place) => Some(place),
            DecidedBy::Reading | DecidedBy::NoRule | DecidedBy::Open => None,
        }
    }

    fn json(&self) -> String {
        let reason = Some(&self.said.reason).filter(|reason| !reason.is_empty());
        let mut explained = json!({
            "verdict": self.verdict(),
            "endpoint": self.said.endpoint.map(|endpoint| endpoint.template),
            "rule": self.place(),
            "reason": reason,
            "suggestion": self.suggestion,
        });
        if let (Some(changed), Some(object)) = (&self.said.changed, explained.as_object_mut()) {
            let changed = json!({
                "target": changed.target,
                "headers": changed.headers.iter().cloned().collect::<BTreeMap<_, _>>(),
                "body": changed.body,
            });
            object.insert("changed".to_owned(), changed);
        }
        format!("{explained:#}\n")
    }

    fn text(&self, question: &Question<'_>) -> String {
        let said = &self.said;
        let mut lines = vec![(
            self.verdict(),
            on_one_line(&format!("{} {}", question.method, question.target)),
        )];
        if let Some(path) = &said.path
            && *path != question.target.split('?').next().unwrap_or_default()
        {
            lines.push(("judged as", on_one_line(path)));
        }
        lines.push((
            "endpoint",
            said.endpoint
                .map_or("none of the engine's".to_owned(), shown),
        ));
        lines.push((
            "decided by",
            match &said.by {
                DecidedBy::Rule(place) => match self.text_of(place) {
                    Some(text) => format!("rule {place}: {text}"),
                    None => format!("rule {place}"),
                },
                DecidedBy::Script(place) => format!("script {place}"),
                DecidedBy::NoRule => "no rule allows it".to_owned(),
                DecidedBy::Reading => "the request itself: no policy may allow it".to_owned(),
                DecidedBy::Open => "what only the engine knows".to_owned(),
            },
        ));
        if !said.reason.is_empty() {
            lines.push(("reason", on_one_line(&said.reason)));
        }
        if let Some(failure) = &said.failure {
            lines.push(("the script", on_one_line(failure)));
        }
        if said.status != 0 {
            lines.push((
                "answer",
                format!("{} {}", said.status, on_one_line(&said.message)),
            ));
        }
        // Nobody has written the rule that stands where there are none.
        let others = self.matching.iter();
        let others = others.filter(|it| it.rule.source != NO_RULES);
        for other in others.filter(|it| Some(&*it.rule.to_string()) != self.place()) {
            lines.push(("also matches", format!("{}: {}", other.rule, other.text)));
        }
        if let Some(changed) = &said.changed {
            lines.push(("changed to", on_one_line(&changed.target)));
            for (name, value) in &changed.headers {
                lines.push(("", format!("{name}: {value}")));
            }
            lines.extend(changed.body.iter().map(|body| ("", on_one_line(body))));
        }
        if said.only_docker {
            let what =
                "where the engine is not Docker, its path or its query is ambiguous: refused";
            lines.push(("note", what.to_owned()));
        }
        if let (Some(rule), Some(endpoint)) = (&self.suggestion, said.endpoint) {
            lines.push(("suggestion", rule.clone()));
            lines.extend(opens(endpoint).map(|what| ("", what)));
        }
        let mut text = String::new();
        for (name, value) in lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<12}  {value}");
        }
        text
    }

    /// A rule as it was written.
    fn text_of(&self, place: &str) -> Option<&str> {
        let mut matching = self.matching.iter();
        let rule = matching.find(|it| it.rule.to_string() == place);
        rule.map(|rule| rule.text)
    }
}

/// The smallest rule for an endpoint, if it allows this very request.
fn rule_for(request: &Request<'_>, endpoint: &Endpoint) -> Option<String> {
    let rule = suggest(endpoint);
    let alone = RuleSet::parse("suggestion", rule.as_bytes()).ok()?;
    match alone.decide(request) {
        Verdict::Allow(_) => Some(rule),
        Verdict::Deny(_) => None,
    }
}

/// What the suggested rule for an endpoint opens beside one request.
fn opens(endpoint: &Endpoint) -> impl Iterator<Item = String> {
    let names = endpoint.template.contains('{');
    let names = names.then(|| "opens it for every name, in every version".to_owned());
    let head = |other: &&Endpoint| other.method == "HEAD" && other.template == endpoint.template;
    let head = endpoints().find(head).filter(|_| endpoint.method == "GET");
    let head = head.map(|head| format!("opens {}, which goes with GET", shown(head)));
    let risks = risks(endpoint);
    let risks = (!risks.is_empty()).then(|| format!("gives the client: {risks}"));
    names.into_iter().chain(head).chain(risks)
}

/// An endpoint with what it opens.
fn shown(endpoint: &Endpoint) -> String {
    let name = format!("{} {}", endpoint.method, endpoint.template);
    match risks(endpoint) {
        risks if risks.is_empty() => format!("{name} (harmless)"),
        risks => format!("{name} ({risks})"),
    }
}

/// The names of its risks, the worst first.
fn risks(endpoint: &Endpoint) -> String {
    let risks = Risk::ALL
        .into_iter()
        .filter(|risk| endpoint.risks.contains(risk));
    risks.map(Risk::name).collect::<Vec<_>>().join(", ")
}
