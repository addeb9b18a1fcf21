//! A parsed document: a flat list of nodes over one text. It knows no schema and no script.
//!
//! Values are converted for a script only when it reads them, because it reads few of them.

use std::ops::Range;

use super::case_fold::{differ_at_once, same_field};

/// The index of a node in a [`Doc`].
pub(crate) type NodeId = u32;

/// A range of the document's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self {
            start: length(start),
            length: length(end.saturating_sub(start)),
        }
    }

    /// The text in this range.
    #[inline]
    pub(super) fn of(self, text: &str) -> &str {
        let start = index(self.start);
        text.get(start..start.saturating_add(index(self.length)))
            .unwrap_or_default()
    }
}

/// One value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Span),
    List(Range<u32>),
    Object {
        members: Range<u32>,
        /// Whether it is a map with keys of the user's own, such as labels, instead of a struct.
        free: bool,
    },
}

/// The result of looking a key up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Member<'d> {
    Found(NodeId),
    Absent,
    /// The object has only another spelling, which the engine may accept.
    Misspelled(&'d str),
}

/// A JSON document.
#[derive(Debug, Default)]
pub(crate) struct Doc {
    /// The text as received, followed by the decoded strings that had escapes.
    pub(super) text: String,
    /// Whether the whole text is ASCII, and therefore every key.
    pub(super) ascii: bool,
    pub(super) nodes: Vec<Node>,
    pub(super) items: Vec<NodeId>,
    pub(super) members: Vec<(Span, NodeId)>,
    pub(super) root: NodeId,
}

impl Doc {
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(index(id)).unwrap_or(&Node::Null)
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        span.of(&self.text)
    }

    pub(crate) fn items(&self, range: &Range<u32>) -> &[NodeId] {
        self.items
            .get(index(range.start)..index(range.end))
            .unwrap_or_default()
    }

    /// The keys and values of an object, in the order of the text.
    pub(crate) fn members(&self, id: NodeId) -> impl ExactSizeIterator<Item = (&str, NodeId)> {
        let members = self.spans(id).iter();
        members.map(|(key, value)| (self.text(*key), *value))
    }

    /// Looks a key up. In a struct, reports a key that equals `name` but for its case.
    pub(crate) fn look_up(&self, id: NodeId, name: &str) -> Member<'_> {
        let free = matches!(self.node(id), Node::Object { free: true, .. });
        let members = self.spans(id).iter();
        // ASCII names that fold to the same are equally long, so most keys can be skipped.
        if self.ascii && name.is_ascii() {
            let length = length(name.len());
            self.find(members.filter(|(key, _)| key.length == length), name, free)
        } else {
            self.find(members, name, free)
        }
    }

    fn find<'m>(
        &self,
        members: impl Iterator<Item = &'m (Span, NodeId)>,
        name: &str,
        free: bool,
    ) -> Member<'_> {
        let mut folds = None;
        for (key, value) in members {
            let key = self.text(*key);
            if differ_at_once(key, name) {
                continue;
            }
            if key == name {
                return Member::Found(*value);
            }
            if !free && same_field(key, name) {
                folds = Some(key);
            }
        }
        folds.map_or(Member::Absent, Member::Misspelled)
    }

    fn spans(&self, id: NodeId) -> &[(Span, NodeId)] {
        let members = match self.node(id) {
            Node::Object { members, .. } => {
                self.members.get(index(members.start)..index(members.end))
            }
            _ => None,
        };
        members.unwrap_or_default()
    }
}

fn index(at: u32) -> usize {
    // `usize` has at least 32 bits on all supported targets.
    usize::try_from(at).unwrap_or(usize::MAX)
}

pub(super) fn length(length: usize) -> u32 {
    // `parse` refuses texts of 2 GiB, and there are fewer nodes than bytes.
    u32::try_from(length).unwrap_or(u32::MAX)
}
