//! Keys that are fields, and those that only look like one.

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
        ("image", "the field Image is misspelled"),
        ("Ho\u{17f}tConfig", "the field HostConfig is misspelled"),
        ("Privileged", "the field Privileged belongs in HostConfig"),
        ("privileged", "the field Privileged belongs in HostConfig"),
    ] {
        assert_eq!(keys.schema_for(key).err().as_deref(), Some(what));
    }
    assert!(
        keys.schema_for("Image")
            .is_ok_and(|(_, name)| name == Some("Image"))
    );
    assert_eq!(
        keys.schema_for("Image").err().as_deref(),
        Some("a key is repeated")
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
