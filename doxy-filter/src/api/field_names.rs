//! The names of all fields that a policy can meet. It never sees a body.

use super::object::ObjectKind;
use super::{endpoints, schema};

/// What has no kind of its own.
const OTHERS: [&schema::Schema; 2] = [&schema::ENGINE_ANSWER, &schema::PEER_CONTAINER];

/// The names of all fields of all bodies and descriptions of objects, each with whether its value has free keys (a map such as
/// `Labels`).
#[must_use]
pub fn field_names() -> Vec<(&'static str, bool)> {
    let mut names = Vec::new();
    let bodies = endpoints().map(|endpoint| endpoint.body.schema());
    let objects = ObjectKind::ALL.into_iter().map(ObjectKind::schema);
    for schema in bodies.chain(objects).chain(OTHERS) {
        schema.walk(&mut |field| {
            let opens = matches!(
                field.schema,
                schema::Schema::Map(_) | schema::Schema::Opaque
            );
            names.push((field.name, opens));
        });
    }
    names.sort_unstable();
    names.dedup();
    names
}
