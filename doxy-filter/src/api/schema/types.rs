//! The types of a schema, and the macros to write one.

/// What the engine expects at one position of a body.
#[derive(Debug)]
pub enum Schema {
    /// Anything, or something that is not described. Its keys count as fields.
    Any,
    /// A Go struct. The engine ignores keys that are not fields; a policy still sees them.
    Struct(Fields),
    /// A map: its keys are free and are compared exactly.
    Map(&'static Schema),
    /// Anything, with free keys at every depth.
    Opaque,
    /// A list.
    List(&'static Schema),
    /// A list of strings, or one string that means a list of one.
    StringOrList,
}

/// The fields of a struct.
#[derive(Debug)]
pub struct Fields {
    /// The fields that belong here.
    pub known: &'static [Field],
    /// Fields that belong elsewhere but that old engines apply here: those of `HostConfig` at the
    /// top level of a create.
    pub misplaced: &'static [Field],
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Its name as clients spell it. The engine ignores case when it compares names.
    pub name: &'static str,
    /// The schema of its value.
    pub schema: &'static Schema,
}

/// The schema of bodies that are not described.
pub static ANY: Schema = Schema::Any;
/// The schema of JSON in a query, such as `filters`.
pub static OPAQUE: Schema = Schema::Opaque;
/// A list of plain values, or of such lists.
pub(super) static LIST: Schema = Schema::List(&ANY);
/// A map of plain values.
pub(super) static MAP: Schema = Schema::Map(&ANY);
pub(super) static STRING_OR_LIST: Schema = Schema::StringOrList;

/// `fields! { A, B: &SCHEMA }`: a list of fields. A field with a plain value needs no schema.
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

/// The schema of a struct with these fields.
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
    /// Calls `each` with every field in this schema, at every depth.
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
