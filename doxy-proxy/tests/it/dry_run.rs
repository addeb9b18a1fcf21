//! Dry runs: denied requests are recorded and reach the engine; what may never pass does not.

use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{
    AccessLog, DryRun, Format, ListenConfig, LogDestination, PeerAcl, Policy, Service, Upstream,
    UpstreamAddr,
};

use crate::support::{Client, Doxy, Fake};

const CREATE: &str = "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}";
const EXPORT: &str = "GET /containers/web/export HTTP/1.1\r\nHost: d\r\n\r\n";

fn service(fake: &Fake, policy: Policy, time: Option<Duration>) -> Service {
    let engine = UpstreamAddr::Unix(fake.path().to_owned());
    let upstream = Upstream::new(engine, Duration::from_secs(1));
    let mut service = Service::new("dry", policy, upstream);
    service.dry_run = Some(DryRun::begin(time));
    service
}

fn rules(text: &str) -> Policy {
    Policy::new(RuleSet::parse("rules", text.as_bytes()).unwrap())
}

fn start(service: Service) -> Doxy {
    Doxy::serving(
        ListenConfig::Tcp("127.0.0.1:0".parse().unwrap()),
        service,
        Duration::ZERO,
    )
}

#[test]
fn what_is_denied_is_recorded_and_reaches_the_engine() {
    for (format, allowed, would, reason) in [
        (
            Format::Text,
            " 200 allowed GET ",
            " 200 would_deny ",
            "no rule allows this path",
        ),
        (
            Format::Json,
            r#""verdict":"allowed""#,
            r#""verdict":"would_deny""#,
            "no rule allows this path",
        ),
    ] {
        let fake = Fake::start();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut service = service(&fake, rules("/info\nPOST /exec/x"), None);
        let log = AccessLog::open(LogDestination::File(path.clone()), format).unwrap();
        service.access_log = Some(log);
        let doxy = start(service);
        let mut client = Client::connect_tcp(doxy.address());
        for request in ["GET /info HTTP/1.1\r\nHost: d\r\n\r\n", EXPORT, CREATE] {
            assert_eq!(client.ask(request).status(), 200, "{request}");
        }
        let requests = fake.requests();
        assert_eq!(requests.len(), 3);
        assert_eq!(requests[2].body, b"{}");
        drop(doxy);
        let log = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = log.lines().collect();
        assert!(lines[0].contains(allowed), "{log}");
        assert!(
            lines[1].contains(would) && lines[1].contains(reason),
            "{log}"
        );
        assert!(lines[2].contains(would), "{log}");
    }
}

#[test]
fn what_may_never_pass_does_not() {
    let fake = Fake::start();
    let doxy = start(service(&fake, rules("/info"), None));
    for (request, status) in [
        ("GET /a%2fb/../c HTTP/1.1\r\nHost: d\r\n\r\n", 400),
        ("GET /info#x HTTP/1.1\r\nHost: d\r\n\r\n", 400),
        ("GET /info HTTP/1.1\r\nHost: d\r\nOrigin: null\r\n\r\n", 403),
        (
            "POST /build HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1\r\n\r\nx",
            415,
        ),
    ] {
        let mut client = Client::connect_tcp(doxy.address());
        assert_eq!(client.ask(request).status(), status, "{request}");
    }
    assert!(fake.requests().is_empty());

    let mut closed = service(&fake, rules("/info"), None);
    closed.peers = PeerAcl {
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        ..PeerAcl::default()
    };
    let doxy = start(closed);
    assert_eq!(
        Client::connect_tcp(doxy.address()).ask(EXPORT).status(),
        403
    );
    assert!(fake.requests().is_empty());
}

#[test]
fn it_ends_by_itself() {
    let fake = Fake::start();
    let doxy = start(service(&fake, rules("/info"), Some(Duration::ZERO)));
    let mut client = Client::connect_tcp(doxy.address());
    assert_eq!(client.ask(EXPORT).status(), 403);
    assert!(fake.requests().is_empty());
}

#[cfg(feature = "script")]
#[test]
fn a_script_that_denies_is_recorded_and_one_that_cannot_judge_denies() {
    let script = r#"
        fn decide(req) {
            if req.path == "/fails" { return 1; }
            if req.method == "POST" { let body = req.json(); if body.HostConfig.Privileged == true { return deny("no"); } }
            deny("never")
        }"#;
    let policy = || {
        let script = doxy_proxy::Script::compile("policy", script.as_bytes()).unwrap();
        Policy::with_script(RuleSet::parse("rules", b"/info").unwrap(), script)
    };
    let fake = Fake::start();
    let mut service = service(&fake, policy(), None);
    service.limits.body = 40;
    let doxy = start(service);
    let post = |body: &str| {
        let length = body.len();
        format!(
            "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for (request, status) in [
        (EXPORT.to_owned(), 200),
        (post(r#"{"HostConfig":{"Privileged":true}}"#), 200),
        ("GET /fails HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(), 403),
        // Read in two ways, and past the limit.
        (post(r#"{"Image":"a","Image":"b"}"#), 403),
        (post(&format!("{{\"Image\":\"{}\"}}", "a".repeat(40))), 403),
    ] {
        let mut client = Client::connect_tcp(doxy.address());
        assert_eq!(client.ask(&request).status(), status, "{request}");
    }
    let requests = fake.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].body, br#"{"HostConfig":{"Privileged":true}}"#);
}
