//! What answers and is not doxy, and who hears of a check.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::thread;

use super::{BRIEFLY, PING, engine, health, says, told};
use crate::support::{Client, Fake, Setup, wait};

/// The engine answers a ping as well as a doxy does. Without a look for doxy's own sign, each of these is
/// healthy.
#[test]
fn what_answers_and_is_not_doxy_is_not_healthy() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.1 301 Moved Permanently\r\nLocation: /_ping\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let _other = Fake::at(&folder.path().join("doxy.sock"), |_, stream| {
            stream.write_all(answer.as_bytes()).is_ok()
        });
        let line = "unhealthy: doxy.sock: what answers there is not doxy";
        says(folder.path(), &[], 1, line);
    }
}

/// By a link, by the same path, and where the engine is a doxy itself, which has doxy's sign.
#[test]
fn the_engine_in_the_place_of_doxy_is_not_healthy() {
    let setup = Setup::new();
    let _engine = engine(&setup);
    let doxy = setup.start();
    let folder = doxy.folder();
    symlink("engine.sock", folder.join("link.sock")).unwrap();
    for (proxy, engine) in [
        ("link.sock", "engine.sock"),
        ("engine.sock", "engine.sock"),
        ("doxy.sock", "doxy.sock"),
    ] {
        let args = ["--proxy-socket", proxy, "--docker-socket", engine];
        let line = format!("unhealthy: {proxy}: the proxy socket is the engine's own");
        says(folder, &args, 1, &line);
    }
}

/// Whoever asks so for another path, or calls itself otherwise, is in metrics as anybody.
#[test]
fn a_check_is_in_the_access_log_alone() {
    let setup = Setup::new().args(["--access-log", "log", "--admin-listen", "admin.sock"]);
    let doxy = setup.start();
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    let records = || {
        wait::until_in(doxy.folder(), "the record", || {
            let log = fs::read_to_string(doxy.path("log")).ok()?;
            log.ends_with('\n').then_some(log)
        })
    };
    let record = records();
    assert!(record.contains(" 301 refused GET //_ping "), "{record}");
    let id = " client_request_id=doxy-healthcheck ";
    assert!(record.contains(id), "{record}");
    let redirected = |count: u64| {
        let labels = "socket=\"doxy.sock\",verdict=\"refused\",reason=\"redirected\",rule=\"\"";
        let line = format!("doxy_denials_total{{{labels}}} {count}\n");
        let metrics = || {
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let reply = Client::connect(&doxy.path("admin.sock")).ask(request);
            String::from_utf8(reply.body).unwrap()
        };
        match count {
            0 => assert!(!metrics().contains("reason=\"redirected\"")),
            _ => wait::until("it is counted", || metrics().contains(&line).then_some(())),
        }
    };
    redirected(0);
    let other = "GET //_ping HTTP/1.1\r\nHost: d\r\nUser-Agent: docker\r\n\r\n";
    assert_eq!(doxy.ask(other).status(), 301);
    redirected(1);
}

/// Older checks, and people, ask for a ping itself. Without the mark of the request, its denial is told: the
/// second line of this log.
#[test]
fn a_denied_ping_of_the_check_alarms_nobody() {
    let setup = Setup::new().rules("/info");
    let engine = engine(&setup);
    let doxy = setup.start();
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    let marked = "GET /_ping HTTP/1.1\r\nHost: d\r\nUser-Agent: doxy-healthcheck/0.1.0\r\n\r\n";
    assert_eq!(doxy.ask(marked).status(), 403);
    doxy.ask("GET /other HTTP/1.1\r\nHost: d\r\n\r\n");
    let line = doxy.logged("denied");
    assert!(line.contains(" /other "), "{line}");
    assert_eq!(doxy.ask(PING).status(), 403);
    doxy.logged("denied GET /_ping to ");
    let ended = doxy.process.log();
    assert_eq!(told(&ended).len(), 2, "{ended}");
    assert_eq!(engine.requests().len(), 0);
}

#[test]
fn what_is_no_answer_of_http_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("doxy.sock")).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Closed with something unread, it would be a connection that was reset.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n");
        }
    });
    let ended = health(folder.path(), &BRIEFLY);
    assert_eq!(ended.code, Some(1), "{ended}");
    let words = "unhealthy: doxy.sock: its answer is no HTTP";
    assert!(ended.stdout.starts_with(words), "{ended}");
}
