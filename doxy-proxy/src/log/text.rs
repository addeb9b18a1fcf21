//! The text of a record: what a client sent and which rule decided, as it may stand in a log.
//!
//! It is made only for requests that are logged. All parts of one record share one string, and
//! strings are reused, so that logging a request allocates nothing as a rule.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::log::escape::{Escape, escape_for, escaped};

/// How many free texts a thread keeps.
const SPARE_LIMIT: usize = 512;
/// The most that a free text keeps, in bytes.
const KEPT_CAPACITY: usize = 512;

thread_local! {
    #[expect(clippy::vec_box, reason = "the boxes are handed out and returned as they are")]
    static SPARE: RefCell<Vec<Box<Text>>> = const { RefCell::new(Vec::new()) };
}

/// The parts of a record that are text.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// All parts, one behind the other.
    quoted: String,
    /// Whether JSON has to escape something in it.
    pub(crate) escapes: bool,
    pub(crate) host: Span,
    /// What the client calls the request.
    pub(crate) client_id: Span,
    pub(crate) method: Span,
    pub(crate) path: Span,
    pub(crate) rule: Span,
    /// The full id of the object in the path, if the policy looked it up.
    pub(crate) object: Span,
    /// What a script said; only with `--debug`.
    pub(crate) said: Span,
    /// In words of doxy's own; empty where the reason's words say it.
    pub(crate) detail: Cow<'static, str>,
}

/// Where a part stands; nowhere if it is empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

impl Text {
    /// An empty text.
    pub(crate) fn take() -> Box<Self> {
        SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    /// Returns a text for the next request. Nothing in it is kept.
    pub(crate) fn give_back(mut self: Box<Self>) {
        let mut quoted = std::mem::take(&mut self.quoted);
        quoted.clear();
        quoted.shrink_to(KEPT_CAPACITY);
        *self = Self {
            quoted,
            ..Self::default()
        };
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_LIMIT {
                spare.push(self);
            }
        });
    }

    /// Adds text from a client or a file: on one line, and of bounded length.
    pub(crate) fn quote(&mut self, text: &str) -> Span {
        let start = self.quoted.len();
        match escape_for(text.as_bytes()) {
            Escape::Nothing => self.quoted.push_str(text),
            Escape::InJson => {
                self.quoted.push_str(text);
                self.escapes = true;
            }
            Escape::Everywhere => {
                self.quoted.push_str(&escaped(text.as_bytes()));
                self.escapes = true;
            }
        }
        let end = self.quoted.len();
        Span { start, end }
    }

    /// Adds the place of a rule: its file, and its line if it has one.
    pub(crate) fn quote_rule(&mut self, file: &str, line: Option<usize>) {
        self.rule = self.quote(file);
        if let Some(line) = line {
            self.quoted.push(':');
            self.quoted.push_str(itoa::Buffer::new().format(line));
            self.rule.end = self.quoted.len();
        }
    }

    pub(crate) fn get(&self, span: Span) -> &str {
        self.quoted.get(span.start..span.end).unwrap_or_default()
    }
}
