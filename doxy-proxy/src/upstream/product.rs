//! What the engine says it is.
//!
//! It is asked anew each time: another engine may have taken the place of the last one. That is a
//! request more, for the few requests whose meaning depends on the answer.

use doxy_filter::api::VERSION;
use serde_json::Value;
use tokio::time::timeout;

use crate::upstream::lookup::{TIME, get};
use crate::upstream::{Upstream, UpstreamError};

impl Upstream {
    /// Whether the engine is known to be Docker. An answer that doxy cannot read is none.
    pub(crate) async fn is_docker(&self) -> Result<bool, UpstreamError> {
        let stream = self.dial().await?;
        let Ok(Ok(Some(version))) = timeout(TIME, get(stream, VERSION)).await else {
            return Ok(false);
        };
        Ok(serde_json::from_slice(&version).is_ok_and(|version| is_docker(&version)))
    }
}

/// Docker has a component `Engine`; Podman calls its own `Podman Engine`.
fn is_docker(version: &Value) -> bool {
    let components = version.get("Components").and_then(Value::as_array);
    let mut components = components.into_iter().flatten();
    components.any(|component| component.get("Name").and_then(Value::as_str) == Some("Engine"))
}
