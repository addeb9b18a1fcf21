//! Finds the endpoint of a request as the engine's router does.
//!
//! The first segment of the path selects a group; the first row of the group that matches is the
//! endpoint. Nothing is allocated, and the cost is about that of a verdict.

use std::sync::LazyLock;

use super::endpoint::{Endpoint, Group};
use super::method::Method;
use super::{docker, libpod};
use crate::path::split_version;

/// The endpoint of a request, or `None` if no engine serves one there. `path` is what
/// [`canonical_path`](crate::canonical_path) returns, with its version.
///
/// Docker endpoints follow the rules of Docker's router: it matches the decoded path, without a
/// version or with any version of digits and dots, and the first route wins.
///
/// libpod endpoints need a version, except for the ping, and Podman accepts more forms of it
/// (`/v5.0.0-dev`). Podman matches the path before decoding, which a canonical path no longer
/// shows. Here an encoded slash (`%2F`) counts as a separator. So `/libpod%2Finfo` is found,
/// although Podman answers 404 to it, and a name with an encoded slash is not found where `{name}`
/// is one segment; no such object exists.
#[must_use]
pub fn endpoint_of(method: &str, path: &str) -> Option<&'static Endpoint> {
    let method = Method::of(method)?;
    let any = &docker::ANY_PATH;
    if method == any.verb {
        return any.serves(method, path).then_some(any);
    }
    let (_, plain) = split_version(path);
    let folder = first_segment(plain)?;
    if folder != "libpod"
        && let Some(group) = docker::GROUPS.iter().find(|group| group.folder == folder)
    {
        return find(group, method, plain);
    }
    let (version, plain) = split_libpod_version(path);
    let folder = first_segment(plain.strip_prefix("/libpod")?)?;
    libpod::GROUPS
        .iter()
        .filter(|group| group.folder == folder && group.serves(version))
        .find_map(|group| find(group, method, plain))
}

/// How the paths end at which the engine may take the connection out of HTTP, by method: a first test
/// that almost every other request fails.
static HIJACK_ENDS: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let hijacks = super::endpoints().filter(|endpoint| endpoint.upgrade().is_some());
    let end = |template: &'static str| template.rsplit('}').next().unwrap_or(template);
    hijacks
        .map(|endpoint| (endpoint.method, end(endpoint.template)))
        .collect()
});

/// The protocol to which the engine may upgrade the connection of this request. The same as
/// [`Endpoint::upgrade`] of [`endpoint_of`], for less.
#[must_use]
pub fn upgrade_of(method: &str, path: &str) -> Option<&'static str> {
    let last = path.as_bytes().last();
    // Lengths and last bytes tell most requests apart, without a call.
    let ends = |(verb, end): &(&str, &str)| {
        method.len() == verb.len()
            && end.as_bytes().last() == last
            && path.ends_with(end)
            && method == *verb
    };
    if !HIJACK_ENDS.iter().any(ends) {
        return None;
    }
    endpoint_of(method, path)?.upgrade()
}

/// Whether an engine that looks for the endpoint before it decodes the path, as Podman does, could
/// serve another one than an engine that decodes it first, as Docker does. `sent` is the path as it
/// was sent, `path` its canonical form.
///
/// Where the table has neither, an encoded slash alone can make the difference.
#[must_use]
pub fn escapes_matter(method: &str, sent: &str, path: &str) -> bool {
    if sent == path {
        return false;
    }
    let slashes = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
    match (endpoint_of(method, sent), endpoint_of(method, path)) {
        (Some(one), Some(other)) => !std::ptr::eq(one, other),
        (None, None) => slashes(sent) != slashes(path),
        _ => true,
    }
}

/// Whether Podman could read another value of a query than Docker: it takes the last of a repeated
/// parameter and not the first, and folds case in names. `path` is the canonical path.
///
/// What both read as a list is left out. Escapes in a name have no use but to hide it.
#[must_use]
pub fn query_matters(method: &str, path: &str, query: &str) -> bool {
    const LISTS: [&str; 3] = ["t", "names", "references"];
    let parameters = query.split('&').filter(|pair| !pair.is_empty());
    let names = || {
        let pairs = parameters.clone();
        pairs.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
    };
    let known = |name: &str| {
        let endpoint = endpoint_of(method, path);
        endpoint.is_some_and(|endpoint| {
            let mut read = endpoint.query();
            read.any(|known| known != name && known.eq_ignore_ascii_case(name))
        })
    };
    names().enumerate().any(|(index, name)| {
        let mut before = names().take(index);
        name.contains(['%', '+'])
            || !LISTS.contains(&name) && before.any(|other| other.eq_ignore_ascii_case(name))
            || known(name)
    })
}

fn find(group: &Group, method: Method, path: &str) -> Option<&'static Endpoint> {
    let mut endpoints = group.endpoints.iter();
    endpoints.find(|endpoint| endpoint.serves(method, path))
}

fn first_segment(path: &str) -> Option<&str> {
    let path = path.strip_prefix('/')?;
    let end = path.bytes().position(|byte| byte == b'/');
    path.get(..end.unwrap_or(path.len()))
}

/// Splits a libpod path into version and the rest. The version is empty if there is none.
fn split_libpod_version(path: &str) -> (&str, &str) {
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let is_version = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        let end = rest.bytes().position(|byte| !is_version(byte))?;
        let (version, plain) = rest.split_at_checked(end)?;
        (!version.is_empty()).then_some((version, plain))
    });
    versioned.unwrap_or(("", path))
}
