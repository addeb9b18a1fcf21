//! Asks the admin side of a running doxy.
//!
//! It gets what it is told to and reads JSON; what that means is for the tools to know.

use std::io;
use std::time::Duration;

use doxy_proxy::{TlsClient, Upstream, UpstreamAddr};
use serde_json::Value;
use tokio::time::timeout;

/// How long one answer may take.
const TIME: Duration = Duration::from_secs(5);

/// The admin side at an address.
#[derive(Debug)]
pub(crate) struct AdminClient {
    address: UpstreamAddr,
    server: Upstream,
    /// The tool that asks.
    asker: &'static str,
}

impl AdminClient {
    pub(crate) fn new(address: UpstreamAddr, asker: &'static str) -> Self {
        Self {
            server: Upstream::new(address.clone(), TIME),
            address,
            asker,
        }
    }

    /// At an address that speaks TLS.
    pub(crate) fn with_tls(address: UpstreamAddr, tls: TlsClient, asker: &'static str) -> Self {
        Self {
            server: Upstream::with_tls(address.clone(), TIME, tls),
            address,
            asker,
        }
    }

    /// Where it asks.
    pub(crate) fn address(&self) -> &UpstreamAddr {
        &self.address
    }

    /// The JSON at a path. It is an error if the status is not 200.
    pub(crate) async fn json(&self, path: &str) -> io::Result<Value> {
        let wrong = |why: &dyn std::fmt::Display| {
            io::Error::other(format!("the admin side at {}: {why}", self.address))
        };
        let answer = timeout(TIME, self.server.get(path, self.asker)).await;
        let answer = answer.map_err(|_| wrong(&format_args!("no answer within {TIME:?}")))?;
        let answer = answer.map_err(|error| wrong(&error))?;
        if answer.status() != 200 {
            return Err(wrong(&format_args!(
                "{path} was answered with status {}",
                answer.status().as_u16()
            )));
        }
        serde_json::from_slice(answer.body())
            .map_err(|_| wrong(&format_args!("{path} is not what a doxy answers")))
    }
}
