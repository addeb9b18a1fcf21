//! What a policy looks up: objects of the engine, and the engine itself.
//!
//! A script cannot wait. If an answer is missing, the call is stopped; the caller gets the answer and
//! asks the policy again from its beginning. The same lookup gives the same answer in all calls for
//! one request. Nothing here reaches the engine.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use doxy_filter::api::{ENGINE_INFO, NamedObject, ObjectKind, schema};

use crate::budget::Spent;
use crate::json::{self, Doc, Member, Node};

/// The most lookups for one request.
pub(crate) const MAX_LOOKUPS: usize = 8;

/// The word for the engine among the kinds of lookups.
pub(crate) const ENGINE: &str = "engine";

/// One question to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    subject: Subject,
    /// The path that asks, without a version. It has no query.
    target: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Object(ObjectKind, String),
    Engine,
}

/// What the engine answered to a lookup.
#[derive(Debug)]
enum Answer {
    Found {
        doc: Arc<Doc>,
        /// The full id, if such an object has one.
        id: Option<String>,
    },
    Absent,
    /// The name is not that of one object.
    NotOne,
    /// There is no answer to go by. The reason goes to the client.
    Failed(String),
}

/// Why a lookup has neither found an object nor found that there is none. Both deny the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The engine does not take the name: it is the beginning of several ids, or can be nobody's.
    NotOne,
    /// The reason, which goes to the client.
    Failed(String),
}

/// What a policy has looked up for one request, and what its calls have used up so far. Keep it
/// while the same request is asked about again.
#[derive(Debug, Default)]
pub struct Lookups(Option<Box<Known>>);

#[derive(Debug, Default)]
struct Known {
    answers: Vec<(Lookup, Answer)>,
    spent: Spent,
}

/// The kinds of lookups that a policy names in its `LOOKUPS`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed {
    pub(crate) kinds: Vec<ObjectKind>,
    pub(crate) engine: bool,
}

#[derive(Debug, Default)]
struct Call {
    allowed: Allowed,
    answers: Vec<(Lookup, Answer)>,
    /// The lookup that stopped the call.
    wanted: Option<Lookup>,
}

thread_local! {
    static CALL: RefCell<Call> = RefCell::default();
}

/// What a script gets for a lookup.
pub(crate) enum Outcome {
    Found(Arc<Doc>),
    Absent,
    /// The request is to be denied as if there were no such object: how many strangers' ids begin
    /// with a text is nobody's business.
    NotOne(ObjectKind),
    /// The request is to be denied. The reason goes to the client.
    Failed(String),
    /// The call is to be stopped until the answer is there.
    Missing,
    /// The policy is wrong. The message is for its author.
    Wrong(String),
}

impl Lookup {
    fn new(subject: Subject) -> Option<Self> {
        let target = match &subject {
            Subject::Object(kind, name) => kind.target(name)?,
            Subject::Engine => ENGINE_INFO.to_owned(),
        };
        Some(Self { subject, target })
    }

    /// The path that asks the engine, with no version and no query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Reads an answer: the schema and the field with the full id are those of the kind.
    fn read(&self, answer: Result<Option<&[u8]>, Unanswered>) -> Answer {
        let failed = |reason: String| Answer::Failed(format!("cannot look up {self}: {reason}"));
        let bytes = match answer {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Answer::Absent,
            Err(Unanswered::NotOne) => return Answer::NotOne,
            Err(Unanswered::Failed(reason)) => return failed(reason),
        };
        let (schema, id_field) = match &self.subject {
            Subject::Object(kind, _) => (kind.schema(), kind.id_field()),
            Subject::Engine => (&schema::ENGINE_ANSWER, None),
        };
        let doc = match json::parse(bytes, schema) {
            Ok(doc) => Arc::new(doc),
            Err(reason) => return failed(format!("the engine's answer cannot be read: {reason}")),
        };
        if !matches!(doc.node(doc.root()), Node::Object { .. }) {
            return failed("the engine's answer is not an object".to_owned());
        }
        let id = match id_field.map(|field| full_id(&doc, field)) {
            None => None,
            Some(Some(id)) => Some(id),
            Some(None) => return failed("the engine's answer has no full id".to_owned()),
        };
        Answer::Found { doc, id }
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Object(kind, name) => write!(f, "{} {name}", kind.word()),
            Subject::Engine => f.write_str("the engine"),
        }
    }
}

/// The id in this field, if it is one: nothing else may become part of a path.
fn full_id(doc: &Doc, field: &str) -> Option<String> {
    let Member::Found(id) = doc.look_up(doc.root(), field) else {
        return None;
    };
    let Node::Text(span) = doc.node(id) else {
        return None;
    };
    let id = doc.text(*span);
    let plain = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    ((12..=128).contains(&id.len()) && id.bytes().all(plain)).then(|| id.to_owned())
}

impl Lookups {
    /// Notes what the engine answered: the bytes of a description, `None` if there is no such
    /// object, or why there is no answer.
    pub fn answer(&mut self, lookup: Lookup, answer: Result<Option<&[u8]>, Unanswered>) {
        let answer = lookup.read(answer);
        self.known().answers.push((lookup, answer));
    }

    /// What was found out about the object that a path names. `None` if the policy has not looked
    /// it up, or if nothing but its name identifies it.
    #[must_use]
    pub fn identified(&self, object: &NamedObject, path: &str) -> Option<Identity<'_>> {
        object.kind.id_field()?;
        let name = path.get(object.name.clone())?;
        let mut answers = self.0.as_ref()?.answers.iter();
        let (_, answer) = answers.find(|(lookup, _)| {
            matches!(&lookup.subject, Subject::Object(kind, of) if *kind == object.kind && of == name)
        })?;
        Some(match answer {
            Answer::Found { id: Some(id), .. } => Identity::Id(id),
            Answer::Found { id: None, .. }
            | Answer::Absent
            | Answer::NotOne
            | Answer::Failed(_) => Identity::Absent,
        })
    }

    /// Whether nothing was looked up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|known| known.answers.is_empty())
    }

    /// What the calls so far have used up.
    pub(crate) fn spent(&self) -> Spent {
        self.0
            .as_ref()
            .map_or_else(Spent::default, |known| known.spent)
    }

    /// Notes what the calls so far have used up: there will be another one.
    pub(crate) fn spend(&mut self, spent: Spent) {
        self.known().spent = spent;
    }

    /// Most requests are decided by one call, and need no memory for this.
    fn known(&mut self) -> &mut Known {
        self.0.get_or_insert_default()
    }
}

/// What a lookup says about the object that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity<'a> {
    /// Its full id.
    Id(&'a str),
    /// There is none of this name.
    Absent,
}

/// Begins a call that may use these answers.
pub(crate) fn begin(allowed: &Allowed, lookups: &mut Lookups) {
    CALL.with_borrow_mut(|call| {
        call.allowed.clone_from(allowed);
        call.answers = match &mut lookups.0 {
            Some(known) => std::mem::take(&mut known.answers),
            None => Vec::new(),
        };
        call.wanted = None;
    });
}

/// Ends a call. Returns the lookup that stopped it, if one did.
pub(crate) fn end(lookups: &mut Lookups) -> Option<Lookup> {
    CALL.with_borrow_mut(|call| {
        if !call.answers.is_empty() {
            lookups.known().answers = std::mem::take(&mut call.answers);
        }
        call.wanted.take()
    })
}

/// Looks an object up among the answers that are there.
pub(crate) fn inspect(kind: &str, name: &str) -> Outcome {
    let Some(kind) = ObjectKind::of(kind) else {
        return Outcome::Wrong(unknown(kind));
    };
    ask(
        kind.word(),
        |allowed| allowed.kinds.contains(&kind),
        Subject::Object(kind, name.to_owned()),
    )
}

/// Looks the engine up among the answers that are there.
pub(crate) fn engine_info() -> Outcome {
    ask(ENGINE, |allowed| allowed.engine, Subject::Engine)
}

/// What is wrong with a word that is no kind of lookup.
pub(crate) fn unknown(word: &str) -> String {
    let kinds: Vec<_> = ObjectKind::ALL.iter().map(|kind| kind.word()).collect();
    format!("`{word}` cannot be looked up, only {}", kinds.join(", "))
}

fn ask(word: &str, allowed: impl FnOnce(&Allowed) -> bool, subject: Subject) -> Outcome {
    CALL.with_borrow_mut(|call| {
        if !allowed(&call.allowed) {
            return Outcome::Wrong(format!(
                "the policy must say that it looks this up: const LOOKUPS = [\"{word}\"];"
            ));
        }
        let mut answers = call.answers.iter();
        if let Some((_, answer)) = answers.find(|(lookup, _)| lookup.subject == subject) {
            return match answer {
                Answer::Found { doc, .. } => Outcome::Found(Arc::clone(doc)),
                Answer::Absent => Outcome::Absent,
                Answer::NotOne => match subject {
                    Subject::Object(kind, _) => Outcome::NotOne(kind),
                    Subject::Engine => {
                        Outcome::Failed("the engine gives no account of itself".into())
                    }
                },
                Answer::Failed(reason) => Outcome::Failed(reason.clone()),
            };
        }
        if call.answers.len() >= MAX_LOOKUPS {
            return Outcome::Wrong(format!(
                "the policy looks up more than {MAX_LOOKUPS} objects for one request"
            ));
        }
        match Lookup::new(subject) {
            Some(lookup) => {
                call.wanted = Some(lookup);
                Outcome::Missing
            }
            None => Outcome::Failed(format!("no {word} can have this name")),
        }
    })
}
