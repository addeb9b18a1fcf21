//! Over TCP: the container that alone has the client's address.

use std::path::PathBuf;
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{
    AccessLog, ContainerRule, Format, ListenConfig, LogDestination, Policy, Service, Upstream,
    UpstreamAddr,
};
use serde_json::{Value, json};

use super::{GET, description, id, is_own, respond};
use crate::support::{Client, Doxy, Fake, Recorded};

/// `web` and `db` have an address, `one` and `two` the same, and `inner` is in the network of `outer`.
fn list() -> Value {
    let entry = |name: &str, mode: &str, v4: &str, v6: &str| {
        json!({
            "Id": id(name), "Names": [format!("/{name}")], "HostConfig": {"NetworkMode": mode},
            "NetworkSettings": {"Networks": {"n": {"IPAddress": v4, "GlobalIPv6Address": v6}}},
        })
    };
    json!([
        entry("web", "n", "127.0.0.1", "::1"),
        entry("db", "n", "127.0.0.2", ""),
        entry("one", "n", "127.0.0.3", ""),
        entry("two", "n", "127.0.0.3", ""),
        entry("outer", "n", "127.0.0.5", ""),
        entry("inner", &format!("container:{}", id("outer")), "", ""),
        entry("ended", "n", "127.0.0.6", ""),
    ])
}

/// The engine's answer to a question of doxy's own.
fn answer(request: &Recorded) -> Vec<u8> {
    let target = request.target();
    let names = ["web", "db", "one", "two", "outer", "inner"];
    let named = |name: &&str| target == format!("/containers/{}/json", id(name));
    match names.into_iter().find(named) {
        Some(name) => respond("200 OK", &description(name, 7).to_string()),
        None if target == "/containers/json" => respond("200 OK", &list().to_string()),
        None => respond("404 Not Found", r#"{"message":"none"}"#),
    }
}

fn engine() -> Fake {
    use std::io::Write as _;
    Fake::with(|request, stream| {
        let answer = match is_own(request) {
            true => answer(request),
            false => respond("200 OK", "OK"),
        };
        stream.write_all(&answer).is_ok()
    })
}

fn service(fake: &Fake) -> Service {
    let engine = UpstreamAddr::Unix(fake.path().to_owned());
    let upstream = Upstream::new(engine, Duration::from_secs(1));
    Service::new("door", Policy::new(RuleSet::embedded().unwrap()), upstream)
}

fn start(service: Service) -> Doxy {
    let bind = ListenConfig::Tcp("127.0.0.1:0".parse().unwrap());
    Doxy::serving(bind, service, Duration::ZERO)
}

fn from(doxy: &Doxy, ip: &str) -> Client {
    Client::connect_tcp_from(ip.parse().unwrap(), doxy.address())
}

/// How often the engine was asked by doxy itself, and for clients.
fn asked(fake: &Fake) -> (usize, usize) {
    let requests = fake.requests();
    let own = requests.iter().filter(|request| is_own(request)).count();
    (own, requests.len() - own)
}

#[test]
fn only_a_container_that_alone_has_the_address_is_known() {
    let only =
        "only certain containers may use this socket, and it is not known which one this is: ";
    let cases = [
        ("127.0.0.1", "web", String::new()),
        (
            "127.0.0.2",
            "web",
            "container db may not use this socket".to_owned(),
        ),
        ("127.0.0.2", "db", String::new()),
        (
            "127.0.0.3",
            "one",
            format!("{only}several containers have the address 127.0.0.3"),
        ),
        (
            "127.0.0.4",
            "web",
            format!("{only}no container has the address 127.0.0.4"),
        ),
        (
            "127.0.0.5",
            "outer",
            format!("{only}several containers have the address 127.0.0.5"),
        ),
        // It ended between two questions.
        (
            "127.0.0.6",
            "ended",
            format!("{only}no container has the address 127.0.0.6"),
        ),
    ];
    for (ip, allowed, message) in cases {
        let fake = engine();
        let mut service = service(&fake);
        service.peers.containers = vec![ContainerRule::Name(allowed.to_owned())];
        let doxy = start(service);
        let mut client = from(&doxy, ip);
        let reply = client.ask(GET);
        if message.is_empty() {
            assert_eq!(reply.status(), 200, "{ip} {allowed}");
            assert_eq!(client.ask(GET).status(), 200, "{ip} {allowed}");
            // Once for each connection: who has the address, and what that is.
            assert_eq!(asked(&fake), (2, 2));
            assert_eq!(from(&doxy, ip).ask(GET).status(), 200);
            assert_eq!(asked(&fake), (4, 3), "a new connection is asked about anew");
        } else {
            assert_eq!(
                (reply.status(), reply.message()),
                (403, message),
                "{ip} {allowed}"
            );
            assert_eq!(asked(&fake).1, 0, "nothing reached the engine for {ip}");
            assert_eq!(client.reply("GET"), None);
        }
    }
}

#[test]
fn labels_let_containers_in() {
    let label = |key: &str, value: Option<&str>| {
        ContainerRule::Label(key.to_owned(), value.map(str::to_owned))
    };
    let fake = engine();
    for (rules, status) in [
        (vec![label("team.a", None)], 200),
        (vec![label("team.a", Some("x"))], 200),
        (vec![label("team.a", Some("y"))], 403),
        (vec![label("team.b", None)], 403),
        (
            vec![ContainerRule::Name("db".to_owned()), label("team.a", None)],
            200,
        ),
    ] {
        let mut service = service(&fake);
        service.peers.containers.clone_from(&rules);
        let doxy = start(service);
        assert_eq!(
            from(&doxy, "127.0.0.1").ask(GET).status(),
            status,
            "{rules:?}"
        );
    }
}

#[test]
fn all_kinds_of_conditions_must_hold() {
    let fake = engine();
    for (network, status) in [("127.0.0.0/8", 200), ("192.0.2.0/24", 403)] {
        let mut service = service(&fake);
        service.peers.containers = vec![ContainerRule::Name("web".to_owned())];
        service.peers.networks = vec![network.parse().unwrap()];
        let doxy = start(service);
        assert_eq!(
            from(&doxy, "127.0.0.1").ask(GET).status(),
            status,
            "{network}"
        );
    }
}

/// An engine that is away, answers something else, or never answers: unknown, so not allowed.
#[test]
fn without_an_answer_of_the_engine_nobody_is_known() {
    use std::io::Write as _;
    let strange = [
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
        "", // never, until doxy is tired of waiting
    ];
    for text in strange {
        let fake = Fake::with(move |_, stream| {
            let _ = stream.write_all(text.as_bytes());
            text.is_empty()
        });
        let mut service = service(&fake);
        service.peers.containers = vec![ContainerRule::Name("web".to_owned())];
        let doxy = start(service);
        let reply = from(&doxy, "127.0.0.1").ask(GET);
        assert_eq!(reply.status(), 403, "{text:?}");
        let expected = match text.ends_with("[]") && !text.contains("100") {
            true => "no container has the address",
            false => "the engine gave no answer: ",
        };
        assert!(reply.message().contains(expected), "{text:?}: {reply:?}");
        assert_eq!(asked(&fake).1, 0, "{text:?}");
    }
    let fake = engine();
    let path = fake.path().to_owned();
    let mut service = service(&fake);
    service.peers.containers = vec![ContainerRule::Name("web".to_owned())];
    let doxy = start(service);
    drop(fake);
    let reply = from(&doxy, "127.0.0.1").ask(GET);
    assert_eq!(reply.status(), 403);
    assert!(
        reply.message().contains("cannot reach the Docker engine"),
        "{reply:?}"
    );
    // Nothing is kept of that for the next connection.
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _fake = Fake::at(&path, |request, stream| {
        let answer = match is_own(request) {
            true => answer(request),
            false => respond("200 OK", "OK"),
        };
        stream.write_all(&answer).is_ok()
    });
    assert_eq!(from(&doxy, "127.0.0.1").ask(GET).status(), 200);
    let _ = std::fs::remove_dir_all(path.parent().unwrap());
}

fn log(service: &mut Service, format: Format) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = AccessLog::open(LogDestination::File(path.clone()), format);
    service.access_log = Some(log.unwrap());
    (folder, path)
}

#[test]
fn logs_name_the_container_where_it_is_known() {
    for (format, expected) in [
        (Format::Text, " container=web container_id=ID endpoint="),
        (
            Format::Json,
            r#","container":"web","container_id":"ID","method":"GET""#,
        ),
    ] {
        let fake = engine();
        let mut service = service(&fake);
        let (_folder, path) = log(&mut service, format);
        service.peers.containers = vec![ContainerRule::Name("web".to_owned())];
        let doxy = start(service);
        let mut client = from(&doxy, "127.0.0.1");
        assert_eq!(client.ask(GET).status(), 200);
        assert_eq!(client.ask(GET).status(), 200);
        drop(client);
        assert_eq!(from(&doxy, "127.0.0.4").ask(GET).status(), 403);
        drop(doxy);
        let log = std::fs::read_to_string(&path).unwrap();
        let expected = expected.replace("ID", &id("web"));
        let named: Vec<_> = log.lines().map(|line| line.contains(&expected)).collect();
        assert_eq!(named, [true, true, false], "{log}");
        let last = log.lines().last().unwrap();
        assert!(
            !last.contains("container=") && !last.contains("\"container\""),
            "{log}"
        );
        assert!(
            last.contains("no container has the address 127.0.0.4"),
            "{log}"
        );
    }
}

#[cfg(feature = "script")]
mod scripts {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn with_script(fake: &Fake, source: &str) -> Service {
        let script = doxy_proxy::Script::compile("test.rhai", source.as_bytes()).unwrap();
        let service = service(fake);
        let policy = Policy::with_script(RuleSet::embedded().unwrap(), script);
        service.policy.replace(policy);
        service
    }

    const WEB: &str = r#"fn decide(req) {
        if req.endpoint != "/info" { return pass(); }
        let c = req.peer.container;
        if c.name == "web" && c.id.len() == 64 && c.image == "web:1" && c.labels["team.a"] == "x"
            && c.labels["nope"] == () && c.project == "shop" && c.service == "web" { return allow(); }
        deny(`container ${c.name}`)
    }"#;

    #[test]
    fn a_script_that_reads_the_container_has_the_engine_asked_once() {
        let fake = engine();
        let mut service = with_script(&fake, WEB);
        let (_folder, path) = log(&mut service, Format::Json);
        let doxy = start(service);
        let mut client = from(&doxy, "127.0.0.1");
        let ping = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
        // Only when it reads it, and once for a connection.
        for (request, expected) in [(ping, (0, 1)), (GET, (2, 2)), (GET, (2, 3)), (ping, (2, 4))] {
            assert_eq!(client.ask(request).status(), 200, "{request}");
            assert_eq!(asked(&fake), expected, "{request}");
        }
        for (ip, name) in [
            ("127.0.0.2", "container db"),
            ("127.0.0.3", "container "),
            ("127.0.0.4", "container "),
        ] {
            let reply = from(&doxy, ip).ask(GET);
            assert_eq!(
                (reply.status(), reply.message()),
                (403, name.to_owned()),
                "{ip}"
            );
        }
        drop((client, doxy));
        let log = std::fs::read_to_string(&path).unwrap();
        let named: Vec<_> = log
            .lines()
            .map(|line| line.contains(r#""container":""#))
            .collect();
        assert_eq!(
            named,
            [false, true, true, true, true, false, false],
            "{log}"
        );
    }

    /// What the engine could not say is asked again at the next request, not within one.
    #[test]
    fn a_failure_is_forgotten_with_its_request() {
        use std::io::Write as _;
        let away = Arc::new(AtomicBool::new(true));
        let is_away = Arc::clone(&away);
        let fake = Fake::with(move |request, stream| {
            let answer = match (is_own(request), is_away.load(Ordering::SeqCst)) {
                (true, true) => respond("500 Internal Server Error", "{}"),
                (true, false) => answer(request),
                (false, _) => respond("200 OK", "OK"),
            };
            stream.write_all(&answer).is_ok()
        });
        let doxy = start(with_script(&fake, WEB));
        let mut client = from(&doxy, "127.0.0.1");
        assert_eq!(client.ask(GET).status(), 403);
        assert_eq!(asked(&fake), (1, 0));
        away.store(false, Ordering::SeqCst);
        assert_eq!(client.ask(GET).status(), 200);
        assert_eq!(asked(&fake), (3, 1));
    }

    /// With a condition on containers, the script finds what the condition has asked for.
    #[test]
    fn a_condition_and_a_script_ask_together() {
        let fake = engine();
        let mut service = with_script(&fake, WEB);
        service.peers.containers = vec![ContainerRule::Name("web".to_owned())];
        let doxy = start(service);
        assert_eq!(from(&doxy, "127.0.0.1").ask(GET).status(), 200);
        assert_eq!(asked(&fake), (2, 1));
    }
}
