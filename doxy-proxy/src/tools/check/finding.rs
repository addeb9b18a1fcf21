//! What a check has found: a place, what is wrong there, and what to do.

use std::fmt;

use doxy_filter::RuleWarning;
use serde_json::{Value, json};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Doxy would not start with it.
    Error,
    /// Doxy would start, and something is probably a mistake.
    Warning,
    /// A case and the policy disagree.
    Case,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// The file, and in it line and column; 0 for what is not about one line.
    pub(crate) place: Option<(String, usize, usize)>,
    pub(crate) message: String,
    /// What to do; empty if that is not known.
    pub(crate) help: String,
    /// What a case expects, and what it got; both empty for all else.
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl Level {
    /// The word for it, in all formats.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Case => "case",
        }
    }
}

impl Finding {
    /// An error or a warning, of the two lines that every one of them has: `FILE:LINE:COLUMN: what`, and
    /// `help: …`.
    pub(super) fn of(level: Level, text: &str) -> Self {
        let (what, help) = text.split_once("\nhelp: ").unwrap_or((text, ""));
        let (place, message) = match placed(what) {
            Some((place, message)) => (Some(place), message),
            None => (None, what),
        };
        Self {
            level,
            place,
            message: message.to_owned(),
            help: help.to_owned(),
            expected: String::new(),
            got: String::new(),
        }
    }

    pub(super) fn of_warning(warning: &RuleWarning) -> Self {
        let RuleWarning {
            source_name,
            line,
            column,
            message,
            help,
        } = warning;
        Self {
            place: Some((source_name.clone(), *line, *column)),
            help: help.clone(),
            ..Self::of(Level::Warning, message)
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let case = |text: &String| (self.level == Level::Case).then(|| text.clone());
        json!({
            "level": self.level.word(),
            "file": self.place.as_ref().map(|(file, ..)| file),
            "line": self.place.as_ref().map(|(_, line, _)| line),
            "column": self.place.as_ref().map(|(.., column)| column),
            "message": self.message,
            "help": self.help,
            "expected": case(&self.expected),
            "got": case(&self.got),
        })
    }
}

/// The place at the beginning of a message, and the rest of it.
pub(super) fn placed(what: &str) -> Option<((String, usize, usize), &str)> {
    // A file may have colons in its name, so the first two numbers between them are looked for.
    for (at, _) in what.match_indices(':') {
        let (file, rest) = what.split_at_checked(at)?;
        let mut parts = rest.strip_prefix(':')?.splitn(3, ':');
        let mut number = || parts.next()?.parse::<usize>().ok();
        if let (Some(line), Some(column)) = (number(), number())
            && let Some(message) = parts.next().and_then(|rest| rest.strip_prefix(' '))
        {
            return Some(((file.to_owned(), line, column), message));
        }
    }
    None
}

/// In lines for people, without the word for its level.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.message))?;
        for (name, text) in [
            ("help: ", &self.help),
            ("expected  ", &self.expected),
            ("got       ", &self.got),
        ] {
            if !text.is_empty() {
                write!(f, "\n  {name}{}", plain(text))?;
            }
        }
        Ok(())
    }
}

/// A text for a terminal: what a policy says may have been chosen by anybody.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => plain.extend(c.escape_default()),
            false => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Finding, Level, placed};

    #[test]
    fn places_are_found_wherever_they_are() {
        let place = |file: &str, line, column| Some((file.to_owned(), line, column));
        for (text, expected, message) in [
            ("a.pattern:3:14: odd", place("a.pattern", 3, 14), "odd"),
            ("/x:y/a:1:2: b: c", place("/x:y/a", 1, 2), "b: c"),
            ("--script: wrong", None, "--script: wrong"),
            ("a.pattern: no rules", None, "a.pattern: no rules"),
            ("12:30", None, "12:30"),
            ("", None, ""),
        ] {
            let found = Finding::of(Level::Error, &format!("{text}\nhelp: mend it"));
            assert_eq!(found.place, expected, "{text}");
            assert_eq!(found.message, message, "{text}");
            assert_eq!(found.help, "mend it");
            assert_eq!(placed(text).is_some(), expected.is_some());
        }
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        let mut found = Finding::of(Level::Case, "allow GET /");
        found.got = "deny, because \u{1b}[2J\nhelp: no\u{9b}".to_owned();
        assert_eq!(
            found.to_string(),
            "allow GET /\n  got       deny, because \\u{1b}[2J\\nhelp: no\\u{9b}"
        );
    }
}
