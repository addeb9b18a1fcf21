//! Rules that are valid and probably mistakes: each is told once, when the file is loaded.
//!
//! A rule is judged by the paths that it matches, not by how it is written. It must never change
//! what a rule does, and where the answer would take too long it says nothing.

use std::collections::HashMap;

use regex_syntax::hir::{Hir, HirKind};

use super::file::{Rule, Sources};
use super::method::MethodSet;
use super::reach::{self, Language, Paths};
use super::served::{any_of, path_at};
use crate::api::{self, Api, Endpoint};
use crate::error::RuleWarning;
use crate::path::{canonical_path, split_version};

/// What is odd about a rule, and how to mend it.
type Advice = (String, String);

/// How many rules are looked at. Nobody writes more by hand, and looking takes time at each start.
pub(super) const MAX_RULES: usize = 500;

/// Versions that clients use, to try whether a rule is about one of them alone.
pub(super) const VERSIONS: [&str; 6] = ["1.24", "1.30", "1.41", "1.43", "1.47", "1.51"];

/// Whether any of the rules matches: a `!` rule or not, a method, a path.
pub(super) type Matches<'m> = &'m dyn Fn(bool, &str, &str) -> bool;

/// What is odd about these rules.
pub(super) fn about(sources: &Sources, rules: &[Rule], matches: Matches<'_>) -> Vec<RuleWarning> {
    let mut seen = HashMap::new();
    let mut warnings = Vec::new();
    for rule in rules.iter().take(MAX_RULES) {
        // A pattern is printed in one form, however it was written.
        let key = (rule.deny, rule.methods.bits(), rule.pattern.hir.to_string());
        let first = *seen.entry(key).or_insert(rule.line);
        let (source, line) = sources.place(rule.line);
        let advice = if first == rule.line {
            about_one(rule, rules, matches)
        } else {
            let of = sources.near(rule.line, first);
            Some((
                format!("the same rule as {of}"),
                "remove one of them".to_owned(),
            ))
        };
        if let Some((message, help)) = advice {
            warnings.push(RuleWarning {
                source_name: source.to_owned(),
                line,
                column: rule.column,
                message,
                help,
            });
        }
    }
    warnings
}

fn about_one(rule: &Rule, rules: &[Rule], matches: Matches<'_>) -> Option<Advice> {
    let hir = &rule.pattern.hir;
    let example = reach::example(hir)
        .filter(|path| canonical_path(path).is_ok_and(|canonical| canonical == *path));
    strange_characters(hir, example.as_deref())
        .or_else(|| repeated_slash(hir))
        .or_else(|| everything(rule, rules))
        .or_else(|| no_endpoint(rule, example.as_deref()))
        .or_else(|| one_version(rule, example.as_deref()?, matches))
}

/// Characters that neither endpoints nor names in Docker have, and what a rule that asks for them may
/// mean.
struct Strange {
    is_one: fn(u8) -> bool,
    what: &'static str,
    help: &'static str,
}

const STRANGE: &[Strange] = &[
    Strange {
        is_one: |byte| byte == b' ',
        what: "a blank",
        help: "give each rule and each comment a line of its own",
    },
    Strange {
        is_one: |byte| byte == b'?',
        what: "`?`, but the query is no part of the path",
        help: "leave the query out; a script can judge it",
    },
    Strange {
        is_one: |byte| byte == b'#',
        what: "`#`",
        help: "give a comment a line of its own, which begins with `#`",
    },
    Strange {
        is_one: |byte| matches!(byte, b'{' | b'}' | b'<' | b'>'),
        what: "brackets",
        help: "a name is written as a regex: `[^/]+`",
    },
    Strange {
        is_one: |byte| byte == b'*',
        what: "`*`",
        help: "without the `\\` before it, `.*` is any text and `[^/]+` a name",
    },
    Strange {
        is_one: |byte| !byte.is_ascii(),
        what: "characters outside ASCII, which may be invisible",
        help: "names in Docker have none: remove it, or write the character that it looks like",
    },
];

fn is_strange(byte: u8) -> bool {
    STRANGE.iter().any(|strange| (strange.is_one)(byte))
}

fn strange_characters(hir: &Hir, example: Option<&str>) -> Option<Advice> {
    if example.is_some_and(|path| !path.bytes().any(is_strange)) {
        return None;
    }
    let mut language = Language::of(hir)?;
    if reach::meet(&mut [&mut language], Paths::without(is_strange))? {
        return None;
    }
    let every_path_has = |strange: &&Strange| {
        reach::meet(&mut [&mut language], Paths::without(strange.is_one)) == Some(false)
    };
    let found = STRANGE.iter().find(every_path_has)?;
    let what = format!("matches only paths with {}", found.what);
    Some((what, found.help.to_owned()))
}

/// `/*` is a wildcard for whoever thinks of file names.
fn repeated_slash(hir: &Hir) -> Option<Advice> {
    fn repeats(hir: &Hir) -> bool {
        match hir.kind() {
            HirKind::Repetition(repetition) => {
                let slash =
                    matches!(repetition.sub.kind(), HirKind::Literal(text) if *text.0 == *b"/");
                slash && repetition.max != Some(1) || repeats(&repetition.sub)
            }
            _ => hir.kind().subs().iter().any(repeats),
        }
    }
    repeats(hir).then(|| {
        let what = "`/*` repeats the slash, it is not a wildcard";
        (
            what.to_owned(),
            "write `/[^/]+` for one name, `/.*` for any text".to_owned(),
        )
    })
}

fn everything(rule: &Rule, rules: &[Rule]) -> Option<Advice> {
    let properties = rule.pattern.hir.properties();
    if properties.maximum_len().is_some() || properties.minimum_len()? > 2 {
        return None;
    }
    let mut others = rules.iter().filter(|other| other.deny != rule.deny);
    if !reach::is_everything(&mut Language::of(&rule.pattern.hir)?)? {
        return None;
    }
    let methods = rule.methods.list();
    if rule.deny {
        let nothing_left = rule.methods == MethodSet::ANY
            || others.clone().next().is_some()
                && others.all(|other| rule.methods.contains(other.methods));
        return nothing_left.then(|| {
            let what = "denies every request; rules that allow have no effect";
            (
                what.to_owned(),
                "name the paths that it is to deny".to_owned(),
            )
        });
    }
    if rule.methods == MethodSet::ANY {
        let what = "allows everything, which is as good as the engine's own socket";
        return Some((what.to_owned(), "list what the client needs".to_owned()));
    }
    // They give nothing away.
    if rule
        .methods
        .names()
        .all(|name| ["HEAD", "OPTIONS"].contains(&name))
    {
        return None;
    }
    if !MethodSet::READ.contains(rule.methods) {
        let what = format!("allows every path for {methods}, which is more than a client needs");
        return Some((what, "list what the client needs".to_owned()));
    }
    // Whoever denies something next to it has thought of what follows.
    others.next().is_none().then(|| {
        let what =
            format!("allows every path for {methods}, also those that give files and terminals");
        let help = "list what the client needs, or deny `.*/(archive|export|attach/ws|get)`";
        (what, help.to_owned())
    })
}

fn no_endpoint(rule: &Rule, example: Option<&str>) -> Option<Advice> {
    let serves = |method: &str, path: &str| api::endpoint_of(method, path).is_some();
    // The engine answers OPTIONS at every path, so for this question it serves nothing.
    let methods: Vec<_> = rule
        .methods
        .names()
        .filter(|name| *name != "OPTIONS")
        .collect();
    if methods.is_empty() || example.is_some_and(|path| methods.iter().any(|it| serves(it, path))) {
        return None;
    }
    let mut language = Language::of(&rule.pattern.hir)?;
    // Most rules match one of these. The automaton of all endpoints takes a thousand times as long
    // as a path, and a thousand sockets may have the same rule.
    let served = api::endpoints().filter(|endpoint| methods.contains(&endpoint.method));
    for endpoint in served {
        let path = path_at(endpoint, "x");
        for path in [format!("/v1.41{path}"), path] {
            if language.has(&path)? && serves(endpoint.method, &path) {
                return None;
            }
        }
    }
    let mut found = |wanted: &[&str]| {
        let of_methods = |endpoint: &&Endpoint| wanted.contains(&endpoint.method);
        let served = api::endpoints().filter(of_methods);
        let mut table = Language::of(&any_of(served))?;
        reach::meet(&mut [&mut language, &mut table], Paths::ALL)
    };
    if found(&methods)? {
        return None;
    }
    // A pattern with a slip matches the removal of an object with an odd name more often than not.
    let others = ["GET", "HEAD", "POST", "PUT"].into_iter();
    let others: Vec<_> = others
        .filter(|name| !methods.contains(name) && found(&[name]) == Some(true))
        .collect();
    let what = match others.is_empty() && found(&["DELETE"]) != Some(true) {
        true => "matches no endpoint of the engine".to_owned(),
        false => format!(
            "matches no endpoint of the engine for {}",
            rule.methods.list()
        ),
    };
    let help = if has_query(&rule.text) {
        "leave the query out, a rule has none: `?` makes what stands before it optional".to_owned()
    } else if others.is_empty() {
        "copy the path from a line that `doxy --debug` prints for the request".to_owned()
    } else {
        let others = others.join(" or ");
        format!("put {others} in front of the pattern if that is meant")
    };
    Some((what, help))
}

/// Whether a text has what looks like a query: `?all=1`.
fn has_query(text: &str) -> bool {
    let name = |rest: &str| {
        let name = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        name.len() < rest.len() && name.starts_with('=')
    };
    text.split('?').skip(1).any(name)
}

/// A rule that asks for one version alone, or that denies what other versions then reach. Podman's own
/// endpoints need a version, so nothing is said about those.
fn one_version(rule: &Rule, example: &str, matches: Matches<'_>) -> Option<Advice> {
    let serves = |method: &&str, path: &str| {
        api::endpoint_of(method, path).is_some_and(|it| it.api == Api::Docker)
    };
    let method = rule.methods.names().find(|name| serves(name, example))?;
    let (version, path) = split_version(example);
    let help = "write `(/v[\\d.]+)?` for the version: the engine takes any version, and none";
    let with = VERSIONS.map(|version| format!("/v{version}{path}"));
    let mut all = with.into_iter().chain([path.to_owned()]);
    if rule.deny {
        let open = all.find(|other| serves(&method, other) && !matches(true, method, other))?;
        return Some((
            format!("denies `{example}` but not `{open}`"),
            help.to_owned(),
        ));
    }
    let this = format!("/v{version}{path}");
    let mut others = all.filter(|other| *other != this);
    let alone = !version.is_empty() && !others.any(|other| matches(false, method, &other));
    alone.then(|| (format!("matches version {version} alone"), help.to_owned()))
}
