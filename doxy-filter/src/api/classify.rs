//! Which endpoint a request is for, found as the engine's router finds it.
//!
//! A look at the first segment of the path, then at the endpoints that begin with it, in their
//! order. It allocates nothing and costs less than a verdict of the rules.

use super::endpoint::{Endpoint, Group};
use super::method::Method;
use super::{docker, libpod};
use crate::path::split_version;

/// The endpoint of a request, if the engine has one there. `path` is a canonical one, as
/// [`canonical_path`](crate::canonical_path) gives it, with its version.
///
/// An endpoint of Docker's is found as Docker's router finds it: under any version made of digits
/// and dots or under none, by the decoded path, in the order of the table.
///
/// Podman's router looks at the path before it is decoded, which cannot be seen any more here. So a
/// `/` that was sent as `%2F` is taken for the separator it decodes to: `/libpod%2Finfo` is found
/// here, where Podman would answer 404; and a container whose name has a `/` in it is not found,
/// and does not exist either. Podman takes more for a version (`/v5.0.0-dev`), and wants one in
/// front of everything but its ping.
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

fn find(group: &Group, method: Method, path: &str) -> Option<&'static Endpoint> {
    let mut endpoints = group.endpoints.iter();
    endpoints.find(|endpoint| endpoint.serves(method, path))
}

fn first_segment(path: &str) -> Option<&str> {
    let path = path.strip_prefix('/')?;
    let end = path.bytes().position(|byte| byte == b'/');
    path.get(..end.unwrap_or(path.len()))
}

/// The version in front of a libpod path, and the rest. Without a version the first is empty.
fn split_libpod_version(path: &str) -> (&str, &str) {
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let is_version = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        let end = rest.bytes().position(|byte| !is_version(byte))?;
        let (version, plain) = rest.split_at_checked(end)?;
        (version.starts_with(|c: char| c.is_ascii_digit()) && plain.starts_with('/'))
            .then_some((version, plain))
    });
    versioned.unwrap_or(("", path))
}
