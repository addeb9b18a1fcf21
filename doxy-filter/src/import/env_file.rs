//! Files with a variable a line, as `docker run --env-file` and compose read them.
//!
//! It must never expand a variable: what refers to another one is an error.

use super::{ImportError, Variable, on_one_line};

/// The variables in a text, in their order. `place` is its name for messages.
///
/// # Errors
///
/// For a line that is no variable, or whose value refers to one.
pub fn read(place: &str, text: &str) -> Result<Vec<Variable>, ImportError> {
    let mut variables = vec![];
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{place}:{}", at + 1);
        let assigned = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = assigned.split_once('=') else {
            let what = format!("{place}: `{}`: not NAME=VALUE", on_one_line(line));
            return Err(ImportError::new(what, "write a variable a line"));
        };
        variables.push((name.trim().to_owned(), scalar(&place, value.trim())?));
    }
    Ok(variables)
}

/// A value without its quotes.
fn scalar(place: &str, value: &str) -> Result<String, ImportError> {
    let quoted = |quote: char| {
        let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inner)
    };
    if let Some(inner) = quoted('\'') {
        return Ok(inner.replace("''", "'"));
    }
    let text = match quoted('"') {
        Some(inner) => unescaped(inner),
        None => value
            .split(" #")
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned(),
    };
    without_references(place, &text)
}

/// A value as compose understands it, which writes a dollar as two.
///
/// # Errors
///
/// For a value that refers to a variable.
pub fn without_references(place: &str, value: &str) -> Result<String, ImportError> {
    let plain = value.replace("$$", "");
    let refers = plain.match_indices('$').any(|(at, _)| {
        let next = plain.get(at + 1..).and_then(|rest| rest.chars().next());
        next.is_some_and(|c| c == '{' || c == '_' || c.is_ascii_alphabetic())
    });
    if refers {
        let what = format!("{place}: `{}` refers to a variable", on_one_line(value));
        let help = "write the value; of a compose file, take what `docker compose config` prints";
        return Err(ImportError::new(what, help));
    }
    Ok(value.replace("$$", "$"))
}

/// What stands between double quotes.
fn unescaped(inner: &str) -> String {
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some(c @ ('"' | '\\' | '/' | '$')) => text.push(c),
            Some(c) => text.extend(['\\', c]),
            None => text.push('\\'),
        }
    }
    text
}
