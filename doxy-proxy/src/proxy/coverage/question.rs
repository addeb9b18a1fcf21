//! One question to a script, and the way on which it was answered. It must never ask anything itself.

use crate::proxy::explain::{Answer, AskingContainer, DecidedBy, Explanation, Question};

/// Where a request was denied, and after how many steps.
pub(super) fn way(said: &Explanation) -> Option<(String, u32)> {
    match (&said.answer, &said.by) {
        (Answer::Deny, DecidedBy::Script(place)) => Some((place.clone(), said.reads.steps)),
        _ => None,
    }
}

/// A question that leaves open what it can.
pub(super) fn open<'q>(method: &'q str, target: &'q str, socket: &'q str) -> Question<'q> {
    Question {
        method,
        target,
        headers: &[],
        body: None,
        peer: None,
        container: AskingContainer::Open,
        socket,
        lookups: &[],
        only_these: false,
    }
}

/// A text as it stands in a query.
pub(super) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
