//! What stands around a row of the table: its group, and the rows that the engine's router asks first.

use super::endpoint::{Api, Endpoint, Group};
use super::{docker, libpod};

/// The groups whose objects have slashes in their names: `quay.io/team/app`.
const NAMES_WITH_SLASHES: [&str; 5] = [
    "images",
    "plugins",
    "distribution",
    "artifacts",
    "manifests",
];

/// Whether the objects of this group have slashes in their names.
pub(crate) fn has_long_names(group: &Group) -> bool {
    NAMES_WITH_SLASHES.contains(&group.folder)
}

/// The group of an endpoint, and the endpoints of its method that its router asks first. The endpoint
/// for any path has no group.
pub(crate) fn surroundings(
    endpoint: &Endpoint,
) -> (Option<&'static Group>, Vec<&'static Endpoint>) {
    let groups = match endpoint.api {
        Api::Docker => docker::GROUPS,
        Api::Libpod => libpod::GROUPS,
    };
    let is_it = |row: &Endpoint| std::ptr::eq(row, endpoint);
    let Some(group) = groups.iter().find(|it| it.endpoints.iter().any(is_it)) else {
        return (None, vec![]);
    };
    let shares = |other: &Group| {
        let mut versions = other.versions.chars();
        other.folder == group.folder && versions.any(|version| group.versions.contains(version))
    };
    let rows = groups.iter().filter(|other| shares(other));
    let rows = rows.flat_map(|other| other.endpoints);
    let before = rows.take_while(|row| !is_it(row));
    let before = before.filter(|row| row.method == endpoint.method);
    (Some(group), before.collect())
}

/// Paths at which engines serve an endpoint, with this name for each object: with a version, and, where
/// that is served, without one.
#[must_use]
pub fn examples(endpoint: &Endpoint, name: &str) -> Vec<String> {
    let mut path = String::new();
    for piece in endpoint.template.split('{') {
        match piece.split_once('}') {
            Some((_, text)) => path.extend([name, text]),
            None => path.push_str(piece),
        }
    }
    let version = match (endpoint.api, surroundings(endpoint).0) {
        (Api::Docker, None) => return vec![path], // the endpoint for any path
        (Api::Docker, _) => "/v1.41",
        (Api::Libpod, Some(group)) if !group.versions.contains('5') => "/v3.4.0",
        (Api::Libpod, _) => "/v5.0.0",
    };
    let with = format!("{version}{path}");
    match endpoint.api {
        Api::Docker => vec![with, path],
        Api::Libpod => vec![with],
    }
}
