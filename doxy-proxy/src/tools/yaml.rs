//! YAML as a tree whose nodes know their lines. `saphyr-parser` reads the text.
//!
//! A file may come from anywhere. So an alias shares its node and never copies it, and depth and merges
//! have limits. A key that stands twice is a fault: which of the two holds, readers disagree on.

use std::collections::HashMap;
use std::fmt::Display;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

/// How deep nodes may be nested, through aliases too.
const MAX_DEPTH: usize = 64;
/// How many keys `<<` may bring in, in a whole file.
const MAX_MERGED: usize = 100_000;

/// A value, and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
    /// How many levels are below it.
    height: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    /// A text, a number or a switch, as written.
    Text(String),
    List(Vec<Rc<Node>>),
    /// Without `<<`, whose keys stand among the others.
    Map(Vec<Entry>),
    /// What has a tag of its own, such as `!reset`.
    Tagged(String),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Rc<Node>,
}

/// What is wrong, and in which line.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) what: String,
}

impl Fault {
    pub(super) fn new(line: usize, what: impl Display) -> Self {
        Self {
            line,
            what: what.to_string(),
        }
    }
}

/// The only document of a text.
pub(super) fn read(text: &str) -> Result<Rc<Node>, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let what = format!("this is not YAML: {}", error.info().escape_debug());
            Fault::new(error.marker().line().max(1), what)
        })?;
        reader.event(event, span.start.line().max(1))?;
    }
    Ok(reader.root.unwrap_or_else(|| leaf(1, Kind::Null)))
}

fn leaf(line: usize, kind: Kind) -> Rc<Node> {
    Rc::new(Node {
        line,
        kind,
        height: 0,
    })
}

/// A list or a map that has not ended yet.
struct Open {
    line: usize,
    anchor: usize,
    tag: Option<String>,
    kind: OpenKind,
    height: usize,
}

enum OpenKind {
    List(Vec<Rc<Node>>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// The line of each key.
    lines: HashMap<String, usize>,
    /// What `<<` names.
    merged: Vec<Rc<Node>>,
    /// The key whose value comes next.
    key: Option<Key>,
}

enum Key {
    Text(String, usize),
    Merge,
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    merged: usize,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Fault::new(line, "a second document begins here"))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.add(node, false, line),
                None => Err(Fault::new(line, "this stands for what it is a part of")),
            },
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let merge = plain && text == "<<";
                let kind = match tag.as_deref().map(core) {
                    Some(Err(tag)) => Kind::Tagged(tag),
                    Some(Ok("null")) => Kind::Null,
                    None if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") => {
                        Kind::Null
                    }
                    _ => Kind::Text(text.into_owned()),
                };
                self.done(leaf(line, kind), anchor, merge, line)
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(line, anchor, tag.as_deref(), OpenKind::List(vec![]))
            }
            Event::MappingStart(anchor, tag) => {
                let map = OpenKind::Map(OpenMap::default());
                self.begin(line, anchor, tag.as_deref(), map)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.end(open),
                None => Ok(()),
            },
        }
    }

    fn begin(
        &mut self,
        line: usize,
        anchor: usize,
        tag: Option<&Tag>,
        kind: OpenKind,
    ) -> Result<(), Fault> {
        if self.open.len() == MAX_DEPTH {
            return Err(Fault::new(line, "too many levels"));
        }
        self.open.push(Open {
            line,
            anchor,
            tag: tag.and_then(|tag| core(tag).err()),
            kind,
            height: 0,
        });
        Ok(())
    }

    fn end(&mut self, open: Open) -> Result<(), Fault> {
        let Open {
            line,
            anchor,
            tag,
            kind,
            mut height,
        } = open;
        let kind = match kind {
            OpenKind::List(items) => Kind::List(items),
            OpenKind::Map(map) => {
                let entries = self.merge(line, map)?;
                let below = entries.iter().map(|entry| entry.value.height + 1);
                height = below.fold(height, usize::max);
                Kind::Map(entries)
            }
        };
        // A chain of aliases can be deeper than anything that is written.
        if height > MAX_DEPTH {
            return Err(Fault::new(line, "too many levels"));
        }
        let node = match tag {
            Some(tag) => leaf(line, Kind::Tagged(tag)),
            None => Rc::new(Node { line, kind, height }),
        };
        self.done(node, anchor, false, line)
    }

    /// The entries of a map, and behind them those that `<<` brings in and the map does not have.
    fn merge(&mut self, line: usize, map: OpenMap) -> Result<Vec<Entry>, Fault> {
        let OpenMap {
            mut entries,
            mut lines,
            merged,
            ..
        } = map;
        let mut add = |node: &Node| {
            let Kind::Map(others) = &node.kind else {
                return Err(Fault::new(line, "`<<` takes maps"));
            };
            self.merged = self.merged.saturating_add(others.len());
            if self.merged > MAX_MERGED {
                return Err(Fault::new(line, "`<<` brings in too much"));
            }
            for entry in others {
                if lines.insert(entry.key.clone(), entry.line).is_none() {
                    entries.push(entry.clone());
                }
            }
            Ok(())
        };
        for node in &merged {
            match &node.kind {
                Kind::List(nodes) => nodes.iter().try_for_each(|node| add(node))?,
                _ => add(node)?,
            }
        }
        Ok(entries)
    }

    /// A node that is whole, and the name that aliases call it by.
    fn done(
        &mut self,
        node: Rc<Node>,
        anchor: usize,
        merge: bool,
        line: usize,
    ) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(node, merge, line)
    }

    /// Puts a node where it stands. `line` is where it is written, be it as an alias.
    fn add(&mut self, node: Rc<Node>, merge: bool, line: usize) -> Result<(), Fault> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let height = open.height.max(node.height + 1);
        let map = match &mut open.kind {
            OpenKind::List(items) => {
                items.push(node);
                open.height = height;
                return Ok(());
            }
            OpenKind::Map(map) => map,
        };
        match map.key.take() {
            None if merge => map.key = Some(Key::Merge),
            None => {
                let key = match &node.kind {
                    Kind::Text(text) => text.clone(),
                    Kind::Null => String::new(),
                    _ => return Err(Fault::new(line, "a key that is no text")),
                };
                if let Some(first) = map.lines.insert(key.clone(), line) {
                    let key = key.escape_debug();
                    let what = format!("the key `{key}` stands here twice, first in line {first}");
                    return Err(Fault::new(line, what));
                }
                map.key = Some(Key::Text(key, line));
            }
            Some(Key::Merge) => map.merged.push(node),
            Some(Key::Text(key, line)) => {
                map.entries.push(Entry {
                    key,
                    line,
                    value: node,
                });
                open.height = height;
            }
        }
        Ok(())
    }
}

/// The name of a tag that YAML itself has, or else the tag as written.
fn core(tag: &Tag) -> Result<&str, String> {
    match tag.is_yaml_core_schema() {
        true => Ok(&tag.suffix),
        false => Err(tag.to_string()),
    }
}

#[cfg(test)]
mod tests;
