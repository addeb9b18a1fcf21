//! In which module a path ends.
//!
//! It follows `use` items and re-exports. It does not look at types: `Type::new` ends where `Type` is.

use crate::source::{Source, root};

/// Where a path ends: the module that has the item, and the modules whose `pub use` led there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) module: String,
    pub(crate) through: Vec<String>,
    /// The path names the module itself.
    pub(crate) is_module: bool,
}

impl Source {
    /// Where `segments`, written in `module`, lead to. `None` for what is not of this crate.
    pub(crate) fn resolve(&self, module: &str, segments: &[String]) -> Option<Target> {
        self.resolve_within(module, segments, 16)
    }

    fn resolve_within(&self, module: &str, segments: &[String], depth: u8) -> Option<Target> {
        let depth = depth.checked_sub(1)?;
        let mut start = module;
        let mut rest = segments;
        while let Some((first, more)) = rest.split_first() {
            start = match first.as_str() {
                "crate" => root(module),
                "self" => start,
                "super" => parent(start)?,
                _ => break,
            };
            rest = more;
        }
        if rest.len() < segments.len() {
            return self.walk(start.to_owned(), rest, depth);
        }
        let (name, rest) = segments.split_first()?;
        if *name == self.library && root(module) == "main" {
            return self.walk("lib".to_owned(), rest, depth);
        }
        let here = &self.modules[module];
        match here.uses.iter().find(|item| item.name == *name) {
            // A `use` that begins with its own name speaks of another crate.
            Some(alias) if alias.path.segments[0] == *name => None,
            Some(alias) => {
                let whole = [&alias.path.segments[..], rest].concat();
                self.resolve_within(module, &whole, depth)
            }
            None if here.children.contains(name) => self.walk(module.to_owned(), segments, depth),
            None => None,
        }
    }

    fn walk(&self, mut module: String, segments: &[String], depth: u8) -> Option<Target> {
        let mut rest = segments;
        while let Some((name, more)) = rest.split_first() {
            let here = &self.modules[&module];
            if here.children.contains(name) {
                module = format!("{module}::{name}");
                if !self.modules.contains_key(&module) {
                    return None; // its file is missing, which is a problem of its own
                }
                rest = more;
                continue;
            }
            let candidates = here
                .uses
                .iter()
                .filter(|item| item.name == *name || item.name == "*" && item.public);
            for item in candidates.filter(|item| item.path.segments != [name.clone()]) {
                let glob = item.name == "*";
                let after = if glob { rest } else { more };
                let whole = [&item.path.segments[..], after].concat();
                match self.resolve_within(&module, &whole, depth) {
                    Some(target) if glob && !self.modules[&target.module].words.contains(name) => {}
                    Some(mut target) => {
                        target.through.push(module);
                        return Some(target);
                    }
                    None => {} // another crate's: it is named by way of this module
                }
            }
            return Some(Target {
                module,
                through: Vec::new(),
                is_module: false,
            });
        }
        Some(Target {
            module,
            through: Vec::new(),
            is_module: true,
        })
    }
}

fn parent(module: &str) -> Option<&str> {
    module.rsplit_once("::").map(|(parent, _)| parent)
}
