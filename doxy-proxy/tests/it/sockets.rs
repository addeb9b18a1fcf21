//! Many sockets from one file: each by its own rules, and what comes, goes and changes while doxy
//! serves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Binary, Client, Fake, Setup, wait};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n")
}

/// A doxy with this file, in front of a recording engine.
fn with(fake: &Fake, toml: &str, args: &[&str]) -> Setup {
    Setup::new()
        .without("DOXY_PROXY_SOCKET")
        .engine(fake.path())
        .file("doxy.toml", toml)
        .args(["--config", "doxy.toml"])
        .args(args)
}

fn at(doxy: &Binary, socket: &str) -> Client {
    Client::connect(&doxy.path(socket))
}

fn reload(doxy: &Binary, toml: &str, words: &str) {
    fs::write(doxy.path("doxy.toml"), toml).unwrap();
    doxy.process.signal(Signal::HUP);
    doxy.logged(words);
}

const TWO: &str = r#"
socket-mode = "0600"
[socket.one]
proxy-socket = "one.sock"
patterns = "/one"
[socket.two]
proxy-socket = ["two.sock", "tcp://127.0.0.1:0", "too.sock"]
patterns = "/two"
"#;

#[test]
fn each_socket_has_its_own_rules_at_all_its_addresses() {
    let fake = Fake::start();
    let toml = TWO.replace(r#""tcp://127.0.0.1:0", "#, "");
    let doxy = with(&fake, &toml, &[]).start();
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
    let toml = TWO.replace(r#""tcp://127.0.0.1:0", "#, "");
    let doxy = with(&fake, &toml, &[]).start();
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

#[test]
fn a_reload_takes_nothing_that_is_anothers_and_falls_back_to_nothing() {
    let fake = Fake::start();
    let toml = "[socket.a]\nproxy-socket = \"a.sock\"\nallow-uid = [\"root\"]\npatterns = \"/a\"\n";
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let doxy = with(&fake, toml, &["--sandbox", "require"]).start();
    let other = std::os::unix::net::UnixListener::bind(doxy.path("other.sock")).unwrap();
    for (toml, words) in [
        (
            format!("{toml}[socket.x]\nproxy-socket = \"other.sock\"\npatterns = \"/x\""),
            "another process is listening there already",
        ),
        (
            toml.replace("patterns = \"/a\"", ""),
            "the socket has no rules and no script any more",
        ),
    ] {
        fs::write(doxy.path("doxy.toml"), &toml).unwrap();
        doxy.process.signal(Signal::HUP);
        let kept = "not reloaded, the configuration in force stays: ";
        doxy.process.logged_all(&[kept, words]);
        assert_eq!(at(&doxy, "a.sock").ask(get("/a")).status(), 200);
    }
    drop(other);
    // A pipe in a file's place is not waited for, and names are known in the sandbox too.
    let rules = doxy.path("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &rules,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    reload(
        &doxy,
        &toml.replace("patterns = \"/a\"", "pattern-file = \"pipe\""),
        "this is a pipe, not a file",
    );
    reload(
        &doxy,
        &toml.replace("\"/a\"", "\"/b\""),
        "reloaded: 1 rule from ",
    );
    assert_eq!(at(&doxy, "a.sock").ask(get("/b")).status(), 200);
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
    let doxy = Setup::new()
        .without("DOXY_PROXY_SOCKET")
        .engine(&engine)
        .file("doxy.toml", toml)
        .args(["--config", "doxy.toml"])
        .start();
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

#[test]
fn what_cannot_be_put_in_force_changes_nothing() {
    let fake = Fake::start();
    let toml = TWO.replace(r#""tcp://127.0.0.1:0", "#, "");
    let doxy = with(&fake, &toml, &[]).start();
    doxy.logged("too.sock");
    fs::create_dir(doxy.path("other")).unwrap();
    let half = &toml[..toml.len() / 2];
    let with = |more: &str| format!("{toml}\n{more}");
    for (toml, words) in [
        (half.to_owned(), "doxy.toml:"),
        (
            with("[socket.x]\nproxy-socket = \"other/x.sock\""),
            "did not know when it started",
        ),
        (
            with("[socket.x]\nproxy-socket = \"tcp://127.0.0.1:1\""),
            "a new address on a network",
        ),
        (
            with("[socket.x]\nproxy-socket = \"x.sock\"\ndocker-socket = \"tcp://127.0.0.1:2\""),
            "a new engine on a network",
        ),
        (
            with("[socket.x]\nproxy-socket = \"x.sock\"\npattern-file = \"none\""),
            "cannot read",
        ),
        (
            format!("threads = 2\n{toml}"),
            "threads: this is set when doxy starts",
        ),
        (
            format!("sandbox = \"off\"\n{toml}"),
            "sandbox: this is set when doxy starts",
        ),
    ] {
        fs::write(doxy.path("doxy.toml"), &toml).unwrap();
        doxy.process.signal(Signal::HUP);
        let kept = "not reloaded, the configuration in force stays: ";
        doxy.process.logged_all(&[kept, words]);
        assert_eq!(at(&doxy, "one.sock").ask(get("/one")).status(), 200);
        assert_eq!(at(&doxy, "too.sock").ask(get("/two")).status(), 200);
        assert!(!doxy.path("x.sock").exists());
    }
    doxy.stop();
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

#[test]
fn watch_reloads_what_is_replaced_by_a_link() {
    let fake = Fake::start();
    let toml = "watch = true\n[socket.a]\nproxy-socket = \"a.sock\"\npattern-file = \"data/rules\"";
    let setup = with(&fake, toml, &[]);
    for (folder, rules) in [("v1", "/one"), ("v2", "/two")] {
        fs::create_dir(setup.path(folder)).unwrap();
        fs::write(setup.path(folder).join("rules"), rules).unwrap();
    }
    let link = |to: &str, at: &Path| std::os::unix::fs::symlink(to, at).unwrap();
    link("v1", &setup.path("data"));
    let doxy = setup.start();
    assert_eq!(at(&doxy, "a.sock").ask(get("/one")).status(), 200);
    link("v2", &doxy.path("next"));
    fs::rename(doxy.path("next"), doxy.path("data")).unwrap();
    // The sandbox lets doxy read the folder that it knew: the new one is told as an error.
    doxy.logged("reloaded");
    fs::write(
        doxy.path("doxy.toml"),
        toml.replace("data/rules", "v1/rules"),
    )
    .unwrap();
    doxy.logged("reloaded: 1 rule from v1/rules");
    doxy.stop();
}

/// What systemd is told, in order; and that it is alive.
#[test]
fn the_service_manager_is_told() {
    let fake = Fake::start();
    let setup = Setup::new().engine(fake.path());
    let manager = UnixDatagram::bind(setup.path("manager")).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let doxy = setup
        .env("NOTIFY_SOCKET", "manager")
        .env("WATCHDOG_USEC", "200000")
        .start();
    let hear = || {
        let mut message = [0; 1024];
        let read = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..read].to_vec()).unwrap()
    };
    let next = |expected: &str| loop {
        let heard = hear();
        if heard != "WATCHDOG=1" {
            assert!(
                heard.starts_with(expected),
                "{heard:?} instead of {expected:?}"
            );
            return heard;
        }
    };
    let ready = next("READY=1\nSTATUS=serving ");
    assert!(ready.contains("doxy.sock"), "{ready}");
    assert!(UnixStream::connect(doxy.socket()).is_ok());
    while hear() != "WATCHDOG=1" {}
    doxy.process.signal(Signal::HUP);
    let reloading = next("RELOADING=1\nMONOTONIC_USEC=");
    let micros = reloading.split(['=', '\n']).nth(3).unwrap();
    assert!(micros.parse::<u64>().unwrap() > 0, "{reloading}");
    next("READY=1\n");
    doxy.process.signal(Signal::TERM);
    next("STOPPING=1");
}

#[test]
fn a_dry_run_is_told_at_the_start_and_ends_by_itself() {
    let fake = Fake::start();
    let toml = r#"
        [socket.a]
        proxy-socket = "a.sock"
        patterns = "/one"
        dry-run = true
        [socket.b]
        proxy-socket = "b.sock"
        patterns = "/one"
        dry-run = "1ms"
        [socket.c]
        proxy-socket = "c.sock"
        patterns = "/one"
        dry-run = "36h""#;
    let doxy = with(&fake, toml, &[]).start();
    doxy.logged("dry run on a: ");
    doxy.logged("forwarded, for 1day 12h from its start");
    assert_eq!(at(&doxy, "a.sock").ask(get("/two")).status(), 200);
    doxy.logged("would_deny GET /two");
    wait::until("the end of the dry run", || {
        (at(&doxy, "b.sock").ask(get("/two")).status() == 403).then_some(())
    });
    // A reload does not begin it anew.
    reload(&doxy, &toml.replace("\"/one\"", "\"/two\""), "reloaded");
    assert_eq!(at(&doxy, "b.sock").ask(get("/one")).status(), 403);
    fs::write(doxy.path("doxy.toml"), toml.replace("dry-run = true", "")).unwrap();
    doxy.process.signal(Signal::HUP);
    wait::until("the end of the other dry run", || {
        (at(&doxy, "a.sock").ask(get("/three")).status() == 403).then_some(())
    });
    doxy.stop();
}
