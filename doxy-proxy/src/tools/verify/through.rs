//! What comes back through an address of doxy's: to a ping, and to a request for what is no endpoint.
//!
//! These two and nothing else, each once, and a third that reaches no engine. They do nothing at an engine.

use std::time::Duration;

use doxy_filter::api::PING;
use doxy_proxy::Upstream;
use doxy_proxy::log::probe::{NO_ENDPOINT, OWN_ANSWER, VERIFY};
use http::Response;
use hyper::body::Bytes;
use tokio::time::timeout;

use crate::tools::verify::report::Report;

pub(super) const PING_CHECK: &str = "ping";
const DENIAL: &str = "denial";
/// The end of what a client is told that may not connect.
const NOT_THIS_ONE: &str = "may not use this socket";
/// The beginning, where that is for certain containers only.
const CONTAINERS_ONLY: &str = "only certain containers may use this socket";

/// Sends both. If the second comes back as the engine's, a third tells whether there is a doxy before it.
pub(super) async fn check(doxy: &Upstream, address: &str, time: Duration, report: &mut Report) {
    let ping = ask(doxy, PING, time).await;
    if ping.as_ref().is_ok_and(Answer::is_for_others) {
        let says = "not known: doxy does not let this user connect";
        let cure = "run this as a user, or from an address, that may use the socket";
        return report.skipped(PING_CHECK, address, says, cure);
    }
    let denial = ask(doxy, NO_ENDPOINT, time).await;
    if denial.as_ref().is_ok_and(|answer| !answer.own) {
        // Whatever its policy says, a doxy answers this one itself.
        let own = ask(doxy, &format!("/{NO_ENDPOINT}"), time).await;
        if own.as_ref().is_ok_and(|answer| !answer.own) {
            let says = "what answers there is not doxy".to_owned();
            let cure =
                "see what listens at this address; start doxy, or name the address that it has";
            return report.failed(DENIAL, address, says, cure);
        }
    }
    pinged(ping, address, report);
    denied(denial, address, report);
}

/// An answer, as far as it matters.
struct Answer {
    status: u16,
    /// Whether doxy made it, and not the engine.
    own: bool,
    /// What it says to people.
    message: String,
}

impl Answer {
    /// Whether only others may use the socket.
    fn is_for_others(&self) -> bool {
        let message = &self.message;
        self.own && (message.ends_with(NOT_THIS_ONE) || message.starts_with(CONTAINERS_ONLY))
    }
}

async fn ask(doxy: &Upstream, target: &str, time: Duration) -> Result<Answer, String> {
    match timeout(time, doxy.get(target, VERIFY)).await {
        Ok(Ok(response)) => Ok(answer(&response)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "no answer within {}",
            humantime::format_duration(time)
        )),
    }
}

fn answer(response: &Response<Bytes>) -> Answer {
    let json: Option<serde_json::Value> = serde_json::from_slice(response.body()).ok();
    let message = json.as_ref().and_then(|json| json.get("message")?.as_str());
    Answer {
        status: response.status().as_u16(),
        own: response.headers().contains_key(OWN_ANSWER),
        message: message.unwrap_or_default().to_owned(),
    }
}

fn pinged(ping: Result<Answer, String>, address: &str, report: &mut Report) {
    let answer = match ping {
        Ok(answer) => answer,
        Err(why) => {
            let cure = "if the line `denial` is ok, the engine hangs; if not, doxy does: look at its log, \
                        and restart it";
            return report.failed(PING_CHECK, address, why, cure);
        }
    };
    let Answer {
        status,
        own,
        message,
    } = answer;
    let says = match &*message {
        "" => format!("answered {status}"),
        message => format!("answered {status}: {message}"),
    };
    match (status, own) {
        (200..=299, false) => report.ok(PING_CHECK, address, "the engine answers through doxy"),
        (502 | 504, true) => {
            let cure = "start the engine; the line `engine` says more";
            report.failed(PING_CHECK, address, says, cure);
        }
        (503, true) => {
            let cure = "raise max-connections, or find who holds the connections";
            report.failed(PING_CHECK, address, says, cure);
        }
        (400..=499, true) => {
            let says = format!("doxy answers, and the policy denies a ping ({status})");
            report.ok(PING_CHECK, address, says);
        }
        (500..=599, true) => {
            report.failed(PING_CHECK, address, says, "look at doxy's log");
        }
        _ => {
            let cure = "look at what docker-socket names: it may be no engine, or another proxy";
            report.warning(PING_CHECK, address, says, cure);
        }
    }
}

fn denied(answer: Result<Answer, String>, address: &str, report: &mut Report) {
    match answer {
        Err(why) => {
            let cure = "doxy hangs: look at its log, and restart it";
            report.failed(DENIAL, address, why, cure);
        }
        Ok(Answer {
            status: 500 | 503,
            own: true,
            message,
        }) => report.failed(DENIAL, address, message, "look at doxy's log"),
        Ok(Answer {
            status: status @ 400..=499,
            own: true,
            ..
        }) => {
            let says = format!("doxy denies what is no endpoint ({status})");
            report.ok(DENIAL, address, says);
        }
        // The engine, or what doxy says in its place, has answered.
        Ok(Answer { status, .. }) => {
            let says = format!("the policy lets through what is no endpoint ({status})");
            let cure =
                "see which rule does: doxy explain GET /doxy-verify; a dry run lets all through";
            report.warning(DENIAL, address, says, cure);
        }
    }
}
