//! Turns an error of Rhai's into a place and a message for the author of a policy.

use rhai::{EvalAltResult, Position};

use crate::limits::{MAX_LIST, MAX_TEXT};

/// Where an error happened and what it was, innermost first.
pub(crate) fn explain(error: EvalAltResult) -> (Position, String) {
    let mut error = error;
    let mut around = Position::NONE;
    loop {
        match error {
            EvalAltResult::ErrorInFunctionCall(_, _, inner, at) => {
                around = at.or_else(around);
                error = *inner;
            }
            mut inner => {
                let at = inner.take_position().or_else(around);
                let message = match &inner {
                    EvalAltResult::ErrorRuntime(thrown, _) => thrown.to_string(),
                    EvalAltResult::ErrorDataTooLarge(what, _) => too_large(what),
                    other => lower(&other.to_string()),
                };
                return (at, message);
            }
        }
    }
}

/// The calls on the way of a denial, innermost first: the names of the functions and the places of
/// their calls. None of them if the error is not that of the denial at this place.
pub(crate) fn callers(error: &EvalAltResult, denial: Position) -> Vec<(&str, Position)> {
    let mut callers = Vec::new();
    let mut error = error;
    while let EvalAltResult::ErrorInFunctionCall(name, _, inner, at) = error {
        callers.push((name.as_str(), *at));
        error = inner;
    }
    match error {
        EvalAltResult::ErrorRuntime(_, at) if *at == denial => {
            callers.reverse();
            callers
        }
        _ => Vec::new(),
    }
}

pub(crate) fn lower(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Rhai's error about data that is too large, in the words of the manual.
fn too_large(what: &str) -> String {
    if what.contains("string") {
        format!("a text is longer than {} MiB", MAX_TEXT >> 20)
    } else if what.contains("map") {
        format!("a map has more than {MAX_LIST} keys, nested ones included")
    } else {
        format!("a list has more than {MAX_LIST} items, nested ones included")
    }
}
