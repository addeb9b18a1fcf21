//! Policies of other proxies beside what those tools do by their sources: tables of requests, and a model
//! of the switches for every endpoint.

mod cetusguard;
mod files;
mod switches;
mod wollomatic;

use doxy_filter::import::{Imported, Variable};
use doxy_filter::{Request, RuleSet, Verdict, canonical_path};

/// `NAME=VALUE NAME=VALUE`
fn variables(text: &str) -> Vec<Variable> {
    let words = text.split_whitespace();
    let pair = |word: &str| {
        word.split_once('=')
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
    };
    words.map(|word| pair(word).unwrap()).collect()
}

fn arguments(all: &[&str]) -> Vec<String> {
    all.iter().map(|it| (*it).to_owned()).collect()
}

/// The rules, which load without an error.
fn rules(imported: &Imported) -> RuleSet {
    let loaded = RuleSet::parse("imported", imported.patterns.as_bytes());
    loaded.unwrap_or_else(|error| panic!("{error}\n{}", imported.patterns))
}

fn allows(set: &RuleSet, method: &str, path: &str) -> bool {
    let path = canonical_path(path).unwrap();
    let request = Request {
        method,
        path: &path,
        query: None,
    };
    matches!(set.decide(&request), Verdict::Allow(_))
}

/// Each line is `+ METHOD PATH` or `- METHOD PATH`: what the other tool lets through, and what not.
#[track_caller]
fn judges(imported: &Imported, table: &str) -> usize {
    let set = rules(imported);
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut count = 0;
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        let allowed = allows(&set, words[1], words[2]);
        assert_eq!(allowed, words[0] == "+", "{line}\n{}", imported.patterns);
        count += 1;
    }
    count
}

/// `--proxy-socket tcp://[::]:2375 --debug`
fn options(imported: &Imported) -> String {
    let options = imported.options.iter().map(|(name, value)| match value {
        Some(value) => format!("--{name} {value}"),
        None => format!("--{name}"),
    });
    options.collect::<Vec<_>>().join(" ")
}
