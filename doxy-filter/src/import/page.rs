//! A pattern file that is being written: comments, and rules with what they open.
//!
//! Only rules that load are taken. It must never know which tool they come from.

use super::on_one_line;
use crate::api::{self, Api, Endpoint, Risk};
use crate::request::Request;
use crate::rules::RuleSet;
use crate::verdict::Verdict;

/// The widest line of a comment.
const WIDTH: usize = 100;
/// The most endpoints that a comment names for one risk.
const MAX_NAMED: usize = 4;

/// The risks that people do not expect of a rule, the worst first.
const UNEXPECTED: [Risk; 6] = [
    Risk::HostRoot,
    Risk::Exec,
    Risk::Secrets,
    Risk::FilesOut,
    Risk::FilesIn,
    Risk::Egress,
];

/// The lines so far.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    rules: usize,
}

impl Page {
    /// Adds a comment, wrapped.
    pub(super) fn comment(&mut self, text: &str) {
        self.indented("", text);
    }

    fn indented(&mut self, indent: &str, text: &str) {
        let text = on_one_line(text);
        let mut line = format!("# {indent}");
        let mut empty = true;
        for word in text.split(' ') {
            if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.push(&line);
                line = format!("# {indent}  ");
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.push(&line);
    }

    /// Adds a line as a comment, as it is: for a rule that may be uncommented.
    pub(super) fn commented(&mut self, line: &str) {
        self.push(&format!("#   {}", on_one_line(line)));
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Adds a rule, with a comment on what it opens beyond the harmless. Says what is wrong with a rule
    /// that does not load, and leaves it out.
    pub(super) fn rule(&mut self, rule: &str) -> Result<(), String> {
        if rule.contains(['\n', '\r']) {
            return Err("a rule is one line".to_owned());
        }
        let set = RuleSet::parse("rule", rule.as_bytes()).map_err(|error| {
            let error = error.to_string();
            let said = error.split_once('\n').map_or(&*error, |(what, _)| what);
            let place = said.split_once(": ").map_or(said, |(_, what)| what);
            place.to_owned()
        })?;
        let opened: Vec<_> = api::endpoints().filter(|it| allows(&set, it)).collect();
        let mut first = true;
        for risk in UNEXPECTED {
            let of_risk: Vec<_> = opened
                .iter()
                .filter(|it| it.risks.contains(&risk))
                .collect();
            if of_risk.is_empty() {
                continue;
            }
            if first {
                self.comment("It opens, among others:");
                first = false;
            }
            let named = of_risk.iter().take(MAX_NAMED);
            let named: Vec<_> = named.map(|it| named_for_people(it)).collect();
            let more = match of_risk.len().saturating_sub(MAX_NAMED) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let line = format!("{}: {}{more}", risk.name(), named.join(", "));
            self.indented("  ", &line);
        }
        self.push(rule);
        self.rules += 1;
        Ok(())
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The text. Without a rule it denies everything.
    pub(super) fn finish(mut self) -> String {
        if self.rules == 0 {
            self.comment("Nothing is allowed.");
            self.push("!.*");
        }
        self.text
    }
}

/// `GET /containers/{name}/json`
fn named_for_people(endpoint: &Endpoint) -> String {
    let template = endpoint.template.replace(":.*}", "}").replace(":.+}", "}");
    format!("{} {template}", endpoint.method)
}

/// Whether rules allow an endpoint, by a sample: good enough for a comment.
fn allows(set: &RuleSet, endpoint: &Endpoint) -> bool {
    let version = match endpoint.api {
        Api::Docker => "/v1.41",
        Api::Libpod => "/v5.0.0",
    };
    let mut path = version.to_owned();
    for piece in endpoint.template.split('{') {
        match piece.split_once('}') {
            Some((_, text)) => path.extend(["web", text]),
            None => path.push_str(piece),
        }
    }
    let method = endpoint.method;
    let request = |path| Request {
        method,
        path,
        query: None,
    };
    // The engine answers OPTIONS at every path, with nothing.
    method != "OPTIONS" && matches!(set.decide(&request(&path)), Verdict::Allow(_))
}
