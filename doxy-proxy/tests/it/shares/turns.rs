//! Scripts: whose request is judged next.

#![cfg(feature = "script")]

use std::fs;

use rustix::process::Signal;

use crate::shares::{CROWD, as_crowd, start, two_users};
use crate::support::{Client, Fake, Setup, wait};

/// Reads every body, and denies it.
const SCRIPT: &str = r#"
    fn decide(req) {
        if req.method != "POST" { return pass(); }
        let n = 0;
        for one in req.json().Env { n += one.len(); }
        deny(`${n} bytes are not allowed`)
    }
"#;

/// A create with a body of 100 KB.
fn large() -> String {
    let env: Vec<_> = (0..2_500)
        .map(|n| format!("\"VARIABLE_{n}={}\"", "x".repeat(30)))
        .collect();
    let body = format!(r#"{{"Image":"busybox","Env":[{}]}}"#, env.join(","));
    let length = body.len();
    assert!(length > 100_000, "{length}");
    format!(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn while_a_crowd_waits_another_users_next_request_is_served_within_two_turns() {
    if !two_users() {
        return;
    }
    let fake = Fake::start();
    let setup = Setup::new()
        .engine(fake.path())
        .file("policy.rhai", SCRIPT)
        .rules("/_ping\n")
        .args(["--script", "policy.rhai"])
        .args(["--access-log", "log", "--log-format", "json"]);
    let doxy = start(setup);
    // The one user has a connection already, and opens another.
    let ping = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
    let mut kept = doxy.connect();
    assert_eq!(kept.ask(ping).status(), 200);

    doxy.process.signal(Signal::STOP);
    let mut crowd = as_crowd(&doxy, |socket| {
        let large = large();
        let connect = |_| {
            let mut client = Client::connect(&socket);
            client.send(&large);
            client
        };
        (0..30).map(connect).collect::<Vec<_>>()
    });
    let mut fresh = doxy.connect();
    fresh.send(ping);
    kept.send(ping);
    doxy.process.signal(Signal::CONT);
    assert_eq!(kept.reply("GET").unwrap().status(), 200);
    assert_eq!(fresh.reply("GET").unwrap().status(), 200);
    for client in &mut crowd {
        assert_eq!(client.reply("POST").unwrap().status(), 403);
    }

    let log = doxy.path("log");
    let users: Vec<_> = wait::until_in(doxy.folder(), "all records", || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let records = text.lines().map(serde_json::from_str::<serde_json::Value>);
        let users: Vec<_> = records
            .map_while(|record| record.ok()?["uid"].as_u64())
            .collect();
        (users.len() == 33).then_some(users)
    });
    let mut turns = 0;
    let mut waited = Vec::new();
    for user in &users[1..] {
        if *user == u64::from(CROWD) {
            turns += 1;
        } else {
            waited.push(turns);
            turns = 0;
        }
    }
    assert_eq!(waited.len(), 2, "{users:?}");
    assert!(waited.iter().all(|turns| *turns <= 2), "{users:?}");
    doxy.stop();
}
