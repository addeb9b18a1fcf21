//! Requests by which doxy's own tools look whether a doxy is well: how they are marked, and how the log of
//! the process tells them.
//!
//! A denial of one is no sign of a wrong policy, and is in the access log alone. Whoever marks a request
//! of his own hides no more than these two paths, which do nothing. Nothing is ever allowed by the mark. An
//! answer to one has to have doxy's own sign, or it says nothing of a doxy.

use doxy_filter::Request;
use doxy_filter::api::PING;

use crate::http::headers::{Line, REQUEST_ID, values};
use crate::http::malformed::BadRequest;

/// What `doxy healthcheck` calls itself: in `User-Agent`, before a slash and its version, and in
/// `X-Request-Id`.
pub const HEALTHCHECK: &str = "doxy-healthcheck";
/// What `doxy verify` calls itself.
pub const VERIFY: &str = "doxy-verify";
/// A path at which no engine serves anything.
pub const NO_ENDPOINT: &str = "/doxy-verify";
/// The header that doxy's own answers have, and the engine's have not.
pub const OWN_ANSWER: &str = REQUEST_ID;

/// Whether one of doxy's tools asks, by its own word.
pub(crate) fn is_one(judged: &Request<'_>, lines: &[Line<'_>]) -> bool {
    let asks = [PING, NO_ENDPOINT].contains(&judged.path) && judged.method == "GET";
    asks && judged.query.is_none() && is_asked_by_tool(lines)
}

/// The same of a request with a slash too many, which doxy answers itself whatever its policy says.
pub(crate) fn is_redirected(error: &BadRequest, method: &str, lines: &[Line<'_>]) -> bool {
    let BadRequest::Redirect { location } = error else {
        return false;
    };
    // A query would stand in the location.
    let asks = [PING, NO_ENDPOINT].contains(&location.as_str()) && method == "GET";
    asks && is_asked_by_tool(lines)
}

fn is_asked_by_tool(lines: &[Line<'_>]) -> bool {
    values(lines, "user-agent").any(|agent| {
        let name = agent.split(|byte| *byte == b'/').next();
        [HEALTHCHECK, VERIFY]
            .map(str::as_bytes)
            .map(Some)
            .contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::{BadRequest, Line, Request, is_one, is_redirected};

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
            let query = query.map(|query: &str| format!("?{query}"));
            let location = format!("{path}{}", query.unwrap_or_default());
            let redirect = BadRequest::Redirect { location };
            let is_redirected = |lines: &[Line<'_>]| is_redirected(&redirect, method, lines);
            assert_eq!(is_redirected(&lines), expected, "{method} /{path} {agent}");
            assert!(!is_redirected(&[]), "{method} /{path}");
        }
    }
}
