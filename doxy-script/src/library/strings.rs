//! Functions on text. They return a new text and never change their argument.

use crate::limits::{MAX_LIST, MAX_TEXT};
use crate::reads::note_computed;
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Position};

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("len", |text: &str| {
            note_computed();
            i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
        })
        .register_fn("is_empty", |text: &str| text.is_empty())
        .register_fn("contains", |text: &str, part: &str| text.contains(part))
        .register_fn("contains", |text: &str, part: char| text.contains(part))
        .register_fn("starts_with", |text: &str, start: &str| {
            text.starts_with(start)
        })
        .register_fn("ends_with", |text: &str, end: &str| text.ends_with(end))
        .register_fn("strip_prefix", |text: &str, start: &str| {
            note_computed();
            or_nothing(text.strip_prefix(start))
        })
        .register_fn("strip_suffix", |text: &str, end: &str| {
            note_computed();
            or_nothing(text.strip_suffix(end))
        })
        .register_fn("to_lower", |text: &str| {
            note_computed();
            text.to_lowercase()
        })
        .register_fn("to_upper", |text: &str| {
            note_computed();
            text.to_uppercase()
        })
        .register_fn("trim", |text: &str| {
            note_computed();
            ImmutableString::from(text.trim())
        })
        .register_fn("parse_int", |text: &str| {
            note_computed();
            text.parse::<i64>().map_or(Dynamic::UNIT, Dynamic::from_int)
        })
        .register_fn("split", |text: &str, separator: &str| -> Array {
            note_computed();
            let parts = text.split(separator).take(MAX_LIST + 1);
            parts
                .map(|part| ImmutableString::from(part).into())
                .collect()
        })
        .register_fn("join", join);
}

/// Joins the items of a list. The length is checked at each item: the result can be far longer than
/// the limit, and Rhai checks a text only after it was built.
fn join(list: Array, separator: &str) -> Result<ImmutableString, Box<EvalAltResult>> {
    let mut text = String::new();
    for (at, item) in list.iter().enumerate() {
        let separator = if at == 0 { "" } else { separator };
        let word = match item.as_immutable_string_ref() {
            Ok(word) => word.clone(),
            Err(_) => item.to_string().into(),
        };
        if text.len() + separator.len() + word.len() > MAX_TEXT {
            return Err(too_long());
        }
        text.push_str(separator);
        text.push_str(&word);
    }
    Ok(text.into())
}

fn too_long() -> Box<EvalAltResult> {
    EvalAltResult::ErrorDataTooLarge("Length of string".to_owned(), Position::NONE).into()
}

fn or_nothing(text: Option<&str>) -> Dynamic {
    text.map_or(Dynamic::UNIT, |text| ImmutableString::from(text).into())
}
