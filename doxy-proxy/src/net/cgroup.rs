//! The cgroups of a process, as `/proc/PID/cgroup` has them, and whether one process is in those of
//! another.
//!
//! A container's id stands in the paths of its cgroups, in as many ways as there are engines. That is
//! where to look, and proves nothing: whoever may make cgroups names them. What proves it is that the
//! container's own process is in the same cgroup, or in one above it, in every hierarchy.

use std::collections::BTreeSet;

/// The digits of a container's id.
const ID_DIGITS: usize = 64;
/// How many ids in one path are looked at: containers in containers.
const MAX_IDS: usize = 4;

/// The cgroups of a process: one in each hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroups(Vec<Cgroup>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cgroup {
    /// Its number and its controllers; `0:` is that of version 2.
    hierarchy: String,
    /// Seen from the root of doxy's own cgroup namespace.
    path: String,
}

impl Cgroups {
    /// Reads a file of the kernel's. None if it is not of its form. Source: cgroups(7).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let read = |line: &str| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Cgroup {
                hierarchy: format!("{number}:{controllers}"),
                path: path.starts_with('/').then(|| path.to_owned())?,
            })
        };
        text.lines().map(read).collect::<Option<_>>().map(Self)
    }

    /// The ids to ask the engine about, the outermost first: what is further inside was named by a
    /// container. The list ends where the hierarchies name different ids.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let mut found = vec![];
        for depth in 0..MAX_IDS {
            let paths = self.0.iter();
            let ids: BTreeSet<_> = paths
                .filter_map(|cgroup| ids(&cgroup.path).nth(depth))
                .collect();
            match ids.into_iter().collect::<Vec<_>>()[..] {
                [id] => found.push(id),
                _ => break,
            }
        }
        found
    }

    /// Whether a process with the cgroups `inner` is in the container `id`, whose own process has
    /// these: in each hierarchy in which either names the id, in the same cgroup or below it, and in
    /// one at least.
    pub(crate) fn hold(&self, inner: &Self, id: &str) -> bool {
        let names = |cgroup: &Cgroup| ids(&cgroup.path).any(|other| other == id);
        let naming = |all: &Self| -> BTreeSet<String> {
            let naming = all.0.iter().filter(|cgroup| names(cgroup));
            naming.map(|cgroup| cgroup.hierarchy.clone()).collect()
        };
        let hierarchies = naming(self);
        // A process of a container may move itself out of it, if it may do everything: to the root,
        // in which all others are.
        hierarchies == naming(inner)
            && !hierarchies.is_empty()
            && hierarchies.iter().all(|hierarchy| {
                matches!(
                    (self.path(hierarchy), inner.path(hierarchy)),
                    (Some(outer), Some(inner)) if is_at_or_below(outer, inner)
                )
            })
    }

    /// The path in a hierarchy, if there is exactly one.
    fn path(&self, hierarchy: &str) -> Option<&str> {
        let mut paths = self.0.iter().filter(|it| it.hierarchy == hierarchy);
        let path = paths.next()?;
        paths.next().is_none().then_some(&path.path)
    }
}

/// The ids in a path, the outermost first: `/docker/ID`, `/system.slice/docker-ID.scope`,
/// `/../libpod-ID`.
fn ids(path: &str) -> impl Iterator<Item = &str> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    path.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(move |word| word.len() == ID_DIGITS && word.bytes().all(digit))
}

/// Whether `inner` is `outer` or below it.
fn is_at_or_below(outer: &str, inner: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
