//! CetusGuard: rules of methods and a regex with named parts, in files, variables and arguments.
//!
//! It puts each regex between `^` and `$` and matches the path alone. Its own rules come first unless
//! they are switched off.

use super::named_parts::written_out;
use super::page::Page;
use super::{ImportError, Imported, Variable, alternatives, go_flags, on_one_line};

/// Rules, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The file, the variable or the option.
    pub place: String,
    /// Their text.
    pub text: String,
}

/// Its options, and whether each has a value.
const OPTIONS: [(&str, bool); 12] = [
    ("backend-addr", true),
    ("frontend-addr", true),
    ("backend-tls-cacert", true),
    ("backend-tls-cert", true),
    ("backend-tls-key", true),
    ("frontend-tls-cacert", true),
    ("frontend-tls-cert", true),
    ("frontend-tls-key", true),
    ("rules", true),
    ("rules-file", true),
    ("no-builtin-rules", false),
    ("log-level", true),
];

/// Options of doxy that take the same values as some of its own.
const SAME: [(&str, &str); 6] = [
    ("backend-tls-cacert", "docker-tls-ca"),
    ("backend-tls-cert", "docker-tls-cert"),
    ("backend-tls-key", "docker-tls-key"),
    ("frontend-tls-cacert", "tls-client-ca"),
    ("frontend-tls-cert", "tls-cert"),
    ("frontend-tls-key", "tls-key"),
];

/// The methods that a rule of doxy can name.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The rules that hold unless they are switched off.
const BUILT_IN: &str = "GET,HEAD %API_PREFIX_PING%\nGET,HEAD %API_PREFIX_LIBPOD_PING%
GET %API_PREFIX_VERSION%\nGET %API_PREFIX_LIBPOD_VERSION%
GET %API_PREFIX_INFO%\nGET %API_PREFIX_LIBPOD_INFO%";

/// The variable of an option.
fn variable_of(option: &str) -> String {
    format!("CETUSGUARD_{}", option.to_uppercase().replace('-', "_"))
}

/// Whether it reads a variable of this name, other than those that all clients of Docker read.
#[must_use]
pub fn is_variable(name: &str) -> bool {
    OPTIONS
        .iter()
        .any(|(option, _)| variable_of(option) == name)
}

/// The files with rules that variables and arguments name, in their order.
///
/// # Errors
///
/// For an argument that it would refuse.
pub fn files(variables: &[Variable], arguments: &[String]) -> Result<Vec<String>, ImportError> {
    let given = Given::read(variables, arguments)?;
    Ok(given
        .all("rules-file")
        .into_iter()
        .map(|(_, it)| it)
        .collect())
}

/// What was given for the options.
struct Given<'a> {
    variables: &'a [Variable],
    arguments: Vec<(String, String)>,
}

impl<'a> Given<'a> {
    fn read(variables: &'a [Variable], arguments: &[String]) -> Result<Self, ImportError> {
        let takes = |name: &str| OPTIONS.iter().find(|(it, _)| *it == name).map(|it| it.1);
        Ok(Self {
            variables,
            arguments: go_flags::read(arguments, takes)?,
        })
    }

    /// Everything that was given for an option, each with its place. Arguments replace the variable.
    fn all(&self, option: &str) -> Vec<(String, String)> {
        let own = self.arguments.iter().filter(|(name, _)| name == option);
        let own: Vec<_> = own
            .map(|(name, value)| (format!("-{name}"), value.clone()))
            .collect();
        if !own.is_empty() {
            return own;
        }
        let variable = variable_of(option);
        let given = self
            .variables
            .iter()
            .rev()
            .find(|(name, _)| *name == variable);
        given
            .map(|(name, value)| (name.clone(), value.clone()))
            .into_iter()
            .collect()
    }

    fn last(&self, option: &str) -> Option<(String, String)> {
        self.all(option).pop()
    }
}

/// The policy of these variables and arguments, with the rules of files.
///
/// # Errors
///
/// For an argument or a value that it would refuse.
pub fn import(
    variables: &[Variable],
    arguments: &[String],
    files: &[Rules],
) -> Result<Imported, ImportError> {
    let given = Given::read(variables, arguments)?;
    let mut left_out = vec![];
    let options = options(&given, &mut left_out);
    let built_in = match given.last("no-builtin-rules") {
        Some((place, value)) => !go_flags::boolean(&place, &value)?,
        None => true,
    };
    let mut page = Page::default();
    page.comment("The policy of CetusGuard.");
    page.comment("A rule for GET allows HEAD too, which shows less.");
    if built_in {
        page.blank();
        page.comment("Its built-in rules");
        for line in BUILT_IN.lines() {
            rule(&mut page, "built-in", line, &mut left_out);
        }
    }
    let in_line = given.all("rules").into_iter();
    let in_line = in_line.map(|(place, text)| Rules { place, text });
    for Rules { place, text } in in_line.chain(files.iter().cloned()) {
        page.blank();
        page.comment(&format!("From {place}"));
        for (at, line) in text.lines().enumerate() {
            let place = format!("{place}:{}", at + 1);
            match line.trim_matches([' ', '\t']).strip_prefix('!') {
                Some(comment) => page.comment(comment.trim()),
                None => rule(&mut page, &place, line, &mut left_out),
            }
        }
    }
    Ok(Imported {
        patterns: page.finish(),
        options,
        left_out,
        notes: vec![],
    })
}

/// One line: methods and a regex.
fn rule(page: &mut Page, place: &str, line: &str, left_out: &mut Vec<String>) {
    let line = line.trim_matches([' ', '\t']);
    if line.is_empty() {
        return;
    }
    let mut name = |why: &str| left_out.push(format!("{place}: `{}`: {why}", on_one_line(line)));
    let Some((methods, regex)) = line.split_once([' ', '\t']) else {
        return name("not a rule: methods, a blank and a regex");
    };
    let regex = regex.trim_start_matches([' ', '\t']);
    let is_method = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_uppercase());
    if !methods.split(',').all(is_method) {
        return name("not a rule: methods are in capitals, with commas between them");
    }
    let known: Vec<_> = methods
        .split(',')
        .filter(|it| METHODS.contains(it))
        .collect();
    if known.len() < methods.split(',').count() {
        name("no engine serves one of these methods, and no rule of doxy can name it");
    }
    if known.is_empty() {
        return;
    }
    let translated = written_out(regex)
        .and_then(|regex| alternatives::rules(page, &format!("{} ", known.join(",")), &regex));
    if let Err(why) = translated {
        page.comment(&format!("Not translated: {line}"));
        left_out.push(format!("{place}: `{}`: {why}", on_one_line(line)));
    }
}

fn options(given: &Given<'_>, left_out: &mut Vec<String>) -> Vec<(&'static str, Option<String>)> {
    let mut options = vec![];
    let addresses = match given.all("frontend-addr") {
        none if none.is_empty() => vec![(String::new(), "tcp://127.0.0.1:2375".to_owned())],
        given => given,
    };
    for (place, address) in addresses {
        match address.split_once("://") {
            Some(("unix" | "tcp", _)) => options.push(("proxy-socket", Some(address))),
            _ => left_out.push(format!("{place}={}: no address", on_one_line(&address))),
        }
    }
    if let Some((place, address)) = given.last("backend-addr") {
        match address.split_once("://") {
            Some(("unix" | "tcp", _)) => options.push(("docker-socket", Some(address))),
            _ => left_out.push(format!("{place}={}: no address", on_one_line(&address))),
        }
    }
    for (theirs, ours) in SAME {
        if let Some((_, file)) = given.last(theirs).filter(|(_, file)| !file.is_empty()) {
            options.push((ours, Some(file)));
        }
    }
    match given
        .last("log-level")
        .as_ref()
        .map(|(place, level)| (place, level.parse::<u8>()))
    {
        // At 7 it tells every request.
        Some((_, Ok(7))) => options.push(("debug", None)),
        None | Some((_, Ok(0..=6))) => {}
        Some((place, _)) => left_out.push(format!("{place}: no level from 0 to 7")),
    }
    options
}
