//! Why doxy cannot listen. It never says which setting names the socket: the caller knows.

/// Why doxy cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("{what}\nhelp: {help}")]
pub struct ListenError {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: &'static str,
}
