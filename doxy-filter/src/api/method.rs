//! The methods of endpoints as an enum: the classifier compares the method with every row of a
//! group, so this must be cheap.

/// A method that some endpoint serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
}

impl Method {
    /// The method of a request, compared exactly as the engine does.
    pub(super) const fn of(name: &str) -> Option<Self> {
        match name.as_bytes() {
            b"GET" => Some(Self::Get),
            b"HEAD" => Some(Self::Head),
            b"POST" => Some(Self::Post),
            b"PUT" => Some(Self::Put),
            b"DELETE" => Some(Self::Delete),
            b"OPTIONS" => Some(Self::Options),
            _ => None,
        }
    }

    /// The method of a row. An unknown one does not compile.
    #[expect(clippy::panic, reason = "evaluated at compile time")]
    pub(super) const fn new(name: &str) -> Self {
        match Self::of(name) {
            Some(method) => method,
            None => panic!("no endpoint has this method yet: add it to `Method`"),
        }
    }
}
