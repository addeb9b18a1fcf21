//! Sockets that doxy listens on.

pub(crate) mod unix;
