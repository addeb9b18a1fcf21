//! One peer that holds all it can get takes the admin side from nobody else, nor from itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use rustls::version::TLS13;

use super::{get, with_admin};
use crate::doors::address;
use crate::support::files::chmod;
use crate::support::{Binary, Certificates, Client, Fake, Need, Setup, needs, wait};

/// More than there are places.
const CROWD: usize = 200;
const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// How connections can be held: after a connection was made, what is sent, and whether an answer is
/// waited for.
const HELD: [(&str, &str, bool); 6] = [
    ("silent", "", false),
    ("half a head", "GET /metrics HTTP/1.1\r\nHost: loc", false),
    (
        "idle",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        true,
    ),
    (
        "half of a second head",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET",
        true,
    ),
    (
        "events",
        "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        false,
    ),
    (
        "an engine that does not answer",
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        false,
    ),
];

/// Has this many connections, each held in the same way.
fn hold(connect: impl Fn() -> Client, bytes: &str, answered: bool) -> Vec<Client> {
    let one = |_| {
        let mut client = connect();
        client.try_send(bytes.as_bytes());
        // One that gave way to the next has no answer.
        answered.then(|| client.reply("GET"));
        client
    };
    (0..CROWD).map(one).collect()
}

#[track_caller]
fn scrapes(mut client: Client, case: &str) {
    assert!(client.try_send(SCRAPE.as_bytes()), "{case}");
    let reply = client.reply("GET");
    let status = reply.map(|reply| reply.status());
    assert_eq!(status, Some(200), "{case}");
}

/// A port that nobody has at either loopback address. Other tests run beside this one.
fn free_port() -> u16 {
    let at = |ip: IpAddr, port| TcpListener::bind((ip, port));
    wait::until("a port", || {
        let one = at(Ipv4Addr::LOCALHOST.into(), 0).ok()?;
        let port = one.local_addr().ok()?.port();
        at(Ipv6Addr::LOCALHOST.into(), port).ok().map(|_| port)
    })
}

/// At both loopback addresses, with an engine that never answers.
fn on_loopback(hanging: &std::path::Path) -> (Binary, [SocketAddr; 2]) {
    let port = free_port();
    let listen = format!("tcp://localhost:{port}");
    let doxy = Setup::new()
        .engine(hanging)
        .args(["--admin-listen", &listen])
        .start();
    let at = ["127.0.0.1", "[::1]"].map(|ip| format!("{ip}:{port}").parse().unwrap());
    (doxy, at)
}

#[test]
fn an_address_takes_no_place_from_another() {
    let setup = Setup::new();
    let engine = setup.path("hanging.sock");
    let _hanging = std::os::unix::net::UnixListener::bind(&engine).unwrap();
    for (case, bytes, answered) in HELD {
        let (doxy, [v4, v6]) = on_loopback(&engine);
        // All of 127.0.0.0/8 is one machine, and so one peer.
        let number = std::cell::Cell::new(0);
        let connect = || {
            number.set(number.get() + 1);
            Client::connect_from(&format!("127.0.0.{}", number.get() % 100 + 1), v4)
        };
        let held = hold(connect, bytes, answered);
        // What was held so far has been accepted when the last one was.
        if !bytes.contains("/readyz") {
            scrapes(Client::connect_tcp(v4), case);
        }
        for _ in 0..3 {
            scrapes(Client::connect_tcp(v6), case);
        }
        drop(held);
        doxy.stop();
    }
}

#[test]
fn a_user_takes_no_place_from_another() {
    if !needs(Need::Root) {
        return;
    }
    let fake = Fake::start();
    for (case, bytes, answered) in HELD {
        let doxy = with_admin(Setup::new().engine(fake.path())).start();
        chmod(doxy.folder(), 0o755);
        chmod(&doxy.path("admin.sock"), 0o666);
        let path = doxy.path("admin.sock");
        let holding = std::thread::spawn(move || {
            let other = Some(rustix::process::Uid::from_raw(4711));
            rustix::thread::set_thread_res_uid(None, other, None).unwrap();
            hold(|| Client::connect(&path), bytes, answered)
        });
        let held = holding.join().unwrap();
        for _ in 0..3 {
            assert_eq!(get(&doxy, "/metrics").status(), 200, "{case}");
        }
        drop(held);
        doxy.stop();
    }
}

#[test]
fn strangers_at_the_handshake_keep_nobody_away() {
    let certificates = Certificates::new();
    certificates.certify(&["localhost"]).certify(&["client"]);
    let at = address();
    let [cert, key, ca] = [
        certificates.path("localhost"),
        certificates.key("localhost"),
        certificates.path("ca"),
    ];
    let toml = format!(
        "admin-listen = \"tcp://{at}\"\ntls-cert = \"{}\"\ntls-key = \"{}\"\ntls-client-ca = \"{}\"\n\
         [socket.x]\nproxy-socket = \"doxy.sock\"\npatterns = \"/info\"\n",
        cert.display(),
        key.display(),
        ca.display()
    );
    let doxy = Setup::new().config(&toml).start();
    let mut hello = Vec::new();
    let mut stranger = certificates.connection(None, &[&TLS13]);
    stranger.write_tls(&mut hello).unwrap();
    let hello = &hello[..];
    for (case, bytes) in [
        ("silent", &b""[..]),
        ("half a hello", &hello[..hello.len() / 2]),
        ("a hello and no more", hello),
    ] {
        let hold_one = |_| {
            let mut client = Client::connect_tcp(at);
            client.try_send(bytes);
            client
        };
        let held: Vec<_> = (0..CROWD).map(hold_one).collect();
        // From the same address, as behind a router.
        let tls = certificates.connection(Some("client"), &[&TLS13]);
        let scraper = Client::connect_tcp(at).secured(tls);
        let mut scraper = scraper.unwrap_or_else(|error| panic!("{case}: {error}"));
        let mut later = vec![];
        for _ in 0..3 {
            let reply = scraper.ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assert_eq!(reply.status(), 200, "{case}");
            // Who has come through is not closed for those who come after, as long as they ask nothing.
            later.extend((0..CROWD).map(hold_one));
        }
        drop((held, later));
    }
    doxy.stop();
}

#[test]
fn pages_that_are_too_many_are_told_and_nobody_elses() {
    let doxy_engine = Fake::start();
    let (doxy, [v4, v6]) = on_loopback(doxy_engine.path());
    let page = |at| {
        let mut page = Client::connect_tcp(at);
        page.send("GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = String::from_utf8(page.until(b"\r\n\r\n")).unwrap();
        let status = head.split(' ').nth(1).unwrap().to_owned();
        (status, page)
    };
    let count = |status: &str, pages: &[(String, Client)]| {
        pages.iter().filter(|(it, _)| it == status).count()
    };
    let first: Vec<_> = (0..20).map(|_| page(v4)).collect();
    assert_eq!((count("200", &first), count("503", &first)), (16, 4));
    let others: Vec<_> = (0..20).map(|_| page(v6)).collect();
    assert_eq!((count("200", &others), count("503", &others)), (16, 4));
    // A page that is closed makes room.
    drop(first);
    wait::until("there is room for a page", || {
        (page(v4).0 == "200").then_some(())
    });
    let refused = |reason: &str| {
        let mut client = Client::connect_tcp(v6);
        let text = String::from_utf8(client.ask(SCRAPE).body).unwrap();
        let sample = format!("doxy_admin_refused_total{{reason=\"{reason}\"}} ");
        let (_, rest) = text.split_once(&sample).unwrap();
        rest.lines().next().unwrap().parse::<u64>().unwrap()
    };
    assert!(refused("stream") >= 8);
    let ended = doxy.stop();
    // However often it happens, it is said once in a while.
    let said = ended.stderr.matches("has too many live pages").count();
    assert_eq!(said, 1, "{ended}");
}
