//! Where clients reach doxy, and where doxy reaches engines: what tools need that only connect.
//!
//! Nothing of a policy is read for it, so that this takes no longer than the configuration itself. It
//! refuses no more than what it reads.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use doxy_proxy::UpstreamAddr;

use crate::config::addresses;
use crate::config::error::{ConfigError, Gathered};
use crate::config::layers::Stack;
use crate::config::socket::{Bind, ListenConfig, binds};
use crate::config::source::Source;
use crate::config::tls::{self, EngineTls, TlsFiles};

/// The settings that say what is served, and where.
const SERVED: [&str; 7] = [
    "config",
    "proxy-socket",
    "preset",
    "pattern-file",
    "patterns",
    "script",
    "compat",
];

/// One socket, as far as connecting goes.
#[derive(Debug)]
pub(crate) struct Reach {
    /// What logs call it.
    pub(crate) name: String,
    /// At least one.
    pub(crate) binds: Vec<Bind>,
    /// If its addresses of TCP speak TLS.
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) engine: UpstreamAddr,
    /// Only for an engine at an address of TCP.
    pub(crate) engine_tls: Option<EngineTls>,
}

impl Reach {
    /// Whether what is at a path is the engine's own socket, however it is spelled, linked or mounted.
    pub(crate) fn is_engine(&self, path: &Path) -> bool {
        match &self.engine {
            UpstreamAddr::Unix(engine) => is_same_file(path, engine),
            UpstreamAddr::Tcp(_) => false,
        }
    }
}

/// Whether two paths lead to one file, which is there.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    file(one).is_some_and(|it| Some(it) == file(other))
}

impl Source {
    /// Whether anything says what is served: these settings are then those of a doxy, and the defaults of all
    /// else hold for it too.
    pub(crate) fn is_of_a_doxy(&self) -> bool {
        SERVED.iter().any(|key| !self.given(key).is_empty())
    }

    /// The addresses of all sockets and engines. What is wrong with one is an error, as for serving.
    pub(crate) fn reach(&self) -> Result<Vec<Reach>, ConfigError> {
        let contents = self.read()?;
        let mut found = Gathered::default();
        let stacks = self.stacks(&contents, &mut found);
        let reach = stacks.iter().map(|stack| found.take(of(stack))).collect();
        found.whole(reach)
    }
}

fn of((name, layers): &Stack<'_>) -> Result<Reach, ConfigError> {
    let binds = binds(layers)?;
    let engine = addresses::engine(&layers.value("docker-socket"))?;
    let engine_tls = tls::of_engine(layers)?;
    let tcp = |bind: &Bind| !matches!(bind.listen, ListenConfig::Unix(_));
    let has_tcp = binds.iter().any(tcp);
    let first = binds.first().map(|bind| bind.listen.to_string());
    Ok(Reach {
        name: name.map(str::to_owned).or(first).unwrap_or_default(),
        tls: tls::of_clients(layers)?.filter(|_| has_tcp),
        binds,
        engine_tls: engine_tls.filter(|_| matches!(engine, UpstreamAddr::Tcp(_))),
        engine,
    })
}
