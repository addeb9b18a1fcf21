//! A body that was read: a flat list of nodes over one text.
//!
//! Values become the script's own only when it asks for them; most of a body is never asked for.

use std::ops::Range;

use super::case_fold::same_field;

/// Which node of a [`Doc`].
pub(crate) type NodeId = u32;

/// A stretch of the document's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self {
            start: length(start),
            end: length(end),
        }
    }

    /// What it is a stretch of.
    pub(super) fn of(self, text: &str) -> &str {
        text.get(index(self.start)..index(self.end))
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
        /// Whether its keys are its author's own, as those of labels are, and not fields of the engine's.
        free: bool,
    },
}

/// What an object has under a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup<'d> {
    Found(NodeId),
    Absent,
    /// Nothing is spelled so, but the engine may take this key for it.
    Misspelled(&'d str),
}

/// A JSON document.
#[derive(Debug, Default)]
pub(crate) struct Doc {
    /// The text as it came, and behind it whatever strings had escapes in them.
    pub(super) text: String,
    /// Whether all of that is ASCII, and so every key.
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

    /// The keys and values of an object, in the order in which they came.
    pub(crate) fn members(&self, id: NodeId) -> impl ExactSizeIterator<Item = (&str, NodeId)> {
        let members = self.spans(id).iter();
        members.map(|(key, value)| (self.text(*key), *value))
    }

    /// Looks a key up. Where keys are fields, one that only folds to `name` is told of: the engine would take it.
    pub(crate) fn look_up(&self, id: NodeId, name: &str) -> Lookup<'_> {
        let mut folds = None;
        let free = matches!(self.node(id), Node::Object { free: true, .. });
        // Names of ASCII alone that fold alike are equally long. Most of an object is passed over by that.
        let alike = (self.ascii && name.is_ascii()).then_some(name.len());
        for (span, value) in self.spans(id) {
            if alike.is_some_and(|length| length != index(span.end) - index(span.start)) {
                continue;
            }
            let key = self.text(*span);
            if key == name {
                return Lookup::Found(*value);
            }
            if !free && same_field(key, name) {
                folds = Some(key);
            }
        }
        folds.map_or(Lookup::Absent, Lookup::Misspelled)
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
    // No target has a usize smaller than this; where one had, nothing would be found there.
    usize::try_from(at).unwrap_or(usize::MAX)
}

pub(super) fn length(length: usize) -> u32 {
    // The text is not longer than half of what fits; there are fewer nodes than bytes.
    u32::try_from(length).unwrap_or(u32::MAX)
}
