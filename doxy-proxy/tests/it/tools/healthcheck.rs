//! `doxy healthcheck`: what counts as alive, and what does not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::process::Signal;

use crate::doors::address;
use crate::support::process::{Ended, Process, command, doxy};
use crate::support::{Certificates, Client, Fake, Setup, sockets, wait};

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
/// Not long, where there will be no answer.
const BRIEFLY: [&str; 2] = ["--timeout", "600ms"];

/// An engine at `engine.sock`, which answers.
fn engine(setup: &Setup) -> Fake {
    Fake::at(&setup.path("engine.sock"), |_, stream| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
        stream.write_all(answer).is_ok()
    })
}

/// An engine that accepts and reads, and never answers.
fn hanging(setup: &Setup) -> Fake {
    Fake::at(&setup.path("engine.sock"), |_, _| true)
}

/// The check in this folder, with sockets `doxy.sock` and `engine.sock`.
#[track_caller]
fn health(folder: &Path, args: &[&str]) -> Ended {
    Process::spawn(doxy(folder).arg("healthcheck").args(args)).end()
}

#[track_caller]
fn says(folder: &Path, args: &[&str], code: i32, line: &str) {
    let ended = health(folder, args);
    assert_eq!(ended.stdout, format!("{line}\n"), "{args:?}: {ended}");
    assert_eq!((ended.code, &*ended.stderr), (Some(code), ""), "{args:?}");
}

/// What the log of the process says of denials.
fn told(log: &str) -> Vec<&str> {
    let words = ["denied", "refused", "no connection"];
    log.lines()
        .filter(|line| words.iter().any(|word| line.contains(word)))
        .collect()
}

#[test]
fn a_doxy_that_answers_is_healthy_and_the_engine_gets_a_ping_only_if_it_is_to_be_ready() {
    let setup = Setup::new();
    let engine = engine(&setup);
    let doxy = setup.start();
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    assert_eq!(engine.requests().len(), 0);
    let line = "healthy: 1 socket answers, and so does the engine";
    says(doxy.folder(), &["--ready"], 0, line);
    let requests = engine.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].head.starts_with("GET /_ping HTTP/1.1\r\n"));
    let agent = format!("doxy-healthcheck/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(requests[0].header("user-agent"), [agent]);
    assert_eq!(requests[0].header("x-request-id"), ["doxy-healthcheck"]);
}

/// The engine answers a ping as well as a doxy does. Without a look for doxy's own sign, each of these is
/// healthy.
#[test]
fn what_answers_and_is_not_doxy_is_not_healthy() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.1 301 Moved Permanently\r\nLocation: /_ping\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let _other = Fake::at(&folder.path().join("doxy.sock"), |_, stream| {
            stream.write_all(answer.as_bytes()).is_ok()
        });
        let line = "unhealthy: doxy.sock: what answers there is not doxy";
        says(folder.path(), &[], 1, line);
    }
}

/// By a link, by the same path, and where the engine is a doxy itself, which has doxy's sign.
#[test]
fn the_engine_in_the_place_of_doxy_is_not_healthy() {
    let setup = Setup::new();
    let _engine = engine(&setup);
    let doxy = setup.start();
    let folder = doxy.folder();
    symlink("engine.sock", folder.join("link.sock")).unwrap();
    for (proxy, engine) in [
        ("link.sock", "engine.sock"),
        ("engine.sock", "engine.sock"),
        ("doxy.sock", "doxy.sock"),
    ] {
        let args = ["--proxy-socket", proxy, "--docker-socket", engine];
        let line = format!("unhealthy: {proxy}: the proxy socket is the engine's own");
        says(folder, &args, 1, &line);
    }
}

/// Whoever asks so for another path, or calls itself otherwise, is in metrics as anybody.
#[test]
fn a_check_is_in_the_access_log_alone() {
    let setup = Setup::new().args(["--access-log", "log", "--admin-listen", "admin.sock"]);
    let doxy = setup.start();
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    let records = || {
        wait::until_in(doxy.folder(), "the record", || {
            let log = fs::read_to_string(doxy.path("log")).ok()?;
            log.ends_with('\n').then_some(log)
        })
    };
    let record = records();
    assert!(record.contains(" 301 refused GET //_ping "), "{record}");
    let id = " client_request_id=doxy-healthcheck ";
    assert!(record.contains(id), "{record}");
    let redirected = |count: u64| {
        let labels = "socket=\"doxy.sock\",verdict=\"refused\",reason=\"redirected\",rule=\"\"";
        let line = format!("doxy_denials_total{{{labels}}} {count}\n");
        let metrics = || {
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let reply = Client::connect(&doxy.path("admin.sock")).ask(request);
            String::from_utf8(reply.body).unwrap()
        };
        match count {
            0 => assert!(!metrics().contains("reason=\"redirected\"")),
            _ => wait::until("it is counted", || metrics().contains(&line).then_some(())),
        }
    };
    redirected(0);
    let other = "GET //_ping HTTP/1.1\r\nHost: d\r\nUser-Agent: docker\r\n\r\n";
    assert_eq!(doxy.ask(other).status(), 301);
    redirected(1);
}

/// Older checks, and people, ask for a ping itself. Without the mark of the request, its denial is told: the
/// second line of this log.
#[test]
fn a_denied_ping_of_the_check_alarms_nobody() {
    let setup = Setup::new().rules("/info");
    let engine = engine(&setup);
    let doxy = setup.start();
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    let marked = "GET /_ping HTTP/1.1\r\nHost: d\r\nUser-Agent: doxy-healthcheck/0.1.0\r\n\r\n";
    assert_eq!(doxy.ask(marked).status(), 403);
    doxy.ask("GET /other HTTP/1.1\r\nHost: d\r\n\r\n");
    let line = doxy.logged("denied");
    assert!(line.contains(" /other "), "{line}");
    assert_eq!(doxy.ask(PING).status(), 403);
    doxy.logged("denied GET /_ping to ");
    let ended = doxy.process.log();
    assert_eq!(told(&ended).len(), 2, "{ended}");
    assert_eq!(engine.requests().len(), 0);
}

#[test]
fn a_doxy_that_hangs_is_not_healthy() {
    let setup = Setup::new();
    let _engine = engine(&setup);
    let doxy = setup.start();
    doxy.process.signal(Signal::STOP);
    let line = "unhealthy: doxy.sock: no answer within 600ms";
    says(doxy.folder(), &BRIEFLY, 1, line);
    doxy.process.signal(Signal::CONT);
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
}

#[test]
fn a_socket_that_is_gone_or_that_nobody_serves_is_not_healthy() {
    let setup = Setup::new();
    let folder = tempfile::tempdir().unwrap();
    drop(setup);
    let gone = "unhealthy: doxy.sock: no such file or directory";
    says(folder.path(), &[], 1, gone);
    sockets::stale(&folder.path().join("doxy.sock"));
    let refused = "unhealthy: doxy.sock: connection refused";
    says(folder.path(), &[], 1, refused);
    fs::remove_file(folder.path().join("doxy.sock")).unwrap();
    // It accepts, and closes without a word.
    let listener = UnixListener::bind(folder.path().join("doxy.sock")).unwrap();
    thread::spawn(move || listener.incoming().for_each(drop));
    let closes = "unhealthy: doxy.sock: no answer within 600ms";
    says(folder.path(), &BRIEFLY, 1, closes);
}

#[test]
fn what_is_no_answer_of_http_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("doxy.sock")).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Closed with something unread, it would be a connection that was reset.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n");
        }
    });
    let ended = health(folder.path(), &BRIEFLY);
    assert_eq!(ended.code, Some(1), "{ended}");
    let words = "unhealthy: doxy.sock: its answer is no HTTP";
    assert!(ended.stdout.starts_with(words), "{ended}");
}

#[test]
fn an_engine_that_is_away_or_hangs_is_not_ready_and_doxy_lives() {
    let setup = Setup::new();
    let doxy = setup.start();
    let (folder, alive) = (doxy.folder(), "healthy: 1 socket answers");
    says(folder, &[], 0, alive);
    let why = "unhealthy: the engine at engine.sock: no such file or directory";
    says(folder, &["--ready"], 1, why);
    // It accepts a ping, and never answers.
    let ready = ["--ready", BRIEFLY[0], BRIEFLY[1]];
    let late = "unhealthy: the engine at engine.sock: no answer within 600ms";
    let engine = Fake::at(&doxy.path("engine.sock"), |_, _| true);
    says(folder, &[], 0, alive);
    says(folder, &ready, 1, late);
    drop(engine);
    // It listens, and does not even accept.
    let _full = sockets::full(&doxy.path("engine.sock"));
    says(folder, &[], 0, alive);
    says(folder, &ready, 1, late);
}

#[test]
fn an_engine_that_answers_with_an_error_is_not_ready() {
    let setup = Setup::new();
    let _engine = Fake::at(&setup.path("engine.sock"), |_, stream| {
        let answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).is_ok()
    });
    let doxy = setup.start();
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    let why = "unhealthy: the engine at engine.sock: it answered 500";
    says(doxy.folder(), &["--ready"], 1, why);
}

#[test]
fn one_dead_socket_among_many_is_named() {
    let table = |name: &str| format!("[socket.{name}]\nproxy-socket = \"{name}.sock\"\n");
    let tables: String = ["a", "b", "c", "d", "e", "f"].map(table).concat();
    let setup = Setup::new().config(&tables);
    let _engine = engine(&setup);
    let doxy = setup.start();
    let health = |args: &[&str], code, line: &str| {
        let mut command = self::doxy(doxy.folder());
        command.env_remove("DOXY_PROXY_SOCKET");
        command
            .args(["healthcheck", "--config", "doxy.toml"])
            .args(args);
        let ended = Process::spawn(&mut command).end();
        assert_eq!(ended.code, Some(code), "{ended}");
        assert_eq!(ended.stdout, format!("{line}\n"));
    };
    health(&[], 0, "healthy: 6 sockets answer");
    fs::remove_file(doxy.path("c.sock")).unwrap();
    let gone = "no such file or directory";
    health(&[], 1, &format!("unhealthy: c.sock: {gone}"));
    for name in ["a", "b", "f"] {
        fs::remove_file(doxy.path(&format!("{name}.sock"))).unwrap();
    }
    let all = format!("unhealthy: a.sock: {gone}; b.sock: {gone}; c.sock: {gone}; and 1 more");
    health(&[], 1, &all);
}

/// A process that may have few open files asks a few sockets at a time.
#[test]
fn more_sockets_than_open_files() {
    let tables: String = (0..60)
        .map(|it| format!("[socket.s{it}]\nproxy-socket = \"{it}.sock\"\n"))
        .collect();
    let setup = Setup::new().config(&tables);
    let _engine = engine(&setup);
    let doxy = setup.start();
    for tool in ["healthcheck", "verify"] {
        let shell = format!("ulimit -n 32 && exec \"$0\" {tool} --config doxy.toml");
        let mut command = command("/bin/sh", doxy.folder());
        command.env_remove("DOXY_PROXY_SOCKET");
        let ended = Process::spawn(command.args(["-c", &shell, env!("CARGO_BIN_EXE_doxy")])).end();
        assert!(!ended.stdout.contains("too many"), "{ended}");
        let words = ["healthy: 60 sockets answer\n", " 0 failed, "];
        assert!(words.iter().any(|it| ended.stdout.contains(it)), "{ended}");
    }
}

#[test]
fn one_who_may_not_connect_is_answered_and_that_counts() {
    let setup = Setup::new().args(["--allow-uid", "4000000"]);
    let _engine = engine(&setup);
    let doxy = setup.start();
    for _ in 0..3 {
        says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    }
    doxy.logged("no connection for user");
    // The second and the third time are not told.
    let log = doxy.stop().stderr;
    assert_eq!(told(&log).len(), 1, "{log}");
}

#[test]
fn a_full_doxy_lives() {
    let setup = Setup::new().args(["--max-connections", "1"]);
    let engine = hanging(&setup);
    let doxy = setup.start();
    let mut busy = doxy.connect();
    busy.send("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
    engine.wait_for(1);
    assert_eq!(doxy.ask(PING).status(), 503);
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
}

#[test]
fn over_tcp_and_over_tls_with_and_without_certificates_of_clients() {
    let certificates = Certificates::new();
    certificates.certify(&["localhost"]);
    let at = |name: &str| certificates.path(name).display().to_string();
    for (tls, client_ca) in [(false, false), (true, false), (true, true)] {
        let address = format!("tcp://{}", address());
        let mut settings = vec![("DOXY_PROXY_SOCKET", address.clone())];
        if tls {
            settings.push(("DOXY_TLS_CERT", at("localhost")));
            settings.push(("DOXY_TLS_KEY", at("localhost-key")));
        }
        if client_ca {
            settings.push(("DOXY_TLS_CLIENT_CA", at("ca")));
        }
        let mut setup = Setup::new();
        for (name, value) in &settings {
            setup = setup.env(name, value);
        }
        let _engine = engine(&setup);
        let doxy = setup.start();
        let health = |args: &[&str], code, line: &str| {
            let mut command = self::doxy(doxy.folder());
            command.arg("healthcheck").args(args);
            command.envs(settings.iter().map(|(name, value)| (name, value)));
            let ended = Process::spawn(&mut command).end();
            assert_eq!(ended.stdout, format!("{line}\n"), "{tls} {client_ca}");
            assert_eq!(ended.code, Some(code), "{ended}");
        };
        health(&[], 0, "healthy: 1 socket answers");
        doxy.process.signal(Signal::STOP);
        let late = format!("unhealthy: {address}: no answer within 600ms");
        health(&BRIEFLY, 1, &late);
        doxy.process.signal(Signal::CONT);
        health(&[], 0, "healthy: 1 socket answers");
        let log = doxy.stop().stderr;
        // A handshake that is not finished is nobody's fault.
        assert_eq!(told(&log), Vec::<&str>::new(), "{tls} {client_ca}");
        let refused = format!("unhealthy: {address}: connection refused");
        let ended = Process::spawn(
            self::doxy(Path::new("/"))
                .arg("healthcheck")
                .envs(settings.iter().map(|(name, value)| (name, value))),
        )
        .end();
        assert_eq!(ended.stdout, format!("{refused}\n"));
    }
}

/// A doxy that was to speak TLS there, and does not. Without the change any words were an answer.
#[test]
fn no_tls_where_the_settings_want_it_is_not_healthy() {
    let certificates = Certificates::new();
    certificates.certify(&["localhost"]);
    let address = format!("tcp://{}", address());
    let setup = Setup::new().env("DOXY_PROXY_SOCKET", &address);
    let doxy = setup.start();
    let at = |name: &str| certificates.path(name).display().to_string();
    let [cert, key, ca] = ["localhost", "localhost-key", "ca"].map(at);
    for client_ca in [false, true] {
        let mut command = self::doxy(doxy.folder());
        command
            .arg("healthcheck")
            .env("DOXY_PROXY_SOCKET", &address);
        command.args(["--tls-cert", &cert, "--tls-key", &key]);
        if client_ca {
            command.args(["--tls-client-ca", &ca]);
        }
        let ended = Process::spawn(&mut command).end();
        let line = format!("unhealthy: {address}: no TLS is spoken there\n");
        assert_eq!((ended.code, &*ended.stdout), (Some(1), &*line), "{ended}");
    }
}

#[test]
fn an_engine_behind_tls_is_asked_over_tls() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let at = address();
    let ip = at.ip().to_string();
    certificates.certify(&[&ip]);
    let path = |path: PathBuf| path.display().to_string();
    // The engine behind TLS is a doxy that lets a ping through.
    let inner = Setup::new();
    let _engine = engine(&inner);
    let _inner = inner
        .env("DOXY_PROXY_SOCKET", &format!("tcp://{at}"))
        .env("DOXY_TLS_CERT", &path(certificates.path(&ip)))
        .env("DOXY_TLS_KEY", &path(certificates.key(&ip)))
        .start();
    let outer = Setup::new().start();
    let engine = format!("tcp://{at}");
    for (ca, code, line) in [
        (
            certificates.path("ca"),
            0,
            "healthy: 1 socket answers, and so does the engine".to_owned(),
        ),
        (
            others.path("ca"),
            1,
            format!(
                "unhealthy: the engine at {engine}: the TLS handshake failed: its certificate is \
                 not signed by an authority that doxy knows"
            ),
        ),
    ] {
        let ca = path(ca);
        let options = ["--docker-socket", &engine, "--docker-tls-ca", &ca];
        let ready = [&["--ready"], &options[..]].concat();
        says(outer.folder(), &ready, code, &line);
    }
}

#[test]
fn a_socket_that_the_service_manager_passes_is_skipped_and_never_passes_for_healthy() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let setup = Setup::new();
    let _engine = engine(&setup);
    let doxy = setup
        .env("DOXY_PROXY_SOCKET", "fd://one,fd://two")
        .passed(
            "one:two",
            [tcp.into(), UnixListener::bind(&path).unwrap().into()],
        )
        .start();
    let health = |sockets: &str| {
        let mut command = self::doxy(doxy.folder());
        command.env("DOXY_PROXY_SOCKET", sockets).arg("healthcheck");
        Process::spawn(&mut command).end()
    };
    let ended = health(&format!("fd://one,unix://{}", path.display()));
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(
        ended.stdout,
        "healthy: 1 socket answers; skipped: fd://one\n"
    );
    let ended = health("fd://one,fd://two");
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended}");
    let words = "fd://one, fd://two: the settings do not say where these sockets are";
    assert!(ended.stderr.contains(words), "{ended}");
}

/// A policy that cannot even be compiled changes nothing: it is not looked at.
#[test]
fn no_policy_is_read() {
    let setup = Setup::new();
    let _engine = engine(&setup);
    let doxy = setup.start();
    fs::write(doxy.path("broken.rhai"), "fn decide(req) { ").unwrap();
    fs::write(doxy.path("broken.pattern"), "/a)|(/b").unwrap();
    let args = [
        "--script",
        "broken.rhai",
        "--pattern-file",
        "broken.pattern",
    ];
    says(doxy.folder(), &args, 0, "healthy: 1 socket answers");
}

#[test]
fn wrong_options_and_settings_are_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    for (args, words) in [
        (
            &["--timeout", "0"][..],
            "--timeout 0: must be greater than 0",
        ),
        (&["--timeout", "soon"], "--timeout soon: invalid duration"),
        (&["--redy"], "unexpected argument '--redy'"),
        (&["--config", "none.toml"], "none.toml"),
        (
            &["--docker-socket", "ftp://x"],
            "--docker-socket ftp://x: unknown kind",
        ),
        (
            &["--proxy-socket", "tcp://x:1"],
            "--proxy-socket tcp://x:1: this is a name",
        ),
    ] {
        let ended = health(folder.path(), args);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{args:?}");
        assert!(ended.stderr.contains(words), "{args:?}: {ended}");
    }
}
