//! Listening over TCP: both families, what logs and scripts know of a client, and who may connect.

use std::net::SocketAddr;
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{
    AccessLog, Format, ListenConfig, LogDestination, PeerAcl, Policy, Service, Upstream,
    UpstreamAddr,
};

use crate::support::{Client, Doxy, Fake};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
#[cfg(feature = "script")]
const EXPORT: &str = "GET /containers/web/export HTTP/1.1\r\nHost: d\r\n\r\n";

fn service(fake: &Fake) -> Service {
    let engine = UpstreamAddr::Unix(fake.path().to_owned());
    let upstream = Upstream::new(engine, Duration::from_secs(1));
    Service::new("door", Policy::new(RuleSet::embedded().unwrap()), upstream)
}

fn start(address: &str, service: Service) -> Doxy {
    let bind = ListenConfig::Tcp(address.parse().unwrap());
    Doxy::serving(bind, service, Duration::ZERO)
}

fn client_at(doxy: &Doxy, ip: &str) -> Client {
    Client::connect_tcp(SocketAddr::new(ip.parse().unwrap(), doxy.address().port()))
}

fn has_v6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn both_families_are_served_on_one_address_and_told_apart_in_both_logs() {
    let fake = Fake::start();
    for (format, v4, v6) in [
        (
            Format::Text,
            " socket=door address=127.0.0.1 port=",
            " socket=door address=::1 port=",
        ),
        (
            Format::Json,
            r#","address":"127.0.0.1","port":"#,
            r#","address":"::1","port":"#,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut service = service(&fake);
        let log = AccessLog::open(LogDestination::File(path.clone()), format).unwrap();
        service.access_log = Some(log);
        let (address, both) = match has_v6() {
            true => ("[::]:0", &[("127.0.0.1", v4), ("::1", v6)][..]),
            false => ("0.0.0.0:0", &[("127.0.0.1", v4)][..]),
        };
        let doxy = start(address, service);
        for (ip, _) in both {
            let mut client = client_at(&doxy, ip);
            assert_eq!(client.ask(GET).status(), 200, "{ip}");
            assert_eq!(client.ask(GET).status(), 200, "{ip}");
        }
        drop(doxy);
        let log = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), 2 * both.len(), "{log}");
        for (pair, (_, expected)) in lines.chunks(2).zip(both) {
            for line in pair {
                assert!(line.contains(expected), "{line}");
                assert!(!line.contains("uid"), "{line}");
            }
        }
    }
}

#[test]
fn a_network_that_may_not_connect_is_answered_403() {
    let fake = Fake::start();
    for (networks, status) in [
        (&["127.0.0.0/8"][..], 200),
        (&["192.0.2.0/24", "127.0.0.1/32"], 200),
        (&["192.0.2.0/24"], 403),
        (&["::/0"], 403),
    ] {
        // Also where the address comes as IPv4 in IPv6.
        for address in ["0.0.0.0:0", "[::]:0"] {
            if address.starts_with('[') && !has_v6() {
                continue;
            }
            let mut service = service(&fake);
            service.peers = PeerAcl {
                networks: networks.iter().map(|it| it.parse().unwrap()).collect(),
                ..PeerAcl::default()
            };
            let doxy = start(address, service);
            let reply = client_at(&doxy, "127.0.0.1").ask(GET);
            assert_eq!(reply.status(), status, "{networks:?} {address}");
            if status == 403 {
                let said = "address 127.0.0.1 may not use this socket";
                assert_eq!(reply.message(), said);
            }
        }
    }
}

#[test]
fn users_say_nothing_of_a_client_over_tcp() {
    let fake = Fake::start();
    let mut service = service(&fake);
    // Of this very user, which over TCP nobody can tell.
    service.peers.uids = vec![rustix::process::geteuid().as_raw()];
    let doxy = start("127.0.0.1:0", service);
    assert_eq!(client_at(&doxy, "127.0.0.1").ask(GET).status(), 403);
}

#[cfg(feature = "script")]
#[test]
fn a_script_sees_the_address_and_no_user() {
    let source = r#"fn decide(req) {
        let p = req.peer;
        if p.address == "127.0.0.1" && p.port > 0 && p.uid == () && p.gid == () && p.pid == () {
            return allow();
        }
        deny(`${p}`)
    }"#;
    let fake = Fake::start();
    let service = service(&fake);
    let script = doxy_proxy::Script::compile("test.rhai", source.as_bytes()).unwrap();
    let policy = Policy::with_script(RuleSet::embedded().unwrap(), script);
    service.policy.replace(policy);
    let doxy = start("127.0.0.1:0", service);
    // The rules deny this one.
    assert_eq!(client_at(&doxy, "127.0.0.1").ask(EXPORT).status(), 200);
}

#[test]
fn a_stream_both_ways_comes_through_byte_for_byte() {
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
    let service = Service::new(
        "door",
        Policy::new(RuleSet::parse("t", b"POST .*").unwrap()),
        Upstream::new(
            UpstreamAddr::Unix(fake.path().to_owned()),
            Duration::from_secs(1),
        ),
    );
    let doxy = start("127.0.0.1:0", service);
    let mut client = client_at(&doxy, "127.0.0.1");
    for _ in 0..2 {
        let head = format!(
            "POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        );
        client.send(head);
        client.send(&bytes);
        let reply = client.reply("POST").unwrap();
        assert_eq!(reply.status(), 200);
        assert!(reply.body == bytes, "the response is another one");
    }
}

#[test]
fn what_a_web_page_may_have_asked_is_answered_403_and_reaches_nobody() {
    let fake = Fake::start();
    let mut service = service(&fake);
    service.hosts = ["doxy.example".to_owned()].into();
    let doxy = start("127.0.0.1:0", service);
    for (headers, status, words) in [
        ("Host: 127.0.0.1:2375", 200, ""),
        ("Host: proxy", 200, ""),
        ("Host: DOXY.example:2375", 200, ""),
        ("Host: rebind.example", 403, "--allow-host"),
        ("Host: d\r\nOrigin: http://d", 403, "Origin"),
        ("Host: d\r\norigin: null", 403, "Origin"),
        (
            "Host: d\r\nSec-Fetch-Site: same-origin",
            403,
            "Sec-Fetch-Site",
        ),
    ] {
        let before = fake.requests().len();
        let mut client = client_at(&doxy, "127.0.0.1");
        let reply = client.ask(format!("GET /info HTTP/1.1\r\n{headers}\r\n\r\n"));
        assert_eq!(reply.status(), status, "{headers}");
        if status == 403 {
            assert!(
                reply.message().contains(words),
                "{headers}: {}",
                reply.message()
            );
        }
        assert_eq!(
            fake.requests().len() - before,
            usize::from(status == 200),
            "{headers}"
        );
    }
}
