//! Policy scripts in the proxy: what they see, what doxy then forwards, and what happens if they
//! fail.

use std::fs;

use rustix::process::{Signal, getuid};

use crate::support::{Binary, Fake, Reply, Setup};

/// A doxy with a script and these rules, and its engine.
struct Scripted {
    doxy: Binary,
    fake: Fake,
}

impl Scripted {
    #[track_caller]
    fn with(script: &str, rules: &str, args: &[&str]) -> Self {
        let fake = Fake::start();
        let doxy = Setup::new()
            .engine(fake.path())
            .file("policy.rhai", script)
            .rules(rules)
            .args(["--script", "policy.rhai", "--debug"])
            .args(args)
            .start();
        Self { doxy, fake }
    }

    fn ask(&self, raw: impl AsRef<[u8]>) -> Reply {
        self.doxy.ask(raw)
    }
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

const CREATE: &str = r#"
    fn decide(req) {
        if req.method == "POST" && req.endpoint == "/containers/create" {
            let c = req.json();
            if c.HostConfig.Privileged == true { deny("privileged containers are not allowed"); }
            if c.Image == "teapot" { deny("short and stout", 418); }
            return allow();
        }
        pass()
    }
"#;

#[test]
fn pass_leaves_the_decision_to_the_rules() {
    let setup = Scripted::with(CREATE, "/info\nPOST /containers/create", &[]);
    assert_eq!(
        setup.ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n").status(),
        200
    );
    let reply = setup.ask("GET /secrets HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_eq!(
        (reply.status(), &*reply.message()),
        (403, "'/secrets' is not allowed.")
    );
    setup.doxy.stop();
}

#[test]
fn the_judged_body_is_forwarded_byte_for_byte() {
    let setup = Scripted::with(CREATE, "/info", &[]);
    let odd = "{ \"Image\" : \"a\\u0062\",\n\t\"Labels\": {\"x\": \"y\"} }";
    let reply = setup.ask(post("/v1.41/containers/create?name=x", odd));
    assert_eq!(reply.status(), 200);
    let got = setup.fake.wait_for(1).remove(0);
    assert_eq!(got.body, odd.as_bytes());
    assert_eq!(got.target(), "/v1.41/containers/create?name=x");
    assert_eq!(got.header("content-length"), [odd.len().to_string()]);
    // The same in chunks, cut at any byte.
    let (one, two) = odd.split_at(7);
    let chunked = format!(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTrailer: X\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x};e=f\r\n{two}\r\n0\r\nX: y\r\n\r\n",
        one.len(),
        two.len()
    );
    let mut client = setup.doxy.connect();
    for (count, cut) in (1..chunked.len()).step_by(3).enumerate() {
        client.send(&chunked[..cut]);
        client.send(&chunked[cut..]);
        assert_eq!(client.reply("POST").unwrap().status(), 200, "cut at {cut}");
        let got = setup.fake.wait_for(count + 2).remove(count + 1);
        assert_eq!(got.body, odd.as_bytes(), "cut at {cut}");
        assert_eq!(got.header("content-length"), [odd.len().to_string()]);
        assert!(got.header("trailer").is_empty() && got.header("transfer-encoding").is_empty());
    }
    setup.doxy.stop();
}

#[test]
fn a_denied_body_is_not_forwarded_and_the_connection_continues() {
    let setup = Scripted::with(CREATE, "/info", &[]);
    let mut client = setup.doxy.connect();
    for (body, status, message) in [
        (
            r#"{"HostConfig":{"Privileged":true}}"#,
            403,
            "privileged containers are not allowed",
        ),
        (r#"{"Image":"teapot"}"#, 418, "short and stout"),
    ] {
        // With a second request in the same write.
        let get = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
        client.send(format!("{}{get}", post("/containers/create", body)));
        let reply = client.reply("POST").unwrap();
        assert_eq!((reply.status(), &*reply.message()), (status, message));
        assert_eq!(client.reply("GET").unwrap().status(), 200);
    }
    assert!(setup.fake.requests().iter().all(|r| r.target() == "/info"));
    let line = setup.doxy.logged("| POST /containers/create |");
    assert!(line.contains("| denied by policy.rhai:5:"), "{line}");
    setup.doxy.stop();
}

#[test]
fn a_body_that_the_engine_could_read_differently_is_denied() {
    let setup = Scripted::with(CREATE, "/info", &["--max-body", "1k"]);
    let large = format!(r#"{{"Image":"{}"}}"#, "x".repeat(1024));
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    for raw in [
        post("/containers/create", r#"{"HostConfig":{"Privileged":true},"HostConfig":{}}"#),
        post("/containers/create", r#"{"hostconfig":{"Privileged":true}}"#),
        post("/containers/create", r#"{"Privileged":true}"#),
        post("/containers/create", "{} {}"),
        post("/containers/create", "not JSON"),
        post("/containers/create", "{\"Image\":\"\u{ff}"),
        post("/containers/create", &large),
        format!("POST /containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"),
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0x0\r\n\r\n"
            .to_owned(),
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
            .to_owned(),
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 2\r\n\r\n{}"
            .to_owned(),
        // A body on start is denied under every policy.
        post("/containers/x/start", r#"{"HostConfig":{}}"#),
    ] {
        let reply = setup.ask(&raw);
        assert!((400..500).contains(&reply.status()), "{raw}: {reply:?}");
        assert!(!reply.message().is_empty());
    }
    assert!(setup.fake.requests().is_empty());
    setup.doxy.stop();
}

#[test]
fn expect_100_continue_is_answered_when_the_script_reads_the_body() {
    let setup = Scripted::with(CREATE, "/info", &[]);
    let mut client = setup.doxy.connect();
    client.send(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\n\
         Content-Length: 2\r\n\r\n",
    );
    assert_eq!(client.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("{}");
    assert_eq!(client.reply("POST").unwrap().status(), 200);
    assert_eq!(setup.fake.wait_for(1)[0].body, b"{}");
    setup.doxy.stop();
}

#[test]
fn a_body_that_the_script_does_not_read_is_streamed() {
    let setup = Scripted::with(CREATE, "POST /images/load", &["--max-body", "1k"]);
    let body = "x".repeat(300_000);
    assert_eq!(setup.ask(post("/images/load", &body)).status(), 200);
    assert!(setup.fake.wait_for(1)[0].body == body.as_bytes());
    setup.doxy.stop();
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_denied() {
    let setup = Scripted::with(CREATE, "/info", &["--head-timeout", "100ms"]);
    let mut client = setup.doxy.connect();
    client.send("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\n{");
    let reply = client.reply("POST").unwrap();
    assert_eq!(
        (reply.status(), &*reply.message()),
        (403, "the body did not come in time to be judged")
    );
    assert_eq!(client.rest(), b"");
    assert!(setup.fake.requests().is_empty());
    setup.doxy.stop();
}

#[test]
fn held_bodies_share_a_limit_and_free_it_when_clients_close() {
    let setup = Scripted::with(CREATE, "/info", &["--max-body", "32M"]);
    let head = format!(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n",
        32 << 20
    );
    let almost = vec![b' '; (32 << 20) - 1];
    let begun = || {
        let mut client = setup.doxy.connect();
        client.send(&head);
        client.try_send(&almost);
        client
    };
    let stalled = [begun(), begun()];
    // The third is denied as soon as it would exceed the limit.
    let reply = begun().reply("POST").unwrap();
    assert_eq!(
        (reply.status(), &*reply.message()),
        (403, "too many bodies are being judged, try again later")
    );
    drop(stalled);
    let small = post("/containers/create", r#"{"Image":"busybox"}"#);
    assert_eq!(setup.ask(small).status(), 200);
    assert_eq!(setup.fake.requests().len(), 1);
    setup.doxy.stop();
}

#[test]
fn a_script_sees_peer_socket_query_and_headers() {
    let uid = getuid().as_raw();
    let script = format!(
        r#"fn decide(req) {{
            if req.peer.uid != {uid} {{ deny("who are you?"); }}
            if !req.socket.contains("doxy.sock") {{ deny("where are you?"); }}
            if req.headers["x-team"] == "blue" && req.query["all"] == "1" && req.version == "1.41" {{ return allow(); }}
            pass()
        }}"#
    );
    let setup = Scripted::with(&script, "/info", &[]);
    let ask = |target: &str, team: &str| {
        let raw = format!("GET {target} HTTP/1.1\r\nHost: d\r\nX-Team: {team}\r\n\r\n");
        setup.ask(raw).status()
    };
    assert_eq!(ask("/v1.41/containers/json?all=1", "blue"), 200);
    assert_eq!(ask("/v1.41/containers/json?%61ll=1", "blue"), 200);
    assert_eq!(ask("/v1.41/containers/json?all=0&all=1", "blue"), 403);
    assert_eq!(ask("/v1.41/containers/json?all=1", "red"), 403);
    assert_eq!(ask("/containers/json?all=1", "blue"), 403);
    assert_eq!(ask("/info", "red"), 200);
    setup.doxy.stop();
}

#[test]
fn a_failing_script_denies_and_logs_the_place() {
    for (script, place) in [
        (
            "fn decide(req) { let n = 1; loop { n += 1; } }",
            "policy.rhai:1:",
        ),
        ("fn decide(req) { throw \"x\" }", "policy.rhai:1:18"),
        ("fn decide(req) { 42 }", "policy.rhai"),
        (
            "fn f(n) { f(n + 1) } fn decide(req) { f(0) }",
            "policy.rhai:1:",
        ),
    ] {
        let setup = Scripted::with(script, "/info", &[]);
        let reply = setup.ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
        assert_eq!(reply.status(), 403, "{script}");
        assert!(!reply.message().contains("rhai"), "{reply:?}");
        let line = setup.doxy.logged("ERROR");
        assert!(line.contains(place), "{script}: {line}");
        assert!(setup.fake.requests().is_empty());
        setup.doxy.stop();
    }
}

#[test]
fn an_invalid_script_is_an_error_at_start() {
    for (script, place) in [
        ("fn decide(req) {\n  pass(\n}", "policy.rhai:3:"),
        ("fn other(req) { pass() }", "policy.rhai"),
        ("fn decide(a, b) { pass() }", "policy.rhai"),
        ("fn decide(req) { eval(\"1\") }", "policy.rhai:1:"),
    ] {
        let setup = Setup::new().file("policy.rhai", script);
        let ended = setup.args(["--script", "policy.rhai"]).run();
        assert_eq!(ended.code, Some(2), "{script}: {ended:?}");
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{ended:?}");
        assert!(lines[0].starts_with(&format!("doxy: {place}")), "{ended:?}");
        assert!(lines[1].starts_with("help: "), "{ended:?}");
    }
}

#[test]
fn script_and_rules_are_reloaded_together() {
    let setup = Scripted::with("fn decide(req) { pass() }", "/one", &[]);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_eq!(setup.ask(get("/one")).status(), 200);
    // New rules and an invalid script: doxy loads neither.
    fs::write(setup.doxy.path("rules"), "/two").unwrap();
    fs::write(setup.doxy.path("policy.rhai"), "fn decide(req) { pass( }").unwrap();
    setup.doxy.process.signal(Signal::HUP);
    setup
        .doxy
        .logged("not reloaded, the configuration in force stays: policy.rhai:1:");
    assert_eq!(setup.ask(get("/one")).status(), 200);
    assert_eq!(setup.ask(get("/two")).status(), 403);
    let script = r#"fn decide(req) { if req.path == "/one" { return allow(); } pass() }"#;
    fs::write(setup.doxy.path("policy.rhai"), script).unwrap();
    setup.doxy.process.signal(Signal::HUP);
    setup
        .doxy
        .logged("reloaded: policy script policy.rhai, 1 rule from rules");
    assert_eq!(setup.ask(get("/one")).status(), 200);
    assert_eq!(setup.ask(get("/two")).status(), 200);
    // Rules that nothing asks are not named: nobody is to look for what they open.
    for (script, named) in [
        ("fn decide(req) { allow() }", false),
        (
            "fn decide(req) { if req.matched.allowed { return allow(); } deny(\"no\") }",
            true,
        ),
    ] {
        fs::write(setup.doxy.path("policy.rhai"), script).unwrap();
        setup.doxy.process.signal(Signal::HUP);
        setup.doxy.logged(match named {
            true => "reloaded: policy script policy.rhai, 1 rule from rules",
            false => "reloaded: policy script policy.rhai alone (it has no pass(), so rules are not asked)",
        });
    }
    setup.doxy.stop();
}

#[test]
fn the_output_of_a_script_is_logged_up_to_a_limit() {
    let script = r#"fn decide(req) { print("saw\n" + req.path); for n in 0..1000 { print("more"); } pass() }"#;
    let setup = Scripted::with(script, "/info", &[]);
    for _ in 0..100 {
        assert_eq!(
            setup.ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n").status(),
            200
        );
    }
    let line = setup.doxy.logged("policy: saw");
    assert!(line.contains(r"policy: saw\n/info"), "{line}");
    let printed = setup.doxy.stop().stderr;
    let lines = printed
        .lines()
        .filter(|line| line.contains("policy: "))
        .count();
    assert!((1..500).contains(&lines), "{lines}");
}

/// Each request of a client that is denied anyway may make the script fail. It must not fill the disk.
#[test]
fn failures_are_logged_at_a_limited_rate_and_the_others_counted() {
    let fake = Fake::start();
    let script = "fn decide(req) { throw `no: ${req.path}`; }";
    let doxy = Setup::new()
        .engine(fake.path())
        .file("policy.rhai", script)
        .rules("/.*")
        .args(["--script", "policy.rhai"])
        .start();
    let request = format!("GET /{} HTTP/1.1\r\nHost: d\r\n\r\n", "x".repeat(4000));
    let counted = |log: &str| -> Vec<usize> {
        let count = |line: &str| {
            let (_, rest) = line.split_once("ERROR (")?;
            let count = rest.strip_suffix(" failures of the policy script not logged)");
            count.map(|count| count.parse().unwrap())
        };
        log.lines().filter_map(count).collect()
    };
    let (mut client, mut asked) = (doxy.connect(), 0);
    // The number comes with the first failure of another second.
    while counted(&doxy.process.log()).is_empty() {
        assert_eq!(client.ask(&request).status(), 403);
        asked += 1;
    }
    drop(client);
    let log = doxy.stop().stderr;
    let logged = log
        .lines()
        .filter(|line| line.contains("(asked about"))
        .count();
    let counted = counted(&log);
    // More may have come, and been dropped, since the line with the number was written.
    let told = logged + counted.iter().sum::<usize>();
    assert!(
        logged < told && told <= asked,
        "{logged} and {counted:?} of {asked}"
    );
    let longest = log.lines().map(str::len).max();
    assert!(longest < Some(2000), "{longest:?}");
}
