//! Connections that end before the head of a request does.

use std::fs;

use serde_json::Value;

use crate::support::{Binary, Fake, Setup, wait};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";

/// The records so far, once there are `count`.
#[track_caller]
fn records(doxy: &Binary, count: usize) -> Vec<Value> {
    let what = format!("{count} records");
    wait::until_in(doxy.folder(), &what, || {
        let text = fs::read_to_string(doxy.path("log")).unwrap_or_default();
        let whole = text.ends_with('\n') && text.lines().count() >= count;
        whole.then(|| {
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        })
    })
}

#[test]
fn a_head_that_is_cut_short_is_answered_and_recorded() {
    let fake = Fake::start();
    let setup = Setup::new().engine(fake.path()).rules("* /.*");
    let args = ["--access-log", "log", "--log-format", "json"];
    let doxy = setup.args(args).start();
    let message = "malformed request: the connection ended before the head did";
    let mut count = 0;
    for before in ["", GET, "\r\n"] {
        for cut in [
            "G",
            "GET /info",
            "GET /info HTTP/1.1",
            "GET /info HTTP/1.1\r\n",
            "GET /info HTTP/1.1\nHost: d\n",
            "POST /info HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n",
            "GET /info HTTP/1.1\r\nHost: d\r\n\r",
            "\0",
        ] {
            let mut client = doxy.connect();
            client.send(format!("{before}{cut}"));
            client.end();
            if before == GET {
                assert_eq!(client.reply("GET").unwrap().status(), 200);
                count += 1;
            }
            let reply = client.reply("GET").unwrap();
            let got = (reply.status(), reply.message());
            assert_eq!(got, (400, message.to_owned()), "{before:?} {cut:?}");
            assert_eq!(reply.header("connection"), ["close"]);
            assert_eq!(client.rest(), b"");
            count += 1;
            let record = records(&doxy, count).pop().unwrap();
            let text = |name: &str| record[name].as_str().unwrap();
            assert_eq!(
                [text("verdict"), text("reason"), text("outcome")],
                ["refused", message, "complete"],
                "{before:?} {cut:?}"
            );
            assert_eq!(record["status"], 400);
        }
    }
    assert!(
        fake.requests()
            .iter()
            .all(|request| request.target() == "/info")
    );
    assert_eq!(fake.requests().len(), 8, "the whole ones");
    doxy.stop();
}

#[test]
fn a_connection_without_a_request_gets_nothing_and_leaves_no_record() {
    let fake = Fake::start();
    let setup = Setup::new().engine(fake.path()).rules("* /.*");
    let args = ["--access-log", "log", "--log-format", "json"];
    let doxy = setup.args(args).start();
    // Health checks connect and close; some clients send a line end behind a body.
    for nothing in ["", "\r\n", "\n", "\r\n\r\n"] {
        let mut client = doxy.connect();
        client.send(nothing);
        client.end();
        assert_eq!(client.rest(), b"", "{nothing:?}");
        let mut client = doxy.connect();
        assert_eq!(client.ask(GET).status(), 200);
        client.send(nothing);
        client.end();
        assert_eq!(client.rest(), b"", "{nothing:?} behind a request");
    }
    assert_eq!(records(&doxy, 4).len(), 4);
    doxy.stop();
    assert_eq!(fake.requests().len(), 4);
}
