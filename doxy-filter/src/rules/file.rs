//! The lines of pattern files as rules, each compiled by itself.
//!
//! It must never combine rules: `set` does.

use super::line::{self, Line};
use super::method::MethodSet;
use super::pattern::{self, Pattern};
use crate::error::{Fault, RuleError};

/// The largest total size of all compiled patterns, in bytes; each automaton counts its patterns.
/// Ten thousand common rules fit. It also bounds the time of the worst patterns on the worst path.
const MAX_TOTAL_SIZE: usize = 16_777_216; // 16 MiB

/// A text with rules, and where its lines are for people.
#[derive(Debug, Clone, Copy)]
pub struct RuleText<'t> {
    /// Its name in messages and [`RuleRef`](crate::RuleRef)s, usually the path of a file.
    pub source: &'t str,
    /// The number of its first line: 1, unless the text stands within a file.
    pub first_line: usize,
    /// The rules.
    pub text: &'t [u8],
}

/// The names of texts that are read one after the other. Their lines have one count.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    name: String,
    first_line: usize,
    /// The lines of the texts before this one.
    before: usize,
}

impl Sources {
    /// The name of the text that has this line, and the line's number there.
    #[inline]
    pub(super) fn place(&self, line: usize) -> (&str, usize) {
        let of = |source: &&Source| source.before < line;
        match self.0.iter().rfind(of) {
            Some(source) => (&source.name, line - source.before - 1 + source.first_line),
            None => ("", line),
        }
    }

    /// Where a line is, for a message about another one: `in line 3`, or `b.pattern:3`.
    pub(super) fn near(&self, line: usize, other: usize) -> String {
        let (source, _) = self.place(line);
        match self.place(other) {
            (same, line) if same == source => format!("in line {line}"),
            (name, line) => format!("{name}:{line}"),
        }
    }

    /// The first name.
    pub(super) fn name(&self) -> &str {
        self.0.first().map_or("", |source| &source.name)
    }
}

/// One rule, before all of them are compiled together.
#[derive(Debug)]
pub(super) struct Rule {
    /// Counted over all texts; [`Sources::place`] says which line that is.
    pub(super) line: usize,
    /// The column of the pattern in characters, counted from 1.
    pub(super) column: usize,
    pub(super) deny: bool,
    pub(super) methods: MethodSet,
    pub(super) pattern: Pattern,
    /// The whole line, as it was written.
    pub(super) text: Box<str>,
}

/// Reads the rules in `texts`. The errors are about wrong lines, in their order and at most so many,
/// or say of which text no line has a rule.
pub(super) fn read(
    texts: &[RuleText<'_>],
    most: usize,
) -> Result<(Sources, Vec<Rule>), Vec<RuleError>> {
    let mut sources = Sources::default();
    let mut rules = Vec::new();
    let mut errors = Vec::new();
    let mut before = 0;
    for text in texts {
        sources.0.push(Source {
            name: text.source.to_owned(),
            first_line: text.first_line,
            before,
        });
        before = read_one(text, before, &mut rules, &mut errors, most);
        if errors.len() >= most {
            return Err(errors);
        }
    }
    if rules.is_empty() && errors.is_empty() {
        errors.push(no_rules("the rules"));
    }
    match errors.is_empty() {
        true => Ok((sources, rules)),
        false => Err(errors),
    }
}

pub(super) fn no_rules(source: &str) -> RuleError {
    RuleError::in_file(
        source,
        "the file has no rules, so nothing would be allowed",
        "a rule is a line like `(/v[\\d.]+)?/containers/json`; to deny everything, write `!.*`",
    )
}

/// Reads one text, with a number of lines before it, until there are too many errors. Returns how many
/// lines there are with its own.
fn read_one(
    text: &RuleText<'_>,
    before: usize,
    rules: &mut Vec<Rule>,
    errors: &mut Vec<RuleError>,
    most: usize,
) -> usize {
    let (source, first_line) = (text.source, text.first_line);
    let text = text.text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text.text);
    let mut memory = Memory::new(source);
    let mut line = before;
    let of_others = (rules.len(), errors.len());
    for (index, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
        line = line.saturating_add(1);
        let number = index.saturating_add(first_line);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let read = match str::from_utf8(bytes) {
            Ok(text) => read_line(line, text)
                .map_err(|fault| RuleError::in_line(source, number, text, fault)),
            Err(error) => {
                let help = "save the file as UTF-8; a single byte has no meaning in a path";
                let fault = Fault::new(error.valid_up_to(), "the line is not valid UTF-8", help);
                let text = String::from_utf8_lossy(bytes);
                Err(RuleError::in_line(source, number, &text, fault))
            }
        };
        match read {
            Ok(None) => {}
            Ok(Some(rule)) => match memory.take(rule.pattern.size) {
                Ok(()) => rules.push(rule),
                // What follows would be too much as well.
                Err(error) => {
                    errors.push(error);
                    return line;
                }
            },
            Err(error) => errors.push(error),
        }
        if errors.len() >= most {
            return line;
        }
    }
    if of_others == (rules.len(), errors.len()) {
        errors.push(no_rules(source));
    }
    line
}

/// Reads one line. `None` for blank lines and comments.
pub(super) fn read_line(number: usize, text: &str) -> Result<Option<Rule>, Fault> {
    let Some(Line {
        deny,
        methods,
        pattern,
        pattern_at,
    }) = line::parse(text).map_err(|fault| line::or_comment(text, fault))?
    else {
        return Ok(None);
    };
    let pattern = pattern::compile(pattern)
        .map_err(|fault| line::or_comment(text, fault.shifted(pattern_at)))?;
    Ok(Some(Rule {
        line: number,
        column: text.get(..pattern_at).unwrap_or_default().chars().count() + 1,
        deny,
        methods,
        pattern,
        text: text.trim().into(),
    }))
}

/// The size that compiled patterns may still have.
pub(super) struct Memory<'s> {
    source: &'s str,
    left: usize,
}

impl<'s> Memory<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self {
            source,
            left: MAX_TOTAL_SIZE,
        }
    }

    pub(super) fn take(&mut self, size: usize) -> Result<(), RuleError> {
        let left = self.left.checked_sub(size);
        self.left = left.ok_or_else(|| too_large(self.source))?;
        Ok(())
    }
}

pub(super) fn too_large(source: &str) -> RuleError {
    RuleError::in_file(
        source,
        "the patterns together are too large",
        "lower their repetition counts, or merge similar patterns into one",
    )
}
