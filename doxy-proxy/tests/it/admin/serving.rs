//! What is where on the admin side, and for whom.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::process::Signal;

use super::{get, with_admin};
use crate::support::{Client, Fake, Setup, wait};

#[test]
fn what_is_where() {
    let fake = Fake::start();
    let doxy = with_admin(Setup::new().engine(fake.path())).start();
    for (path, status, kind) in [
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/healthz", 200, "text/plain; charset=utf-8"),
        ("/readyz", 200, "application/json"),
        ("/api/status", 200, "application/json"),
        ("/nothing", 404, "text/plain; charset=utf-8"),
        ("/metrics/", 404, "text/plain; charset=utf-8"),
        ("/api/coverage/nothing", 404, "text/plain; charset=utf-8"),
    ] {
        let reply = get(&doxy, path);
        assert_eq!(
            (reply.status(), reply.header("content-type")),
            (status, vec![kind]),
            "{path}"
        );
        assert_eq!(reply.header("cache-control"), ["no-store"], "{path}");
        assert_eq!(
            reply.header("x-content-type-options"),
            ["nosniff"],
            "{path}"
        );
        for (name, value) in [
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(reply.header(name), [value], "{path}: {name}");
        }
        let security = reply.header("content-security-policy").join("");
        assert!(
            security.starts_with("default-src 'none'"),
            "{path}: {security}"
        );
    }
    let mode = fs::metadata(doxy.path("admin.sock")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let admin = doxy.path("admin.sock");
    doxy.process.signal(Signal::TERM);
    wait::until("the admin side's socket is gone", || {
        (!admin.exists()).then_some(())
    });
}

#[test]
fn it_only_reads() {
    let doxy = with_admin(Setup::new()).start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        for path in ["/", "/metrics", "/api/status", "/healthz"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: d\r\n\r\n");
            let reply = Client::connect(&doxy.path("admin.sock")).ask(request);
            assert_eq!(reply.status(), 405, "{method} {path}");
        }
    }
    doxy.stop();
}

#[test]
fn it_has_nothing_of_queries_headers_and_bodies() {
    let fake = Fake::start();
    let doxy = with_admin(Setup::new().engine(fake.path())).start();
    let body = "{\"Env\": [\"BODYSECRET\"]}";
    let length = body.len();
    for line in ["GET /info", "GET /nothing", "POST /containers/create"] {
        doxy.ask(format!(
            "{line}?QUERYSECRET=QUERYSECRET HTTP/1.1\r\nHost: HOSTSECRET\r\nX-Registry-Auth: HEADERSECRET\r\n\
             X-Request-Id: IDSECRET\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        ));
    }
    for path in ["/metrics", "/api/status"] {
        let reply = get(&doxy, path);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!text.contains("SECRET"), "{path}: {text}");
    }
    doxy.stop();
}

#[test]
fn ready_is_that_the_engine_answers() {
    let well = Arc::new(AtomicBool::new(true));
    let is_well = Arc::clone(&well);
    let setup = Setup::new();
    let path = setup.path("engine.sock");
    let fake = Fake::at(&path, move |_, stream| {
        let status = if is_well.load(Relaxed) {
            "200 OK"
        } else {
            "500 Broken"
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nOK");
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let doxy = with_admin(setup).start();
    let ready = || {
        let reply = get(&doxy, "/readyz");
        let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let engine = &json["engines"][0];
        let error = engine["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!(json["policy_hash"].as_str().unwrap().len(), 16);
        assert_eq!(json["ready"], engine["ready"]);
        (reply.status(), error)
    };
    assert_eq!(ready(), (200, String::new()));
    well.store(false, Relaxed);
    assert_eq!(ready(), (503, "the engine answered 500".to_owned()));
    drop(fake);
    let (status, error) = ready();
    assert_eq!(status, 503);
    assert!(
        error.starts_with("cannot reach the Docker engine at "),
        "{error}"
    );
    // It accepts, and never answers.
    let _ = fs::remove_file(&path);
    let _hanging = UnixListener::bind(&path).unwrap();
    assert_eq!(
        ready(),
        (503, "the engine did not answer within 2 s".to_owned())
    );
    assert_eq!(get(&doxy, "/healthz").status(), 200);
    doxy.stop();
}

#[test]
fn equal_policies_have_equal_hashes() {
    let hash = |rules: &str| {
        let doxy = with_admin(Setup::new().rules(rules)).start();
        let reply = get(&doxy, "/api/status");
        let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        json["sockets"][0]["policy"]["hash"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // It must not change with the version of doxy or of the compiler.
    assert_eq!(hash("/info\n"), hash("/info\n"));
    assert_ne!(hash("/info\n"), hash("/info\n/version\n"));
}

#[test]
fn a_reload_is_told_and_figures_go_on() {
    let fake = Fake::start();
    let toml = "admin-listen = \"admin.sock\"\n[socket.x]\nproxy-socket = \"doxy.sock\"\npattern-file = \"rules\"\n";
    let setup = Setup::new().engine(fake.path()).file("rules", "/info\n");
    let doxy = setup.config(toml).start();
    let status = || -> serde_json::Value {
        serde_json::from_slice(&get(&doxy, "/api/status").body).unwrap()
    };
    doxy.ask("GET /version HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    let before = wait::until("the denial is counted", || {
        Some(status()).filter(|it| it["sockets"][0]["requests"]["denied"] == 1)
    });
    assert_eq!(before["reloads"]["ok"], 0);
    fs::write(doxy.path("rules"), "/info\n/version\n").unwrap();
    doxy.process.signal(Signal::HUP);
    let after = wait::until("the reload is told", || {
        Some(status()).filter(|it| it["reloads"]["ok"] == 1)
    });
    let hash = |it: &serde_json::Value| it["sockets"][0]["policy"]["hash"].clone();
    assert_ne!(hash(&before), hash(&after));
    assert_eq!(after["sockets"][0]["requests"]["denied"], 1);
    fs::write(doxy.path("rules"), "(\n").unwrap();
    doxy.process.signal(Signal::HUP);
    let failed = wait::until("the failure is told", || {
        Some(status()).filter(|it| it["reloads"]["failed"] == 1)
    });
    let error = failed["reloads"]["last_error"].as_str().unwrap();
    assert!(error.starts_with("rules:1"), "{error}");
    assert_eq!(hash(&failed), hash(&after));
    // Its own address is the process's.
    fs::write(doxy.path("rules"), "/info\n").unwrap();
    fs::write(
        doxy.path("doxy.toml"),
        toml.replace("admin.sock", "other.sock"),
    )
    .unwrap();
    doxy.process.signal(Signal::HUP);
    doxy.logged("admin-listen or admin-allow-from: this is set when doxy starts");
    assert!(!doxy.path("other.sock").exists());
    doxy.stop();
}

#[test]
fn where_it_may_not_listen() {
    for (args, said) in [
        (
            &["--admin-listen", "tcp://0.0.0.0:9"][..],
            "everyone in the network could look at doxy",
        ),
        (
            &[
                "--admin-listen",
                "tcp://[::]:9",
                "--admin-allow-from",
                "0.0.0.0/0",
            ],
            "everyone in the network could look at doxy",
        ),
        (
            &["--admin-allow-from", "10.0.0.0/8"],
            "there is no admin side",
        ),
        (
            &[
                "--admin-listen",
                "admin.sock",
                "--admin-allow-from",
                "10.0.0.0/8",
            ],
            "admin.sock has no networks",
        ),
        (
            &["--admin-listen", "doxy.sock"],
            "doxy.sock listens there already",
        ),
        (&["--admin-listen", "localhost:9"], "without tcp://"),
        (&["--admin-listen", "http://x"], "unknown kind of address"),
        (
            &["--admin-listen", "tcp://127.0.0.1:0"],
            "the port is no number",
        ),
    ] {
        let ended = Setup::new().args(args).run();
        assert_eq!(ended.code, Some(2), "{args:?}: {ended}");
        assert!(ended.stderr.contains(said), "{args:?}: {ended}");
        assert!(ended.stderr.contains("help: "), "{args:?}: {ended}");
    }
}

#[test]
fn a_taken_address_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", taken.local_addr().unwrap());
    let ended = Setup::new().args(["--admin-listen", &address]).run();
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(
        ended.stderr.contains(&format!("--admin-listen {address}")),
        "{ended}"
    );
}

#[test]
fn over_tcp_no_foreign_page_reads_it() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = tcp.local_addr().unwrap();
    let setup = Setup::new().without("DOXY_PROXY_SOCKET");
    let unix = UnixListener::bind(setup.path("doxy.sock")).unwrap();
    let names = [tcp.try_clone().unwrap().into(), unix.into()];
    let doxy = setup
        .passed("admin:local", names)
        .args([
            "--proxy-socket",
            "fd://local",
            "--admin-listen",
            "fd://admin",
        ])
        .start();
    for (headers, status) in [
        (format!("Host: {at}"), 200),
        ("Host: localhost".to_owned(), 200),
        ("Host: evil.example".to_owned(), 403),
        (format!("Host: {at}\r\nOrigin: http://evil.example"), 403),
        (format!("Host: {at}\r\nOrigin: http://{at}"), 200),
        (
            format!("Host: {at}\r\nOrigin: http://{at}\r\nOrigin: http://evil.example"),
            403,
        ),
        (format!("Host: {at}\r\nHost: evil.example"), 403),
        (
            format!("Host: {at}\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site"),
            403,
        ),
        (format!("Host: {at}\r\nSec-Fetch-Site: cross-site"), 403),
        (format!("Host: {at}\r\nSec-Fetch-Site: same-origin"), 200),
    ] {
        let request = format!("GET /api/status HTTP/1.1\r\n{headers}\r\n\r\n");
        let reply = Client::connect_tcp(at).ask(request);
        assert_eq!(reply.status(), status, "{headers}");
    }
    doxy.stop();
}

#[test]
fn a_denied_health_check_is_no_denial() {
    let fake = Fake::start();
    let doxy = with_admin(Setup::new().engine(fake.path()).rules("/info\n")).start();
    for (agent, denied) in [
        ("doxy-healthcheck/0.1.0", 0),
        ("doxy-verify/0.1.0", 0),
        ("docker/29", 1),
    ] {
        let reply = doxy.ask(format!(
            "GET /_ping HTTP/1.1\r\nHost: d\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(reply.status(), 403);
        let labels = "socket=\"doxy.sock\",verdict=\"denied\",reason=\"path\",rule=\"\"";
        let expected = format!("doxy_denials_total{{{labels}}} {denied}\n");
        wait::until("it is counted, or not", || {
            let text = String::from_utf8_lossy(&get(&doxy, "/metrics").body).into_owned();
            text.contains(&expected).then_some(())
        });
        let status: serde_json::Value =
            serde_json::from_slice(&get(&doxy, "/api/status").body).unwrap();
        assert_eq!(
            status["sockets"][0]["requests"]["denied"], denied,
            "{agent}"
        );
    }
    doxy.stop();
}
