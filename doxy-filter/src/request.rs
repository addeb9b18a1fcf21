//! The request that rules judge. It borrows its fields, so that a verdict allocates nothing.

/// What the rules know of a request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method as sent. Like the engine, rules compare it exactly: `get` is not `GET`.
    pub method: &'a str,
    /// The path as [`canonical_path`](crate::canonical_path) returns it.
    pub path: &'a str,
    /// The query as sent, without its `?`. Rules ignore it.
    pub query: Option<&'a str>,
}
