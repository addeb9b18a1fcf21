//! Strict reading of JSON, with the engine's idea of what each key is.
//!
//! Refused, beside what is not JSON: a key given twice, a key that is a field's but for its spelling, a value
//! that the field cannot take, numbers that 64 bits do not hold, half of a surrogate pair, text behind the value.
//! What was read is what the engine reads, whichever of its versions.

use std::collections::HashMap;

use doxy_filter::api::schema::{self, Fields, Schema};

use super::doc::{Doc, Node, NodeId, Span};
use super::fold::{folded, same_field};

/// How deep objects and lists may be nested. The engine's own structures take less than 12.
const MAX_DEPTH: u32 = 64;
/// Objects up to this size are searched for duplicates pair by pair.
const FEW: usize = 8;

/// How many fields the keys of one object are compared with before a table of them is made: what clients send takes
/// a few hundred.
const MAX_COMPARED: usize = 4096;

const TWICE: &str = "a key is there twice";

/// Reads a body of the given schema, or says why it is refused. An empty body is `null`.
pub(crate) fn parse(body: &[u8], schema: &'static Schema) -> Result<Doc, String> {
    let text = str::from_utf8(body).map_err(|_| "the body is not valid UTF-8".to_owned())?;
    if u32::try_from(text.len().saturating_mul(2)).is_err() {
        return Err("the body is too large".to_owned());
    }
    let mut parser = Parser {
        body: text,
        at: 0,
        depth: 0,
        doc: Doc {
            text: text.to_owned(),
            nodes: Vec::with_capacity(text.len() / 12),
            ..Doc::default()
        },
        items: Vec::new(),
        members: Vec::new(),
    };
    if text.is_empty() {
        parser.doc.root = parser.node(Node::Null);
        return Ok(parser.doc);
    }
    parser.blanks();
    parser.doc.root = parser.value(schema, "the body")?;
    parser.blanks();
    match parser.peek() {
        None => {
            parser.doc.ascii = parser.doc.text.is_ascii();
            Ok(parser.doc)
        }
        Some(_) => Err(parser.fault("there is something behind the JSON value")),
    }
}

struct Parser<'b> {
    body: &'b str,
    at: usize,
    depth: u32,
    doc: Doc,
    /// What belongs to the lists and objects that are still open.
    items: Vec<NodeId>,
    members: Vec<(Span, NodeId)>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.body.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn fault(&self, what: &str) -> String {
        format!("{what} (byte {} of the body)", self.at + 1)
    }

    fn take(&mut self, byte: u8, what: &str) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err(self.not_json(what));
        }
        self.at += 1;
        Ok(())
    }

    fn not_json(&self, expected: &str) -> String {
        self.fault(&format!("the body is not JSON: expected {expected}"))
    }

    fn node(&mut self, node: Node) -> NodeId {
        let id = self.doc.nodes.len();
        self.doc.nodes.push(node);
        // Every node took at least a byte of a text that is counted in 32 bits.
        NodeId::try_from(id).unwrap_or(NodeId::MAX)
    }

    fn value(&mut self, schema: &'static Schema, name: &str) -> Result<NodeId, String> {
        let node = match self.peek() {
            Some(b'{') => {
                self.expect_kind(schema, name, Kind::Object)?;
                return self.nested(|parser| parser.object(schema, name));
            }
            Some(b'[') => {
                self.expect_kind(schema, name, Kind::List)?;
                return self.nested(|parser| parser.list(schema, name));
            }
            Some(b'"') => {
                self.expect_kind(schema, name, Kind::Scalar)?;
                let span = self.string()?;
                if matches!(schema, Schema::StringOrList) {
                    // The engine reads one word as a list of one.
                    let word = self.node(Node::Text(span));
                    let start = length(self.doc.items.len());
                    self.doc.items.push(word);
                    Node::List(start..start + 1)
                } else {
                    Node::Text(span)
                }
            }
            Some(b'n') => self.word("null", Node::Null)?,
            byte => {
                let node = match byte {
                    Some(b't') => self.word("true", Node::Bool(true))?,
                    Some(b'f') => self.word("false", Node::Bool(false))?,
                    Some(b'-' | b'0'..=b'9') => self.number()?,
                    _ => return Err(self.not_json("a value")),
                };
                self.expect_kind(schema, name, Kind::Other)?;
                node
            }
        };
        Ok(self.node(node))
    }

    fn expect_kind(&self, schema: &Schema, name: &str, kind: Kind) -> Result<(), String> {
        let wanted = match (schema, kind) {
            (Schema::Any | Schema::Opaque, _)
            | (Schema::Struct(_) | Schema::Map(_), Kind::Object)
            | (Schema::List(_), Kind::List)
            | (Schema::StringOrList, Kind::List | Kind::Scalar) => return Ok(()),
            (Schema::Struct(_) | Schema::Map(_), _) => "an object",
            (Schema::List(_) | Schema::StringOrList, _) => "a list",
        };
        Err(self.fault(&format!("{name} must be {wanted}")))
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<NodeId, String>,
    ) -> Result<NodeId, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault(&format!("the body is nested more than {MAX_DEPTH} deep")));
        }
        self.at += 1;
        let id = read(self);
        self.depth -= 1;
        id
    }

    fn word(&mut self, word: &str, node: Node) -> Result<Node, String> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.not_json("a value"));
        }
        self.at += word.len();
        Ok(node)
    }

    fn list(&mut self, schema: &'static Schema, name: &str) -> Result<NodeId, String> {
        let inner = match schema {
            Schema::List(inner) => inner,
            Schema::Opaque => schema,
            _ => &schema::ANY,
        };
        let open = self.items.len();
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                self.blanks();
                let item = self.value(inner, name)?;
                self.items.push(item);
                self.blanks();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break self.at += 1,
                    _ => return Err(self.not_json("`,` or `]`")),
                }
            }
        }
        let start = length(self.doc.items.len());
        self.doc.items.extend(self.items.drain(open..));
        let end = length(self.doc.items.len());
        Ok(self.node(Node::List(start..end)))
    }

    fn object(&mut self, schema: &'static Schema, parent: &str) -> Result<NodeId, String> {
        let open = self.members.len();
        let mut keys = Keys::of(schema);
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                self.blanks();
                if self.peek() != Some(b'"') {
                    return Err(self.not_json("a key"));
                }
                let key = self.string()?;
                let name = self.doc.text(key);
                let inner = keys
                    .schema_for(name)
                    .map_err(|what| self.fault(&format!("{parent}: {what}")))?;
                // A field has a name that can be borrowed for as long as one likes.
                let called = match inner.1 {
                    Some(field) => field,
                    None => parent,
                };
                self.blanks();
                self.take(b':', "`:`")?;
                self.blanks();
                let value = self.value(inner.0, called)?;
                self.members.push((key, value));
                self.blanks();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break self.at += 1,
                    _ => return Err(self.not_json("`,` or `}`")),
                }
            }
        }
        let free = matches!(schema, Schema::Map(_) | Schema::Opaque);
        let mine = self.members.get(open..).unwrap_or_default();
        if keys.may_repeat && has_duplicate(&self.doc, mine, free) {
            return Err(self.fault(&format!("{parent}: {TWICE}")));
        }
        let start = length(self.doc.members.len());
        self.doc.members.extend(self.members.drain(open..));
        let end = length(self.doc.members.len());
        let members = start..end;
        Ok(self.node(Node::Object { members, free }))
    }

    fn number(&mut self) -> Result<Node, String> {
        let rest = self.body.as_bytes().get(self.at..).unwrap_or_default();
        let digits = |from: usize| {
            rest.iter()
                .skip(from)
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let is = |at: usize, bytes: &[u8]| rest.get(at).is_some_and(|byte| bytes.contains(byte));

        let mut end = usize::from(is(0, b"-"));
        let whole = digits(end);
        if whole == 0 || (is(end, b"0") && whole > 1) {
            return Err(self.not_json("a number"));
        }
        end += whole;
        let mut int = true;
        if is(end, b".") {
            let fraction = digits(end + 1);
            if fraction == 0 {
                return Err(self.not_json("a digit behind the point"));
            }
            int = false;
            end += 1 + fraction;
        }
        if is(end, b"eE") {
            let sign = usize::from(is(end + 1, b"+-"));
            let exponent = digits(end + 1 + sign);
            if exponent == 0 {
                return Err(self.not_json("an exponent"));
            }
            int = false;
            end += 1 + sign + exponent;
        }
        let text = self.body.get(self.at..self.at + end).unwrap_or_default();
        let node = if int {
            text.parse().ok().map(Node::Int)
        } else {
            text.parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(Node::Float)
        };
        let node = node.ok_or_else(|| self.fault("a number is too large for 64 bits"))?;
        self.at += end;
        Ok(node)
    }

    /// A string, from its first quote to its last. One with escapes is written anew, behind the text.
    fn string(&mut self) -> Result<Span, String> {
        self.at += 1;
        let start = self.at;
        self.plain();
        if self.peek() == Some(b'"') {
            let span = span(start, self.at);
            self.at += 1;
            return Ok(span);
        }
        let first = self.doc.text.len();
        let mut copied = start;
        loop {
            let plain = self.body.get(copied..self.at).unwrap_or_default();
            self.doc.text.push_str(plain);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(span(first, self.doc.text.len()));
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    self.doc.text.push(c);
                }
                Some(_) => return Err(self.fault("a string has a control character in it")),
                None => return Err(self.not_json("the end of a string")),
            }
            copied = self.at;
            self.plain();
        }
    }

    /// Goes on to what is not simply a part of a string.
    fn plain(&mut self) {
        let rest = self.body.as_bytes().get(self.at..).unwrap_or_default();
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        self.at += rest.iter().position(special).unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<char, String> {
        self.at += 1;
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.not_json("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            let rest = self.body.get(self.at..).unwrap_or_default();
            if !rest.starts_with("\\u") {
                return Err(self.fault("a string has half of a surrogate pair in it"));
            }
            self.at += 1;
            let second = self.hex()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.fault("a string has half of a surrogate pair in it"));
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        // The engine would put U+FFFD for what is none.
        char::from_u32(code)
            .ok_or_else(|| self.fault("a string has half of a surrogate pair in it"))
    }

    /// The four digits behind the `u` that is next.
    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.body.get(self.at + 1..self.at + 5).unwrap_or_default();
        if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(self.not_json("four hexadecimal digits"));
        }
        self.at += 5;
        u32::from_str_radix(digits, 16).map_err(|_| self.not_json("four hexadecimal digits"))
    }
}

/// What kind of value there is, as far as it matters to a field.
#[derive(Clone, Copy)]
enum Kind {
    Object,
    List,
    Scalar,
    Other,
}

/// The keys of one object, as they come.
struct Keys {
    schema: &'static Schema,
    /// Clients send fields in the order of the engine's structs, so the next one is most often the next one.
    next: usize,
    /// One bit for each field that was there.
    seen: u128,
    /// Whether there were keys that those bits do not tell of.
    may_repeat: bool,
    /// How many fields keys were compared with, one by one.
    compared: usize,
    /// The fields by their folded names: made for whoever sends many keys that are none.
    table: Option<HashMap<String, Known>>,
}

/// What a key turned out to be.
#[derive(Clone, Copy)]
enum Known {
    /// A field, by its place.
    Field(usize),
    /// One that belongs into `HostConfig`.
    Misplaced(&'static str),
}

impl Keys {
    fn of(schema: &'static Schema) -> Self {
        Self {
            schema,
            next: 0,
            seen: 0,
            may_repeat: false,
            compared: 0,
            table: None,
        }
    }

    /// What a key is, however it is spelled.
    fn look_up(&mut self, fields: &'static Fields, key: &str) -> Option<Known> {
        let Fields { known, misplaced } = fields;
        if self.compared > MAX_COMPARED {
            let table = self.table.get_or_insert_with(|| {
                let beside = misplaced
                    .iter()
                    .map(|field| (folded(field.name), Known::Misplaced(field.name)));
                let here = known
                    .iter()
                    .enumerate()
                    .map(|(at, field)| (folded(field.name), Known::Field(at)));
                beside.chain(here).collect()
            });
            return table.get(&folded(key)).copied();
        }
        let (before, after) = known.split_at_checked(self.next).unwrap_or((known, &[]));
        let exact = after
            .iter()
            .chain(before)
            .position(|field| field.name == key);
        if let Some(found) = exact {
            self.compared += found;
            return Some(Known::Field((found + self.next) % known.len()));
        }
        self.compared += known.len() + misplaced.len();
        if let Some(at) = known.iter().position(|field| same_field(field.name, key)) {
            return Some(Known::Field(at));
        }
        let field = misplaced.iter().find(|field| same_field(field.name, key));
        field.map(|field| Known::Misplaced(field.name))
    }

    /// The schema of the value behind a key, and the key's name if it is a field.
    fn schema_for(&mut self, key: &str) -> Result<(&'static Schema, Option<&'static str>), String> {
        let fields = match self.schema {
            Schema::Struct(fields) => fields,
            other => {
                self.may_repeat = true;
                return Ok(match other {
                    Schema::Map(inner) => (inner, None),
                    Schema::Opaque => (other, None),
                    _ => (&schema::ANY, None),
                });
            }
        };
        match self.look_up(fields, key) {
            Some(Known::Field(at)) => {
                let field = fields.known.get(at);
                let Some(field) = field.filter(|field| field.name == key) else {
                    let name = field.map_or("", |field| field.name);
                    return Err(format!("the field {name} is spelled otherwise"));
                };
                self.next = at + 1;
                let bit = u32::try_from(at).ok().and_then(|at| 1_u128.checked_shl(at));
                match bit {
                    Some(bit) if self.seen & bit != 0 => return Err(TWICE.to_owned()),
                    Some(bit) => self.seen |= bit,
                    None => self.may_repeat = true,
                }
                return Ok((field.schema, Some(field.name)));
            }
            Some(Known::Misplaced(name)) => {
                return Err(format!("the field {name} belongs into HostConfig"));
            }
            None => {}
        }
        self.may_repeat = true;
        Ok((&schema::ANY, None))
    }
}

/// Whether a key is there twice: exactly, or under another spelling where keys are fields.
fn has_duplicate(doc: &Doc, members: &[(Span, NodeId)], free: bool) -> bool {
    let keys = || members.iter().map(|(key, _)| doc.text(*key));
    if members.len() <= FEW {
        let same = |one: &str, other: &str| match free {
            true => one == other,
            false => same_field(one, other),
        };
        return keys()
            .enumerate()
            .any(|(at, key)| keys().take(at).any(|earlier| same(earlier, key)));
    }
    if free {
        twice(keys().collect())
    } else {
        twice(keys().map(folded).collect())
    }
}

fn twice<K: Ord>(mut keys: Vec<K>) -> bool {
    keys.sort_unstable();
    keys.windows(2)
        .any(|pair| matches!(pair, [one, other] if one == other))
}

fn span(start: usize, end: usize) -> Span {
    Span {
        start: length(start),
        end: length(end),
    }
}

fn length(length: usize) -> u32 {
    // The text is not longer than half of what fits; there are fewer nodes than bytes.
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use doxy_filter::api::endpoints;
    use doxy_filter::api::schema::{CREATE, Fields, Schema};

    use super::{Keys, MAX_COMPARED, folded};

    /// A body of a megabyte has room for 90 000 keys that are no fields.
    #[test]
    fn many_unknown_keys_are_not_compared_with_every_field() {
        let mut keys = Keys::of(&CREATE);
        for at in 0..90_000 {
            assert!(keys.schema_for(&format!("K{at}")).is_ok());
        }
        assert!(keys.compared < 2 * MAX_COMPARED);
        // What is found in the table is what was found without it.
        for (key, what) in [
            ("image", "the field Image is spelled otherwise"),
            (
                "Ho\u{17f}tConfig",
                "the field HostConfig is spelled otherwise",
            ),
            ("Privileged", "the field Privileged belongs into HostConfig"),
            ("privileged", "the field Privileged belongs into HostConfig"),
        ] {
            assert_eq!(keys.schema_for(key).err().as_deref(), Some(what));
        }
        assert!(
            keys.schema_for("Image")
                .is_ok_and(|(_, name)| name == Some("Image"))
        );
        assert_eq!(
            keys.schema_for("Image").err().as_deref(),
            Some("a key is there twice")
        );
    }

    /// Two fields of one struct that fold alike could not be told apart, and one bit tells of each.
    #[test]
    fn fields_are_few_and_distinct_under_folding() {
        fn walk(schema: &Schema) {
            match schema {
                Schema::Struct(Fields { known, misplaced }) => {
                    assert!(known.len() <= 128, "the bits of `seen` do not suffice");
                    let names = known.iter().chain(*misplaced).map(|field| field.name);
                    let mut folded: Vec<_> = names.map(folded).collect();
                    folded.sort_unstable();
                    for pair in folded.windows(2) {
                        assert_ne!(pair.first(), pair.last());
                    }
                    known.iter().for_each(|field| walk(field.schema));
                }
                Schema::Map(inner) | Schema::List(inner) => walk(inner),
                Schema::Any | Schema::Opaque | Schema::StringOrList => {}
            }
        }
        let structs = endpoints().map(|endpoint| endpoint.body.schema());
        let mut count = 0;
        for schema in structs {
            walk(schema);
            count += usize::from(matches!(schema, Schema::Struct(_)));
        }
        assert!(count > 20, "{count}");
    }
}
