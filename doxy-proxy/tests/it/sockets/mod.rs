//! Many sockets from one file: each by its own rules, and what comes, goes and changes while doxy
//! serves.

mod config_map;
mod faults;
mod told;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::support::{Binary, Client, Fake, Setup, wait};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n")
}

/// A doxy with this file, in front of a recording engine.
fn with(fake: &Fake, toml: &str, args: &[&str]) -> Setup {
    Setup::new().engine(fake.path()).config(toml).args(args)
}

fn at(doxy: &Binary, socket: &str) -> Client {
    Client::connect(&doxy.path(socket))
}

fn reload(doxy: &Binary, toml: &str, words: &str) {
    fs::write(doxy.path("doxy.toml"), toml).unwrap();
    doxy.process.signal(Signal::HUP);
    doxy.logged(words);
}

/// Two sockets, one of them at two addresses.
const TWO: &str = r#"
socket-mode = "0600"
[socket.one]
proxy-socket = "one.sock"
patterns = "/one"
[socket.two]
proxy-socket = ["two.sock", "too.sock"]
patterns = "/two"
"#;

#[test]
fn each_socket_has_its_own_rules_at_all_its_addresses() {
    let fake = Fake::start();
    let doxy = with(&fake, TWO, &[]).start();
    doxy.logged("too.sock");
    for (socket, path, status) in [
        ("one.sock", "/one", 200),
        ("one.sock", "/two", 403),
        ("two.sock", "/two", 200),
        ("too.sock", "/two", 200),
        ("too.sock", "/one", 403),
    ] {
        assert_eq!(
            at(&doxy, socket).ask(get(path)).status(),
            status,
            "{socket} {path}"
        );
    }
    assert_eq!(fake.requests().len(), 3);
    doxy.stop();
}

#[test]
fn sockets_come_go_and_change_and_those_that_stay_keep_their_connections() {
    let fake = Fake::start();
    let doxy = with(&fake, TWO, &[]).start();
    doxy.logged("too.sock");
    let [mut one, mut two] = ["one.sock", "two.sock"].map(|socket| at(&doxy, socket));
    assert_eq!(one.ask(get("/one")).status(), 200);
    assert_eq!(two.ask(get("/two")).status(), 200);
    // One changes its rules and mode, two loses an address, three is new.
    let changed = r#"
        [socket.one]
        proxy-socket = "one.sock"
        socket-mode = "0666"
        patterns = "/three"
        [socket.two]
        proxy-socket = "two.sock"
        patterns = "/two"
        [socket.three]
        proxy-socket = "too.sock"
        patterns = "/three""#;
    reload(
        &doxy,
        changed,
        "reloaded: 3 sockets; added three; one: 1 rule from ",
    );
    doxy.logged("socket-mode changed; two: proxy-socket changed");
    assert_eq!(one.ask(get("/one")).status(), 403);
    assert_eq!(one.ask(get("/three")).status(), 200);
    // It has lost an address, by which this connection may have come.
    assert!(two.rest().is_empty());
    let mut two = at(&doxy, "two.sock");
    assert_eq!(two.ask(get("/two")).status(), 200);
    assert_eq!(at(&doxy, "too.sock").ask(get("/three")).status(), 200);
    assert_eq!(at(&doxy, "one.sock").ask(get("/three")).status(), 200);
    let mode = fs::metadata(doxy.path("one.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o666);

    // Two goes: its file too, and its idle connection.
    let left = r#"
        [socket.one]
        proxy-socket = "one.sock"
        patterns = "/one""#;
    reload(&doxy, left, "removed three, two");
    wait::until("the files are gone", || {
        (!doxy.path("two.sock").exists() && !doxy.path("too.sock").exists()).then_some(())
    });
    assert!(two.rest().is_empty());
    assert_eq!(one.ask(get("/one")).status(), 200);
    doxy.stop();
}

/// With whole paths, and nothing that has changed: the sandbox lets doxy see where links lead.
#[test]
fn sockets_are_added_by_their_whole_paths() {
    let fake = Fake::start();
    let folder = crate::support::files::short_folder();
    let toml = |names: &[&str]| {
        let table = |name: &&str| {
            let path = folder.path().join("link").join(name);
            let path = path.display();
            format!("[socket.{name}]\nproxy-socket = \"{path}\"\npatterns = \"/{name}\"\n")
        };
        names.iter().map(table).collect::<String>()
    };
    fs::create_dir(folder.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
    let doxy = with(&fake, &toml(&["one"]), &["--sandbox", "require"]).start();
    reload(
        &doxy,
        &toml(&["one", "two"]),
        "reloaded: 2 sockets; added two",
    );
    let mut client = Client::connect(&folder.path().join("real/two"));
    assert_eq!(client.ask(get("/two")).status(), 200);
    doxy.process.signal(Signal::HUP);
    doxy.logged("reloaded: 2 sockets; no rule and no key has changed");
    let other = toml(&["one"]).replace("socket.one", "socket.x");
    let twice = format!("{}{}", toml(&["one"]), other.replace("link", "real"));
    reload(&doxy, &twice, "the socket one listens there already");
    doxy.stop();
}

/// A connection came in at an address. When that belongs to another table, with another policy and other
/// peers, the connection does not get what it may not ask for there, nor what it might at its own.
#[test]
fn who_came_in_at_an_address_never_gets_the_policy_of_another() {
    let fake = Fake::start();
    let toml = |weak: &str, strong: &str| {
        format!(
            "[socket.{weak}]\nproxy-socket = \"weak.sock\"\npatterns = \"/weak\"\n\
             [socket.{strong}]\nproxy-socket = \"strong.sock\"\npatterns = \"/strong\"\n\
             allow-uid = [4242]\n"
        )
    };
    let doxy = with(&fake, &toml("a", "b"), &[]).start();
    doxy.logged("strong.sock");
    let mut weak = at(&doxy, "weak.sock");
    assert_eq!(weak.ask(get("/weak")).status(), 200);
    // The names change their places.
    reload(&doxy, &toml("b", "a"), "reloaded: 2 sockets; b: ");
    assert!(weak.rest().is_empty(), "its connection has ended");
    let mut weak = at(&doxy, "weak.sock");
    assert_eq!(weak.ask(get("/weak")).status(), 200);
    assert_eq!(weak.ask(get("/strong")).status(), 403);
    assert_eq!(at(&doxy, "strong.sock").ask(get("/strong")).status(), 403);
    assert!(
        fake.requests()
            .iter()
            .all(|request| request.target() == "/weak")
    );
    // An address that is gone takes its connections with it.
    let two = "[socket.c]\nproxy-socket = [\"c.sock\", \"d.sock\"]\npatterns = \"/c\"\n";
    reload(&doxy, two, "added c");
    let mut gone = at(&doxy, "d.sock");
    assert_eq!(gone.ask(get("/c")).status(), 200);
    reload(
        &doxy,
        &two.replace(", \"d.sock\"", ""),
        "c: proxy-socket changed",
    );
    assert!(gone.rest().is_empty());
    assert_eq!(at(&doxy, "c.sock").ask(get("/c")).status(), 200);
    doxy.stop();
}

/// A stream that began on a socket that is gone ends after the reload, with all its bytes.
#[test]
fn a_stream_on_a_socket_that_is_gone_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let engine = folder.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&engine).unwrap();
    let toml = r#"
        shutdown-grace = "1h"
        [socket.kept]
        proxy-socket = "kept.sock"
        [socket.gone]
        proxy-socket = "gone.sock"
        patterns = "/events""#;
    let doxy = Setup::new().engine(&engine).config(toml).start();
    doxy.logged("gone.sock");
    let mut client = at(&doxy, "gone.sock");
    client.send(get("/events"));
    let mut stream = loop {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let read = stream.read(&mut head).unwrap();
        if head[..read].starts_with(b"GET /events") {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
                .unwrap();
            break stream;
        }
    };
    client.until(b"half");
    let kept = "[socket.kept]\nproxy-socket = \"kept.sock\"\nshutdown-grace = \"1h\"";
    let kept = kept.replace("\nshutdown-grace = \"1h\"", "");
    reload(
        &doxy,
        &format!("shutdown-grace = \"1h\"\n{kept}"),
        "removed gone",
    );
    wait::until("the file is gone", || {
        (!doxy.path("gone.sock").exists()).then_some(())
    });
    std::io::Write::write_all(&mut stream, b"rest").unwrap();
    assert_eq!(client.rest(), b"rest");
    doxy.process.signal(Signal::TERM);
}

/// Of requests that are pipelined across a reload, each is judged by one whole policy.
#[test]
fn requests_across_a_reload_are_judged_by_one_policy_each() {
    let fake = Fake::start();
    let rules = |n: usize| {
        let other = 3 - n;
        format!(
            "[socket.a]\nproxy-socket = \"a.sock\"\npatterns = '''\n/{n}/.*\n!/{other}/.*\n'''\n"
        )
    };
    let doxy = with(&fake, &rules(1), &[]).start();
    let mut client = at(&doxy, "a.sock");
    for round in 0..10 {
        let n = 1 + (round + 1) % 2;
        fs::write(doxy.path("doxy.toml"), rules(n)).unwrap();
        doxy.process.signal(Signal::HUP);
        client.send(
            (0..20)
                .map(|_| format!("{}{}", get("/1/x"), get("/2/x")))
                .collect::<String>(),
        );
        let mut before = true;
        for _ in 0..20 {
            let statuses = [0; 2].map(|_| client.reply("GET").unwrap().status());
            let expected = |n: usize| if n == 1 { [200, 403] } else { [403, 200] };
            // One of the pairs may be cut in two by the reload.
            if statuses == expected(n) {
                before = false;
            } else if statuses != expected(3 - n) {
                assert!(before, "{statuses:?}");
                before = false;
            } else {
                assert!(before, "round {round}: the old policy after the new one");
            }
        }
        wait::until("the new rules", || {
            (client.ask(get(&format!("/{n}/x"))).status() == 200).then_some(())
        });
    }
    doxy.stop();
}
