//! What a running doxy does now: its status, and the rates between two looks at it.

use std::io;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::tools::admin_client::AdminClient;

/// Where the admin side has the figures.
const STATUS: &str = "/api/status";
/// How far apart the two looks are.
const APART: Duration = Duration::from_secs(1);
/// The counts of a socket that become rates.
const RATES: [(&str, &[&str]); 3] = [
    (
        "requests",
        &[
            "/requests/allowed",
            "/requests/denied",
            "/requests/would_deny",
            "/requests/refused",
        ],
    ),
    ("to_engine", &["/bytes/to_engine"]),
    ("to_client", &["/bytes/to_client"]),
];

/// The status, with `per_second` in each socket: its rates over the last second, or null if the socket
/// or doxy is new.
pub(crate) async fn status(admin: &AdminClient) -> io::Result<Value> {
    let before = admin.json(STATUS).await?;
    let asked = Instant::now();
    sleep(APART).await;
    let mut now = admin.json(STATUS).await?;
    add_rates(&before, &mut now, asked.elapsed());
    Ok(now)
}

fn add_rates(before: &Value, now: &mut Value, apart: Duration) {
    let same = before["started"] == now["started"] && before["pid"] == now["pid"];
    let Some(sockets) = now.get_mut("sockets").and_then(Value::as_array_mut) else {
        return;
    };
    for socket in sockets {
        let old = before["sockets"].as_array().filter(|_| same);
        let old = old.and_then(|all| all.iter().find(|it| it["name"] == socket["name"]));
        let rates = old.and_then(|old| rates(old, socket, apart));
        if let Some(socket) = socket.as_object_mut() {
            socket.insert("per_second".to_owned(), rates.unwrap_or(Value::Null));
        }
    }
}

/// None if a count has become smaller: the socket is another one.
fn rates(old: &Value, new: &Value, apart: Duration) -> Option<Value> {
    let sum = |socket: &Value, counts: &[&str]| -> Option<u64> {
        let count = |at: &&str| socket.pointer(at).and_then(Value::as_u64);
        counts.iter().map(count).sum()
    };
    let mut rates = Map::new();
    for (name, counts) in RATES {
        let more = sum(new, counts)?.checked_sub(sum(old, counts)?)?;
        let rate = more as f64 / apart.as_secs_f64();
        // One digit: the clock is no better.
        rates.insert(name.to_owned(), json!((rate * 10.0).round() / 10.0));
    }
    Some(rates.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::add_rates;

    fn status(started: &str, sockets: &[(&str, u64)]) -> Value {
        let sockets = sockets.iter().map(|(name, count)| {
            let requests = json!({
                "allowed": count, "denied": count, "would_deny": 0, "refused": 1,
            });
            let bytes = json!({"to_engine": count * 10, "to_client": count * 100});
            json!({"name": name, "requests": requests, "bytes": bytes})
        });
        json!({"pid": 1, "started": started, "sockets": sockets.collect::<Vec<_>>()})
    }

    #[test]
    fn rates_are_differences_of_counts() {
        let before = status("a", &[("web", 10), ("again", 10)]);
        let mut now = status("a", &[("web", 13), ("again", 3), ("new", 5)]);
        add_rates(&before, &mut now, Duration::from_secs(2));
        let rate = |status: &Value, at: usize| {
            let rates = status.pointer(&format!("/sockets/{at}/per_second"));
            rates.cloned()
        };
        let web = json!({"requests": 3.0, "to_engine": 15.0, "to_client": 150.0});
        assert_eq!(rate(&now, 0), Some(web));
        for new in [1, 2] {
            assert_eq!(rate(&now, new), Some(Value::Null));
        }
        // Another process counts from nothing.
        let mut other = status("b", &[("web", 13)]);
        add_rates(&before, &mut other, Duration::from_secs(2));
        assert_eq!(rate(&other, 0), Some(Value::Null));
    }

    /// Whatever answers, this does not panic.
    #[test]
    fn what_is_no_status_stays_as_it_is() {
        for (strange, expected) in [
            (json!(null), json!(null)),
            (json!([]), json!([])),
            (json!({"sockets": 1}), json!({"sockets": 1})),
            (
                json!({"sockets": [1, {}]}),
                json!({"sockets": [1, {"per_second": null}]}),
            ),
        ] {
            let mut now = strange.clone();
            add_rates(&strange, &mut now, Duration::from_secs(1));
            assert_eq!(now, expected);
        }
    }
}
