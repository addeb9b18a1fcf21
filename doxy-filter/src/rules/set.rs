//! Pattern files, compiled together, and their verdict on a request.
//!
//! INVARIANT: a rule set is never empty, and a request that no rule allows is denied.

use std::collections::HashMap;
use std::sync::Arc;

use super::advice;
use super::automaton::Automaton;
use super::coverage::{self, Coverage};
use super::file::{self, Memory, Rule, RuleText, Sources, no_rules, read, too_large};
use super::lints;
use super::method::MethodSet;
use crate::error::{MAX_ERRORS, RuleError, RuleWarning};
use crate::request::Request;
use crate::verdict::{MatchingRule, Reason, RuleRef, Verdict};

/// The default rules: the text of the preset `original`.
pub const DEFAULT_PATTERNS: &str = include_str!("../../../scripts/original.pattern");

/// Compiled rules, of one pattern file or several.
#[derive(Debug)]
pub struct RuleSet {
    sources: Sources,
    /// Each rule as it was written, with its line, counted over all texts.
    rules: Vec<(usize, Box<str>)>,
    /// The methods that some rule allows, for messages. Empty if that says nothing: all methods are
    /// allowed by some rule, or none is.
    allowed: String,
    /// Two methods share a class if the same rules apply to them. The classes together contain all
    /// methods.
    classes: Vec<Class>,
}

/// Methods to which the same rules apply, and those rules.
#[derive(Debug)]
struct Class {
    methods: MethodSet,
    deny: Option<Arc<Automaton>>,
    allow: Option<Arc<Automaton>>,
}

impl RuleSet {
    /// Compiles the rules in `text`. `source` is their name in messages and [`RuleRef`]s, usually
    /// the path of the file.
    ///
    /// # Errors
    ///
    /// At the first wrong line, and if no line has a rule. No part of a wrong file is used.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self, RuleError> {
        let (sources, rules) = read_or_refuse(&[whole(source, text)])?;
        Self::compile(sources, &rules)
    }

    /// The same, and the rules that are valid and probably mistakes, in the order of the file. It
    /// takes some milliseconds more.
    ///
    /// # Errors
    ///
    /// As for [`RuleSet::parse`].
    pub fn parse_with_warnings(
        source: &str,
        text: &[u8],
    ) -> Result<(Self, Vec<RuleWarning>), RuleError> {
        Self::parse_all(&[whole(source, text)])
    }

    /// Compiles the rules of several texts into one set, and finds probable mistakes in all of them.
    /// Where rules of two texts apply, the verdict names that of the first.
    ///
    /// # Errors
    ///
    /// As for [`RuleSet::parse`], for each of the texts.
    pub fn parse_all(texts: &[RuleText<'_>]) -> Result<(Self, Vec<RuleWarning>), RuleError> {
        let (sources, rules) = read_or_refuse(texts)?;
        let set = Self::compile(sources, &rules)?;
        let matches = |deny, method: &str, path: &str| set.matches(deny, method, path);
        let warnings = advice::about(&set.sources, &rules, &matches);
        Ok((set, warnings))
    }

    /// As [`RuleSet::parse_all`], for a person who looks for mistakes: with all errors, and with
    /// warnings that are too many, or take too long to find, for each start.
    ///
    /// # Errors
    ///
    /// All that are wrong with the texts, in their order; of very many, the first hundred.
    pub fn check(texts: &[RuleText<'_>]) -> Result<(Self, Vec<RuleWarning>), Vec<RuleError>> {
        let (sources, rules) = read(texts, MAX_ERRORS)?;
        let set = Self::compile(sources, &rules).map_err(|error| vec![error])?;
        let matches = |deny, method: &str, path: &str| set.matches(deny, method, path);
        let mut warnings = advice::about(&set.sources, &rules, &matches);
        warnings.extend(lints::about(&set.sources, &rules, &matches));
        Ok((set, warnings))
    }

    fn compile(sources: Sources, rules: &[Rule]) -> Result<Self, RuleError> {
        let allowed = rules
            .iter()
            .filter(|rule| !rule.deny)
            .fold(MethodSet::NONE, |methods, rule| methods.union(rule.methods));
        Ok(Self {
            classes: classes(sources.name(), rules)?,
            allowed: if allowed == MethodSet::ANY {
                String::new()
            } else {
                allowed.list()
            },
            rules: rules.iter().map(|it| (it.line, it.text.clone())).collect(),
            sources,
        })
    }

    /// Compiles the default rules.
    ///
    /// # Errors
    ///
    /// Never, as tests ensure. It returns a `Result` because this crate does not panic and the
    /// caller already reports bad rules.
    pub fn embedded() -> Result<Self, RuleError> {
        Self::parse("embedded rules", DEFAULT_PATTERNS.as_bytes())
    }

    /// Judges a request.
    #[must_use]
    pub fn decide<'s>(&'s self, request: &Request<'_>) -> Verdict<'s> {
        let method = MethodSet::of_request(request.method);
        let Some(class) = self
            .classes
            .iter()
            .find(|class| class.methods.contains(method))
        else {
            return Verdict::Deny(Reason::NoRule);
        };
        if class.allow.is_none() && !self.allowed.is_empty() {
            return Verdict::Deny(Reason::Method {
                allowed: &self.allowed,
            });
        }
        self.ask(class, request.path)
    }

    /// The other methods with which the rules allow the path of a request that no rule allows, for a
    /// message: `GET and HEAD`. Empty if there are none that a rule can name.
    #[must_use]
    pub fn other_methods(&self, request: &Request<'_>) -> String {
        let method = MethodSet::of_request(request.method);
        self.classes
            .iter()
            // The rules of its own class were asked for the verdict.
            .filter(|class| class.allow.is_some() && !class.methods.contains(method))
            .filter(|class| matches!(self.ask(class, request.path), Verdict::Allow(_)))
            .fold(MethodSet::NONE, |methods, class| {
                methods.union(class.methods)
            })
            .spoken()
    }

    /// All rules that match a request: the `!` rules, then those that allow, each in the order of
    /// the texts. The first of them decides, unless no rule allows the method at all. For people who
    /// want to know why; a verdict needs none of this.
    #[must_use]
    pub fn matching(&self, request: &Request<'_>) -> Vec<MatchingRule<'_>> {
        let method = MethodSet::of_request(request.method);
        let classes = self.classes.iter();
        let class = classes.filter(|class| class.methods.contains(method));
        let automata = class.flat_map(|class| [(true, &class.deny), (false, &class.allow)]);
        automata
            .filter_map(|(denies, automaton)| Some((denies, automaton.as_ref()?)))
            .flat_map(|(denies, automaton)| {
                let lines = automaton.all_matches(request.path);
                lines.map(move |line| MatchingRule {
                    rule: self.rule_ref(line),
                    text: self.text_of(line),
                    denies,
                })
            })
            .collect()
    }

    /// What the rules of one class say about a path.
    #[inline(always)]
    fn ask(&self, class: &Class, path: &str) -> Verdict<'_> {
        let ask = |automaton: &Option<Arc<Automaton>>| {
            let line = automaton.as_ref()?.first_match(path)?;
            Some(self.rule_ref(line))
        };
        if let Some(rule) = ask(&class.deny) {
            return Verdict::Deny(Reason::Rule(rule));
        }
        match ask(&class.allow) {
            Some(rule) => Verdict::Allow(rule),
            None => Verdict::Deny(Reason::NoRule),
        }
    }

    #[inline(always)]
    fn rule_ref(&self, line: usize) -> RuleRef<'_> {
        let (source, line) = self.sources.place(line);
        RuleRef { source, line }
    }

    fn text_of(&self, line: usize) -> &str {
        let mut rules = self.rules.iter();
        rules.find(|rule| rule.0 == line).map_or("", |rule| &rule.1)
    }

    /// The number of rules; at least 1.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// How much of each endpoint these rules open, in the order of the table. It takes up to a second,
    /// so it is not for the way of a request.
    #[must_use]
    pub fn coverage(&self) -> Vec<Coverage> {
        // Only the text of a rule is kept, which is small. Each of them was read before.
        let read = |(line, text): &(usize, Box<str>)| file::read_line(*line, text).ok()?;
        let rules: Vec<_> = self.rules.iter().filter_map(read).collect();
        coverage::of(&rules)
    }

    /// Whether a rule matches: a `!` rule, or one that allows.
    fn matches(&self, deny: bool, method: &str, path: &str) -> bool {
        let method = MethodSet::of_request(method);
        let class = self.classes.iter().find(|it| it.methods.contains(method));
        let automaton = class.and_then(|class| match deny {
            true => class.deny.as_ref(),
            false => class.allow.as_ref(),
        });
        automaton.is_some_and(|automaton| automaton.first_match(path).is_some())
    }

    /// The name that the rules were parsed under; of several texts, that of the first.
    #[must_use]
    pub fn source(&self) -> &str {
        self.sources.name()
    }
}

/// The rules of texts, or the first error.
fn read_or_refuse(texts: &[RuleText<'_>]) -> Result<(Sources, Vec<Rule>), RuleError> {
    read(texts, 1).map_err(|errors| {
        let first = errors.into_iter().next();
        first.unwrap_or_else(|| no_rules("the rules"))
    })
}

/// A text that is a file by itself.
fn whole<'t>(source: &'t str, text: &'t [u8]) -> RuleText<'t> {
    RuleText {
        source,
        first_line: 1,
        text,
    }
}

/// Groups the methods into classes. Equal lists of rules share one automaton.
fn classes(source: &str, rules: &[Rule]) -> Result<Vec<Class>, RuleError> {
    let mut memory = Memory::new(source);
    let mut built = HashMap::new();
    let mut automaton = |deny: bool, method: MethodSet| {
        let list: Vec<_> = rules
            .iter()
            .filter(|rule| rule.deny == deny && rule.methods.contains(method))
            .collect();
        if list.is_empty() {
            return Ok(None);
        }
        let lines: Vec<_> = list.iter().map(|rule| rule.line).collect();
        if let Some(automaton) = built.get(&lines) {
            return Ok(Some(Arc::clone(automaton)));
        }
        memory.take(list.iter().map(|rule| rule.pattern.size).sum())?;
        let patterns = list.iter().map(|rule| (rule.line, &rule.pattern));
        let automaton = Arc::new(Automaton::build(patterns).ok_or_else(|| too_large(source))?);
        built.insert(lines, Arc::clone(&automaton));
        Ok(Some(automaton))
    };

    let mut classes: Vec<Class> = Vec::new();
    for method in MethodSet::classes() {
        let deny = automaton(true, method)?;
        let allow = automaton(false, method)?;
        match classes
            .iter_mut()
            .find(|class| same(&class.deny, &deny) && same(&class.allow, &allow))
        {
            Some(class) => class.methods = class.methods.union(method),
            None => classes.push(Class {
                methods: method,
                deny,
                allow,
            }),
        }
    }
    Ok(classes)
}

fn same(one: &Option<Arc<Automaton>>, other: &Option<Arc<Automaton>>) -> bool {
    one.as_ref().map(Arc::as_ptr) == other.as_ref().map(Arc::as_ptr)
}

#[cfg(test)]
mod tests;
