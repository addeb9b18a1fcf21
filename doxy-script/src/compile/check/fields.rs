//! Names behind a dot: what no body has, and nothing else here either, is misspelt.
//!
//! What is not there is `()`, and a policy that denies `HostConfig.Priviledged` would deny nothing. So a name behind a
//! dot has to be a field of some body that doxy knows, or of what its functions give, or a key of a map of the policy's own.
//! Names in brackets are free.

use std::collections::{HashMap, HashSet};

use doxy_filter::api::{FILTERS, field_names};
use rhai::{AST, ASTNode, Dynamic, Expr, Position, Scope};

use crate::error::Fault;
use crate::library::{self, CALLABLE};
use crate::view;

/// The names that may stand behind a dot.
pub(super) struct KnownNames {
    /// Each with whether what follows it may be called anything.
    known: HashMap<String, bool>,
    /// Where a name was found that may be anything.
    free: HashSet<Position>,
}

impl KnownNames {
    /// Those that doxy knows, and the keys of the maps of this policy.
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

    /// Looks at `of.chain`, or `of[chain]`: whether what comes next may be called anything.
    pub(super) fn open(&mut self, of: &Expr, chain: &Expr) {
        let (all, next) = match of {
            Expr::Property(property, at) => (
                false,
                self.free.contains(at) || self.known.get(property.2.as_str()) == Some(&true),
            ),
            // JSON out of a query is whatever its sender makes of it.
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

    /// Looks at a name behind a dot.
    pub(super) fn check(&self, name: &str, at: Position) -> Result<(), Fault> {
        if self.known.contains_key(name) || self.free.contains(&at) {
            return Ok(());
        }
        let brackets =
            format!("a name that is not in the reference's bodies is written as [\"{name}\"]");
        let help = if CALLABLE.iter().any(|(known, ..)| *known == name) {
            format!("write {name}(): it is a function")
        } else {
            match self.nearest(name) {
                Some(nearest) => format!("did you mean {nearest}? {brackets}"),
                None => brackets,
            }
        };
        Err(Fault::new(at, format!("nothing has a `{name}`"), help))
    }

    /// The known name that is most like this one, if any is.
    fn nearest(&self, name: &str) -> Option<&str> {
        let most = match name.len() {
            0..=4 => 1,
            _ => 2,
        };
        // Of `UID` and `uid`, the one with capitals where this one has them.
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

/// How many letters have to be put in, taken out or changed. Capitals are no difference.
pub(super) fn distance(one: &str, other: &str) -> usize {
    strsim::levenshtein(&one.to_lowercase(), &other.to_lowercase())
}
