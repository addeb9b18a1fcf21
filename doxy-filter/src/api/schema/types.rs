//! The words in which a structure is described.

/// What the engine expects at some place of a body.
#[derive(Debug)]
pub enum Schema {
    /// Anything, or something that is not described. Its keys are taken for fields.
    Any,
    /// A struct of Go's. The engine ignores keys that are no fields; a policy still sees them.
    Struct(Fields),
    /// A map: its keys are their author's own, and compared exactly.
    Map(&'static Schema),
    /// Anything, in which keys are their author's own however deep it goes.
    Opaque,
    /// A list.
    List(&'static Schema),
    /// A list of strings, or one string that stands for a list of one.
    StringOrList,
}

/// The fields of a struct.
#[derive(Debug)]
pub struct Fields {
    /// Those that belong there.
    pub known: &'static [Field],
    /// Those that belong elsewhere, but that old engines obey here: the fields of `HostConfig` at
    /// the top of a create.
    pub misplaced: &'static [Field],
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Its name as clients spell it. The engine compares names without regard to case.
    pub name: &'static str,
    /// What it holds.
    pub schema: &'static Schema,
}

/// Anything: for bodies that are not described.
pub static ANY: Schema = Schema::Any;
/// What clients put into a query as JSON, as into `filters`.
pub static OPAQUE: Schema = Schema::Opaque;
/// A list of plain values, or of lists of them.
pub(super) static LIST: Schema = Schema::List(&ANY);
/// A map of plain values.
pub(super) static MAP: Schema = Schema::Map(&ANY);
pub(super) static STRING_OR_LIST: Schema = Schema::StringOrList;

/// `fields! { A, B: &SCHEMA }`: a list of fields, those with plain values by name alone.
macro_rules! fields {
    (@schema) => { &$crate::api::schema::types::Schema::Any };
    (@schema $schema:expr) => { $schema };
    ($($name:ident $(: $schema:expr)?),* $(,)?) => {
        &[$($crate::api::schema::types::Field {
            name: stringify!($name),
            schema: $crate::api::schema::types::fields!(@schema $($schema)?),
        }),*]
    };
}

/// A struct with these fields.
macro_rules! schema {
    ($($fields:tt)*) => {
        $crate::api::schema::types::Schema::Struct($crate::api::schema::types::Fields {
            known: $crate::api::schema::types::fields!($($fields)*),
            misplaced: &[],
        })
    };
}

pub(super) use {fields, schema};

impl Schema {
    /// Calls `each` with every field in this schema, however deep.
    pub fn walk(&'static self, each: &mut impl FnMut(&'static Field)) {
        match self {
            Self::Struct(Fields { known, misplaced }) => {
                for field in known.iter().chain(*misplaced) {
                    each(field);
                    field.schema.walk(each);
                }
            }
            Self::Map(inner) | Self::List(inner) => inner.walk(each),
            Self::Any | Self::Opaque | Self::StringOrList => {}
        }
    }
}
