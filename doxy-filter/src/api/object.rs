//! The objects that the engine knows by name or id: which one a path names, and how to ask for one.
//!
//! A lookup asks without a version, so the engine answers in its newest one. This module must never
//! know who asks, nor what an answer means for a request.

use std::ops::Range;

use super::classify::endpoint_of;
use super::schema::{self, Schema};

/// The target that asks for facts about the engine itself.
pub const ENGINE_INFO: &str = "/info";

/// The longest name of an object that is looked up, in bytes. The engine's own are shorter.
const MAX_NAME: usize = 255;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A container.
    Container,
    /// A command that was, or is to be, run in a container.
    Exec,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// A service of a swarm.
    Service,
    /// A task of a swarm.
    Task,
    /// A node of a swarm.
    Node,
}

/// The object that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Where its name stands in the canonical path.
    pub name: Range<usize>,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Container,
        Self::Exec,
        Self::Image,
        Self::Network,
        Self::Volume,
        Self::Service,
        Self::Task,
        Self::Node,
    ];

    /// The word for it: `container`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Exec => "exec",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Service => "service",
            Self::Task => "task",
            Self::Node => "node",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The beginning of the paths that name such an object, and what follows the name where the
    /// engine describes it.
    fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::Container => ("/containers/", "/json"),
            Self::Exec => ("/exec/", "/json"),
            Self::Image => ("/images/", "/json"),
            Self::Network => ("/networks/", ""),
            Self::Volume => ("/volumes/", ""),
            Self::Service => ("/services/", ""),
            Self::Task => ("/tasks/", ""),
            Self::Node => ("/nodes/", ""),
        }
    }

    /// The field of a description that has the full id. None for images and volumes: a name is all
    /// that identifies those.
    #[must_use]
    pub fn id_field(self) -> Option<&'static str> {
        match self {
            Self::Container | Self::Network => Some("Id"),
            Self::Exec | Self::Service | Self::Task | Self::Node => Some("ID"),
            Self::Image | Self::Volume => None,
        }
    }

    /// The schema of a description.
    #[must_use]
    pub fn schema(self) -> &'static Schema {
        match self {
            Self::Container => &schema::CONTAINER_ANSWER,
            Self::Exec => &schema::EXEC_ANSWER,
            Self::Image => &schema::IMAGE_ANSWER,
            Self::Network => &schema::NETWORK_ANSWER,
            Self::Volume => &schema::VOLUME_ANSWER,
            Self::Service => &schema::SERVICE_ANSWER,
            Self::Task => &schema::TASK_ANSWER,
            Self::Node => &schema::NODE_ANSWER,
        }
    }

    /// The target that asks the engine for the description of an object. None if no object of this
    /// kind can have the name, so that a name can never become another path or a query.
    #[must_use]
    pub fn target(self, name: &str) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let in_image = |byte: u8| plain(byte) || b"/:@".contains(&byte);
        let fits = name.len() <= MAX_NAME
            && name
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphanumeric())
            && match self {
                Self::Image => {
                    name.bytes().all(in_image)
                        && name.split('/').all(|part| !["", ".", ".."].contains(&part))
                }
                _ => name.bytes().all(plain),
            };
        let (before, behind) = self.path();
        fits.then(|| [before, name, behind].concat())
    }

    /// What the engine says if there is no such object.
    #[must_use]
    pub fn absent(self, name: &str) -> String {
        match self {
            Self::Container => format!("No such container: {name}"),
            Self::Exec => format!("No such exec instance: {name}"),
            Self::Image => format!("No such image: {name}"),
            Self::Volume => format!("get {name}: no such volume"),
            Self::Network | Self::Service | Self::Task | Self::Node => {
                format!("{} {name} not found", self.word())
            }
        }
    }
}

/// The object that a request names in its path, if it names one. `path` is canonical and has its
/// version.
#[must_use]
pub fn object_of(method: &str, path: &str) -> Option<NamedObject> {
    let template = endpoint_of(method, path)?.template;
    let (head, names) = template.split_once('{')?;
    let plain = head.strip_prefix("/libpod").unwrap_or(head);
    let kind = ObjectKind::ALL
        .into_iter()
        .find(|kind| kind.path().0 == plain)?;
    // A version has no slash within, so this is where the template begins.
    let start = path.find(head)? + head.len();
    let (_, behind) = names.split_once('}')?;
    let end = match behind.contains('{') {
        // The first of two names: it ends at the next slash if neither has one.
        true => {
            let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
            let rest = path.get(start..)?;
            let end = rest
                .find('/')
                .filter(|_| slashes(rest) == slashes(behind))?;
            start + end
        }
        false => path.len().checked_sub(behind.len())?,
    };
    (start < end).then_some(NamedObject {
        kind,
        name: start..end,
    })
}
