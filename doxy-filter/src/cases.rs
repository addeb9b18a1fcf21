//! Cases: requests and the verdicts that a policy must give, read from a `.cases` file.
//!
//! One dialect for rules and scripts; `scripts/README.md` is its reference. This module reads text and
//! nothing else: it must never judge a request, nor know what a policy is.

mod detail;

use std::fmt;
use std::net::SocketAddr;

use crate::error::{CaseError, Fault, MAX_ERRORS};

const BLANKS: [char; 2] = [' ', '\t'];

/// A request, and what a policy must say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The line of the case, counted from 1.
    pub line: usize,
    /// The verdict that it must get.
    pub expected: Expected,
    /// The method as sent.
    pub method: String,
    /// The target as sent: path and query.
    pub target: String,
    /// Names and values of the headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The body as sent.
    pub body: Option<String>,
    /// Who connects; `None` if that is not known.
    pub peer: Option<CasePeer>,
    /// The container that the peer is in, as JSON; `None` if that is not known.
    pub container: Option<String>,
    /// The socket that receives the request, if the case names one.
    pub socket: Option<String>,
    /// What the engine says about objects and itself; it knows nothing else.
    pub lookups: Vec<CaseLookup>,
    /// What must have decided, if the case says so.
    pub rule: Option<ExpectedRule>,
    /// Parts that the reason must have, or the line in the log.
    pub because: Vec<String>,
}

/// The verdict that a case expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The request is allowed.
    Allow,
    /// The policy denies it.
    Deny,
    /// The script leaves it to rules, and there are none.
    Pass,
    /// The request is malformed or not served: no policy is asked.
    Refused,
}

impl Expected {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Deny, Self::Pass, Self::Refused];

    /// The word for it: `allow`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Pass => "pass",
            Self::Refused => "refused",
        }
    }
}

/// What must have decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedRule {
    /// No rule, and no line of a script.
    None,
    /// This line of a pattern file or a script. Without a name, of any.
    At {
        /// The file's path or its last parts.
        file: Option<String>,
        /// The line, counted from 1.
        line: usize,
    },
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CasePeer {
    /// A process, over a unix socket.
    Unix {
        /// Its user.
        uid: u32,
        /// Its primary group.
        gid: u32,
        /// Its process id, if that is known.
        pid: Option<i32>,
    },
    /// Somebody on a network, over TCP.
    Net(SocketAddr),
}

/// What the engine says when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseLookup {
    /// What is asked about: `container web`, or `engine`.
    pub what: String,
    /// The target that asks.
    pub target: String,
    /// The answer, as JSON.
    pub answer: String,
}

impl ExpectedRule {
    /// Whether this decided. `file` is the name under which the rules or the script were read.
    #[must_use]
    pub fn is_at(&self, decided: Option<(&str, usize)>) -> bool {
        match (self, decided) {
            (Self::None, None) => true,
            (Self::At { file, line }, Some((other, at))) => {
                let same = |file: &String| {
                    other.strip_suffix(file.as_str()).is_some_and(|before| {
                        before.is_empty() || before.ends_with('/') || file.starts_with('/')
                    })
                };
                *line == at && file.as_ref().is_none_or(same)
            }
            _ => false,
        }
    }
}

impl fmt::Display for ExpectedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::At {
                file: Some(file),
                line,
            } => write!(f, "{file}:{line}"),
            Self::At { file: None, line } => write!(f, "line {line}"),
        }
    }
}

/// As it is written: `allow GET /_ping`.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.expected.word();
        write!(f, "{word} {} {}", self.method, self.target)
    }
}

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

/// A case whose details are still being read.
#[derive(Debug)]
struct Draft {
    case: Case,
    /// Details that were given for this case itself.
    own: Vec<&'static str>,
    /// Targets of its own lookups.
    looked_up: Vec<String>,
    is_json: bool,
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
        detail::read(draft, text).map_err(|fault| fault.shifted(indent(line)))
    }

    fn case(&mut self, number: usize, text: &str) -> Result<(), Fault> {
        let mut draft = Draft::new(number);
        if let Some(common) = &self.common {
            draft.case.peer.clone_from(&common.case.peer);
            draft.case.container.clone_from(&common.case.container);
            draft.case.lookups.clone_from(&common.case.lookups);
        }
        let (verdict, rest) = word(text);
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

impl Draft {
    fn new(line: usize) -> Self {
        Self {
            case: Case {
                line,
                expected: Expected::Deny,
                method: String::new(),
                target: String::new(),
                headers: Vec::new(),
                body: None,
                peer: None,
                container: None,
                socket: None,
                lookups: Vec::new(),
                rule: None,
                because: Vec::new(),
            },
            own: Vec::new(),
            looked_up: Vec::new(),
            is_json: false,
        }
    }

    fn done(self) -> Case {
        let mut case = self.case;
        let typed = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if self.is_json && !case.headers.iter().any(typed) {
            let json = ("Content-Type".to_owned(), "application/json".to_owned());
            case.headers.push(json);
        }
        case
    }
}

/// The first word of a text, and what follows the blanks behind it.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(BLANKS).unwrap_or((text, ""));
    (word, rest.trim_start_matches(BLANKS))
}

/// How many bytes of blanks a line begins with.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(BLANKS).len()
}

/// A word for a message: not endless.
fn shown(word: &str) -> String {
    word.chars().take(40).collect()
}

#[cfg(test)]
mod tests;
