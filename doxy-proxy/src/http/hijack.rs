//! The endpoints where the engine takes a connection out of HTTP, and how it says so.
//!
//! Nowhere else is an upgrade asked for or a switch believed: anywhere else the engine ignores
//! `Upgrade` and goes on serving HTTP on the connection, and whoever copied bytes there because
//! the request had asked for it would hand it requests that nobody judged.

use doxy_filter::split_version;

use crate::http::headers::{Line, all};

/// Does the engine take over connections on this endpoint? `path` is canonical.
pub(crate) fn possible(method: &str, path: &str) -> bool {
    let endpoint = || split_version(path).1;
    let under = |folder: &str, action: &str| {
        // Most requests end otherwise; only then is the version looked for.
        path.ends_with(action)
            && endpoint()
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_suffix(action))
                .is_some_and(|name| !name.is_empty())
    };
    match method {
        "POST" => {
            under("/containers/", "/attach")
                || under("/exec/", "/start")
                || matches!(endpoint(), "/session" | "/grpc")
        }
        "GET" => under("/containers/", "/attach/ws"),
        _ => false,
    }
}

/// Does this answer, to a request for which it is possible, switch the connection?
///
/// Either by its status, or in the old way, where the client did not ask for it: an answer that
/// says neither how long it is nor that the connection ends with it. HTTP has no such thing.
pub(crate) fn switches(status: u16, lines: &[Line<'_>]) -> bool {
    let has = |name| all(lines, name).next().is_some();
    match status {
        101 => true,
        200 => {
            all(lines, "content-type")
                .next()
                .is_some_and(|kind| kind.starts_with(b"application/vnd.docker."))
                && !has("content-length")
                && !has("transfer-encoding")
                && !has("connection")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_endpoints() {
        for (method, path, expected) in [
            ("POST", "/containers/x/attach", true),
            ("POST", "/v1.41/containers/x/attach", true),
            ("POST", "/v1.41.0/containers/a/b/attach", true),
            ("POST", "/exec/0a1b/start", true),
            ("GET", "/v1.51/containers/x/attach/ws", true),
            ("POST", "/session", true),
            ("POST", "/v1.51/grpc", true),
            ("GET", "/containers/x/attach", false),
            ("POST", "/containers/x/attach/ws", false),
            ("HEAD", "/containers/x/attach/ws", false),
            ("POST", "/containers//attach", false),
            ("POST", "/containers/attach", false),
            ("POST", "/containers/x/attach/", false),
            ("POST", "/vx/containers/x/attach", false),
            ("POST", "/x/session", false),
            ("POST", "/v1.41/v1.41/session", false),
            ("GET", "/info", false),
        ] {
            assert_eq!(possible(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn how_the_engine_says_so() {
        let raw = ("content-type", "application/vnd.docker.raw-stream");
        for (status, headers, expected) in [
            (101, &[][..], true),
            (200, &[raw], true),
            (
                200,
                &[("content-type", "application/vnd.docker.multiplexed-stream")],
                true,
            ),
            (200, &[raw, ("content-length", "0")], false),
            (200, &[raw, ("transfer-encoding", "chunked")], false),
            (200, &[raw, ("connection", "close")], false),
            (200, &[("content-type", "application/json")], false),
            (200, &[], false),
            (404, &[raw], false),
        ] {
            let lines: Vec<_> = headers
                .iter()
                .map(|(name, value): &(&str, &str)| Line {
                    name,
                    value: value.as_bytes(),
                })
                .collect();
            assert_eq!(switches(status, &lines), expected, "{status} {headers:?}");
        }
    }
}
