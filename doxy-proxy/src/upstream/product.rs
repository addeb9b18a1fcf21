//! What the engine says it is.
//!
//! It is asked anew each time: another engine may have taken the place of the last one. That is a
//! request more, for the few requests whose meaning depends on the answer.

use std::time::Duration;

use doxy_filter::api::VERSION;
use serde_json::Value;
use tokio::time::timeout;

use crate::http::collect::collect;
use crate::http::framing::Framing;
use crate::http::head::read_head;
use crate::http::request::Exchange;
use crate::http::response;
use crate::net::buffer::{HEAD_BUF, ReadBuf};
use crate::net::stream::Stream;
use crate::shares::memory::Memory;
use crate::shares::sharer::Sharer;
use crate::upstream::{Upstream, UpstreamError};

/// How long the engine may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest answer, in bytes. Docker's and Podman's have about 1,000.
const LARGEST: usize = 64 * 1024;

impl Upstream {
    /// Whether the engine is known to be Docker. An answer that doxy cannot read is none.
    pub(crate) async fn is_docker(&self) -> Result<bool, UpstreamError> {
        let head = format!("GET {VERSION} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
        let engine = self.open(None, head.as_bytes()).await?;
        let version = timeout(PATIENCE, read_version(&engine)).await;
        Ok(version
            .ok()
            .flatten()
            .is_some_and(|version| is_docker(&version)))
    }
}

async fn read_version(engine: &Stream) -> Option<Value> {
    let exchange = Exchange {
        framing: Framing::None,
        http10: false,
        is_head: false,
        keep_alive: false,
        expect_continue: false,
        may_upgrade: false,
    };
    let mut input = ReadBuf::default();
    let length = read_head(&mut input, engine, HEAD_BUF).await.ok()?;
    let head = input.unread().get(..length)?;
    let response = response::read(head, &exchange).ok().flatten()?;
    input.consume(length);
    if response.status != 200 {
        return None;
    }
    let memory = (&Memory::default(), Sharer::DOXY);
    let body = collect(response.framing, engine, &mut input, memory, LARGEST).await;
    serde_json::from_slice(body.ok()?.bytes()).ok()
}

/// Docker has a component `Engine`; Podman calls its own `Podman Engine`.
fn is_docker(version: &Value) -> bool {
    let components = version.get("Components").and_then(Value::as_array);
    let mut components = components.into_iter().flatten();
    components.any(|component| component.get("Name").and_then(Value::as_str) == Some("Engine"))
}
