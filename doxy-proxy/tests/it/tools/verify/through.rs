//! The two requests through each address, and the engine behind it.

use std::io::Write as _;
use std::path::Path;

use rustix::process::Signal;

use super::{BRIEFLY, engine, engine_of, started, verify, verify_with};
use crate::doors::address;
use crate::support::{Fake, Setup};

#[test]
fn a_doxy_that_hangs_answers_neither() {
    let (_engine, doxy) = started(Setup::new());
    doxy.process.signal(Signal::STOP);
    let found = verify(doxy.folder(), &BRIEFLY);
    found.is("socket", "ok", "");
    found.is("ping", "failed", "no answer within 600ms");
    found.is("denial", "failed", "no answer within 600ms");
    found.is("engine", "ok", "");
    doxy.process.signal(Signal::CONT);
}

#[test]
fn an_engine_that_is_away_hangs_or_is_none() {
    let doxy = Setup::new().start();
    let folder = doxy.folder();
    let found = verify(folder, &[]);
    let words = "answered 502: cannot reach the Docker engine at engine.sock";
    found.is("ping", "failed", words);
    found.is("denial", "ok", "");
    found.is("engine", "failed", "no such file or directory");
    let hangs = Fake::at(&folder.join("engine.sock"), |_, _| true);
    let found = verify(folder, &BRIEFLY);
    found.is("ping", "failed", "no answer within 600ms");
    found.is("denial", "ok", "");
    found.is("engine", "failed", "no answer within 600ms");
    drop(hangs);
    let answers = |folder: &Path, answer: &'static str| {
        Fake::at(&folder.join("engine.sock"), move |_, stream| {
            stream.write_all(answer.as_bytes()).is_ok()
        })
    };
    let other = answers(folder, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let found = verify(folder, &[]);
    found.is("engine", "warning", "it answers, and not as an engine does");
    drop(other);
    let _proxy = answers(folder, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    let found = verify(folder, &[]);
    found.is("engine", "warning", "does not say its version (403)");
    found.is("ping", "warning", "answered 403");
}

#[test]
fn an_engine_that_is_newer_than_doxy() {
    let doxy = Setup::new().start();
    for (version, level) in [
        (
            r#"{"Version":"99","ApiVersion":"1.99","MinAPIVersion":"1.44"}"#,
            "warning",
        ),
        (
            r#"{"Version":"99","ApiVersion":"2.1","MinAPIVersion":"2.0"}"#,
            "failed",
        ),
    ] {
        let _engine = engine_of(doxy.folder(), version);
        verify(doxy.folder(), &[]).is("api", level, "doxy knows it up to 1.");
    }
}

#[test]
fn a_policy_that_lets_all_through() {
    for setup in [
        Setup::new().rules("/.*"),
        Setup::new().rules("/_ping").args(["--dry-run"]),
    ] {
        let (_engine, doxy) = started(setup);
        let found = verify(doxy.folder(), &[]);
        let words = "the policy lets through what is no endpoint (404)";
        found.is("denial", "warning", words);
        found.is("ping", "ok", "the engine answers through doxy");
    }
}

#[test]
fn one_who_may_not_connect_does_not_know() {
    let (_engine, doxy) = started(Setup::new().args(["--allow-uid", "4000000"]));
    let found = verify(doxy.folder(), &[]);
    found.is("ping", "skipped", "doxy does not let this user connect");
    assert!(found.of("denial").is_empty());
}

#[test]
fn a_full_doxy_is_told_of() {
    let setup = Setup::new().args(["--max-connections", "1"]);
    let engine = Fake::at(&setup.path("engine.sock"), |_, _| true);
    let doxy = setup.start();
    let mut busy = doxy.connect();
    busy.send("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
    engine.wait_for(1);
    let found = verify(doxy.folder(), &BRIEFLY);
    found.is(
        "ping",
        "failed",
        "answered 503: doxy is at its limit of 1 connections",
    );
}

#[test]
fn over_tcp() {
    let tcp = format!("tcp://{}", address());
    let folder = tempfile::tempdir().unwrap();
    let _engine = engine(folder.path());
    let settings = [("DOXY_PROXY_SOCKET", &*tcp)];
    let found = verify_with(folder.path(), &[], &settings);
    found.is("ping", "failed", "connection refused");
    let setup = Setup::new().env("DOXY_PROXY_SOCKET", &tcp);
    let (_engine, doxy) = started(setup);
    let found = verify_with(doxy.folder(), &[], &settings);
    found.is("ping", "ok", "");
    found.is("denial", "ok", "");
}
