//! The types of a row: what the table records about an endpoint.

use super::method::Method;
use super::schema::{ANY, Schema};
use super::template::Template;

/// One endpoint: a method and the paths that the engine serves with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// The API that it belongs to.
    pub api: Api,
    /// The only method that it serves. Unlike in rules, GET does not include HEAD: the engine's
    /// router has separate routes.
    pub method: &'static str,
    /// Its path without a version, as the engine's router spells it: `/containers/{name:.*}/json`.
    pub template: &'static str,
    /// The first version that has it: for Docker the API version, for libpod the Podman release.
    /// 4.3 is the oldest release that was examined.
    pub first: Version,
    /// The last version that has it, if later ones do not.
    pub last: Option<Version>,
    /// The kind of a successful answer.
    pub answer: Answer,
    /// The kind of body that it reads.
    pub body: Body,
    /// What a client can do or learn with it. Empty if it is harmless.
    pub risks: &'static [Risk],
    /// A side effect of a GET or HEAD.
    pub effect: Option<Effect>,
    pub(super) verb: Method,
    pub(super) query: &'static str,
    pub(super) path: Template,
}

impl Endpoint {
    /// The query parameters that some engine reads. Not recorded for libpod.
    pub fn query(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.query.split_ascii_whitespace()
    }

    /// Whether it serves this method and this canonical path, given without a version.
    #[inline(always)]
    pub(super) fn serves(&self, method: Method, path: &str) -> bool {
        self.verb == method
            && self
                .path
                .strip_tail(path)
                .is_some_and(|rest| self.path.matches(rest))
    }

    /// The protocol that the connection is upgraded to, if the engine may take it out of HTTP: after
    /// the answer, both sides send bytes of that protocol. It is what clients put into `Upgrade`.
    #[must_use]
    pub fn upgrade(&self) -> Option<&'static str> {
        match self.answer {
            Answer::Hijack => Some("tcp"),
            Answer::WebSocket => Some("websocket"),
            Answer::Http2 => Some("h2c"),
            Answer::Json
            | Answer::JsonStream
            | Answer::RawStream
            | Answer::Tar
            | Answer::Text
            | Answer::Empty => None,
        }
    }
}

/// The API that an endpoint belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// The Docker Engine API. Podman serves most of it too.
    Docker,
    /// Podman's own API, under `/libpod`.
    Libpod,
}

/// A version: `1.41` of Docker's API, `5.8` of Podman. Ordered as numbers: 1.9 is before 1.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The number before the dot.
    pub major: u8,
    /// The number after the dot.
    pub minor: u8,
}

impl Version {
    /// Parses `1.41` at compile time. Anything else does not compile.
    #[expect(clippy::panic, reason = "evaluated at compile time")]
    pub(super) const fn new(text: &str) -> Self {
        let (mut major, mut minor) = (None, 0);
        let mut rest = text.as_bytes();
        while let [byte, behind @ ..] = rest {
            match (*byte, major) {
                (b'.', None) => (major, minor) = (Some(minor), 0),
                (b'0'..=b'9', _) => minor = minor * 10 + (*byte - b'0'),
                _ => panic!("a version is two numbers with a dot between them"),
            }
            rest = behind;
        }
        match major {
            Some(major) => Self { major, minor },
            None => panic!("a version is two numbers with a dot between them"),
        }
    }
}

/// The kind of a successful answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// One JSON value.
    Json,
    /// A stream of JSON values, possibly endless.
    JsonStream,
    /// The output of a program, raw or multiplexed in frames.
    RawStream,
    /// A tar archive.
    Tar,
    /// Plain text or HTML.
    Text,
    /// No body.
    Empty,
    /// The connection becomes a stream of bytes in both directions.
    Hijack,
    /// The connection becomes a WebSocket.
    WebSocket,
    /// The connection is upgraded to HTTP/2, for gRPC with BuildKit.
    Http2,
}

/// The kind of body that an endpoint reads.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// None. The engine ignores a body here, except a form, which it merges into the query.
    None,
    /// JSON with this schema.
    Json(&'static Schema),
    /// A tar archive.
    Tar,
    /// Another format: YAML, multipart, plain bytes.
    Other,
    /// A body that no policy may allow. Current API versions read none, but old ones read and apply
    /// a `HostConfig` on start, which changes the container.
    Refused,
}

impl Body {
    /// The schema of the body; [`ANY`] if none is recorded.
    #[must_use]
    pub fn schema(self) -> &'static Schema {
        match self {
            Self::Json(schema) => schema,
            Self::None | Self::Tar | Self::Other | Self::Refused => &ANY,
        }
    }
}

/// What a client can do or learn with an endpoint, at worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Information about the host or about what others run.
    Info,
    /// Denial of service: uses up CPU, memory, disk or connections, or stops what others run.
    Dos,
    /// Changes what the engine stores or runs.
    State,
    /// Makes the host connect to an address that the client chooses.
    Egress,
    /// Reveals secrets: environment variables, keys, tokens, passwords.
    Secrets,
    /// Writes files into a container, an image, a volume or the host.
    FilesIn,
    /// Reads files out of them.
    FilesOut,
    /// Runs commands in a container.
    Exec,
    /// Gives root on the host.
    HostRoot,
}

impl Risk {
    /// Every risk, the worst first. Lists of risks for people have this order.
    pub const ALL: [Self; 9] = [
        Self::HostRoot,
        Self::Exec,
        Self::Secrets,
        Self::FilesOut,
        Self::FilesIn,
        Self::State,
        Self::Egress,
        Self::Dos,
        Self::Info,
    ];

    /// Its name in settings, reports and messages: `host-root`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HostRoot => "host-root",
            Self::Exec => "exec",
            Self::Secrets => "secrets",
            Self::FilesOut => "files-out",
            Self::FilesIn => "files-in",
            Self::State => "state",
            Self::Egress => "egress",
            Self::Dos => "dos",
            Self::Info => "info",
        }
    }

    /// The risk with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|risk| risk.name() == name)
    }
}

/// A side effect of a GET or HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads large parts of the disk.
    WalksDisk,
    /// Runs `ps` on the host, with arguments from the query.
    RunsPs,
    /// Runs a command in the container.
    RunsCommand,
    /// Mounts the file system of a stopped container.
    MountsFileSystem,
    /// Sends the client's bytes to the program's standard input.
    WritesStdin,
    /// Writes a temporary archive to the disk.
    WritesTemporaryFiles,
    /// Contacts a registry that the request names.
    ContactsRegistry,
    /// Profiles or traces the engine, which slows it down.
    ProfilesEngine,
    /// Forces a garbage collection in the engine.
    CollectsGarbage,
}

/// Endpoints with the same first segment of their paths (after `/libpod`).
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) folder: &'static str,
    /// The first characters of the versions under which Podman serves them. Docker ignores this.
    pub(crate) versions: &'static str,
    pub(super) endpoints: &'static [Endpoint],
}

impl Group {
    /// Whether Podman serves the group under this version; empty means no version.
    pub(crate) fn serves(&self, version: &str) -> bool {
        match version.chars().next() {
            Some(first) => self.versions.contains(first),
            None => self.folder == "_ping",
        }
    }
}
