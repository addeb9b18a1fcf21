//! Where the engine listens.

use std::fmt;
use std::path::PathBuf;

/// The address of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamAddr {
    /// A unix socket.
    Unix(PathBuf),
    /// `HOST:PORT`, without TLS.
    Tcp(String),
}

impl fmt::Display for UpstreamAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}
