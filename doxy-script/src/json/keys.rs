//! Checks the keys of one object: known fields, repeated keys, other spellings.

use std::collections::HashMap;

use doxy_filter::api::schema::{self, Field, Fields, Schema};

use super::case_fold::{folded, same_field};
use super::doc::{NodeId, Span};

/// Objects up to this size are searched for duplicates pair by pair.
const FEW: usize = 8;

/// After this many comparisons in one object the fields are put into a table. What clients send
/// needs a few hundred.
const MAX_COMPARED: usize = 4096;

pub(super) const TWICE: &str = "a key is repeated";

/// The keys of one object, in the order of the text.
pub(super) struct Keys {
    schema: &'static Schema,
    /// Where the search for the next key begins: clients send fields in the order of the struct.
    next: usize,
    /// One bit for each field that has appeared.
    seen: u128,
    /// Whether there were keys that have no bit in `seen`.
    pub(super) may_repeat: bool,
    /// How many comparisons of keys with fields were made.
    compared: usize,
    /// The fields by their folded names, for objects with many unknown keys.
    table: Option<HashMap<String, Known>>,
}

/// What a key is.
#[derive(Clone, Copy)]
enum Known {
    /// A field, by its index.
    Field(usize),
    /// A field that belongs into `HostConfig`.
    Misplaced(&'static str),
}

impl Keys {
    pub(super) fn of(schema: &'static Schema) -> Self {
        Self {
            schema,
            next: 0,
            seen: 0,
            may_repeat: false,
            compared: 0,
            table: None,
        }
    }

    /// Finds the field of a key, in any spelling.
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
    #[inline]
    pub(super) fn schema_for(
        &mut self,
        key: &str,
    ) -> Result<(&'static Schema, Option<&'static str>), String> {
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
        let (at, field) = match fields.known.get(self.next) {
            Some(field) if field.name == key => (self.next, field),
            _ => match self.field(fields, key)? {
                Some(found) => found,
                None => {
                    self.may_repeat = true;
                    return Ok((&schema::ANY, None));
                }
            },
        };
        self.next = at + 1;
        let bit = u32::try_from(at).ok().and_then(|at| 1_u128.checked_shl(at));
        match bit {
            Some(bit) if self.seen & bit != 0 => return Err(TWICE.to_owned()),
            Some(bit) => self.seen |= bit,
            None => self.may_repeat = true,
        }
        Ok((field.schema, Some(field.name)))
    }

    /// The field of a key that is not the next one. In another spelling or place it is an error.
    #[inline(never)]
    fn field(
        &mut self,
        fields: &'static Fields,
        key: &str,
    ) -> Result<Option<(usize, &'static Field)>, String> {
        let at = match self.look_up(fields, key) {
            Some(Known::Field(at)) => at,
            Some(Known::Misplaced(name)) => {
                return Err(format!("the field {name} belongs in HostConfig"));
            }
            None => return Ok(None),
        };
        match fields.known.get(at) {
            Some(field) if field.name == key => Ok(Some((at, field))),
            field => {
                let name = field.map_or("", |field| field.name);
                Err(format!("the field {name} is misspelled"))
            }
        }
    }
}

/// Whether a key is repeated: exactly in a map, in any spelling in a struct.
pub(super) fn has_duplicate(text: &str, members: &[(Span, NodeId)], free: bool) -> bool {
    let keys = || members.iter().map(|(key, _)| key.of(text));
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

#[cfg(test)]
mod tests;
