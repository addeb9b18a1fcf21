//! The lines of a pattern file as rules, each compiled by itself.
//!
//! It must never combine rules: `set` does.

use super::line::{self, Line};
use super::method::MethodSet;
use super::pattern::{self, Pattern};
use crate::error::{Fault, RuleError};

/// The largest total size of all compiled patterns, in bytes; each automaton counts its patterns.
/// Ten thousand common rules fit. It also bounds the time of the worst patterns on the worst path.
const MAX_TOTAL_SIZE: usize = 16_777_216; // 16 MiB

/// One rule, before all of them are compiled together.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) line: usize,
    /// The column of the pattern in characters, counted from 1.
    pub(super) column: usize,
    pub(super) deny: bool,
    pub(super) methods: MethodSet,
    pub(super) pattern: Pattern,
}

/// Reads the rules in `text`. The error is about the first wrong line, or says that no line has a rule.
pub(super) fn read(source: &str, text: &[u8]) -> Result<Vec<Rule>, RuleError> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut rules = Vec::new();
    let mut memory = Memory::new(source);
    for (index, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = index.saturating_add(1);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let text = str::from_utf8(bytes).map_err(|error| {
            let help = "save the file as UTF-8; a single byte has no meaning in a path";
            let fault = Fault::new(error.valid_up_to(), "the line is not valid UTF-8", help);
            RuleError::in_line(source, number, &String::from_utf8_lossy(bytes), fault)
        })?;
        if let Some(rule) = read_line(number, text)
            .map_err(|fault| RuleError::in_line(source, number, text, fault))?
        {
            memory.take(rule.pattern.size)?;
            rules.push(rule);
        }
    }
    if rules.is_empty() {
        return Err(RuleError::in_file(
            source,
            "the file has no rules, so nothing would be allowed",
            "a rule is a line like `(/v[\\d.]+)?/containers/json`; to deny everything, write `!.*`",
        ));
    }
    Ok(rules)
}

fn read_line(number: usize, text: &str) -> Result<Option<Rule>, Fault> {
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
