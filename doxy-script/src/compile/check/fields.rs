//! Checks names after a dot: an unknown one is a misspelling.
//!
//! A missing value is `()`, so a policy that denies `HostConfig.Priviledged` would deny nothing. A name
//! after a dot must be a field of some body, a property of doxy's own values, or a key of a map in the
//! policy. Names in brackets are not checked.

use std::collections::{HashMap, HashSet};

use doxy_filter::api::{FILTERS, field_names};
use rhai::{AST, ASTNode, Dynamic, Expr, Position, Scope};

use crate::error::Fault;
use crate::library::{self, CALLABLE};
use crate::view;

/// The names that are allowed after a dot.
pub(super) struct KnownNames {
    /// Each name, and whether any name may follow it.
    known: HashMap<String, bool>,
    /// The positions of names that are not checked.
    free: HashSet<Position>,
}

impl KnownNames {
    /// The names that doxy knows, and the keys of the maps in this policy.
    pub(super) fn new(ast: &AST, constants: &Scope<'_>) -> Self {
        let mut known: HashMap<String, bool> = HashMap::new();
        for (name, opens) in field_names() {
            *known.entry(name.to_owned()).or_default() |= opens;
        }
        let parts = view::PROPERTIES
            .iter()
            .chain(&view::PARTS)
            .chain(&library::PARTS)
            .chain(&FILTERS);
        for name in parts {
            known.entry((*name).to_owned()).or_default();
        }
        known.insert("query".to_owned(), true);
        for (_, _, value) in constants.iter() {
            keys(&value, &mut known);
        }
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::Map(map, _))) => {
                    for (key, _) in &map.0 {
                        known.entry(key.name.to_string()).or_default();
                    }
                }
                Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => keys(value, &mut known),
                _ => {}
            }
            true
        });
        Self {
            known,
            free: HashSet::new(),
        }
    }

    /// Visits `of.chain` or `of[chain]`: finds out whether any name may come next.
    pub(super) fn open(&mut self, of: &Expr, chain: &Expr) {
        let (all, next) = match of {
            Expr::Property(property, at) => (
                false,
                self.free.contains(at) || self.known.get(property.2.as_str()) == Some(&true),
            ),
            // JSON in a query has any keys.
            Expr::MethodCall(call, _) => {
                let json = call.name == "json" && !call.args.is_empty();
                (json, json)
            }
            _ => (false, false),
        };
        if !next {
            return;
        }
        let mut rest = chain;
        loop {
            let (first, more) = match rest {
                Expr::Dot(pair, ..) | Expr::Index(pair, ..) => (&pair.lhs, Some(&pair.rhs)),
                last => (last, None),
            };
            if let Expr::Property(_, at) = first {
                self.free.insert(*at);
            }
            match more {
                Some(more) if all => rest = more,
                _ => break,
            }
        }
    }

    /// Checks a name after a dot.
    pub(super) fn check(&self, name: &str, at: Position) -> Result<(), Fault> {
        if self.known.contains_key(name) || self.free.contains(&at) {
            return Ok(());
        }
        let brackets = format!("write other names in brackets: [\"{name}\"]");
        let help = if CALLABLE.iter().any(|(known, ..)| *known == name) {
            format!("write {name}(): it is a function")
        } else {
            match self.nearest(name) {
                Some(nearest) => format!("did you mean {nearest}? {brackets}"),
                None => brackets,
            }
        };
        Err(Fault::new(at, format!("unknown field `{name}`"), help))
    }

    /// The most similar known name, if any is similar.
    fn nearest(&self, name: &str) -> Option<&str> {
        let most = match name.len() {
            0..=4 => 1,
            _ => 2,
        };
        // Of `UID` and `uid`, prefer the one with as many capitals as this one.
        let capitals = |name: &str| name.chars().filter(char::is_ascii_uppercase).count();
        let apart = |known: &str| capitals(known).abs_diff(capitals(name));
        let known = self.known.keys();
        known
            .map(|known| (distance(known, name), apart(known), known))
            .filter(|(distance, ..)| *distance <= most)
            .min()
            .map(|(.., known)| known.as_str())
    }
}

fn keys(value: &Dynamic, known: &mut HashMap<String, bool>) {
    if let Ok(map) = value.as_map_ref() {
        for (key, value) in map.iter() {
            known.entry(key.to_string()).or_default();
            keys(value, known);
        }
    } else if let Ok(list) = value.as_array_ref() {
        list.iter().for_each(|item| keys(item, known));
    }
}

/// The edit distance, case-insensitive.
pub(super) fn distance(one: &str, other: &str) -> usize {
    strsim::levenshtein(&one.to_lowercase(), &other.to_lowercase())
}
