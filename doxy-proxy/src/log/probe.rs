//! Requests by which doxy's own tools look whether a doxy is well: how they are marked, and how the log of
//! the process tells them.
//!
//! A denial of one is no sign of a wrong policy, and is in the access log alone. Whoever marks a request
//! of his own hides no more than these two paths, which do nothing. Nothing is ever allowed by the mark.

use doxy_filter::Request;
use doxy_filter::api::PING;

use crate::http::headers::{Line, values};

/// What `doxy healthcheck` calls itself: in `User-Agent`, before a slash and its version, and in
/// `X-Request-Id`.
pub const HEALTHCHECK: &str = "doxy-healthcheck";
/// What `doxy verify` calls itself.
pub const VERIFY: &str = "doxy-verify";
/// A path at which no engine serves anything.
pub const NO_ENDPOINT: &str = "/doxy-verify";

/// Whether one of doxy's tools asks, by its own word.
pub(crate) fn is_one(judged: &Request<'_>, lines: &[Line<'_>]) -> bool {
    let asks = [PING, NO_ENDPOINT].contains(&judged.path) && judged.method == "GET";
    asks && judged.query.is_none()
        && values(lines, "user-agent").any(|agent| {
            let name = agent.split(|byte| *byte == b'/').next();
            [HEALTHCHECK, VERIFY]
                .map(str::as_bytes)
                .map(Some)
                .contains(&name)
        })
}

#[cfg(test)]
mod tests {
    use super::{Line, Request, is_one};

    #[test]
    fn only_what_does_nothing_is_a_probe() {
        for (method, path, query, agent, expected) in [
            ("GET", "/_ping", None, "doxy-healthcheck/0.1.0", true),
            ("GET", "/_ping", None, "doxy-verify/9.9", true),
            ("GET", "/doxy-verify", None, "doxy-verify/0.1.0", true),
            ("GET", "/_ping", None, "docker/29", false),
            ("GET", "/_ping", None, "doxy-healthcheckers/1", false),
            ("GET", "/_ping", Some("a"), "doxy-healthcheck/0.1.0", false),
            ("HEAD", "/_ping", None, "doxy-healthcheck/0.1.0", false),
            ("POST", "/_ping", None, "doxy-healthcheck/0.1.0", false),
            ("GET", "/v1.41/_ping", None, "doxy-healthcheck/0.1.0", false),
            ("GET", "/info", None, "doxy-healthcheck/0.1.0", false),
            ("GET", "/doxy-verify/x", None, "doxy-verify/0.1.0", false),
        ] {
            let request = Request {
                method,
                path,
                query,
            };
            let value = agent.as_bytes();
            let lines = [Line {
                name: "User-Agent",
                value,
            }];
            assert_eq!(
                is_one(&request, &lines),
                expected,
                "{method} {path} {agent}"
            );
            assert!(!is_one(&request, &[]), "{method} {path}");
        }
    }
}
