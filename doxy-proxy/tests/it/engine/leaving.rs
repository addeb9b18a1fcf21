//! The client, the engine or doxy itself ends in the middle of a stream.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Binary, Client, Reply};

use super::jobs::{ALL, Pair};
use super::{docker_command, docker_ok, doxy, real};
use crate::support::process::Process;
use crate::support::wait;
use rustix::process::Signal;

const EVENTS: &str = "GET /events HTTP/1.1\r\nHost: test\r\n\r\n";
const PING: &str = "GET /_ping HTTP/1.1\r\nHost: test\r\n\r\n";

/// How many clients listen to the engine's events.
#[track_caller]
fn listeners(engine: &Path) -> u64 {
    let reply = Client::connect(engine).ask("GET /info HTTP/1.1\r\nHost: test\r\n\r\n");
    let json: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    json["NEventsListener"].as_u64().expect("a number")
}

/// How many open connections the engine has, counted at the engine's end.
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

/// How many sockets doxy has open.
fn sockets(doxy: &Binary) -> u64 {
    let descriptors = doxy.process.descriptors();
    let sockets = descriptors
        .iter()
        .filter(|target| target.to_string_lossy().starts_with("socket:"));
    sockets.count() as u64
}

/// Checks that the count rises when a client comes, and falls again when it goes.
#[track_caller]
fn check_freed<C>(
    what: &str,
    count: impl Fn() -> u64,
    come: impl FnOnce() -> C,
    go: impl FnOnce(C),
) {
    let before = count();
    let client = come();
    wait::until(&format!("{what}: one more"), || {
        (count() > before).then_some(())
    });
    go(client);
    wait::until(&format!("{what}: {before} again"), || {
        (count() <= before).then_some(())
    });
}

/// Checks that one connection fewer is open when a client has gone. It may have used an idle
/// connection, so none need have been opened for it.
#[track_caller]
fn check_closed(what: &str, count: impl Fn() -> u64, go: impl FnOnce()) {
    let there = count();
    go();
    wait::until(&format!("{what}: fewer than {there}"), || {
        (count() < there).then_some(())
    });
}

/// The docker CLI.
#[track_caller]
fn start_docker(socket: &Path, args: &[&str]) -> Process {
    Process::spawn(docker_command(socket).args(args))
}

#[track_caller]
fn end(process: Process, how: Signal) {
    process.signal(how);
    process.end();
}

/// A raw client that has read the head of the response to its first request.
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

/// An attached connection that has sent bytes to `cat` and got them back.
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
fn the_engine_frees_what_a_closed_client_used() {
    let Some(pair) = Pair::find() else { return };
    let (engine, doxy) = (&*pair.engine.socket, &*pair.proxy);
    // On an engine that others use, their connections and listeners come and go: there doxy's own
    // sockets are counted, of which it has one for the client and one for the engine.
    let own = || sockets(&pair.doxy);
    let heard = || {
        if pair.engine.private {
            listeners(engine)
        } else {
            own()
        }
    };
    let open = || {
        if pair.engine.private {
            connections(engine)
        } else {
            own()
        }
    };
    for how in [Signal::INT, Signal::KILL] {
        let come = || start_docker(doxy, &["events"]);
        check_freed(&format!("{how:?}"), heard, come, |child| end(child, how));
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
        let args: Vec<_> = command.split(' ').chain([&*ticking.name]).collect();
        let child = start_docker(doxy, &args);
        child.prints();
        check_closed(command, open, || end(child, Signal::KILL));
    }
    // The engine may keep an attached connection even without doxy. So doxy's sockets are counted,
    // and `cat` must end because its input has ended.
    let cat = pair.engine.running(&pair.image, &["-i"], &["cat"]);
    let come = || tunnel(doxy, &cat.name);
    check_freed("attach", own, come, drop);
    assert_eq!(docker_ok(engine, ["wait", &cat.name]), "0");
    let save = format!(
        "GET /images/{}/get HTTP/1.1\r\nHost: test\r\n\r\n",
        pair.image.name
    );
    let client = ask(doxy, &save);
    check_closed("half of save", open, || drop(client));
}

#[test]
fn a_client_that_half_closes_gets_its_responses() {
    let Some(pair) = Pair::find() else { return };
    // Without doxy, the engine aborts many requests when the client half-closes.
    // Of `info` and of the list, only the ids are compared: other clients change the rest.
    let container = pair.cat();
    let list = format!(
        "containers/json?filters={{%22name%22:[%22{}%22]}}",
        container.name
    );
    let id = |reply: &Reply| {
        let json: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        json.pointer("/ID")
            .or(json.pointer("/0/Id"))
            .cloned()
            .expect("an id")
    };
    for path in ["_ping", "version", "info", &*list] {
        let mut client = Client::connect(&pair.proxy);
        let request = format!("GET /{path} HTTP/1.1\r\nHost: test\r\n\r\n");
        client.send(&request);
        client.end();
        let reply = client.reply("GET").expect("an answer");
        let whole = Client::connect(&pair.engine.socket).ask(&request);
        assert_eq!(reply.status(), 200, "{path}: {reply:?}");
        match path {
            "_ping" | "version" => assert_eq!(reply.body, whole.body, "{path}"),
            _ => assert_eq!(id(&reply), id(&whole), "{path}"),
        }
        assert_eq!(client.rest(), b"", "{path}");
    }
    let mut client = Client::connect(&pair.proxy);
    client.send(EVENTS);
    client.end();
    client.until(b"\r\n\r\n");
    let volume = pair.engine.volume();
    client.until(volume.name.as_bytes());

    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let until = now.expect("a time after 1970").as_secs() + 1;
    let mut client = Client::connect(&pair.proxy);
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
    let doxy = doxy(&pair.engine.socket, ALL, &["--shutdown-grace", "1s"]);
    let container = pair.engine.running(&pair.image, &["-i"], &["cat"]);
    let mut events = ask(&doxy.socket(), EVENTS);
    let mut tunnel = tunnel(&doxy.socket(), &container.name);
    let cli = start_docker(&doxy.socket(), &["logs", "-f", &container.name]);

    doxy.stop();
    assert_eq!(tunnel.rest(), b"");
    let rest = events.rest();
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "a clean end");
    cli.end();
}

#[test]
fn a_dying_engine_ends_its_streams_with_an_error() {
    let Some(mut private) = real::private() else {
        return;
    };
    let engine = private.engine();
    let image = engine.image();
    let ticks = ["sh", "-c", "while :; do echo tick; sleep 0.1; done"];
    let container = engine.running(&image, &[], &ticks);
    let doxy = doxy(private.socket(), ALL, &[]);
    let follow = format!(
        "GET /containers/{}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: test\r\n\r\n",
        container.name
    );
    let mut streams = [ask(&doxy.socket(), EVENTS), ask(&doxy.socket(), &follow)];
    let [_, logs] = &mut streams;
    logs.until(b"tick\n");
    let before = listeners(private.socket());
    let cli = start_docker(&doxy.socket(), &["events"]);
    wait::until("docker events listens", || {
        (listeners(private.socket()) > before).then_some(())
    });

    private.kill();
    for stream in &mut streams {
        let rest = stream.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "a clean end of a stream");
    }
    let ended = cli.end();
    assert!(
        !ended.success(),
        "docker events, when the engine dies: {ended}"
    );
    private.start_again(); // what was made on it is removed
}
