//! Answers that tell the client what would work: another path, another method.

use crate::support::{Binary, Client, Doxy, Fake};

const REPEATED: &str = "the path has repeated slashes, ask for the one in the header Location";
const EMPTY: &str = "malformed request: the path has an empty segment (`//`)";

#[test]
fn repeated_slashes_are_redirected_if_nothing_else_is_wrong() {
    let fake = Fake::start();
    // The policy is not asked: the client asks anew, and is judged then.
    for rules in ["* /.*", "/nothing"] {
        let doxy = Doxy::with(fake.path(), rules);
        for (target, location) in [
            ("/containers//web/json", "/containers/web/json"),
            ("//info", "/info"),
            (
                "/v1.41///containers//web//json?size=1",
                "/v1.41/containers/web/json?size=1",
            ),
            ("//", "/"),
            ("/networks//", "/networks/"),
            // The query stays as it was sent, and so do escapes.
            (
                "//info?a=//b&c=%2F%2f&d=http://x",
                "/info?a=//b&c=%2F%2f&d=http://x",
            ),
            ("//info?", "/info?"),
            ("//%69nfo", "/%69nfo"),
            ("//images/a%2Fb/json", "/images/a%2Fb/json"),
            ("//\u{fc}", "/\u{fc}"),
            // No client may take it for another host.
            ("//evil.example/x", "/evil.example/x"),
            ("////evil.example", "/evil.example"),
            ("http://x//info", "/info"),
            ("http://x////evil.example/a?b", "/evil.example/a?b"),
        ] {
            for version in ["1.1\r\nHost: d", "1.0"] {
                for (method, body) in [("GET", ""), ("GET", "Content-Length: 0\r\n"), ("HEAD", "")]
                {
                    let raw = format!("{method} {target} HTTP/{version}\r\n{body}\r\n");
                    let mut client = Client::connect(doxy.path());
                    client.send(&raw);
                    let reply = client.reply(method).unwrap();
                    assert_eq!(reply.status(), 301, "{raw:?}");
                    assert_eq!(reply.header("location"), [location], "{raw:?}");
                    if method == "GET" {
                        assert_eq!(reply.message(), REPEATED);
                    }
                    // A HEAD has no body.
                    assert_eq!(client.rest(), b"", "{raw:?}");
                }
            }
        }
    }
    assert!(fake.requests().is_empty());
}

#[test]
fn repeated_slashes_are_refused_if_anything_else_is_wrong() {
    let fake = Fake::start();
    let doxy = Doxy::with(fake.path(), "* /.*");
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: d\r\n\r\n");
    let with =
        |method: &str, lines: &str| format!("{method} //info HTTP/1.1\r\nHost: d\r\n{lines}\r\n");
    for (raw, message) in [
        (get("/a/%2Fb"), EMPTY),
        (get("/%2finfo"), EMPTY),
        (get("/a%2F%2Fb"), EMPTY),
        (get("//a%2F/b"), EMPTY),
        (get("//%2Finfo"), EMPTY),
        (get("//./info"), EMPTY),
        (get("//a/../info"), EMPTY),
        (get("//a%0d%0aX:y"), EMPTY),
        (get("//a/%2e%2e/info"), EMPTY),
        (
            get("/%2e%2e//info"),
            "malformed request: the path has a `.` or `..` segment",
        ),
        (
            get("/a\\b//c"),
            "malformed request: the path has a backslash",
        ),
        (get("//\\evil.example"), EMPTY),
        (
            get("//info#x"),
            "malformed request: the target has a fragment (`#`)",
        ),
        (with("POST", ""), EMPTY),
        (with("DELETE", ""), EMPTY),
        (with("OPTIONS", ""), EMPTY),
        (with("get", ""), EMPTY),
        (with("GET", "Content-Length: 1\r\n"), EMPTY),
        (with("GET", "Transfer-Encoding: chunked\r\n"), EMPTY),
        (
            with("GET", "Host: e\r\n"),
            "malformed request: there is more than one Host header",
        ),
        (
            with("GET", "Expect: maybe\r\n"),
            "malformed request: an expectation other than `100-continue`",
        ),
        (
            "GET //info HTTP/1.1\r\n\r\n".to_owned(),
            "malformed request: the Host header is missing",
        ),
    ] {
        let mut client = Client::connect(doxy.path());
        client.send(&raw);
        let reply = client.reply("GET").unwrap();
        assert_eq!(
            (reply.status(), reply.message().as_str()),
            (400, message),
            "{raw:?}"
        );
        assert!(reply.header("location").is_empty(), "{raw:?}");
    }
    assert!(fake.requests().is_empty());
}

#[test]
fn a_peer_that_may_not_connect_is_not_redirected() {
    let fake = Fake::start();
    let doxy = Binary::start(fake.path(), &["--allow-uid", "54321"]);
    let mut client = doxy.connect();
    client.try_send(b"GET //info HTTP/1.1\r\nHost: d\r\n\r\n");
    let reply = client.reply("GET").unwrap();
    assert_eq!(reply.status(), 403);
    assert!(reply.header("location").is_empty());
    doxy.stop();
}

#[test]
fn a_redirect_is_followed_to_what_the_policy_says() {
    let fake = Fake::start();
    let doxy = Doxy::with(fake.path(), "/containers/web/json");
    for (target, status) in [("/containers//web/json?size=1", 200), ("//secrets", 403)] {
        let get = |target: &str| {
            let raw = format!("GET {target} HTTP/1.1\r\nHost: d\r\n\r\n");
            Client::connect(doxy.path()).ask(raw)
        };
        let redirect = get(target);
        assert_eq!(get(redirect.header("location")[0]).status(), status);
    }
    let [request] = &fake.requests()[..] else {
        panic!("one request expected");
    };
    assert_eq!(request.target(), "/containers/web/json?size=1");
}

#[test]
fn a_denial_names_the_methods_for_which_the_path_is_allowed() {
    let fake = Fake::start();
    let networks = "/networks/.*\nPOST,DELETE /networks/create\nHEAD /x\n!PUT /networks/.*";
    for (rules, request, message) in [
        (
            networks,
            "POST /networks/n/connect",
            "'/networks/n/connect' is not allowed for POST, only for GET and HEAD.",
        ),
        (
            networks,
            "GET /x",
            "'/x' is not allowed for GET, only for HEAD.",
        ),
        (
            networks,
            "DELETE /networks/a%20b",
            "'/networks/a b' is not allowed for DELETE, only for GET and HEAD.",
        ),
        (networks, "POST /y", "'/y' is not allowed."),
        (
            "POST /x\n/x\nDELETE /y",
            "DELETE /x",
            "'/x' is not allowed for DELETE, only for GET, HEAD and POST.",
        ),
        // A `!` rule is meant, so there is nothing to advise.
        ("* /x\n!POST /x", "POST /x", "'/x' is not allowed."),
        // What a `!` rule denies is not named.
        (
            "GET,POST /x\n!POST /x\nDELETE /y",
            "DELETE /x",
            "'/x' is not allowed for DELETE, only for GET and HEAD.",
        ),
        ("/x\n!/x\nPOST /y", "POST /x", "'/x' is not allowed."),
    ] {
        let doxy = Doxy::with(fake.path(), rules);
        let raw = format!("{request} HTTP/1.1\r\nHost: d\r\n\r\n");
        let reply = Client::connect(doxy.path()).ask(raw);
        assert_eq!(
            (reply.status(), reply.message().as_str()),
            (403, message),
            "{rules:?} {request}"
        );
    }
    assert!(fake.requests().is_empty());
}
