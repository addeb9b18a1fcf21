//! The lines below a case: what is sent besides method and target, and what is expected besides the
//! verdict.
//!
//! It must never look at more than one line.

use super::case::{CaseLookup, CasePeer, Draft, ExpectedRule, shown, word};
use crate::api::{ENGINE_INFO, ObjectKind};
use crate::error::Fault;

/// Every detail, with the form of its line.
const DETAILS: &[(&str, &str)] = &[
    ("body", "body JSON"),
    ("text", "text TEXT"),
    ("header", "header NAME: VALUE"),
    (
        "peer",
        "peer uid=N gid=N [pid=N], peer address=IP:PORT or peer unknown",
    ),
    ("container", "container JSON or container unknown"),
    ("socket", "socket PATH"),
    ("lookup", "lookup KIND NAME JSON or lookup engine JSON"),
    ("rule", "rule LINE, rule FILE:LINE or rule none"),
    ("because", "because TEXT"),
];

/// What a case or all of them may have several times.
const REPEATED: [&str; 3] = ["header", "lookup", "because"];

/// Whether a detail can hold for all cases.
pub(super) fn may_be_common(word: &str) -> bool {
    ["peer", "container", "lookup"].contains(&word)
}

/// Whether a detail is the body.
pub(super) fn is_body(word: &str) -> bool {
    ["body", "text"].contains(&word)
}

/// Reads one line, without the blanks around it, into the case that it belongs to.
pub(super) fn read(draft: &mut Draft, text: &str) -> Result<(), Fault> {
    let (word, rest) = word(text);
    let Some((name, form)) = DETAILS.iter().find(|(name, _)| *name == word) else {
        let names: Vec<_> = DETAILS.iter().map(|(name, _)| *name).collect();
        return Err(Fault::new(
            0,
            format!("`{}` is no detail of a case", shown(word)),
            format!("the details are {}", names.join(", ")),
        ));
    };
    let at = text.len() - rest.len();
    let wrong = |what: String| Fault::new(at, what, format!("write `{form}`"));
    // A body may be empty text; everything else says something.
    if rest.is_empty() && *name != "text" {
        return Err(wrong(format!("`{name}` has no value")));
    }
    if !REPEATED.contains(name) {
        // One body, whether it is JSON or not.
        let name = if *name == "text" { "body" } else { name };
        if draft.own.contains(&name) {
            let help = "leave one of them, or begin another case";
            return Err(Fault::new(0, format!("a second `{name}`"), help));
        }
        draft.own.push(name);
    }
    let case = &mut draft.case;
    match *name {
        "body" => {
            case.body = Some(rest.to_owned());
            draft.is_json = true;
        }
        "text" => case.body = Some(rest.to_owned()),
        "header" => {
            let (name, value) = rest
                .split_once(':')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| wrong("a header without a colon".to_owned()))?;
            let value = value.strip_prefix(' ').unwrap_or(value);
            case.headers.push((name.to_owned(), value.to_owned()));
        }
        "peer" if rest == "unknown" => case.peer = None,
        "peer" => case.peer = Some(peer(rest).map_err(wrong)?),
        "container" if rest == "unknown" => case.container = None,
        "container" => case.container = Some(rest.to_owned()),
        "socket" => case.socket = Some(rest.to_owned()),
        "lookup" => {
            let lookup = lookup(rest).map_err(wrong)?;
            if draft.looked_up.contains(&lookup.target) {
                let help = "leave one of them: the engine gives one answer";
                return Err(Fault::new(at, "a second answer to the same lookup", help));
            }
            draft.looked_up.push(lookup.target.clone());
            // What a case says itself is said instead of what holds for all.
            case.lookups.retain(|it| it.target != lookup.target);
            case.lookups.push(lookup);
        }
        "rule" => case.rule = Some(rule(rest).map_err(wrong)?),
        _ => case.because.push(rest.to_owned()),
    }
    Ok(())
}

fn lookup(text: &str) -> Result<CaseLookup, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (what, target, answer) = if word == "engine" {
        (word.to_owned(), ENGINE_INFO.to_owned(), rest)
    } else {
        let Some(kind) = ObjectKind::of(word) else {
            let kinds = ObjectKind::ALL.map(ObjectKind::word).join(", ");
            let word = shown(word);
            return Err(format!(
                "`{word}` cannot be looked up: {kinds} and engine can"
            ));
        };
        let (name, answer) = rest.split_once(' ').unwrap_or((rest, ""));
        let target = kind.target(name);
        let target = target.ok_or_else(|| format!("no {word} has the name `{}`", shown(name)))?;
        (format!("{word} {name}"), target, answer)
    };
    match answer {
        "" => Err("the answer is missing".to_owned()),
        _ => Ok(CaseLookup {
            what,
            target,
            answer: answer.to_owned(),
        }),
    }
}

fn peer(text: &str) -> Result<CasePeer, String> {
    let mut values = [("uid", None), ("gid", None), ("pid", None)];
    if let Some(address) = text.strip_prefix("address=") {
        let address = address.parse().map(CasePeer::Net);
        return address.map_err(|_| "an address is an IP address and a port".to_owned());
    }
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let part = word.split_once('=');
        let value = part.and_then(|(key, value)| {
            let slot = values.iter_mut().find(|(name, _)| *name == key)?;
            Some((slot, value.parse::<u32>().ok()?))
        });
        match value {
            Some(((_, slot @ None), value)) => *slot = Some(value),
            Some(((name, _), _)) => return Err(format!("a second `{name}`")),
            None => return Err(format!("`{}` says nothing about a peer", shown(word))),
        }
    }
    let [(_, uid), (_, gid), (_, pid)] = values;
    match (uid, gid, pid.map(i32::try_from)) {
        (Some(uid), Some(gid), None) => Ok(CasePeer::Unix {
            uid,
            gid,
            pid: None,
        }),
        (Some(uid), Some(gid), Some(Ok(pid @ 1..))) => Ok(CasePeer::Unix {
            uid,
            gid,
            pid: Some(pid),
        }),
        (Some(_), Some(_), Some(_)) => Err("no process has this pid".to_owned()),
        _ => Err("a peer has a uid and a gid".to_owned()),
    }
}

fn rule(text: &str) -> Result<ExpectedRule, String> {
    if text == "none" {
        return Ok(ExpectedRule::None);
    }
    let (file, line) = match text.rsplit_once(':') {
        Some((file, line)) => (Some(file.to_owned()), line),
        None => (None, text),
    };
    match line.parse() {
        Ok(line @ 1..) if file.as_deref() != Some("") => Ok(ExpectedRule::At { file, line }),
        _ => Err(format!("`{}` is no line of a file", shown(text))),
    }
}
