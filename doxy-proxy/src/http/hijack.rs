//! The endpoints where the engine takes a connection out of HTTP, and how it says so.
//!
//! Nowhere else is an upgrade asked for or a switch believed: anywhere else the engine ignores
//! `Upgrade` and goes on serving HTTP on the connection, and whoever copied bytes there because
//! the request had asked for it would hand it requests that nobody judged.

use doxy_filter::split_version;

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
}
