//! `doxy top --once`: how it finds the admin side, and what it makes of the answer.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::process::{Ended, Process, doxy};
use crate::support::{Certificates, Fake, Setup};

/// What an admin side answers that has served so many requests.
fn status(requests: u64) -> Value {
    let denial = |last: &str, path: &str, suggestion: Value| {
        json!({
            "peer": "user 1000", "method": "POST", "path": path, "endpoint": null, "verdict": "denied",
            "reason": "path", "rule": "", "count": 3, "first": last, "last": last, "suggestion": suggestion,
        })
    };
    json!({
        "version": "0.1.0", "pid": 7, "started": "2026-11-27T15:00:00Z", "now": "2026-11-27T16:00:00Z",
        "policy_hash": "0123456789abcdef",
        "reloads": {"ok": 1, "failed": 1, "last": null, "last_error": "doxy.toml:1:1: wrong"},
        "log": {"dropped": 2},
        "sockets": [{
            "name": "web", "policy": {"described": "preset traefik"}, "dry_run": true,
            "requests": {"allowed": requests, "denied": 3, "would_deny": 1, "refused": 2},
            "open": {"connections": 4, "streams": 5, "tunnels": 6},
            "bytes": {"to_engine": 2048, "to_client": 5_000_000},
            "engine_connections": {"dialled": 1, "reused": 2, "errors": 9},
            "latency": {"p50": 0.0012, "p99": null},
            "denials": [
                denial("2026-11-27T15:30:00Z", "/older", Value::Null),
                denial("2026-11-27T15:40:00Z", "/<b>\u{1b}[31m", json!("POST /x")),
            ],
        }],
    })
}

/// An admin side with more requests each time that it is asked.
fn admin_side() -> Fake {
    let requests = AtomicU64::new(1000);
    Fake::with(move |request, stream| {
        let (code, body) = match request.target() {
            "/api/status" => {
                let before = requests.fetch_add(500, Ordering::SeqCst);
                ("200 OK", status(before).to_string())
            }
            _ => ("404 Not Found", String::new()),
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {code}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .is_ok()
    })
}

fn top(setup: Setup, args: &[&str]) -> Ended {
    setup.args(["top", "--once"]).args(args).run()
}

#[test]
fn people_read_a_table_and_what_was_denied() {
    let admin = admin_side();
    let address = admin.path().to_str().unwrap();
    let ended = top(Setup::new(), &["--admin", address]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended}");
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "doxy 0.1.0, process 7, since 2026-11-27T15:00:00Z, policies 0123456789abcdef",
            "not reloaded: doxy.toml:1:1: wrong",
            "lines of the log that could not be written: 2",
        ]
    );
    let row: Vec<_> = lines[5]
        .split("  ")
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .collect();
    // The rate depends on how long the second look took.
    let rate: f64 = row[1].parse().unwrap();
    assert!(rate > 0.0 && rate <= 500.0, "{ended}");
    assert_eq!(
        (row[0], &row[2..]),
        (
            "web",
            &[
                "1500",
                "3",
                "1",
                "2",
                "4",
                "5",
                "6",
                "4.8 MiB",
                "2.0 KiB",
                "9",
                "1.2 ms",
                "-",
                "preset traefik (dry run)",
            ][..]
        ),
        "{ended}"
    );
    // The latest first; what could move the cursor is escaped.
    assert_eq!(
        lines[6..],
        [
            "",
            "denied lately",
            "2026-11-27T15:40:00Z       3  web: POST /<b>\\u{1b}[31m to user 1000 (denied: path)",
            "                      would allow it: POST /x",
            "2026-11-27T15:30:00Z       3  web: POST /older to user 1000 (denied: path)",
        ],
        "{ended}"
    );
}

#[test]
fn programs_get_the_status_and_the_rates() {
    let admin = admin_side();
    let setup = Setup::new().env("DOXY_ADMIN", admin.path().to_str().unwrap());
    let ended = top(setup, &["--format", "json"]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended}");
    let mut got: Value = serde_json::from_str(&ended.stdout).unwrap();
    let rates = got["sockets"][0]["per_second"].take();
    assert!(
        rates["requests"].as_f64().is_some_and(|it| it > 0.0),
        "{rates}"
    );
    assert_eq!(
        (&rates["to_engine"], &rates["to_client"]),
        (&json!(0.0), &json!(0.0))
    );
    got["sockets"][0]
        .as_object_mut()
        .unwrap()
        .remove("per_second");
    assert_eq!(got, status(1500));
}

#[test]
fn a_running_doxy_is_found_by_its_configuration() {
    let engine = Fake::start();
    let toml = "admin-listen = \"admin.sock\"\n[socket.web]\nproxy-socket = \"doxy.sock\"\n\
                patterns = \"/info\"\n";
    let running = Setup::new().engine(engine.path()).config(toml).start();
    running.logged("admin side at");
    assert_eq!(
        running
            .ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n")
            .status(),
        200
    );
    let denied = "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(running.ask(denied).status(), 400);
    let print = |format: &str| {
        let mut command = doxy(running.folder());
        command.env_remove("DOXY_PROXY_SOCKET");
        command.args(["top", "--once", "--config", "doxy.toml", "--format", format]);
        let ended = Process::spawn(&mut command).end();
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended}");
        ended.stdout
    };
    let got: Value = serde_json::from_str(&print("json")).unwrap();
    let web = &got["sockets"][0];
    assert_eq!(web["name"], "web");
    assert_eq!(
        web["requests"],
        json!({"allowed": 1, "denied": 1, "would_deny": 0, "refused": 0})
    );
    assert_eq!(
        web["per_second"],
        json!({"requests": 0.0, "to_engine": 0.0, "to_client": 0.0})
    );
    assert_eq!(web["denials"][0]["path"], "/containers/create");
    let text = print("text");
    for words in [
        "web ",
        "POST /containers/create to user ",
        "would allow it: POST ",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn an_admin_side_behind_tls_is_known_by_the_certificate_of_the_configuration() {
    let (engine, files) = (Fake::start(), Certificates::new());
    files.certify(&["doxy"]).certify(&["other"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", port.local_addr().unwrap());
    let toml = |name: &str| {
        let [cert, key] = [name, &format!("{name}-key")].map(|file| files.path(file));
        format!(
            "admin-listen = \"fd://admin\"\ntls-cert = {cert:?}\ntls-key = {key:?}\n[socket.web]\n\
             proxy-socket = \"fd://web\"\npatterns = \"/info\"\n"
        )
    };
    let setup = Setup::new().file("other.toml", &toml("other"));
    let web = UnixListener::bind(setup.path("doxy.sock")).unwrap();
    let running = setup
        .engine(engine.path())
        .passed("admin:web", [port.into(), web.into()])
        .config(&toml("doxy"))
        .start();
    running.logged("admin side at");
    for (config, code, words) in [
        ("doxy.toml", 0, ", process "),
        ("other.toml", 1, &*format!("the admin side at {address}: ")),
    ] {
        let mut command = doxy(running.folder());
        command.env_remove("DOXY_PROXY_SOCKET");
        command.args(["top", "--once", "--config", config, "--admin", &address]);
        let ended = Process::spawn(&mut command).end();
        assert_eq!(ended.code, Some(code), "{config}: {ended}");
        assert!(ended.to_string().contains(words), "{config}: {ended}");
    }
}

#[test]
fn what_does_not_answer_is_named() {
    let broken = Fake::with(|_, stream| stream.write_all(b"SSH-2.0-x\r\n\r\n").is_ok());
    let html = Fake::start();
    let gone = Fake::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .is_ok()
    });
    let path = |fake: &Fake| fake.path().to_str().unwrap().to_owned();
    for (args, code, words) in [
        (
            vec!["--once".to_owned()],
            2,
            "--admin: nothing says where the admin side is",
        ),
        (
            vec!["--once".into(), "--admin".into(), "9380".into()],
            2,
            "--admin 9380: no address of an admin",
        ),
        (
            vec!["--once".into(), "--admin".into(), "fd://x".into()],
            2,
            "--admin fd://x: this socket comes from",
        ),
        (vec!["--admin".into(), path(&html)], 2, "--once is missing"),
        (
            vec!["--once".into(), "--admin".into(), "no.sock".into()],
            1,
            "the admin side at no.sock: no such file",
        ),
        (
            vec!["--once".into(), "--admin".into(), path(&broken)],
            1,
            "the admin side at ",
        ),
        (
            vec!["--once".into(), "--admin".into(), path(&html)],
            1,
            "/api/status is not what a doxy answers",
        ),
        (
            vec!["--once".into(), "--admin".into(), path(&gone)],
            1,
            "answered with status 403",
        ),
    ] {
        let ended = Setup::new().args(["top"]).args(&args).run();
        assert_eq!(
            (ended.code, &*ended.stdout),
            (Some(code), ""),
            "{args:?}: {ended}"
        );
        assert!(ended.stderr.contains(words), "{args:?}: {ended}");
    }
}
