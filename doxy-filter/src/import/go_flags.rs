//! Arguments as programs in Go read them: `-name=value`, `--name value`, and flags without a value.
//!
//! It must never know what an argument means.

use super::ImportError;
use super::on_one_line;

/// What was given for each name, in the order of the arguments. `takes` says whether an argument of
/// this name has a value; none, that there is no such argument.
///
/// # Errors
///
/// For an argument that the program would refuse.
pub(super) fn read(
    arguments: &[String],
    takes: impl Fn(&str) -> Option<bool>,
) -> Result<Vec<(String, String)>, ImportError> {
    let wrong = |argument: &str, what: &str| {
        let what = format!("{}: {what}", on_one_line(argument));
        ImportError::new(what, "give the arguments as the program gets them")
    };
    let mut given = vec![];
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let named = argument.strip_prefix("--").or(argument.strip_prefix('-'));
        let Some(named) = named.filter(|named| !named.is_empty()) else {
            return Err(wrong(argument, "not an option"));
        };
        let (name, value) = match named.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (named, None),
        };
        let value = match (takes(name), value) {
            (None, _) => return Err(wrong(argument, "the program has no such option")),
            (Some(_), Some(value)) => value.to_owned(),
            (Some(false), None) => "true".to_owned(),
            (Some(true), None) => match rest.next() {
                Some(value) => value.clone(),
                None => return Err(wrong(argument, "the value is missing")),
            },
        };
        given.push((name.to_owned(), value));
    }
    Ok(given)
}

/// `true` and `false`, as Go writes them.
pub(super) fn boolean(name: &str, value: &str) -> Result<bool, ImportError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => {
            let what = format!("{name}={}: neither true nor false", on_one_line(other));
            Err(ImportError::new(what, "write true or false"))
        }
    }
}
