//! The access log: one record per request, whatever its outcome.

mod writing;

use std::fs;
use std::io::Write as _;

use rustix::process::{Signal, getuid};
use serde_json::Value;

use crate::support::{Binary, Client, Fake, Setup, wait};

const GET: &str = "GET /info?secret=1 HTTP/1.1\r\nHost: d\r\nX-Registry-Auth: secret\r\n\r\n";

/// A doxy with an access log, and its engine.
struct Logged {
    doxy: Binary,
    fake: Fake,
}

impl Logged {
    #[track_caller]
    fn with(fake: Fake, target: &str, format: &str) -> Self {
        let doxy = Setup::new()
            .engine(fake.path())
            .rules("/info\n/_ping\nPOST /containers/x/attach\n!/secrets\n")
            .args(["--shutdown-grace", "0"])
            .args(["--access-log", target, "--log-format", format])
            .start();
        Self { doxy, fake }
    }

    fn connect(&self) -> Client {
        self.doxy.connect()
    }

    /// Waits until a log in the folder has this many lines, and returns them.
    #[track_caller]
    fn lines(&self, name: &str, count: usize) -> Vec<String> {
        let what = format!("{count} lines in {name}");
        let lines: Vec<_> = wait::until_in(self.doxy.folder(), &what, || {
            let text = fs::read_to_string(self.doxy.path(name)).unwrap_or_default();
            let whole = text.ends_with('\n') && text.lines().count() >= count;
            whole.then(|| text.lines().map(str::to_owned).collect())
        });
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

#[test]
fn passwords_in_targets_and_unsent_statuses_are_not_logged() {
    let fake = Fake::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
            .is_ok()
    });
    let logged = Logged::with(fake, "log", "json");
    for target in ["http://me:secret@host", "http:me:secret@host/info"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: d\r\n\r\n");
        assert_eq!(logged.connect().ask(request).status(), 400);
    }
    // No byte of that response could be forwarded.
    let reply = logged
        .connect()
        .ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_eq!(reply.status(), 502);
    let lines = logged.lines("log", 3);
    assert!(
        lines.iter().all(|line| !line.contains("secret")),
        "{lines:?}"
    );
    let last = json(&lines[2]);
    assert_eq!(
        (&last["status"], &last["to_client"]),
        (&502.into(), &0.into())
    );
    logged.doxy.stop();
}

#[test]
fn every_request_has_a_record() {
    let logged = Logged::with(Fake::start(), "log", "json");
    let log = logged.doxy.path("log");
    let uid = getuid().as_raw();
    let pid = std::process::id();
    for (number, (raw, method, path, verdict, rule, status)) in [
        (GET, "GET", "/info", "allowed", "rules:1", 200),
        (
            "HEAD /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
            "HEAD",
            "/_ping",
            "allowed",
            "rules:2",
            200,
        ),
        (
            "GET /secrets HTTP/1.1\r\nHost: d\r\n\r\n",
            "GET",
            "/secrets",
            "denied",
            "rules:4",
            403,
        ),
        (
            "GET /n%C3%BCx%0A HTTP/1.1\r\nHost: d\r\n\r\n",
            "GET",
            "/n%C3%BCx%0A",
            "refused",
            "",
            400,
        ),
        (
            "GET /x\"y HTTP/1.1\r\nHost: d\r\n\r\n",
            "GET",
            "/x\"y",
            "denied",
            "",
            403,
        ),
        ("nonsense\r\n\r\n", "", "", "refused", "", 400),
        (
            "GET //info?a HTTP/1.1\r\nHost: d\r\n\r\n",
            "GET",
            "//info",
            "refused",
            "",
            301,
        ),
        (
            "POST /info HTTP/1.1\r\nHost: d\r\n\r\n",
            "POST",
            "/info",
            "denied",
            "",
            403,
        ),
        (
            "GET /info HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: x\r\n\r\n",
            "GET",
            "/info",
            "refused",
            "",
            400,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = logged.connect();
        client.send(raw);
        let reply = client.reply(method).unwrap();
        assert_eq!(reply.status(), status, "{raw:?}");
        let record = json(&logged.lines("log", number + 1)[number]);
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("request_id").len(), 16, "{record}");
        match status {
            // The engine's answer is as it was.
            200 => assert!(reply.header("x-doxy-request-id").is_empty(), "{reply:?}"),
            _ => assert_eq!(reply.request_id(), text("request_id")),
        }
        assert_eq!(text("socket"), "doxy.sock", "{record}");
        assert_eq!(text("method"), method, "{record}");
        assert_eq!(text("path"), path, "{record}");
        assert_eq!(text("verdict"), verdict, "{record}");
        assert_eq!(text("rule"), rule, "{record}");
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(text("outcome"), "complete", "{record}");
        assert_eq!((&record["uid"], &record["pid"]), (&uid.into(), &pid.into()));
        assert!(!text("command").is_empty(), "{record}");
        assert!(record["first_byte_us"].as_u64() <= record["took_us"].as_u64());
        assert!(text("time").ends_with('Z'), "{record}");
        let denied = verdict != "allowed" && rule.is_empty();
        assert_eq!(record["reason"].is_string(), denied, "{record}");
        // A `!` rule is a reason too.
        let answered = record["reason_code"].is_null();
        assert_eq!(answered, verdict == "allowed", "{record}");
        match status {
            301 => {
                assert_eq!(text("reason"), "redirected");
                assert_eq!(text("reason_code"), "redirected");
            }
            403 if method == "POST" => {
                assert_eq!(
                    text("reason"),
                    "not allowed for POST, only for GET and HEAD"
                );
            }
            _ => {}
        }
    }
    assert!(!fs::read_to_string(&log).unwrap().contains("secret="));
    assert!(!fs::read_to_string(&log).unwrap().contains("Auth"));
    logged.doxy.stop();
}

/// What a client calls its request stands beside doxy's own number, and never in its place.
#[test]
fn what_a_client_calls_its_request_is_logged_escaped_and_cut() {
    let logged = Logged::with(Fake::start(), "log", "json");
    let long = "x".repeat(129);
    let cut = format!("{}\u{2026}", &long[..128]);
    let mut seen = Vec::new();
    for (number, (lines, expected)) in [
        ("", None),
        ("X-Request-Id:\r\n", None),
        ("x-request-id:  a b-1 \r\n", Some("a b-1")),
        (
            "X-Request-Id: \"}, \\n|n\u{fc}\r\n",
            Some("\"}, \\n\\u{7c}n\u{fc}"),
        ),
        (&*format!("X-Request-Id: {long}\r\n"), Some(&*cut)),
        // Which one would be meant is unknown.
        ("X-Request-Id: 1\r\nX-Request-Id: 1\r\n", None),
        ("X-Doxy-Request-Id: 0000000000000000\r\n", None),
    ]
    .into_iter()
    .enumerate()
    {
        let request = format!("GET /secrets HTTP/1.1\r\nHost: d\r\n{lines}\r\n");
        let reply = logged.connect().ask(request);
        let line = &logged.lines("log", number + 1)[number];
        let record = json(line);
        assert_eq!(record["client_request_id"].as_str(), expected, "{line}");
        assert_eq!(record["request_id"], reply.request_id(), "{line}");
        assert!(!reply.message().contains(reply.request_id()));
        seen.push(reply.request_id().to_owned());
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 7, "{seen:?}");
    logged.doxy.stop();
}

#[test]
fn the_outcome_is_recorded_when_the_request_ends() {
    // The engine sends a complete response, half of one, none, or switches to a raw stream.
    let fake = Fake::with(|request, stream| {
        let answer: &[u8] = match request.target() {
            "/info?cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            "/info?wait" => b"",
            "/containers/x/attach" => b"HTTP/1.1 101 UPGRADED\r\n\r\nhello",
            _ => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        };
        stream.write_all(answer).unwrap();
        !matches!(request.target(), "/info?cut" | "/containers/x/attach")
    });
    let logged = Logged::with(fake, "log", "json");
    let get = |query: &str| format!("GET /info?{query} HTTP/1.1\r\nHost: d\r\n\r\n");

    assert_eq!(logged.connect().ask(get("whole")).body, b"hi");
    let record = json(&logged.lines("log", 1)[0]);
    assert_eq!(record["outcome"], "complete");
    assert_eq!(
        (&record["to_engine"], &record["to_client"]),
        (&0.into(), &12.into())
    );

    let mut client = logged.connect();
    client.send(get("cut"));
    client.rest();
    let record = json(&logged.lines("log", 2)[1]);
    assert_eq!(record["outcome"], "engine_gone");
    assert_eq!(
        (&record["status"], &record["to_client"]),
        (&200.into(), &4.into())
    );

    let mut client = logged.connect();
    client.send(get("wait"));
    logged.fake.wait_for(3);
    drop(client);
    let record = json(&logged.lines("log", 3)[2]);
    assert_eq!(record["outcome"], "client_gone");
    assert_eq!(
        (&record["status"], &record["verdict"]),
        (&Value::Null, &"allowed".into())
    );

    let mut client = logged.connect();
    client.send("POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\r\n");
    client.until(b"hello");
    client.end();
    client.rest();
    let record = json(&logged.lines("log", 4)[3]);
    assert_eq!(
        (&record["outcome"], &record["status"]),
        (&"tunnel".into(), &101.into())
    );
    assert_eq!(record["to_client"], 5);

    let mut client = logged.connect();
    client.send(get("wait"));
    logged.fake.wait_for(5);
    logged.doxy.process.signal(Signal::TERM);
    let record = json(&logged.lines("log", 5)[4]);
    assert_eq!(record["outcome"], "cut");
    assert_eq!(logged.doxy.process.end().code, Some(0));
}

#[test]
fn the_text_format_has_one_line_per_request() {
    let logged = Logged::with(Fake::start(), "log", "text");
    logged.connect().ask(GET);
    logged
        .connect()
        .ask("GET /se%20cr|et HTTP/1.1\r\nHost: d\r\n\r\n");
    let lines = logged.lines("log", 2);
    let words: Vec<_> = lines[0].split(' ').collect();
    assert_eq!(words[1..5], ["200", "allowed", "GET", "/info"], "{lines:?}");
    assert!(words[5].starts_with("request_id="), "{lines:?}");
    assert_eq!(words[6], "client_request_id=-", "{lines:?}");
    assert!(words[7] == "socket=doxy.sock", "{lines:?}");
    assert!(words[8].starts_with("uid="), "{lines:?}");
    assert!(lines[0].contains(
        " endpoint=/info rule=rules:1 object=- reason_code=- to_engine=0 to_client=2 first_byte="
    ));
    assert!(lines[0].ends_with(" complete -"), "{lines:?}");
    assert!(
        lines[1].contains(" 403 denied GET /se\\u{20}cr\\u{7c}et request_id="),
        "{lines:?}"
    );
    assert!(
        lines[1].ends_with(" complete no rule allows this path"),
        "{lines:?}"
    );
    logged.doxy.stop();
}
