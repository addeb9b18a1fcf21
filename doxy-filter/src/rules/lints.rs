//! What a person who checks rules wants to know and a start need not say: rules that others cover,
//! that leave out names or versions, or that open what is known to leak.
//!
//! As in `advice`, a rule is judged by the paths that it matches, and where the answer would take too
//! long nothing is said. It must never change what a rule does.

use std::collections::BTreeMap;

use regex_syntax::hir::Hir;

use super::advice::{MAX_RULES, Matches, VERSIONS};
use super::file::{Rule, Sources};
use super::method::MethodSet;
use super::reach::{self, Language, Paths};
use super::served::{any_of, path_at};
use crate::api::{self, Api, Body, Effect, Endpoint, ObjectKind, Risk};
use crate::error::RuleWarning;
use crate::path::{canonical_path, split_version};

/// What is odd about a rule, and how to mend it.
type Advice = (String, String);

/// The most comparisons of two rules that take a walk.
const MAX_WALKS: usize = 5_000;

/// How many endpoints a message names.
const MAX_NAMED: usize = 4;

/// What is odd about these rules, in their order.
pub(super) fn about(sources: &Sources, rules: &[Rule], matches: Matches<'_>) -> Vec<RuleWarning> {
    let rules = rules.get(..MAX_RULES).unwrap_or(rules);
    let mut automata: Vec<_> = rules
        .iter()
        .map(|rule| Language::of(&rule.pattern.hir))
        .collect();
    let mut covers = Covers { left: MAX_WALKS };
    let mut leaks = Leaks::new(rules);
    let mut warnings = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut all = Vec::new();
        all.extend(covers.of(sources, rules, &mut automata, index));
        if let Some(Some(own)) = automata.get_mut(index) {
            all.extend(names(rule, own, matches));
            all.extend(leaks.of(rule, own));
        }
        all.extend(version(rule, matches));
        let (source, line) = sources.place(rule.line);
        warnings.extend(all.into_iter().map(|(message, help)| RuleWarning {
            source_name: source.to_owned(),
            line,
            column: rule.column,
            message,
            help,
        }));
    }
    warnings
}

/// Looks for rules that do nothing which another does not do.
struct Covers {
    left: usize,
}

impl Covers {
    fn of(
        &mut self,
        sources: &Sources,
        rules: &[Rule],
        automata: &mut [Option<Language>],
        index: usize,
    ) -> Option<Advice> {
        let rule = rules.get(index)?;
        let example = reach::example(&rule.pattern.hir);
        for (at, other) in rules.iter().enumerate() {
            // `advice` tells of those that are the same.
            let same = other.pattern.hir == rule.pattern.hir && other.deny == rule.deny;
            let may_cover = other.methods.contains(rule.methods) && (other.deny || !rule.deny);
            if at == index || same || !may_cover {
                continue;
            }
            let has_example = |automata: &mut [Option<Language>]| {
                automata.get_mut(at)?.as_mut()?.has(example.as_deref()?)
            };
            if has_example(automata) == Some(false) || !self.within(automata, index, at) {
                continue;
            }
            let equal = other.methods == rule.methods && other.deny == rule.deny;
            let equal = equal && self.within(automata, at, index);
            if equal && index < at {
                // It is said of the later one.
                continue;
            }
            let place = sources.near(rule.line, other.line);
            return Some(match (equal, other.deny == rule.deny) {
                (true, _) => (
                    format!("matches the same paths as the rule {place}"),
                    "remove one of them".to_owned(),
                ),
                (false, true) => (
                    format!("covered by the rule {place}, which matches all of it and more"),
                    "remove it, or make the other rule narrower".to_owned(),
                ),
                (false, false) => (
                    format!("never allows anything: the `!` rule {place} denies all of it"),
                    "remove it, or make the `!` rule narrower".to_owned(),
                ),
            });
        }
        None
    }

    /// Whether every path of one rule is one of the other.
    fn within(&mut self, automata: &mut [Option<Language>], one: usize, other: usize) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        let [Some(one), Some(other)] = (match automata.get_disjoint_mut([one, other]) {
            Ok(both) => both,
            Err(_) => return false,
        }) else {
            return false;
        };
        reach::meet_outside(&mut [one], &mut [other], Paths::ALL) == Some(false)
    }
}

/// A name that every pattern for names matches, one of no pattern in particular, and what may be left
/// out.
const PLAIN: [&str; 2] = ["web7", "q2x"];
const WITH: [(char, &str); 2] = [('.', "web.7q"), ('-', "web-7q")];

/// A rule for names that leaves out those with a dot or a dash.
fn names(rule: &Rule, own: &mut Language, matches: Matches<'_>) -> Option<Advice> {
    let methods: Vec<_> = rule.methods.names().collect();
    let named =
        api::endpoints().filter(|it| it.template.contains('{') && methods.contains(&it.method));
    for endpoint in named {
        let at = |name: &str, prefix: &str| format!("{prefix}{}", path_at(endpoint, name));
        let mut found = None;
        for prefix in ["", "/v1.41"] {
            let [one, other] = PLAIN.map(|name| at(name, prefix));
            if own.has(&one)? && own.has(&other)? {
                found = Some((prefix, one));
                break;
            }
        }
        let Some((prefix, plain)) = found else {
            continue;
        };
        let object = api::object_of(endpoint.method, &plain);
        // These have ids alone.
        let has_name =
            object.is_some_and(|it| !matches!(it.kind, ObjectKind::Exec | ObjectKind::Task));
        if !has_name {
            continue;
        }
        let missed = WITH.map(|(c, name)| {
            let path = at(name, prefix);
            let matched = matches(rule.deny, endpoint.method, &path);
            (!matched).then_some((c, path))
        });
        let missed: Vec<_> = missed.into_iter().flatten().collect();
        let Some((_, example)) = missed.first() else {
            continue;
        };
        let which: Vec<_> = missed.iter().map(|(c, _)| format!("`{c}`")).collect();
        let which = which.join(" or ");
        let what = match rule.deny {
            true => format!("does not deny names that contain {which}: `{example}` stays open"),
            false => format!("matches no names that contain {which}, such as `{example}`"),
        };
        return Some((what, "write `[^/]+` for a name".to_owned()));
    }
    None
}

/// A rule without the optional version before the path. `advice` tells of those for one version, and of
/// `!` rules.
fn version(rule: &Rule, matches: Matches<'_>) -> Option<Advice> {
    let example = reach::example(&rule.pattern.hir)?;
    if rule.deny || canonical_path(&example).as_deref() != Ok(example.as_str()) {
        return None;
    }
    let (method, endpoint) = rule.methods.names().find_map(|name| {
        let endpoint = api::endpoint_of(name, &example)?;
        Some((name, endpoint))
    })?;
    let (sent, path) = split_version(&example);
    // Clients ask for it before they know a version.
    let is_ping = endpoint.template.ends_with("_ping");
    if endpoint.api != Api::Docker || endpoint.method == "OPTIONS" || is_ping {
        return None;
    }
    let help = "write `(/v[\\d.]+)?` for the version: the engine takes any version, and none";
    let what = if sent.is_empty() {
        let with = VERSIONS.map(|version| format!("/v{version}{path}"));
        if with.iter().any(|path| matches(false, method, path)) {
            return None;
        }
        "matches no path with a version, and most clients send one"
    } else {
        if matches(false, method, path) {
            return None;
        }
        "matches no path without a version, and some clients send none"
    };
    Some((what.to_owned(), help.to_owned()))
}

/// Looks for endpoints that are known to leak.
struct Leaks {
    /// The endpoints of a set of methods, with their automaton.
    all: BTreeMap<u8, Option<Language>>,
    /// What `!` rules deny, by method; none if they deny nothing.
    denied: Vec<(&'static str, Option<Language>)>,
    /// Each endpoint that leaks, with its automaton as soon as it is needed.
    each: Vec<(&'static Endpoint, Option<Language>)>,
}

impl Leaks {
    fn new(rules: &[Rule]) -> Self {
        let denied = |method: &'static str| {
            let denies = rules
                .iter()
                .filter(|it| it.deny && it.methods.contains(MethodSet::of_request(method)));
            let patterns: Vec<_> = denies.map(|rule| rule.pattern.hir.clone()).collect();
            let any = (!patterns.is_empty()).then(|| Hir::alternation(patterns));
            (method, any.as_ref().and_then(Language::of))
        };
        Self {
            all: BTreeMap::new(),
            denied: MethodSet::ANY.names().map(denied).collect(),
            each: api::endpoints()
                .filter(|it| leaked(it).next().is_some())
                .map(|endpoint| (endpoint, None))
                .collect(),
        }
    }

    fn of(&mut self, rule: &Rule, own: &mut Language) -> Option<Advice> {
        if rule.deny {
            return None;
        }
        let methods: Vec<_> = rule.methods.names().collect();
        let serves = |endpoint: &Endpoint| methods.contains(&endpoint.method);
        // Most rules open none of them, and one walk says so.
        let all = self.all.entry(rule.methods.bits()).or_insert_with(|| {
            let leaks = self.each.iter().map(|(endpoint, _)| *endpoint);
            let leaks: Vec<_> = leaks.filter(|it| serves(it)).collect();
            let any = (!leaks.is_empty()).then(|| any_of(leaks.into_iter()));
            any.as_ref().and_then(Language::of)
        });
        if !reach::meet(&mut [own, all.as_mut()?], Paths::ALL)? {
            return None;
        }
        let mut found = Vec::new();
        for (endpoint, language) in self.each.iter_mut().filter(|(it, _)| serves(it)) {
            if language.is_none() {
                *language = Language::of(&any_of(std::iter::once(*endpoint)));
            }
            let denied = self
                .denied
                .iter_mut()
                .find(|(it, _)| *it == endpoint.method);
            let mut without: Vec<_> = denied.and_then(|(_, it)| it.as_mut()).into_iter().collect();
            let within = &mut [&mut *own, language.as_mut()?];
            if reach::meet_outside(within, &mut without, Paths::ALL)? {
                found.push(*endpoint);
            }
        }
        let named: Vec<_> = found
            .iter()
            .take(MAX_NAMED)
            .map(|endpoint| {
                let risks: Vec<_> = leaked(endpoint).collect();
                let Endpoint {
                    method, template, ..
                } = endpoint;
                format!("{method} {template} ({})", risks.join(", "))
            })
            .collect();
        if named.is_empty() {
            return None;
        }
        let more = match found.len() - named.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Some((
            format!("opens {}{more}", named.join(", ")),
            "if that is not meant, name what the client needs, or deny this with a `!` rule"
                .to_owned(),
        ))
    }
}

/// Why an endpoint is known to leak: what it opens that a rule rarely means to. Descriptions and logs
/// show secrets too, but whoever allows them knows what they are.
fn leaked(endpoint: &Endpoint) -> impl Iterator<Item = &'static str> + use<> {
    let reads = ["GET", "HEAD"].contains(&endpoint.method);
    let only_secrets = endpoint.risks == [Risk::Secrets];
    // To start runs nothing but what somebody was allowed to create.
    let starts = matches!(endpoint.body, Body::Refused);
    let risks = Risk::ALL.into_iter().filter(move |risk| match risk {
        Risk::HostRoot | Risk::FilesOut => true,
        Risk::Exec => !starts,
        Risk::Egress => reads,
        Risk::Secrets => only_secrets,
        _ => false,
    });
    let own = endpoint.risks;
    let risks = risks.filter(move |risk| own.contains(risk)).map(Risk::name);
    let runs = match endpoint.effect {
        Some(Effect::RunsPs) => Some("ps on the host with the client's arguments"),
        Some(Effect::RunsCommand) => Some("runs a command"),
        _ => None,
    };
    risks.chain(runs)
}

#[cfg(test)]
mod tests;
