//! Typical requests for an endpoint: names, versions, query parameters, bodies. All from the table of the
//! API.

use doxy_filter::api::schema::Schema;
use doxy_filter::api::{Body, Endpoint, examples};
use serde_json::{Map, Value, json};

/// More than any endpoint has.
const MAX_BODIES: usize = 400;
/// How deep in a body the fields are that are set: those of `HostConfig`.
const DEPTH: usize = 2;

/// What typical requests for an endpoint have.
pub(super) struct Samples {
    /// The last one has no version if there can be none.
    pub(super) paths: Vec<String>,
    /// Names of query parameters.
    pub(super) queries: Vec<&'static str>,
    pub(super) bodies: Vec<Vec<u8>>,
}

pub(super) fn samples(endpoint: &Endpoint) -> Samples {
    let names: &[&str] = match endpoint.template.contains('{') {
        true => &["web", "my-app.1"],
        false => &[""],
    };
    let paths = names.iter().flat_map(|name| examples(endpoint, name));
    let bodies = match endpoint.body {
        Body::Json(schema) => bodies(schema, DEPTH),
        Body::None | Body::Tar | Body::Other | Body::Refused => vec![],
    };
    let bodies = bodies.into_iter().take(MAX_BODIES);
    let bodies = bodies.map(|body| body.to_string().into_bytes());
    Samples {
        paths: paths.collect(),
        queries: endpoint.query().collect(),
        bodies: bodies.collect(),
    }
}

/// An empty body, and for each field one with this field alone.
fn bodies(schema: &Schema, depth: usize) -> Vec<Value> {
    let mut bodies = vec![json!({})];
    let Schema::Struct(fields) = schema else {
        return bodies;
    };
    for field in fields.known {
        let values = match field.schema {
            Schema::Any => vec![json!(true), json!("x")],
            Schema::List(item) => vec![json!([of(item)])],
            Schema::StringOrList => vec![json!(["x"])],
            Schema::Map(item) => vec![json!({"x": of(item)})],
            Schema::Opaque => vec![json!({"x": "x"})],
            Schema::Struct(_) if depth > 1 => self::bodies(field.schema, depth - 1),
            Schema::Struct(_) => vec![json!({})],
        };
        bodies.extend(
            values
                .into_iter()
                .map(|value| Value::Object(Map::from_iter([(field.name.to_owned(), value)]))),
        );
    }
    bodies
}

/// A value of this form.
fn of(schema: &Schema) -> Value {
    match schema {
        Schema::Any | Schema::StringOrList => json!("x"),
        Schema::Struct(_) | Schema::Map(_) | Schema::Opaque => json!({}),
        Schema::List(_) => json!([]),
    }
}

#[cfg(test)]
mod tests {
    use doxy_filter::api::endpoints;

    use super::samples;

    #[test]
    fn bodies_have_each_field_that_counts() {
        let create =
            endpoints().find(|it| it.method == "POST" && it.template.ends_with("s/create"));
        let bodies = create.map_or(vec![], |endpoint| samples(endpoint).bodies);
        for body in [
            "{}",
            r#"{"Image":"x"}"#,
            r#"{"HostConfig":{"Privileged":true}}"#,
            r#"{"HostConfig":{"Binds":["x"]}}"#,
        ] {
            assert!(bodies.iter().any(|it| it == body.as_bytes()), "{body}");
        }
        let most = endpoints()
            .map(|endpoint| samples(endpoint).bodies.len())
            .max();
        assert!(
            most.is_some_and(|most| most < super::MAX_BODIES),
            "{most:?}"
        );
    }
}
