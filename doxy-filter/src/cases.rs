//! Cases: requests and the verdicts that a policy must give, read from a `.cases` file.
//!
//! One dialect for rules and scripts; `scripts/README.md` is its reference. This module reads text and
//! nothing else: it must never judge a request, nor know what a policy is.

mod case;
mod detail;

use self::case::{BLANKS, Draft, shown, word};
pub use self::case::{Case, CaseLookup, CasePeer, Expected, ExpectedRule};
use crate::error::{CaseError, Fault, MAX_ERRORS};

/// Reads a file of cases. `source` is its name in messages.
///
/// # Errors
///
/// All of them, in the order of the file; of a file with very many, the first hundred. No part of a
/// wrong file is used.
pub fn parse(source: &str, text: &[u8]) -> Result<Vec<Case>, Vec<CaseError>> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut reader = Reader::default();
    let mut errors = Vec::new();
    for (index, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = index.saturating_add(1);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let shown = String::from_utf8_lossy(bytes);
        let read = match str::from_utf8(bytes) {
            Ok(line) => reader.line(number, line),
            Err(error) => Err(Fault::new(
                error.valid_up_to(),
                "the line is not valid UTF-8",
                "save the file as UTF-8",
            )),
        };
        if let Err(fault) = read {
            errors.push(CaseError::in_line(source, number, &shown, fault));
            if errors.len() == MAX_ERRORS {
                return Err(errors);
            }
        }
    }
    if reader.cases.is_empty() && errors.is_empty() {
        errors.push(CaseError::in_file(
            source,
            "the file has no cases",
            "write what the policy must answer, as in `allow GET /_ping`",
        ));
    }
    match errors.is_empty() {
        true => Ok(reader.cases.into_iter().map(Draft::done).collect()),
        false => Err(errors),
    }
}

#[derive(Debug, Default)]
struct Reader {
    /// What holds for all cases: it stands before the first one.
    common: Option<Draft>,
    cases: Vec<Draft>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), Fault> {
        let text = line.trim_matches(BLANKS);
        if text.is_empty() || text.starts_with('#') {
            return Ok(());
        }
        if let Some(at) = text.find(char::is_control) {
            let fault = Fault::new(at, "a control character", "remove it");
            return Err(fault.shifted(indent(line)));
        }
        if indent(line) == 0 {
            return self.case(number, text);
        }
        let draft = match self.cases.last_mut() {
            Some(draft) => draft,
            None => {
                let word = text.split(' ').next().unwrap_or_default();
                if !detail::may_be_common(word) {
                    let fault = Fault::new(
                        0,
                        format!("`{}` before the first case", shown(word)),
                        "before the first case stand peer, container and lookup, which hold for all \
                         cases; a case begins with allow, deny, pass or refused, without a blank \
                         before it",
                    );
                    return Err(fault.shifted(indent(line)));
                }
                self.common.get_or_insert_with(|| Draft::new(0))
            }
        };
        detail::read(draft, text).map_err(|fault| fault.shifted(indent(line)))?;
        let (word, rest) = word(text);
        if detail::is_body(word) {
            let before = line.get(..indent(line) + text.len() - rest.len());
            let column = before.map_or(0, |before| before.chars().count()) + 1;
            draft.case.body_at = (number, column);
        }
        Ok(())
    }

    fn case(&mut self, number: usize, text: &str) -> Result<(), Fault> {
        let mut draft = Draft::new(number);
        if let Some(common) = &self.common {
            draft.case.peer.clone_from(&common.case.peer);
            draft.case.container.clone_from(&common.case.container);
            draft.case.lookups.clone_from(&common.case.lookups);
        }
        let (verdict, rest) = word(text);
        let method_at = text.len() - rest.len();
        let (method, rest) = word(rest);
        let (target, rest) = word(rest);
        let expected = Expected::ALL.into_iter().find(|it| it.word() == verdict);
        let read = match expected {
            None => Err(Fault::new(
                0,
                format!("`{}` is no verdict", shown(verdict)),
                "a case is `allow`, `deny`, `pass` or `refused`, a method and a target; details of \
                 it begin with two blanks",
            )),
            Some(_) if target.is_empty() => Err(Fault::new(
                text.len(),
                "the case has no target",
                format!("write method and target, as in `{verdict} GET /_ping`"),
            )),
            Some(_) if method.contains(|c: char| c.is_ascii_lowercase()) => Err(Fault::new(
                method_at,
                format!("the method `{}` is not in capitals", shown(method)),
                format!("write `{}`", shown(&method.to_uppercase())),
            )),
            Some(_) if !rest.is_empty() => Err(Fault::new(
                text.len() - rest.len(),
                "a target has no blanks",
                "write a blank in it as `%20`; what is expected besides goes into lines below, which \
                 begin with two blanks",
            )),
            Some(expected) => {
                draft.case.expected = expected;
                method.clone_into(&mut draft.case.method);
                target.clone_into(&mut draft.case.target);
                Ok(())
            }
        };
        // A wrong one too: the lines below it are its details.
        self.cases.push(draft);
        read
    }
}

/// How many bytes of blanks a line begins with.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(BLANKS).len()
}

#[cfg(test)]
mod tests;
