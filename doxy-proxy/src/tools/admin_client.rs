//! Asks the admin side of a running doxy.
//!
//! It gets what it is told to and reads JSON; what that means is for the tools to know.

use std::io;
use std::time::Duration;

use doxy_proxy::{TlsClient, Upstream, UpstreamAddr};
use serde_json::Value;
use tokio::time::timeout;

/// The admin side at an address.
#[derive(Debug)]
pub(crate) struct AdminClient {
    address: UpstreamAddr,
    server: Upstream,
    /// Whether it lets in only who shows a certificate, by the settings. A tool has none.
    for_certificates: bool,
    asks: Asks,
}

/// Who asks, and how patiently.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asks {
    /// The name of the tool.
    pub(crate) tool: &'static str,
    /// How long one answer may take.
    pub(crate) time: Duration,
}

impl AdminClient {
    pub(crate) fn new(address: UpstreamAddr, asks: Asks) -> Self {
        Self {
            server: Upstream::new(address.clone(), patience(asks)),
            address,
            for_certificates: false,
            asks,
        }
    }

    /// At an address that speaks TLS, maybe `for_certificates` alone.
    pub(crate) fn with_tls(
        address: UpstreamAddr,
        tls: TlsClient,
        for_certificates: bool,
        asks: Asks,
    ) -> Self {
        Self {
            server: Upstream::with_tls(address.clone(), patience(asks), tls),
            address,
            for_certificates,
            asks,
        }
    }

    /// Its address, if it lets in only who shows a certificate, and how long an answer may take.
    pub(crate) fn for_certificates(&self) -> Option<(&str, Duration)> {
        match &self.address {
            UpstreamAddr::Tcp(tcp) if self.for_certificates => Some((tcp, self.asks.time)),
            _ => None,
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
        let Asks { tool, time } = self.asks;
        let answer = timeout(time, self.server.get(path, tool)).await;
        let late = humantime::format_duration(time);
        let answer = answer.map_err(|_| wrong(&format_args!("no answer within {late}")))?;
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

/// A clock of the connection's own must not end what the time is to end.
fn patience(asks: Asks) -> Duration {
    asks.time.saturating_mul(2)
}
