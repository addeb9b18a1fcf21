//! Regular expressions in scripts: the language of the rules, compiled with the script.
//!
//! A pattern must be written in the policy. A pattern made from a request would have to be compiled
//! for each request, and its sender would write a part of the policy.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use doxy_filter::{PatternError, TextPattern};
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString};

use crate::reads::note_computed;

/// How a pattern is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MatchMode {
    /// `matches`, `captures`: the whole text.
    Whole,
    /// `find`: anywhere in it.
    Anywhere,
}

/// The patterns of a script, by their text.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    whole: HashMap<ImmutableString, TextPattern>,
    anywhere: HashMap<ImmutableString, TextPattern>,
}

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

impl MatchMode {
    /// How a function uses the pattern that it is given.
    pub(crate) fn of(function: &str) -> Option<Self> {
        match function {
            "matches" | "captures" => Some(Self::Whole),
            "find" => Some(Self::Anywhere),
            _ => None,
        }
    }
}

impl Patterns {
    /// Compiles a pattern, unless it is compiled already.
    pub(crate) fn add(
        &mut self,
        how: MatchMode,
        text: &ImmutableString,
    ) -> std::result::Result<(), PatternError> {
        let (map, compile): (_, fn(&str) -> _) = match how {
            MatchMode::Whole => (&mut self.whole, TextPattern::whole),
            MatchMode::Anywhere => (&mut self.anywhere, TextPattern::anywhere),
        };
        if !map.contains_key(text) {
            map.insert(text.clone(), compile(text)?);
        }
        Ok(())
    }

    fn get(&self, how: MatchMode, text: &str) -> Option<&TextPattern> {
        match how {
            MatchMode::Whole => self.whole.get(text),
            MatchMode::Anywhere => self.anywhere.get(text),
        }
    }
}

pub(super) fn register(engine: &mut Engine, patterns: &Arc<OnceLock<Patterns>>) {
    let table = Arc::clone(patterns);
    engine.register_fn(
        "matches",
        move |text: &str, pattern: &str| -> Result<bool> {
            Ok(look_up(&table, MatchMode::Whole, pattern)?.is_match(text))
        },
    );
    let table = Arc::clone(patterns);
    engine.register_fn(
        "find",
        move |text: &str, pattern: &str| -> Result<Dynamic> {
            note_computed();
            let found = look_up(&table, MatchMode::Anywhere, pattern)?.find(text);
            Ok(found.map_or(Dynamic::UNIT, |range| part(text, range)))
        },
    );
    let table = Arc::clone(patterns);
    engine.register_fn(
        "captures",
        move |text: &str, pattern: &str| -> Result<Dynamic> {
            note_computed();
            let groups = look_up(&table, MatchMode::Whole, pattern)?.captures(text);
            Ok(groups.map_or(Dynamic::UNIT, |groups| {
                let groups = groups.into_iter();
                let texts: Array = groups
                    .map(|group| group.map_or(Dynamic::UNIT, |range| part(text, range)))
                    .collect();
                texts.into()
            }))
        },
    );
}

fn look_up<'t>(
    table: &'t OnceLock<Patterns>,
    how: MatchMode,
    pattern: &str,
) -> Result<&'t TextPattern> {
    table
        .get()
        .and_then(|patterns| patterns.get(how, pattern))
        .ok_or_else(|| "a pattern must be in the policy, as text or as a constant".into())
}

fn part(text: &str, range: std::ops::Range<usize>) -> Dynamic {
    ImmutableString::from(text.get(range).unwrap_or_default()).into()
}
