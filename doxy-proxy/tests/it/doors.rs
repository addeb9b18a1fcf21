//! One process, a file, and three kinds of doors at once: a unix socket, TCP, and TLS with certificates
//! of the clients, each by its own rules.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::thread;

use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};

use crate::support::{Binary, Certificates, Client, Fake, Setup, wait};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n")
}

/// An address of this machine that no other test has: all of 127.0.0.0/8 are.
pub(crate) fn address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = std::process::id() << 8 | NEXT.fetch_add(1, Relaxed) & 0xff;
    let [_, b, c, d] = number.to_be_bytes();
    (Ipv4Addr::new(127, b | 0x80, c, d.clamp(1, 254)), 2376).into()
}

/// An engine that answers each request with its target.
fn engine() -> Fake {
    Fake::with(|request, stream| {
        let target = request.target();
        let length = target.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{target}");
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

fn certificates() -> Certificates {
    let certificates = Certificates::new();
    certificates
        .certify(&["localhost"])
        .certify(&["ci", "ci.test"])
        .certify(&["other", "other.test"]);
    certificates
}

/// What stands in the file.
struct Doors {
    tcp: SocketAddr,
    tls: SocketAddr,
}

impl Doors {
    fn new() -> Self {
        Self {
            tcp: address(),
            tls: address(),
        }
    }

    fn toml(&self, more: &str) -> String {
        let Self { tcp, tls } = self;
        format!(
            r#"
            sandbox = "require"
            [socket.cli]
            proxy-socket = "cli.sock"
            patterns = "/cli/.*"
            [socket.metrics]
            proxy-socket = "tcp://{tcp}"
            patterns = "/metrics/.*"
            [socket.ci]
            proxy-socket = "tcp://{tls}"
            tls-cert = "localhost"
            tls-key = "localhost-key"
            tls-client-ca = "ca"
            allow-cert = "dns:ci.test"
            patterns = "/ci/.*"
            {more}"#
        )
    }

    fn start(&self, fake: &Fake, certificates: &Certificates) -> Binary {
        let setup = Setup::new().engine(fake.path()).config(&self.toml(""));
        for name in ["ca", "localhost", "localhost-key"] {
            fs::copy(certificates.path(name), setup.path(name)).unwrap();
        }
        let doxy = setup.start();
        for told in [
            "listening on cli.sock (mode 0660) for [socket.cli], ".to_owned(),
            format!("listening on tcp://{} for [socket.metrics], ", self.tcp),
            format!(
                "listening on tcp://{} (TLS, client certificates) for [socket.ci], ",
                self.tls
            ),
        ] {
            doxy.logged(&told);
        }
        doxy
    }

    fn client(&self, doxy: &Binary, certificates: &Certificates, door: &str) -> Client {
        match door {
            "cli" => Client::connect(&doxy.path("cli.sock")),
            "metrics" => Client::connect_tcp(self.tcp),
            name => {
                let tls = certificates.connection(Some(name), &[&TLS12, &TLS13]);
                Client::connect_tcp(self.tls).secured(tls).unwrap()
            }
        }
    }
}

#[test]
fn each_door_has_its_own_rules_in_the_sandbox() {
    let (fake, certificates, doors) = (engine(), certificates(), Doors::new());
    let doxy = doors.start(&fake, &certificates);
    for door in ["cli", "metrics", "ci"] {
        let mut client = doors.client(&doxy, &certificates, door);
        for path in ["cli", "metrics", "ci"] {
            let path = format!("/{path}/x");
            let reply = client.ask(get(&path));
            match path[1..].starts_with(door) {
                true => assert_eq!((reply.status(), &*reply.body), (200, path.as_bytes())),
                false => assert_eq!(reply.status(), 403, "{door} {path}"),
            }
        }
    }
    // Another certificate of the same authority, none at all, and no TLS.
    let mut other = doors.client(&doxy, &certificates, "other");
    assert_eq!(other.ask(get("/ci/x")).status(), 403);
    // As a rule nobody reads an access log.
    doxy.process.logged_all(&[
        "no connection for certificate",
        " may not use this socket (told once)",
    ]);
    let reply = Client::connect_tcp(doors.tls).ask(get("/ci/x"));
    assert_eq!(reply.status(), 400);
    assert!(reply.message().contains("TLS"), "{}", reply.message());
    assert_eq!(fake.requests().len(), 3);
    doxy.stop();
}

#[test]
fn under_load_reloads_lose_and_confuse_nothing() {
    let (fake, certificates, doors) = (engine(), certificates(), Doors::new());
    let doxy = doors.start(&fake, &certificates);
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..32 {
            let door = ["cli", "metrics", "ci"][number % 3];
            let mut client = doors.client(&doxy, &certificates, door);
            let (stop, asked) = (&stop, &asked);
            scope.spawn(move || {
                let mut count = 0;
                while !stop.load(Relaxed) {
                    count += 1;
                    let path = format!("/{door}/{number}/{count}");
                    let reply = client.ask(get(&path));
                    assert_eq!((reply.status(), &*reply.body), (200, path.as_bytes()));
                    asked.fetch_add(1, Relaxed);
                }
            });
        }
        for round in 0..20 {
            let more = match round % 2 {
                0 => "[socket.more]\nproxy-socket = \"more.sock\"\npatterns = \"/more\"",
                _ => "",
            };
            let before = asked.load(Relaxed);
            fs::write(doxy.path("doxy.toml"), doors.toml(more)).unwrap();
            doxy.process.signal(Signal::HUP);
            wait::until("the reload", || {
                (doxy.path("more.sock").exists() == (round % 2 == 0)).then_some(())
            });
            wait::until("requests after the reload", || {
                (asked.load(Relaxed) > before + 64).then_some(())
            });
        }
        stop.store(true, Relaxed);
    });
    assert_eq!(fake.requests().len(), asked.load(Relaxed));
    doxy.stop();
}

#[test]
fn certificates_are_replaced_by_a_reload_and_broken_ones_are_not() {
    let (fake, certificates, doors) = (engine(), certificates(), Doors::new());
    let doxy = doors.start(&fake, &certificates);
    let kept = "not reloaded, the configuration in force stays: ";
    for (file, text, words) in [
        ("localhost", "no certificate", "tls-cert = "),
        ("localhost-key", "no key", "tls-key = "),
        ("ca", "", "tls-client-ca = "),
    ] {
        let good = fs::read(doxy.path(file)).unwrap();
        fs::write(doxy.path(file), text).unwrap();
        doxy.process.signal(Signal::HUP);
        doxy.process.logged_all(&[kept, words]);
        let mut client = doors.client(&doxy, &certificates, "ci");
        assert_eq!(client.ask(get("/ci/x")).status(), 200, "{file}");
        fs::write(doxy.path(file), good).unwrap();
    }
    // A new certificate of another authority.
    let others = self::certificates();
    let mut old = doors.client(&doxy, &certificates, "ci");
    assert_eq!(old.ask(get("/ci/x")).status(), 200);
    for name in ["ca", "localhost", "localhost-key"] {
        fs::copy(others.path(name), doxy.path(name)).unwrap();
    }
    doxy.process.signal(Signal::HUP);
    doxy.logged("reloaded: 3 sockets");
    let mut new = doors.client(&doxy, &others, "ci");
    assert_eq!(new.ask(get("/ci/x")).status(), 200);
    let tls = certificates.connection(Some("ci"), &[&TLS13]);
    assert!(Client::connect_tcp(doors.tls).secured(tls).is_err());
    // Who was let in before stays.
    assert_eq!(old.ask(get("/ci/x")).status(), 200);
    doxy.stop();
}

#[test]
fn what_cannot_be_opened_is_said_with_its_place() {
    let fake = engine();
    let taken = TcpListener::bind(address()).unwrap();
    let port = taken.local_addr().unwrap();
    for (line, words) in [
        (
            format!("proxy-socket = \"tcp://{port}\""),
            "doxy.toml:2:16: ",
        ),
        (
            "proxy-socket = \"tcp://127.0.0.1:2\"\ntls-cert = \"none\"\ntls-key = \"none\""
                .to_owned(),
            "doxy.toml:3:12: ",
        ),
    ] {
        let ended = Setup::new()
            .engine(fake.path())
            .config(&format!("[socket.x]\n{line}"))
            .run();
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.contains(words), "{ended}");
        assert!(ended.stderr.contains("help: "), "{ended}");
    }
}

#[test]
fn without_a_reason_to_trust_the_network_doxy_does_not_start() {
    let fake = engine();
    let ended = Setup::new()
        .without("DOXY_PROXY_SOCKET")
        .engine(fake.path())
        .args(["--proxy-socket", "tcp://0.0.0.0:2376"])
        .run();
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(
        ended
            .stderr
            .contains("everyone in the network could connect"),
        "{ended}"
    );
}

/// Rules that no socket on a network may have.
const RISKY: &str = "\"POST /containers/create\"";

/// A service manager creates the sockets. They stay when doxy ends, and the next one serves them.
#[test]
fn sockets_of_the_service_manager_are_served_by_their_names() {
    let fake = engine();
    let toml = r#"
        [socket.web]
        proxy-socket = ["fd://web", "own.sock"]
        patterns = "/web"
        [socket.local]
        proxy-socket = "fd://local"
        patterns = "/local""#;
    let tcp = TcpListener::bind(address()).unwrap();
    let at = tcp.local_addr().unwrap();
    let start = |toml: &str, names: &str| {
        let setup = Setup::new()
            .without("DOXY_PROXY_SOCKET")
            .engine(fake.path())
            .file("doxy.toml", toml);
        let unix = UnixListener::bind(setup.path("local.sock")).unwrap();
        let setup = setup.passed(names, [tcp.try_clone().unwrap().into(), unix.into()]);
        setup.args(["--config", "doxy.toml"])
    };
    for _ in 0..2 {
        let doxy = start(toml, "web:local").start();
        doxy.logged("local.sock (fd://local)");
        assert_eq!(Client::connect_tcp(at).ask(get("/web")).status(), 200);
        assert_eq!(Client::connect_tcp(at).ask(get("/local")).status(), 403);
        let mut local = Client::connect(&doxy.path("local.sock"));
        assert_eq!(local.ask(get("/local")).status(), 200);
        assert_eq!(
            Client::connect(&doxy.path("own.sock"))
                .ask(get("/web"))
                .status(),
            200
        );
        // A reload keeps them.
        fs::write(
            doxy.path("doxy.toml"),
            toml.replace("\"/local\"", "\"/other\""),
        )
        .unwrap();
        doxy.process.signal(Signal::HUP);
        doxy.logged("reloaded: 2 sockets");
        assert_eq!(local.ask(get("/other")).status(), 200);
        // What it is was known only when it was passed. It is asked for again.
        fs::write(doxy.path("doxy.toml"), toml.replace("\"/web\"", RISKY)).unwrap();
        doxy.process.signal(Signal::HUP);
        doxy.logged("not reloaded, the configuration in force stays: doxy.toml:3:");
        let folder = doxy.path("local.sock");
        drop(local);
        doxy.process.signal(Signal::TERM);
        wait::until("the end", || {
            (!doxy.path("own.sock").exists()).then_some(())
        });
        assert!(folder.exists(), "it is not doxy's to remove");
    }
    for (toml, names, words) in [
        (
            &*toml.replace("\"/web\"", RISKY),
            "web:local",
            "everyone who gets in over TCP would have host-root",
        ),
        (
            toml,
            "web:other",
            "no socket of this name was passed to doxy, only",
        ),
        (
            &*toml.replace("fd://local", "x.sock"),
            "web:local",
            "LISTEN_FDS: doxy was passed",
        ),
        (
            &*toml.replace("patterns = \"/local\"", "allow-from = \"10.0.0.0/8\""),
            "web:local",
            "allow-from",
        ),
    ] {
        let ended = start(toml, names).run();
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.contains(words), "{ended}");
    }
}
