//! Paths that Podman routes otherwise than Docker: it looks for the endpoint before it decodes.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Client, Doxy, Fake, Setup, wait};

const DOCKER: &str = r#"{"Platform":{"Name":""},"Components":[{"Name":"Engine","Version":"20.10.24+dfsg1"},
    {"Name":"containerd","Version":"1.6.20"}],"Version":"20.10.24+dfsg1","ApiVersion":"1.41"}"#;
const PODMAN: &str = r#"{"Platform":{"Name":"linux/amd64/debian-12"},"Components":[{"Name":"Podman Engine",
    "Version":"4.3.1"},{"Name":"Conmon"}],"Version":"4.3.1","ApiVersion":"1.41"}"#;
const REFUSED: &str = "malformed request: the path means something else with its escapes (`%`) than \
                       without, and the engine is not known to be Docker; send it without them";

fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
}

const MATTER: [&str; 7] = [
    // Podman removes a container of that name, Docker a checkpoint.
    "DELETE /containers/x%2Fcheckpoints%2Fy",
    "POST /containers/x%2fstart",
    "GET /%69nfo",
    "GET /v1%2E41/info",
    "POST /v4.3.1/libpod/exec/a%2Fb/start",
    "GET /nowhere%2Fa?b=c",
    "BREW /nowhere%2Fa",
];

#[test]
fn escapes_that_matter_go_to_docker_alone() {
    for (version, docker) in [
        (ok(DOCKER), true),
        (
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{DOCKER}\r\n0\r\n\r\n",
                DOCKER.len()
            ),
            true,
        ),
        (ok(PODMAN), false),
        // What cannot be read is not known to be Docker.
        (ok("{}"), false),
        (ok("Engine"), false),
        (ok(r#"{"Components":{"Name":"Engine"}}"#), false),
        (ok(r#"{"Components":["Engine"]}"#), false),
        (ok(DOCKER).replace("200 OK", "403 Forbidden"), false),
        (ok(&format!("{}{DOCKER}", " ".repeat(1 << 20))), false),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{".to_owned(),
            false,
        ),
        ("HTTP/1.1 101 Switching\r\n\r\n".to_owned(), false),
        ("no HTTP\r\n\r\n".to_owned(), false),
        (String::new(), false),
    ] {
        let fake = Fake::start();
        fake.says(version.clone());
        let doxy = Doxy::with(fake.path(), "* /.*");
        for (number, request) in MATTER.iter().enumerate() {
            let raw = format!("{request} HTTP/1.1\r\nHost: d\r\n\r\n");
            let reply = Client::connect(doxy.path()).ask(raw);
            let case = format!("{request} {version:.300?}");
            if docker {
                assert_eq!(reply.status(), 200, "{case}");
                let got = fake.requests().pop().unwrap();
                assert!(got.head.starts_with(request), "{case}: {}", got.head);
            } else {
                let got = (reply.status(), reply.message());
                assert_eq!(got, (400, REFUSED.to_owned()), "{case}");
                assert!(fake.requests().is_empty(), "{case}");
            }
            // It is asked each time: another engine may have taken its place.
            assert_eq!(fake.asked(), number + 1, "{case}");
        }
    }
}

#[test]
fn the_engine_is_not_asked_what_it_is_without_need() {
    let fake = Fake::start();
    fake.says(ok(PODMAN));
    let doxy = Doxy::with(fake.path(), "* /.*\n!.*/secret/.*");
    for (request, status) in [
        ("GET /info", 200),
        ("GET /containers/%77eb/json", 200),
        ("GET /images/ghcr.io%2Forg%2Fapp%3Av1/json", 200),
        ("GET /v5.0.0/libpod/images/ghcr.io%2Forg%2Fapp/json", 200),
        // What is denied or malformed reaches nobody.
        ("POST /containers/secret%2Fstart", 403),
        ("POST /containers/%2Fstart", 400),
    ] {
        let raw = format!("{request} HTTP/1.1\r\nHost: d\r\n\r\n");
        let reply = Client::connect(doxy.path()).ask(raw);
        assert_eq!(reply.status(), status, "{request}");
    }
    assert_eq!((fake.requests().len(), fake.asked()), (4, 0));
}

/// Podman takes the last of a repeated parameter, in any case; a script has judged the first.
#[cfg(feature = "script")]
#[test]
fn queries_that_a_script_has_judged_go_to_docker_alone() {
    let refused = "malformed request: the query has a parameter twice, or in other letters than \
                   Docker's, and the engine is not known to be Docker; send it once, and spelled like it";
    let script = r#"fn decide(req) {
        if req.query.fromImage == () || req.query.fromImage == "good" { return allow(); }
        deny("only good images")
    }"#;
    for (query, matters) in [
        ("fromImage=good", false),
        ("fromImage=good&tag=1&other=x&OTHER2=y", false),
        ("t=a&t=b&names=a&names=b", false),
        ("", false),
        ("fromImage=good&fromImage=evil", true),
        ("fromImage=good&FROMIMAGE=evil", true),
        ("FromImage=evil", true),
        ("tag=1&x=1&x=2", true),
        ("fromImage=good&from%49mage=evil", true),
        ("x&x", true),
    ] {
        for (version, docker) in [(ok(DOCKER), true), (ok(PODMAN), false)] {
            let fake = Fake::start();
            fake.says(version);
            let setup = Setup::new().engine(fake.path()).rules("* /.*");
            let setup = setup.file("policy.rhai", script);
            let doxy = setup.args(["--script", "policy.rhai"]).start();
            let raw = format!("POST /v1.41/images/create?{query} HTTP/1.1\r\nHost: d\r\n\r\n");
            let reply = doxy.ask(raw);
            let passes = docker || !matters;
            assert_eq!(
                reply.status(),
                if passes { 200 } else { 400 },
                "{query} {docker}"
            );
            if !passes {
                assert_eq!(reply.message(), refused, "{query}");
            }
            assert_eq!(fake.requests().len(), usize::from(passes), "{query}");
            assert_eq!(fake.asked(), usize::from(matters), "{query}");
        }
    }
}

/// Rules do not read the query, so there is nothing to be read in two ways.
#[test]
fn queries_that_nobody_has_judged_go_to_every_engine() {
    let fake = Fake::start();
    fake.says(ok(PODMAN));
    let doxy = Doxy::with(fake.path(), "* /.*");
    let raw = "GET /events?filters=a&filters=b&Since=1 HTTP/1.1\r\nHost: d\r\n\r\n";
    assert_eq!(Client::connect(doxy.path()).ask(raw).status(), 200);
    assert_eq!((fake.requests().len(), fake.asked()), (1, 0));
}

#[test]
fn an_engine_that_cannot_be_asked_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let doxy = Doxy::with(&folder.path().join("none"), "* /.*");
    let reply = Client::connect(doxy.path()).ask("GET /%69nfo HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_eq!(reply.status(), 502);
}

#[test]
fn escapes_that_matter_are_recorded_as_refused() {
    let fake = Fake::start();
    fake.says(ok(PODMAN));
    let setup = Setup::new().engine(fake.path()).rules("* /.*");
    let args = ["--access-log", "log", "--log-format", "json"];
    let doxy = setup.args(args).start();
    assert_eq!(
        doxy.ask("GET /%69nfo HTTP/1.1\r\nHost: d\r\n\r\n").status(),
        400
    );
    let record: Value = wait::until("a record", || {
        let text = fs::read_to_string(doxy.path("log")).ok()?;
        serde_json::from_str(text.lines().next()?).ok()
    });
    let field = |name: &str| record[name].as_str().unwrap();
    assert_eq!([field("verdict"), field("reason")], ["refused", REFUSED]);
    doxy.stop();
}

#[test]
#[ignore = "needs `podman`, and `podman system service` with an image `busybox` at DOXY_TEST_PODMAN"]
fn podman_remote_runs_in_the_foreground_and_with_input() {
    let socket = std::env::var_os("DOXY_TEST_PODMAN").expect("DOXY_TEST_PODMAN names a socket");
    let socket = PathBuf::from(socket);
    let doxy = Setup::new().engine(&socket).rules("* /.*").start();
    for (args, input, output) in [
        (
            &["run", "--rm", "--network=none", "busybox", "echo", "hi"][..],
            "",
            "hi\n",
        ),
        (
            &["run", "--rm", "-i", "--network=none", "busybox", "cat"][..],
            "x\ny\n",
            "x\ny\n",
        ),
    ] {
        let see = |socket: &std::path::Path| {
            let mut podman = Command::new("podman")
                .env("CONTAINER_HOST", format!("unix://{}", socket.display()))
                .arg("--remote")
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            podman
                .stdin
                .take()
                .unwrap()
                .write_all(input.as_bytes())
                .unwrap();
            let ended = podman.wait_with_output().unwrap();
            (
                ended.status.code(),
                String::from_utf8(ended.stdout).unwrap(),
            )
        };
        let [directly, through] = [see(&socket), see(&doxy.socket())];
        assert_eq!(through, (Some(0), output.to_owned()), "{args:?}");
        assert_eq!(through, directly, "{args:?}");
    }
    doxy.stop();
}
