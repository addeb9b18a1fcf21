//! What the policy of a socket opens, for whoever looks at it.
//!
//! A script is asked thousands of questions for that, which takes up to a second. So it is worked out on a
//! thread of its own, for one policy at a time, and kept for a few. It must never hold up the other answers,
//! nor the end of doxy.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use doxy_filter::Coverage;
use doxy_filter::api::{Endpoint, Risk};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Mutex, oneshot};

use crate::admin::board::SocketFacts;

/// How many are kept. A page asks for one when somebody unfolds it.
const MAX_KEPT: usize = 16;

/// The stack of the thread, in bytes: as much as for the scripts of a request. One that overflows ends doxy.
const STACK_SIZE: usize = 16 << 20;

/// What was worked out, the latest in front.
#[derive(Debug, Default)]
pub(super) struct Coverages {
    /// Whoever holds the lock works one out.
    kept: Arc<Mutex<VecDeque<Kept>>>,
}

#[derive(Debug)]
struct Kept {
    socket: String,
    policy: u64,
    json: Bytes,
}

impl Coverages {
    /// The coverage of the policy in force on a socket, as JSON. None if there is no thread to be had.
    pub(super) async fn of(&self, socket: &SocketFacts) -> Option<Bytes> {
        let (name, policy) = (socket.name.clone(), Arc::clone(&socket.policy));
        let mut kept = Arc::clone(&self.kept).lock_owned().await;
        let same = |it: &&Kept| it.socket == name && it.policy == policy.hash;
        if let Some(found) = kept.iter().find(same) {
            return Some(found.json.clone());
        }
        let (done, worked_out) = oneshot::channel();
        let thread = thread::Builder::new().name("coverage".to_owned());
        let thread = thread.stack_size(STACK_SIZE);
        // It has the lock: if nobody waits any more, the next has to wait for its end all the same.
        let spawned = thread.spawn(move || {
            let covered = policy.policy.coverage(&name);
            let json = Bytes::from(format!("{}\n", coverage_json(&covered.endpoints)));
            kept.truncate(MAX_KEPT - 1);
            kept.push_front(Kept {
                socket: name,
                policy: policy.hash,
                json: json.clone(),
            });
            // If nobody waits any more, it is kept for the next.
            let _ = done.send(json);
        });
        spawned.ok()?;
        worked_out.await.ok()
    }
}

/// How much of each endpoint is open, for programs.
pub(crate) fn coverage_json(endpoints: &[Coverage]) -> Value {
    let endpoints = endpoints.iter().map(|row| {
        json!({
            "method": row.endpoint.method,
            "endpoint": row.endpoint.template,
            "access": row.access.name(),
            "risks": risks(row.endpoint),
        })
    });
    json!({"endpoints": endpoints.collect::<Vec<_>>()})
}

/// The names of an endpoint's risks, the worst first.
pub(crate) fn risks(endpoint: &Endpoint) -> Vec<&'static str> {
    let all = Risk::ALL.into_iter();
    let risks = all.filter(|risk| endpoint.risks.contains(risk));
    risks.map(Risk::name).collect()
}

/// Whether the end of a path is this name, as it is or as browsers escape it.
pub(super) fn names(end: &str, name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    let escaped = name.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    end == name || end == escaped.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_are_those_that_a_browser_sends() {
        for (end, name, expected) in [
            ("web", "web", true),
            ("fd%3A%2F%2Fweb", "fd://web", true),
            ("fd://web", "fd://web", true),
            ("%2Ftmp%2Fd%C3%A9%20x.sock", "/tmp/dé x.sock", true),
            ("a%25b", "a%b", true),
            ("Web", "web", false),
            ("", "web", false),
            ("we%62", "web", false),
        ] {
            assert_eq!(names(end, name), expected, "{end} {name}");
        }
    }
}
