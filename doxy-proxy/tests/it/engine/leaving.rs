//! Either side goes away in the middle of a stream, and doxy itself.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::Client;

use super::jobs::{ALL, Pair};
use super::{Doxy, docker_command, docker_ok, poll, real, signal};

const EVENTS: &str = "GET /events HTTP/1.1\r\nHost: test\r\n\r\n";
const PING: &str = "GET /_ping HTTP/1.1\r\nHost: test\r\n\r\n";

/// How many clients the engine tells of events.
#[track_caller]
fn listeners(engine: &Path) -> u64 {
    let reply = Client::connect(engine).ask("GET /info HTTP/1.1\r\nHost: test\r\n\r\n");
    let json: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    json["NEventsListener"].as_u64().expect("a number")
}

/// How many connections the engine has open, seen at its own end of them.
#[track_caller]
fn connections(engine: &Path) -> u64 {
    let table = std::fs::read("/proc/net/unix").expect("the sockets of this machine");
    let table = String::from_utf8_lossy(&table); // an abstract name can be any bytes
    let name = engine.canonicalize().expect("the engine's socket");
    let connected = table.lines().filter(|line| {
        let mut words = line.split_whitespace().skip(5);
        let state = words.next() == Some("03");
        let path = words
            .nth(1)
            .and_then(|path| Path::new(path).canonicalize().ok());
        state && path.as_ref() == Some(&name)
    });
    connected.count() as u64
}

/// Something is counted for as long as a client is there.
#[track_caller]
fn check_freed<C>(
    what: &str,
    count: impl Fn() -> u64,
    come: impl FnOnce() -> C,
    go: impl FnOnce(C),
) {
    let before = count();
    let client = come();
    let there = poll(|| (count() > before).then_some(()));
    assert!(there.is_some(), "{what}: nothing is counted");
    go(client);
    let gone = poll(|| (count() <= before).then_some(()));
    let now = count();
    assert!(gone.is_some(), "{what}: {before} before, {now} for ever");
}

/// One connection fewer is counted when a client has gone. Of those that are open, some may wait
/// for another request: a client need not have opened one to hold one.
#[track_caller]
fn check_closed(what: &str, count: impl Fn() -> u64, go: impl FnOnce()) {
    let there = count();
    go();
    let gone = poll(|| (count() < there).then_some(()));
    assert!(
        gone.is_some(),
        "{what}: {there} before, {} for ever",
        count()
    );
}

/// The docker CLI, its output to nowhere.
#[track_caller]
fn start_docker(socket: &Path, args: &[&str]) -> Child {
    let mut command = docker_command(socket);
    command.args(args).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("start docker")
}

#[track_caller]
fn end(mut child: Child, how: &str) {
    signal(&child.id().to_string(), how);
    child.wait().expect("wait for a child");
}

/// A raw client that has got the head of the answer to the first of its requests.
#[track_caller]
fn ask(socket: &Path, requests: &str) -> Client {
    let mut client = Client::connect(socket);
    client.send(requests);
    let head = client.until(b"\r\n\r\n");
    assert!(
        head.starts_with(b"HTTP/1.1 200 "),
        "{}",
        head.escape_ascii()
    );
    client
}

/// An attached connection through which bytes have gone, to `cat` and back.
#[track_caller]
fn tunnel(socket: &Path, container: &str) -> Client {
    let mut client = Client::connect(socket);
    client.send(format!(
        "POST /containers/{container}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: test\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    ));
    client.until(b"\r\n\r\n");
    client.send("there\n");
    client.until(b"there\n");
    client
}

#[test]
fn the_engine_does_not_keep_a_client_that_has_gone() {
    let Some(pair) = Pair::find() else { return };
    let (engine, doxy) = (&*pair.engine.socket, &*pair.doxy.socket);
    let heard = || listeners(engine);
    let open = || connections(engine);
    for how in ["INT", "KILL"] {
        let come = || start_docker(doxy, &["events"]);
        check_freed(how, heard, come, |child| end(child, how));
    }
    let pipelined = [EVENTS, PING].concat();
    let many = [EVENTS, &PING.repeat(1000)].concat();
    for requests in [EVENTS, &pipelined, &many] {
        let what = format!("{} bytes of requests", requests.len());
        check_freed(&what, heard, || ask(doxy, requests), drop);
    }

    let ticks = ["sh", "-c", "while :; do echo tick; sleep 0.1; done"];
    let ticking = pair.engine.running(&pair.image, &[], &ticks);
    let silent = pair.engine.container(&pair.image);
    for container in [&ticking, &silent] {
        for (method, what) in [
            ("GET", "logs?stdout=1&follow=1"),
            ("GET", "stats"),
            ("POST", "wait"),
        ] {
            let path = format!("/containers/{}/{what}", container.name);
            let client = ask(
                doxy,
                &format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"),
            );
            check_closed(&path, open, || drop(client));
        }
    }
    for command in ["logs -f", "stats"] {
        let args = command.split(' ').chain([&*ticking.name]);
        let mut docker = docker_command(doxy);
        docker.args(args).stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = docker.stdout(Stdio::piped()).spawn().expect("start docker");
        let mut output = child.stdout.take().expect("its output");
        output.read_exact(&mut [0]).expect("some output");
        check_closed(command, open, || end(child, "KILL"));
    }
    // The engine may keep an attached connection, also where it has it directly: it is counted
    // in doxy, and what has lost its input ends.
    let cat = pair.engine.running(&pair.image, &["-i"], &["cat"]);
    let come = || tunnel(doxy, &cat.name);
    check_freed("attach", || pair.doxy.sockets(), come, drop);
    assert_eq!(docker_ok(engine, ["wait", &cat.name]), "0");
    let save = format!(
        "GET /images/{}/get HTTP/1.1\r\nHost: test\r\n\r\n",
        pair.image.name
    );
    let client = ask(doxy, &save);
    check_closed("half of save", open, || drop(client));
}

#[test]
fn a_client_that_only_ends_its_requests_gets_its_answers() {
    let Some(pair) = Pair::find() else { return };
    // Directly, the engine breaks off much of what it is asked when the requests end.
    for path in ["_ping", "info", "version", "containers/json"] {
        let mut client = Client::connect(&pair.doxy.socket);
        let request = format!("GET /{path} HTTP/1.1\r\nHost: test\r\n\r\n");
        client.send(&request);
        client.end();
        let reply = client.reply("GET").expect("an answer");
        let whole = Client::connect(&pair.engine.socket).ask(&request);
        assert_eq!(reply.status(), 200, "{path}: {reply:?}");
        // `info` has the time of day.
        let same = reply.body == whole.body || reply.body.len().abs_diff(whole.body.len()) < 9;
        assert!(same, "{path}: {reply:?}, directly {whole:?}");
        assert_eq!(client.rest(), b"", "{path}");
    }
    let mut client = Client::connect(&pair.doxy.socket);
    client.send(EVENTS);
    client.end();
    client.until(b"\r\n\r\n");
    let volume = pair.engine.volume();
    client.until(volume.name.as_bytes());

    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let until = now.expect("a time after 1970").as_secs() + 1;
    let mut client = Client::connect(&pair.doxy.socket);
    client.send(format!(
        "GET /events?since=1&until={until} HTTP/1.1\r\nHost: test\r\n\r\n"
    ));
    client.end();
    let reply = client.reply("GET").expect("an answer, to its end");
    let body = String::from_utf8_lossy(&reply.body);
    assert!(body.contains(&volume.name), "{body}");
}

#[test]
fn sigterm_ends_tunnels_and_streams() {
    let Some(pair) = Pair::find() else { return };
    let mut doxy = Doxy::start(&pair.engine.socket, Some(ALL), &["--shutdown-grace", "1s"]);
    let container = pair.engine.running(&pair.image, &["-i"], &["cat"]);
    let mut events = ask(&doxy.socket, EVENTS);
    let mut tunnel = tunnel(&doxy.socket, &container.name);
    let mut cli = start_docker(&doxy.socket, &["logs", "-f", &container.name]);

    let status = doxy.terminate();
    assert_eq!(status.code(), Some(0), "{status}, its log:\n{}", doxy.log());
    assert_eq!(tunnel.rest(), b"");
    let rest = events.rest();
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "a clean end");
    let ended = poll(|| cli.try_wait().expect("wait for a child"));
    if ended.is_none() {
        end(cli, "KILL");
    }
    assert!(ended.is_some(), "docker logs -f outlives doxy");
}

#[test]
fn an_engine_that_dies_ends_its_streams_as_an_error() {
    let Some(mut private) = real::private() else {
        return;
    };
    let engine = private.engine();
    let image = engine.image();
    let ticks = ["sh", "-c", "while :; do echo tick; sleep 0.1; done"];
    let container = engine.running(&image, &[], &ticks);
    let doxy = Doxy::start(private.socket(), Some(ALL), &[]);
    let follow = format!(
        "GET /containers/{}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: test\r\n\r\n",
        container.name
    );
    let mut streams = [ask(&doxy.socket, EVENTS), ask(&doxy.socket, &follow)];
    let [_, logs] = &mut streams;
    logs.until(b"tick\n");
    let before = listeners(private.socket());
    let mut cli = start_docker(&doxy.socket, &["events"]);
    let listens = poll(|| (listeners(private.socket()) > before).then_some(()));
    assert!(listens.is_some(), "docker events does not listen");

    private.kill();
    for stream in &mut streams {
        let rest = stream.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "a clean end of a stream");
    }
    let ended = poll(|| cli.try_wait().expect("wait for a child"));
    let ended = ended.map(|status| status.success());
    assert_eq!(ended, Some(false), "docker events, when the engine dies");
    private.start_again(); // what was made on it is removed
}
