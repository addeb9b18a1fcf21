//! The Docker API as one table: every endpoint of the Docker engine and of Podman, and the facts
//! about each.
//!
//! All code that needs to know an endpoint reads this table. No other product file of doxy contains
//! an endpoint's path, except the embedded default patterns.
//! [`endpoint_of`] finds the endpoint of a request, [`endpoints`] iterates over all of them.
//!
//! # To add an endpoint
//!
//! 1. Add a row to `docker.rs` or `libpod.rs`, in the group named after the first segment of its
//!    path. `table.rs` documents the format. The first row that matches wins, so a fixed path
//!    stands before a template that also matches it.
//! 2. If it reads JSON, describe the body in `schema/`, after moby's `api/types`, and name the
//!    schema in the row.
//! 3. Add a request that matches it, and one that nearly does, to `tests/data/endpoints.cases`.
//! 4. Run `cargo test -p doxy-filter`. The tests compare the classifier with a slow router built
//!    from the templates, and fail for a row that no request can reach.

mod classify;
mod docker;
mod endpoint;
mod field_names;
mod filters;
mod libpod;
mod method;
mod object;
pub mod schema;
mod suggest;
mod surroundings;
mod table;
mod template;

pub use self::classify::{endpoint_of, escapes_matter, query_matters, upgrade_of};
pub use self::docker::{CONTAINERS, PING, VERSION};
pub use self::endpoint::{Answer, Api, Body, Effect, Endpoint, Risk, Version};
pub use self::field_names::field_names;
pub use self::filters::FILTERS;
pub use self::object::{ENGINE_INFO, NamedObject, ObjectKind, object_of};
pub use self::suggest::suggest;
pub use self::surroundings::examples;
pub(crate) use self::surroundings::{has_long_names, surroundings};

/// The newest version of Docker's API of which the table has an endpoint.
pub fn newest() -> Version {
    let docker = endpoints().filter(|endpoint| endpoint.api == Api::Docker);
    let firsts = docker.map(|endpoint| endpoint.first);
    firsts.max().unwrap_or(docker::ANY_PATH.first)
}

/// All endpoints in the order of the table: Docker's, then libpod's.
pub fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    let groups = docker::GROUPS.iter().chain(libpod::GROUPS);
    std::iter::once(&docker::ANY_PATH).chain(groups.flat_map(|group| group.endpoints))
}
