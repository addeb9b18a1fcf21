//! What there is to know of an endpoint: the words of the table's rows.

use super::method::Method;
use super::schema::{ANY, Schema};
use super::template::Template;

/// One endpoint: a method and the paths that the engine serves with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// Whose endpoint it is.
    pub api: Api,
    /// The only method that it answers to. HEAD does not go with GET here: the engine's router
    /// keeps them apart.
    pub method: &'static str,
    /// Its path without a version, as the router spells it: `/containers/{name:.*}/json`.
    pub template: &'static str,
    /// The first version that has it: of the API for Docker, of Podman for libpod. Podman before
    /// 4.3 was not looked at, so 4.3 may mean an older one.
    pub first: Version,
    /// The last version that has it, if it is gone from later ones.
    pub last: Option<Version>,
    /// What its answer is.
    pub answer: Answer,
    /// What it reads from the body of the request.
    pub body: Body,
    /// What whoever may call it can do or learn. None means harmless.
    pub risks: &'static [Risk],
    /// What a GET or HEAD does besides reading.
    pub effect: Option<Effect>,
    pub(super) verb: Method,
    pub(super) query: &'static str,
    pub(super) path: Template,
}

impl Endpoint {
    /// The parameters that some engine reads from its query. Not recorded for libpod: none there
    /// means unknown.
    pub fn query(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.query.split_ascii_whitespace()
    }

    /// Whether it is the endpoint of this method and canonical path, without a version.
    #[inline(always)]
    pub(super) fn serves(&self, method: Method, path: &str) -> bool {
        self.verb == method
            && self
                .path
                .strip_tail(path)
                .is_some_and(|rest| self.path.matches(rest))
    }

    /// Whether the engine may take the connection out of HTTP here, and both sides then send bytes
    /// as they like.
    #[must_use]
    pub fn hijacks(&self) -> bool {
        matches!(
            self.answer,
            Answer::Hijack | Answer::WebSocket | Answer::Http2
        )
    }
}

/// Whose API an endpoint belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// The Docker Engine API, which Podman serves for the most part too.
    Docker,
    /// Podman's own API, under `/libpod`.
    Libpod,
}

/// A version: `1.41` of Docker's API, `5.8` of Podman. Ordered as numbers: 1.9 is before 1.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// What stands before the dot.
    pub major: u8,
    /// What stands behind it.
    pub minor: u8,
}

impl Version {
    /// Reads `1.41` in the table. Anything else is an error of the compiler.
    #[expect(clippy::panic, reason = "it would be the compiler's error")]
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

/// What an answer is when all goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// One JSON value.
    Json,
    /// JSON values, one after the other, for as long as it takes.
    JsonStream,
    /// The output of a program, in frames or as it is.
    RawStream,
    /// A tar archive.
    Tar,
    /// Plain text or HTML.
    Text,
    /// A status and no body.
    Empty,
    /// The connection becomes a stream of bytes in both directions.
    Hijack,
    /// The connection becomes a WebSocket.
    WebSocket,
    /// The connection becomes HTTP/2, with the engine as the client or the server of gRPC.
    Http2,
}

/// What an endpoint reads from the body of a request.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// Nothing. The engine ignores a body, except that of a form, which it takes for more of the
    /// query.
    None,
    /// JSON of this schema.
    Json(&'static Schema),
    /// A tar archive.
    Tar,
    /// Something else: YAML, parts of a form, plain bytes.
    Other,
    /// A body that no policy may let pass. The endpoint has none today, but old API versions read
    /// one and obey it: a `HostConfig` on a start rewrites the container.
    Refused,
}

impl Body {
    /// The schema to read the body by: [`ANY`] where there is none.
    #[must_use]
    pub fn schema(self) -> &'static Schema {
        match self {
            Self::Json(schema) => schema,
            Self::None | Self::Tar | Self::Other | Self::Refused => &ANY,
        }
    }
}

/// What an endpoint lets its caller do or learn, at worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Learns about the host, or about what others run.
    Info,
    /// Uses up CPU, memory, disk or connections, or stops what others run.
    Dos,
    /// Changes what the engine keeps or runs.
    State,
    /// Makes the host open connections to a place of the caller's choice.
    Egress,
    /// Gets secrets: environment variables, keys, tokens, passwords.
    Secrets,
    /// Puts files into a container, an image, a volume or the host.
    FilesIn,
    /// Takes files out of them.
    FilesOut,
    /// Runs commands in a container.
    Exec,
    /// Becomes root on the host.
    HostRoot,
}

/// What a GET or HEAD does besides reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads through the disk, at length.
    WalksDisk,
    /// Runs `ps` on the host, with arguments from the query.
    RunsPs,
    /// Runs a command in the container.
    RunsCommand,
    /// Mounts the file system of a stopped container.
    MountsFileSystem,
    /// Passes on to the program whatever the client sends.
    WritesStdin,
    /// Writes an archive to the disk before sending it.
    WritesTemporaryFiles,
    /// Asks a registry that the request names.
    ContactsRegistry,
    /// Profiles or traces the engine, at a cost.
    ProfilesEngine,
    /// Makes the engine collect its garbage.
    CollectsGarbage,
}

/// Endpoints whose paths have the same first segment, behind `/libpod` if that is where they are.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) folder: &'static str,
    /// The first characters of the versions under which Podman serves them. Docker serves
    /// everything under any.
    pub(super) versions: &'static str,
    pub(super) endpoints: &'static [Endpoint],
}

impl Group {
    /// Whether Podman serves it under this version, or without one if it is empty.
    pub(super) fn serves(&self, version: &str) -> bool {
        match version.chars().next() {
            Some(first) => self.versions.contains(first),
            None => self.folder == "_ping",
        }
    }
}
