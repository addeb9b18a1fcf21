//! HTTP/1.1 on a connection: as little as the stand-in engine and the load driver need.
//!
//! It is cheap, so that the proxy between the two is what is measured. It must never judge
//! requests, and it knows neither proxies nor figures.

pub(crate) mod answer;
pub(crate) mod chunked;
pub(crate) mod client;
pub(crate) mod socket;
pub(crate) mod wire;
