//! A case, and one whose details are still being read. It knows no line of a file.

use std::fmt;
use std::net::SocketAddr;

pub(super) const BLANKS: [char; 2] = [' ', '\t'];

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
    /// Line and column at which the body begins; zeroes without one.
    pub body_at: (usize, usize),
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

impl Case {
    /// Whether the body is meant to be JSON: by its type, or without one by how it begins.
    #[must_use]
    pub fn claims_json(&self) -> bool {
        let typed = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("content-type");
        match (&self.body, self.headers.iter().find(typed)) {
            (None, _) => false,
            (Some(_), Some((_, value))) => value.to_ascii_lowercase().contains("json"),
            (Some(body), None) => body.starts_with('{'),
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

/// A case whose details are still being read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) case: Case,
    /// Details that were given for this case itself.
    pub(super) own: Vec<&'static str>,
    /// Targets of its own lookups.
    pub(super) looked_up: Vec<String>,
    pub(super) is_json: bool,
}

impl Draft {
    pub(super) fn new(line: usize) -> Self {
        Self {
            case: Case {
                line,
                expected: Expected::Deny,
                method: String::new(),
                target: String::new(),
                headers: Vec::new(),
                body: None,
                body_at: (0, 0),
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

    pub(super) fn done(self) -> Case {
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
pub(super) fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(BLANKS).unwrap_or((text, ""));
    (word, rest.trim_start_matches(BLANKS))
}

/// A word for a message: not endless.
pub(super) fn shown(word: &str) -> String {
    word.chars().take(40).collect()
}
