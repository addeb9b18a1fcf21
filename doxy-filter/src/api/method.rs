//! The methods that some endpoint answers to, as a number: what is compared with every row of a
//! group must be cheap to compare.

/// A method that some endpoint answers to.
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
    /// The method of a request. Methods are compared exactly, as the engine does.
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

    /// The method of a row. An unknown one is an error of the compiler.
    #[expect(clippy::panic, reason = "it would be the compiler's error")]
    pub(super) const fn new(name: &str) -> Self {
        match Self::of(name) {
            Some(method) => method,
            None => panic!("a method that no endpoint answers to yet"),
        }
    }
}
