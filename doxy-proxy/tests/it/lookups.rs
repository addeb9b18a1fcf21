//! What scripts look up: how doxy asks the engine, and what it then forwards.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use crate::support::{Binary, Fake, Recorded, Reply, Setup};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Owners are told by a label. Whatever is not the caller's does not exist.
const OWNERS: &str = r#"
    const LOOKUPS = ["container", "exec", "network"];
    fn decide(req) {
        let object = req.object;
        if object == () { return pass(); }
        let name = object.name;
        let container = if object.kind == "exec" {
            inspect("container", inspect("exec", name).ContainerID)
        } else {
            inspect("container", name)
        };
        if container.Config.Labels["owner"] != "me" { no_such(object.kind, name); }
        if req.method == "POST" && req.endpoint.ends_with("/exec") { req.json(); }
        allow()
    }
"#;

/// An engine with two containers and an exec in each.
fn describe(request: &Recorded) -> Option<String> {
    let other = ID.replace('0', "f");
    let container = |id: &str, owner: &str| {
        format!(r#"{{"Id":"{id}","Name":"/x","Config":{{"Labels":{{"owner":"{owner}"}}}}}}"#)
    };
    match request.target() {
        "/containers/mine/json" => Some(container(ID, "me")),
        "/containers/other/json" => Some(container(&other, "you")),
        target if target == format!("/containers/{ID}/json") => Some(container(ID, "me")),
        target if target == format!("/containers/{other}/json") => Some(container(&other, "you")),
        "/exec/e1/json" => Some(format!(r#"{{"ID":"{ID}","ContainerID":"{ID}"}}"#)),
        "/exec/e2/json" => Some(format!(r#"{{"ID":"{other}","ContainerID":"{other}"}}"#)),
        _ => None,
    }
}

fn respond(head: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Whether doxy itself asks: no client's `Connection` arrives. It sends nothing of the client's.
fn is_lookup(request: &Recorded) -> bool {
    let asks = request.header("connection") == ["close"];
    assert!(!asks || request.header("user-agent").is_empty());
    asks
}

fn engine() -> Fake {
    Fake::with(|request, stream| {
        let answer = match is_lookup(request) {
            false => respond("200 OK", "OK"),
            true => match describe(request) {
                Some(description) => respond("200 OK", &description),
                None => respond("404 Not Found", r#"{"message":"none"}"#),
            },
        };
        stream.write_all(&answer).is_ok()
    })
}

/// A file beside the engine's socket: it outlives doxy.
fn access_log(fake: &Fake) -> PathBuf {
    fake.path().with_file_name("access.log")
}

fn start(fake: &Fake, script: &str) -> Binary {
    Setup::new()
        .engine(fake.path())
        .file("policy.rhai", script)
        .rules("/_ping")
        .args([
            "--script",
            "policy.rhai",
            "--log-format",
            "json",
            "--access-log",
        ])
        .args([access_log(fake)])
        .start()
}

fn ask(doxy: &Binary, line: &str) -> Reply {
    doxy.ask(format!(
        "{line} HTTP/1.1\r\nHost: d\r\nUser-Agent: t\r\n\r\n"
    ))
}

#[test]
fn what_was_judged_is_what_is_touched() {
    let fake = engine();
    let doxy = start(&fake, OWNERS);
    // What the client sends, and what the engine gets.
    let cases = [
        (
            "GET /v1.41/containers/mine/logs?follow=1&x=%41",
            format!("/v1.41/containers/{ID}/logs?follow=1&x=%41"),
        ),
        (
            "GET /containers/%6Dine/json",
            format!("/containers/{ID}/json"),
        ),
        (
            "POST /v1.41/containers/mine/start",
            format!("/v1.41/containers/{ID}/start"),
        ),
        (
            "DELETE /containers/mine?v=1",
            format!("/containers/{ID}?v=1"),
        ),
        (
            "GET http://docker/v1.41/containers/mine/top",
            format!("/v1.41/containers/{ID}/top"),
        ),
        (
            "DELETE /v1.41/containers/mine/checkpoints/mine",
            format!("/v1.41/containers/{ID}/checkpoints/mine"),
        ),
        ("GET /exec/e1/json", format!("/exec/{ID}/json")),
        // A policy that looks nothing up for a path leaves it as it is.
        ("GET /_ping", "/_ping".to_owned()),
    ];
    for (line, target) in cases {
        let reply = ask(&doxy, line);
        assert_eq!(reply.status(), 200, "{line}");
        let got = fake.requests().pop().unwrap();
        assert_eq!(
            (got.target(), got.header("user-agent")),
            (&*target, vec!["t"]),
            "{line}"
        );
    }
    doxy.stop();
    let log = std::fs::read_to_string(access_log(&fake)).unwrap();
    assert!(
        log.contains(&format!(r#""path":"/v1.41/containers/mine/start","endpoint":"/containers/{{name:.*}}/start","object":"{ID}""#)),
        "{log}"
    );
}

#[test]
fn a_strangers_object_is_answered_like_one_that_does_not_exist() {
    let fake = engine();
    let doxy = start(&fake, OWNERS);
    // The message has the name that was asked for, and nothing else differs.
    for (stranger, none) in [
        ("containers/other/json", "containers/gone/json"),
        ("exec/e2/json", "exec/e9/json"),
    ] {
        let name = |path: &str| path.split('/').nth(1).unwrap().to_owned();
        let one = ask(&doxy, &format!("GET /{stranger}"));
        let other = ask(&doxy, &format!("GET /{none}"));
        assert_eq!((one.status(), other.status()), (404, 404));
        assert_eq!(
            one.message().replace(&name(stranger), ""),
            other.message().replace(&name(none), "")
        );
    }
    assert!(fake.requests().iter().all(is_lookup), "only doxy asked");
    doxy.stop();
}

#[test]
fn an_object_that_was_not_there_is_not_touched_later() {
    let fake = engine();
    // A policy that allows what does not exist.
    let doxy = start(
        &fake,
        r#"const LOOKUPS = ["container"];
        fn decide(req) { if inspect("container", req.object.name) == () { allow() } else { deny("there") } }"#,
    );
    let reply = ask(&doxy, "DELETE /containers/gone");
    assert_eq!(
        (reply.status(), &*reply.message()),
        (404, "No such container: gone")
    );
    // As with every other denial, the log has the first one.
    doxy.logged("denied DELETE /containers/gone to user");
    assert!(fake.requests().iter().all(is_lookup));
    doxy.stop();
}

#[test]
fn a_lookup_that_fails_denies() {
    // What the engine says, and the reason.
    let long = format!(r#"{{"Id":"{ID}","x":"{}"}}"#, "x".repeat(1 << 20));
    let cases = [
        (
            respond("500 Internal Server Error", "{}"),
            "the engine answered 500",
        ),
        (
            respond("301 Moved Permanently", "{}"),
            "the engine answered 301",
        ),
        (respond("200 OK", "{"), "cannot be read"),
        (respond("200 OK", &long), "cut or too long"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_vec(),
            "cut or too long",
        ),
        (b"nonsense\r\n\r\n".to_vec(), "the engine broke off"),
        (Vec::new(), "the engine broke off"),
    ];
    for (answer, because) in cases {
        let fake = Fake::with(move |_, stream| {
            let _ = stream.write_all(&answer);
            false
        });
        let doxy = start(&fake, OWNERS);
        let reply = ask(&doxy, "DELETE /containers/mine");
        assert_eq!(reply.status(), 403, "{because}");
        assert!(
            reply.message().contains(because),
            "{because}: {}",
            reply.message()
        );
        assert!(fake.requests().iter().all(is_lookup), "{because}");
        doxy.stop();
    }
}

/// Else the answer would tell how many strangers' ids begin with a text.
#[test]
fn a_name_that_the_engine_cannot_take_is_answered_like_one_that_does_not_exist() {
    let policies = [
        OWNERS,
        // Not even a policy that allows what does not exist lets it pass.
        r#"const LOOKUPS = ["container"];
        fn decide(req) { if inspect("container", "4") == () { allow() } else { deny("there") } }"#,
    ];
    // As engines of 28, of 20.10 and their swarms say it.
    for (status, message) in [
        (
            "400 Bad Request",
            "multiple IDs found with provided prefix: 4",
        ),
        (
            "500 Internal Server Error",
            "Multiple IDs found with provided prefix: 4",
        ),
        (
            "500 Internal Server Error",
            "service 4 is ambiguous (2 matches found)",
        ),
        ("404 Not Found", "No such container: 4"),
    ] {
        for policy in policies {
            let answer = respond(status, &format!(r#"{{"message":"{message}"}}"#));
            let fake = Fake::with(move |_, stream| stream.write_all(&answer).is_ok());
            let doxy = start(&fake, policy);
            let reply = ask(&doxy, "GET /containers/4/json");
            let said = (reply.status(), &*reply.message());
            assert_eq!(said, (404, "No such container: 4"), "{status} {message}");
            assert!(fake.requests().iter().all(is_lookup), "{status} {message}");
            doxy.stop();
        }
    }
}

#[test]
fn a_lookup_and_a_body_may_both_be_asked_for() {
    let fake = engine();
    let doxy = start(&fake, OWNERS);
    let body = r#"{"Cmd":["sh"]}"#;
    let mut client = doxy.connect();
    let head = format!(
        "POST /containers/mine/exec HTTP/1.1\r\nHost: d\r\nUser-Agent: t\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // Two in one piece: neither takes a byte of the other.
    client.send(format!("{head}{body}{head}{body}"));
    for _ in 0..2 {
        assert_eq!(client.reply("POST").unwrap().status(), 200);
    }
    let forwarded: Vec<_> = fake
        .requests()
        .into_iter()
        .filter(|request| !is_lookup(request))
        .collect();
    assert_eq!(forwarded.len(), 2);
    for request in forwarded {
        assert_eq!(request.target(), format!("/containers/{ID}/exec"));
        assert_eq!(request.body, body.as_bytes());
    }
    doxy.stop();
}

#[test]
fn a_name_that_is_used_again_is_not_touched() {
    // The engine describes one container under the name, and then gives the name to another.
    let moved = AtomicBool::new(false);
    let fake = Fake::with(move |request, stream| {
        let answer = match describe(request) {
            Some(description) if is_lookup(request) && !moved.swap(true, Ordering::SeqCst) => {
                respond("200 OK", &description)
            }
            _ => match request.target() == format!("/containers/{ID}") {
                true => respond("200 OK", "OK"),
                false => respond("500 Internal Server Error", "{}"),
            },
        };
        stream.write_all(&answer).is_ok()
    });
    let doxy = start(&fake, OWNERS);
    assert_eq!(ask(&doxy, "DELETE /containers/mine").status(), 200);
    doxy.stop();
}

#[test]
fn the_engine_is_asked_for_so_many_at_a_time() {
    const MOST: usize = 64;
    // How many lookups the engine has got, and whether it answers.
    let state = Arc::new((Mutex::new((0, false)), Condvar::new()));
    let engine = Arc::clone(&state);
    let fake = Fake::with(move |request, stream| {
        let answer = match describe(request) {
            Some(description) if is_lookup(request) => {
                let (state, changed) = &*engine;
                let mut now = state.lock().unwrap();
                now.0 += 1;
                changed.notify_all();
                drop(changed.wait_while(now, |now| !now.1).unwrap());
                respond("200 OK", &description)
            }
            _ => respond("200 OK", "OK"),
        };
        stream.write_all(&answer).is_ok()
    });
    let doxy = start(&fake, OWNERS);
    let mut clients: Vec<_> = (0..100).map(|_| doxy.connect()).collect();
    for client in &mut clients {
        client.send("GET /containers/mine/json HTTP/1.1\r\nHost: d\r\n\r\n");
    }
    let (state, changed) = &*state;
    let now = state.lock().unwrap();
    drop(changed.wait_while(now, |now| now.0 < MOST).unwrap());
    // The engine accepts connections in their order, so this is behind any further lookup.
    assert_eq!(ask(&doxy, "GET /_ping").status(), 200);
    let mut now = state.lock().unwrap();
    assert_eq!(now.0, MOST);
    now.1 = true;
    drop(now);
    changed.notify_all();
    for client in &mut clients {
        assert_eq!(client.reply("GET").unwrap().status(), 200);
    }
    doxy.stop();
}
