//! What is judged. It borrows from the request as it came, so that judging allocates nothing.

/// A request as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method as sent. Methods are compared exactly, as the engine does: `get` is not `GET`.
    pub method: &'a str,
    /// The path as [`canonical_path`](crate::canonical_path) gave it.
    pub path: &'a str,
    /// The query as sent, without its `?`. Rules never look at it.
    pub query: Option<&'a str>,
}
