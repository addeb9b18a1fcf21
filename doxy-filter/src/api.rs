//! The Docker API as one table: every endpoint of the engine and of Podman, and what there is to
//! know of each.
//!
//! Whoever needs to know an endpoint asks here: no other product file of doxy has an endpoint's
//! path in it.
//! [`endpoint_of`] finds the endpoint of a request, [`endpoints`] goes through all of them.
//!
//! # To add an endpoint
//!
//! 1. Write its row into `docker.rs` or `libpod.rs`, in the group of its first segment; `table.rs`
//!    has the form of a row. Where an endpoint above it matches the same paths with the same
//!    method, it has to stand before that one.
//! 2. If it reads JSON, describe the body in `schema/`, as moby's `api/types` has it, and name the
//!    schema in the row.
//! 3. Add a request that finds it, and one that just does not, to `tests/data/endpoints.cases`.
//! 4. Run `cargo test -p doxy-filter`. The tests hold the table against a slow router made from its
//!    templates, and say so if a row can never be found.

mod classify;
mod docker;
mod endpoint;
mod filters;
mod libpod;
mod method;
pub mod schema;
mod table;
mod template;

pub use self::classify::endpoint_of;
pub use self::endpoint::{Answer, Api, Body, Effect, Endpoint, Risk, Version};
pub use self::filters::FILTERS;

/// All endpoints: Docker's first, then libpod's, each in the order of the table.
pub fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    let groups = docker::GROUPS.iter().chain(libpod::GROUPS);
    std::iter::once(&docker::ANY_PATH).chain(groups.flat_map(|group| group.endpoints))
}

/// The names of all fields of all bodies, and whether the keys behind each are their author's own.
#[must_use]
pub fn field_names() -> Vec<(&'static str, bool)> {
    let mut names = Vec::new();
    for endpoint in endpoints() {
        endpoint.body.schema().walk(&mut |field| {
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
