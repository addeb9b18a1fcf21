//! Status and message of every response that doxy makes itself.

use std::os::unix::net::{UnixListener, UnixStream};

use crate::support::{Client, Doxy, Fake, Reply};

const DEFAULT: &str = "^/(v\\d\\.\\d+/)?info$";

/// Sends one request. Checks the response, and that the engine received nothing.
#[track_caller]
fn refused(rules: &str, raw: &str, status: u16, message: &str) -> Reply {
    let fake = Fake::start();
    let doxy = Doxy::with(fake.path(), rules);
    let reply = Client::connect(doxy.path()).ask(raw);
    assert_eq!(
        (reply.status(), reply.message().as_str()),
        (status, message),
        "{raw:?}"
    );
    assert!(fake.requests().is_empty(), "{raw:?} reached the engine");
    reply
}

#[test]
fn a_method_that_no_rule_allows() {
    for (rules, method, allowed) in [
        (DEFAULT, "POST", "GET"),
        (DEFAULT, "DELETE", "GET"),
        (DEFAULT, "get", "GET"),
        ("GET,POST /x", "DELETE", "GET, POST"),
        ("POST /x\nGET /y", "PUT", "GET, POST"),
        ("POST /x", "GET", "POST"),
    ] {
        refused(
            rules,
            &format!(
                "{method} /v1.41/networks/create HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"
            ),
            400,
            &format!("Only {allowed} requests are allowed, req.Method: {method}"),
        );
    }
}

#[test]
fn a_path_that_no_rule_allows_or_a_rule_denies() {
    for (rules, target, path) in [
        (
            DEFAULT,
            "/v1.41/containers/x/export",
            "/v1.41/containers/x/export",
        ),
        (
            DEFAULT,
            "/v1.41/containers/x/export?a=b",
            "/v1.41/containers/x/export",
        ),
        (DEFAULT, "/%69nfo/x", "/info/x"),
        (DEFAULT, "/n%C3%BC%22", "/n\u{fc}\""),
        (DEFAULT, "http://info/secrets", "/secrets"),
        ("/.*\n!/secrets", "/secrets", "/secrets"),
        ("* /.*\n!POST,GET /secrets", "/secrets", "/secrets"),
    ] {
        refused(
            rules,
            &format!("GET {target} HTTP/1.1\r\nHost: d\r\n\r\n"),
            403,
            &format!("'{path}' is not allowed."),
        );
    }
}

#[test]
fn malformed_requests() {
    let get = |line: &str| format!("GET /info HTTP/1.1\r\nHost: d\r\n{line}\r\n\r\n");
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: d\r\n\r\n");
    for (raw, message) in [
        (target("/a/%2Fb"), "the path has an empty segment (`//`)"),
        (target("/a/../b"), "the path has a `.` or `..` segment"),
        (
            target("/info%"),
            "the path has a `%` that is not followed by two hexadecimal digits",
        ),
        (
            target("info"),
            "the target must be a path, or an http:// address with one",
        ),
        (
            target("*"),
            "the target must be a path, or an http:// address with one",
        ),
        (
            target("foo://x/info"),
            "the target must be a path, or an http:// address with one",
        ),
        (
            "CONNECT /info HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(),
            "CONNECT is never forwarded",
        ),
        (
            "TRACE /info HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(),
            "TRACE is never forwarded",
        ),
        (
            "CONNECT info:80 HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(),
            "CONNECT is never forwarded",
        ),
        (
            "GET /info HTTP/1.1\r\n\r\n".to_owned(),
            "the Host header is missing",
        ),
        (get("Host: e"), "there is more than one Host header"),
        (
            "GET /info HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned(),
            "the Host header is not a host name",
        ),
        (
            "GET /info HTTP/1.1\r\nHost: a@b\r\n\r\n".to_owned(),
            "the Host header is not a host name",
        ),
        (
            get("Transfer-Encoding: gzip, chunked\r\n\r\n0"),
            "a transfer coding other than `chunked`",
        ),
        (
            get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0"),
            "a transfer coding other than `chunked`",
        ),
        (
            get("Expect: 200-maybe"),
            "an expectation other than `100-continue`",
        ),
        (
            get("Transfer-Encoding: chunked\r\nTrailer: X, content-length\r\n\r\n0"),
            "a header that is not allowed in a trailer",
        ),
        (
            get("Transfer-Encoding: chunked\r\nTrailer: X-Doxy-Request-Id\r\n\r\n0"),
            "a header that is not allowed in a trailer",
        ),
        (
            get("Content-Type: mult\u{130}part/form-data"),
            "a Content-Type that is not ASCII",
        ),
        (
            "G=T /info HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(),
            "a first line that is not a method, a target and a version",
        ),
        (
            target("/in\u{7f}fo"),
            "a first line that is not a method, a target and a version",
        ),
        (get("Bad Name: x"), "a header line without a valid name"),
        (target("/info#x"), "the target has a fragment (`#`)"),
        (target("/info?a#x"), "the target has a fragment (`#`)"),
        (
            get("Content-Length: 1\r\nTransfer-Encoding: chunked"),
            "both a Content-Length and a Transfer-Encoding",
        ),
        (
            get("Transfer-Encoding: chunked\r\nContent-Length: 1"),
            "both a Content-Length and a Transfer-Encoding",
        ),
        (
            "GET /info HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            "a transfer coding in version 1.0 of HTTP",
        ),
        (
            get("Content-Length: +1"),
            "a Content-Length that is not one plain number",
        ),
        (
            get("Content-Length:"),
            "a Content-Length that is not one plain number",
        ),
        (
            get("Content-Length: 1, 1"),
            "a Content-Length that is not one plain number",
        ),
        (
            get("Content-Length: 9223372036854775808"),
            "a Content-Length that is not one plain number",
        ),
        (
            get("Content-Length: 1\r\nContent-Length: 1"),
            "a Content-Length that is not one plain number",
        ),
        (get("X: a\r\n folded"), "a header line without a valid name"),
        (
            get("X: a\u{0}b"),
            "a header value with a control character in it",
        ),
        (
            get("X: a\rb"),
            "a header value with a control character in it",
        ),
        (
            get("Content-Length: 1\r\nContent-Length: 2"),
            "a Content-Length that is not one plain number",
        ),
        (
            get("Transfer-Encoding: gzip"),
            "a transfer coding other than `chunked`",
        ),
        (
            "GET /info HTTP/3.0\r\nHost: d\r\n\r\n".to_owned(),
            "a version of HTTP other than 1.1 and 1.0",
        ),
    ] {
        let message = format!("malformed request: {message}");
        refused("* /.*", &raw, 400, &message);
    }
}

#[test]
fn http2_is_refused_with_a_message() {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    refused(
        "* /.*",
        preface,
        400,
        "malformed request: HTTP/2 is not supported, use HTTP/1.1",
    );
}

#[test]
fn a_head_that_is_too_large() {
    let message = format!(
        "the head of the request is too large, the limit is {} bytes and {} lines",
        doxy_proxy::MAX_HEAD,
        doxy_proxy::MAX_HEADERS
    );
    let long = "x".repeat(doxy_proxy::MAX_HEAD);
    refused(
        "/.*",
        &format!("GET /info HTTP/1.1\r\nHost: d\r\nX: {long}\r\n\r\n"),
        431,
        &message,
    );
    refused(
        "/.*",
        &format!("GET /info?{long} HTTP/1.1\r\nHost: d\r\n\r\n"),
        431,
        &message,
    );
    let many = "X: y\r\n".repeat(300);
    refused(
        "/.*",
        &format!("GET /info HTTP/1.1\r\nHost: d\r\n{many}\r\n"),
        431,
        &message,
    );
}

#[test]
fn form_bodies() {
    let message = "a form body is not allowed: the Docker engine would read it as part of the \
                   query; send the parameters in the query, or a body of type application/json";
    for (method, kind) in [
        ("POST", "application/x-www-form-urlencoded"),
        ("POST", "Application/X-WWW-Form-URLencoded; charset=utf-8"),
        ("PUT", "application/x-www-form-urlencoded;;"),
        ("PATCH", "multipart/form-data; boundary=x"),
        (
            "POST",
            "text/plain\r\nContent-Type: application/x-www-form-urlencoded",
        ),
        // Go's FormValue reads these for every method.
        ("GET", "multipart/form-data; boundary=x"),
        ("DELETE", "multipart/form-data; boundary=x"),
    ] {
        let head =
            format!("{method} /images/create HTTP/1.1\r\nHost: d\r\nContent-Type: {kind}\r\n");
        refused(
            "* /.*",
            &format!("{head}Content-Length: 3\r\n\r\na=b"),
            415,
            message,
        );
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n");
        refused("* /.*", &chunked, 415, message);
    }
}

#[test]
fn a_form_body_is_refused_before_the_policy_is_asked() {
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b";
    for rules in ["/info", "POST /info", "!* /.*"] {
        refused(
            rules,
            &format!("POST /images/create HTTP/1.1\r\nHost: d\r\n{form}"),
            415,
            "a form body is not allowed: the Docker engine would read it as part of the query; \
             send the parameters in the query, or a body of type application/json",
        );
    }
}

#[test]
fn form_types_that_the_engine_ignores_are_allowed() {
    let fake = Fake::start();
    let doxy = Doxy::with(fake.path(), "* /.*");
    for raw in [
        // curl -d '' sends this.
        "POST /a HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n",
        // The engine never merges these bodies into the query.
        "DELETE /a HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1\r\n\r\nx",
        "POST /a HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    ] {
        assert_eq!(Client::connect(doxy.path()).ask(raw).status(), 200, "{raw}");
    }
}

#[test]
fn a_denied_head_request_has_no_body() {
    let fake = Fake::start();
    let doxy = Doxy::start(fake.path());
    let mut client = Client::connect(doxy.path());
    client.send("HEAD /secrets HTTP/1.1\r\nHost: d\r\n\r\nGET /nope HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_eq!(client.reply("HEAD").unwrap().status(), 403);
    assert_eq!(
        client.reply("GET").unwrap().message(),
        "'/nope' is not allowed."
    );
}

#[test]
fn an_engine_that_is_missing_or_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("engine.sock");
    let refusing = folder.path().join("refusing.sock");
    crate::support::sockets::stale(&refusing);
    for (path, reason) in [
        (&missing, "no such file or directory"),
        (&refusing, "connection refused"),
    ] {
        let doxy = Doxy::start(path);
        let reply = Client::connect(doxy.path()).ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
        let message = format!(
            "cannot reach the Docker engine at {}: {reason}",
            path.display()
        );
        assert_eq!((reply.status(), reply.message()), (502, message));
    }
}

#[test]
fn an_engine_that_does_not_accept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    // A queue of length 0 holds one connection.
    let _waiting = UnixStream::connect(&path).unwrap();
    let doxy = Doxy::start(&path);
    let reply = Client::connect(doxy.path()).ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_eq!(reply.status(), 504);
    let message = reply.message();
    assert!(
        message.starts_with("the Docker engine at ") && message.contains("does not accept"),
        "{message}"
    );
}

#[test]
fn a_client_that_is_still_sending_can_read_the_refusal() {
    let fake = Fake::start();
    let doxy = Doxy::start(fake.path());
    for round in 0..20 {
        let mut client = Client::connect(doxy.path());
        client.send("POST /images/load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"10000\r\n".as_slice(), &[0; 0x10000], b"\r\n"].concat();
        for sent in 0..64 {
            assert!(
                client.try_send(&chunk),
                "round {round}: cut off after {sent} chunks"
            );
        }
        let reply = client.reply("POST").unwrap();
        assert_eq!(
            reply.message(),
            "Only GET requests are allowed, req.Method: POST"
        );
    }
    assert!(fake.requests().is_empty());
}
