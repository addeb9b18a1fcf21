//! Answers that tell the client what would work: another path, another method.

use crate::support::{Client, Doxy, Fake};

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
