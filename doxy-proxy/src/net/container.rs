//! The container that a peer is in, which ones may connect, and why one is not known.
//!
//! Nothing here finds it out. What is not known is never guessed.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use crate::net::reason::io_reason;

/// A container, as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    /// Its full id.
    pub(crate) id: String,
    /// Its name, without the slash.
    pub(crate) name: String,
    /// Its image, as it was named when the container was created.
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// Which containers may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerRule {
    /// The one with this name.
    Name(String),
    /// Those with this label, and with this value if there is one.
    Label(String, Option<String>),
}

/// Why it is not known which container a peer is in. The text is for clients and for logs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("doxy does not see its process; in a container it needs the host's (pid: host)")]
    NoProcess,
    #[error("its process has ended, or doxy may not see it (ProtectProc, hidepid)")]
    Ended,
    #[error("doxy cannot see what its process is in: {}", io_reason(.0))]
    Unreadable(io::Error),
    #[error("its process is in no container of this engine")]
    NoContainer,
    #[error(
        "its process is in a cgroup that has the id of a container, and is not that container's"
    )]
    NotItsOwn,
    #[error("no container has the address {0}")]
    NoAddress(IpAddr),
    #[error("several containers have the address {0}")]
    Shared(IpAddr),
    /// It may be known the next time.
    #[error("the engine gave no answer: {0}")]
    NoAnswer(String),
}

impl ContainerRule {
    pub(crate) fn allows(&self, container: &Container) -> bool {
        match self {
            Self::Name(name) => *name == container.name,
            Self::Label(key, value) => container
                .labels
                .get(key)
                .is_some_and(|has| value.as_ref().is_none_or(|value| value == has)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let container = Container {
            id: "0".repeat(64),
            name: "web".to_owned(),
            image: "web:1".to_owned(),
            labels: [label("a", "1"), label("e", "")].into(),
        };
        let name = |name: &str| ContainerRule::Name(name.to_owned());
        let label = |key: &str, value: Option<&str>| {
            ContainerRule::Label(key.to_owned(), value.map(str::to_owned))
        };
        for (rule, expected) in [
            (name("web"), true),
            (name("we"), false),
            (name("web2"), false),
            (name("Web"), false),
            // Neither an id nor an image is a name.
            (name(&"0".repeat(64)), false),
            (name("web:1"), false),
            (label("a", None), true),
            (label("a", Some("1")), true),
            (label("a", Some("")), false),
            (label("a", Some("11")), false),
            (label("A", None), false),
            (label("e", None), true),
            (label("e", Some("")), true),
            (label("b", None), false),
        ] {
            assert_eq!(rule.allows(&container), expected, "{rule:?}");
        }
    }
}
