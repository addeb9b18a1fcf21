//! TLS: clients with and without certificates, tunnels, streams, wrong protocols, an engine that speaks
//! it.

mod faults;

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{
    AccessLog, CertificateRule, Format, ListenConfig, LogDestination, Policy, Service, Upstream,
    UpstreamAddr,
};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, HandshakeKind};

use crate::support::{Certificates, Client, Doxy, Fake, Setup};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
const LOCALHOST: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn certificates() -> Certificates {
    let certificates = Certificates::new();
    certificates
        .certify(&["localhost"])
        .certify(&["prometheus", "metrics.test"]);
    certificates
}

fn service(engine: Upstream) -> Service {
    let rules = RuleSet::parse("test.pattern", b"GET .*\nPOST .*").unwrap();
    Service::new("door", Policy::new(rules), engine)
}

fn unix(fake: &Fake) -> Upstream {
    let engine = UpstreamAddr::Unix(fake.path().to_owned());
    Upstream::new(engine, Duration::from_secs(5))
}

fn start(service: Service) -> Doxy {
    Doxy::serving(ListenConfig::Tcp(LOCALHOST), service, Duration::ZERO)
}

/// Whether this connection, which may have gone through its handshake, is good for a request.
fn is_served(client: Result<Client, String>) -> bool {
    client.is_ok_and(|mut client| {
        // With TLS 1.3 a client that is not let in learns it when it reads.
        let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.ask(GET)));
        served.is_ok_and(|reply| reply.status() == 200)
    })
}

#[test]
fn both_versions_with_and_without_a_certificate_of_the_client() {
    let (fake, certificates) = (Fake::start(), certificates());
    for asks in [false, true] {
        let mut service = service(unix(&fake));
        service.tls = Some(certificates.server("localhost", asks));
        let doxy = start(service);
        for version in [&TLS12, &TLS13] {
            for name in [None, Some("prometheus")] {
                let tls = certificates.connection(name, &[version]);
                let client = Client::connect_tcp(doxy.address()).secured(tls);
                if let Ok(client) = &client {
                    let tls = client.tls();
                    assert_eq!(tls.protocol_version(), Some(version.version));
                    assert_eq!(tls.alpn_protocol(), Some(&b"http/1.1"[..]));
                }
                let expected = !asks || name.is_some();
                assert_eq!(is_served(client), expected, "{asks} {version:?} {name:?}");
            }
        }
    }
}

#[test]
fn a_certificate_decides_who_may_come_in_and_is_in_the_log() {
    let (fake, certificates) = (Fake::start(), certificates());
    certificates.certify(&["other", "other.test"]);
    for (format, subject) in [
        (
            Format::Text,
            " subject=CN=prometheus certificate=dns:prometheus,dns:metrics.test spki=",
        ),
        (
            Format::Json,
            r#","subject":"CN=prometheus","certificate":"dns:prometheus,dns:metrics.test","spki":""#,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut service = service(unix(&fake));
        service.tls = Some(certificates.server("localhost", true));
        service.peers.certificates = vec![CertificateRule::Dns("metrics.test".to_owned())];
        service.access_log =
            Some(AccessLog::open(LogDestination::File(path.clone()), format).unwrap());
        let doxy = start(service);
        for (name, status) in [("prometheus", 200), ("other", 403)] {
            let tls = certificates.connection(Some(name), &[&TLS13]);
            let mut client = Client::connect_tcp(doxy.address()).secured(tls).unwrap();
            let reply = client.ask(GET);
            assert_eq!(reply.status(), status, "{name}");
            if status == 403 {
                let message = reply.message();
                assert!(message.starts_with("certificate spki:"), "{message}");
            }
        }
        drop(doxy);
        let log = std::fs::read_to_string(&path).unwrap();
        assert!(log.lines().next().unwrap().contains(subject), "{log}");
        assert!(log.lines().nth(1).unwrap().contains("CN=other"), "{log}");
    }
}

/// A session that is resumed is that of the certificate it began with, and is let in anew.
#[test]
fn a_resumed_session_has_its_certificate() {
    let (fake, certificates) = (Fake::start(), certificates());
    for version in [&TLS12, &TLS13] {
        let tls = certificates.server("localhost", true);
        for (rule, status) in [("metrics.test", 200), ("other.test", 403)] {
            let mut service = service(unix(&fake));
            service.tls = Some(tls.clone());
            service.peers.certificates = vec![CertificateRule::Dns(rule.to_owned())];
            let doxy = start(service);
            let config = certificates.config(Some("prometheus"), &[version]);
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let name = "localhost".try_into().unwrap();
                let tls = ClientConnection::new(Arc::clone(&config), name).unwrap();
                let mut client = Client::connect_tcp(doxy.address()).secured(tls).unwrap();
                assert_eq!(client.ask(GET).status(), status, "{rule}");
                assert_eq!(client.tls().handshake_kind(), Some(kind), "{version:?}");
            }
        }
    }
}

#[cfg(feature = "script")]
#[test]
fn a_script_sees_the_certificate() {
    let (fake, certificates) = (Fake::start(), certificates());
    let source = r#"fn decide(req) {
        let p = req.peer;
        if p.subject == "CN=prometheus" && p.sans.contains("dns:metrics.test") && p.spki.len() == 64 {
            return allow();
        }
        deny("no")
    }"#;
    let script = doxy_proxy::Script::compile("test.rhai", source.as_bytes()).unwrap();
    let rules = RuleSet::parse("test.pattern", b"GET /none").unwrap();
    let policy = Policy::with_script(rules, script);
    let mut service = Service::new("door", policy, unix(&fake));
    service.tls = Some(certificates.server("localhost", true));
    let doxy = start(service);
    let tls = certificates.connection(Some("prometheus"), &[&TLS13]);
    let mut client = Client::connect_tcp(doxy.address()).secured(tls).unwrap();
    assert_eq!(client.ask(GET).status(), 200);
}

/// Bytes up and down, then a half-close on each side.
#[test]
fn a_tunnel_over_tls_passes_every_byte_and_half_closes() {
    let certificates = certificates();
    let (sender, engine_got) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let much: Vec<u8> = (0..3_000_000_u32).map(|it| (it % 251) as u8).collect();
    let sent = much.clone();
    let fake = Fake::with(move |_, stream| {
        use std::io::{Read as _, Write as _};
        let switch = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        stream.write_all(switch.as_bytes()).unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        sender.lock().unwrap().send(got).unwrap();
        // The client has half-closed, and still gets this.
        stream.write_all(&sent).unwrap();
        false
    });
    for version in [&TLS12, &TLS13] {
        let mut service = service(unix(&fake));
        service.tls = Some(certificates.server("localhost", false));
        let doxy = start(service);
        let tls = certificates.connection(None, &[version]);
        let mut client = Client::connect_tcp(doxy.address()).secured(tls).unwrap();
        client.send(
            "POST /containers/x/attach?stream=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n\
             Upgrade: tcp\r\nContent-Length: 0\r\n\r\n",
        );
        assert_eq!(client.reply("POST").unwrap().status(), 101);
        client.send(&much);
        client.end();
        let timeout = crate::support::TIMEOUT;
        assert!(engine_got.recv_timeout(timeout).unwrap() == much, "up");
        assert!(client.rest() == much, "down");
    }
}

#[test]
fn large_bodies_both_ways_byte_for_byte_through_tls_on_both_sides() {
    let certificates = certificates();
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|it| (it % 251) as u8).collect();
    let expected = bytes.clone();
    let fake = Fake::with(move |request, stream| {
        use std::io::Write as _;
        assert!(request.body == expected, "the body is another one");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            expected.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&expected).unwrap();
        true
    });
    // The engine behind TLS is a doxy too, which asks for a certificate.
    let mut inner = service(unix(&fake));
    inner.tls = Some(certificates.server("localhost", true));
    let inner = start(inner);
    let address = format!("localhost:{}", inner.address().port());
    let tls = certificates.client(Some("prometheus"), &address);
    let engine = UpstreamAddr::Tcp(address);
    let mut outer = service(Upstream::with_tls(engine, Duration::from_secs(5), tls));
    outer.tls = Some(certificates.server("localhost", false));
    let doxy = start(outer);
    let tls = certificates.connection(None, &[&TLS13]);
    let mut client = Client::connect_tcp(doxy.address()).secured(tls).unwrap();
    for framing in [
        "Content-Length: 4000000\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n",
    ] {
        client.send(format!(
            "POST /images/load HTTP/1.1\r\nHost: d\r\n{framing}"
        ));
        if framing.starts_with('C') {
            client.send(&bytes);
        } else {
            for chunk in bytes.chunks(70_000) {
                client.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
            }
            client.send("0\r\n\r\n");
        }
        let reply = client.reply("POST").unwrap();
        assert_eq!(reply.status(), 200);
        assert!(reply.body == bytes, "the response is another one");
    }
}

/// What an idle connection may cost, in KiB: all of it, after a request and a response of many records.
const IDLE_KIB: u64 = 20;

#[test]
fn an_idle_connection_gives_its_buffers_back() {
    const COUNT: usize = 200;
    let certificates = certificates();
    let body = vec![b'x'; 50_000];
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let fake = Fake::with(move |_, stream| {
        use std::io::Write as _;
        stream
            .write_all(&[answer.as_bytes(), &body].concat())
            .is_ok()
    });
    let path = |name: &str| certificates.path(name).display().to_string();
    for client_ca in [None, Some(path("ca"))] {
        let listener = std::net::TcpListener::bind(LOCALHOST).unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let other = UnixListener::bind(folder.path().join("x")).unwrap();
        let mut setup = Setup::new()
            .engine(fake.path())
            .env("DOXY_PROXY_SOCKET", "fd://door,fd://other")
            .env("DOXY_TLS_CERT", &path("localhost"))
            .env("DOXY_TLS_KEY", &path("localhost-key"));
        if let Some(ca) = &client_ca {
            setup = setup.env("DOXY_TLS_CLIENT_CA", ca);
        }
        let doxy = setup
            .passed("door:other", [listener.into(), other.into()])
            .start();
        let open = |count: usize| -> Vec<_> {
            let clients = (0..count).map(|_| {
                let tls = certificates.connection(Some("prometheus"), &[&TLS13]);
                let mut client = Client::connect_tcp(address).secured(tls).unwrap();
                assert_eq!(client.ask(GET).status(), 200);
                client
            });
            clients.collect()
        };
        let _warm = open(30);
        let before = doxy.process.kib("smaps_rollup", "Rss:");
        let _idle = open(COUNT);
        let each = (doxy.process.kib("smaps_rollup", "Rss:") - before) / COUNT as u64;
        eprintln!("{each} KiB for each idle connection, {client_ca:?}");
        assert!(each <= IDLE_KIB, "{each} KiB, {client_ca:?}");
    }
}
