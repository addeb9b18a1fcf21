//! Bodies that a script reads: who may hold one while a crowd holds many.

#![cfg(feature = "script")]

use crate::shares::{as_crowd, start, two_users};
use crate::support::{Client, Fake, Setup};

const SCRIPT: &str =
    r#"fn decide(req) { if req.json().Image == "busybox" { allow() } else { deny("no") } }"#;
const LIMIT: usize = 1 << 20;

fn head(length: usize) -> String {
    format!("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: {length}\r\n\r\n")
}

/// A valid body of the largest size.
fn whole() -> String {
    let body = r#"{"Image":"busybox"}"#;
    format!("{body}{}", " ".repeat(LIMIT - body.len()))
}

#[test]
fn unfinished_bodies_of_one_user_deny_nobody_elses() {
    if !two_users() {
        return;
    }
    let fake = Fake::start();
    let setup = Setup::new().engine(fake.path()).file("policy.rhai", SCRIPT);
    let doxy = start(setup.args(["--script", "policy.rhai", "--head-timeout", "10m"]));
    let crowd = as_crowd(&doxy, |socket| {
        let almost = vec![b' '; LIMIT - 1];
        let mut crowd = Vec::new();
        for _ in 0..64 {
            let mut client = Client::connect(&socket);
            client.send(head(LIMIT));
            client.send(&almost);
            crowd.push(client);
        }
        // They hold all that one user may hold.
        let mut more = Client::connect(&socket);
        more.send(head(LIMIT));
        let reply = more.reply("POST").unwrap();
        let message = "too many bodies are being judged, try again later";
        assert_eq!((reply.status(), &*reply.message()), (403, message));
        crowd
    });
    for _ in 0..3 {
        let create = format!("{}{}", head(LIMIT), whole());
        assert_eq!(doxy.ask(create).status(), 200);
    }
    // As many at a time as it likes: what has no room yet waits for those before it.
    let mut begun: Vec<_> = (0..20)
        .map(|_| {
            let mut client = doxy.connect();
            client.send(head(LIMIT));
            client
        })
        .collect();
    let whole = whole();
    for client in &mut begun {
        assert!(client.try_send(whole.as_bytes()));
        assert_eq!(client.reply("POST").unwrap().status(), 200);
    }
    // And those of the crowd were neither cut nor denied.
    for client in &crowd {
        assert_eq!(client.waiting(), 0);
    }
    drop(crowd);
    doxy.stop();
}
