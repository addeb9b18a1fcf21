//! Denials that end with the rule that would allow the request.

use std::fs;

use crate::support::Client;
use crate::support::process::{Process, doxy};

const RULES: &str = "\
/info
POST (/v[\\d.]+)?/containers/[^/]+/restart
!.*/top
!POST .*/stop
";

fn ask(client: &mut Client, method: &str, path: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");
    let reply = client.ask(request);
    assert!(reply.status() >= 300, "{method} {path}");
    reply.message()
}

/// Method and path, and how the message ends.
#[test]
fn a_denial_ends_with_the_rule_from_the_table() {
    const NONE: &str = "";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules"), RULES).unwrap();
    let args = ["--pattern-file", "rules", "--explain-denials"];
    let process = Process::start(doxy(folder.path()).args(args));
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    for (method, path, rule) in [
        (
            "GET",
            "/v1.41/containers/json",
            r"GET (/v[\d.]+)?/containers/json",
        ),
        ("GET", "/events", r"GET (/v[\d.]+)?/events"),
        // A method that no rule allows on this path, and one that no rule allows at all.
        ("POST", "/info", NONE),
        (
            "DELETE",
            "/v1.41/volumes/data",
            r"DELETE (/v[\d.]+)?/volumes/[^/]+",
        ),
        // The rule has nothing of what the client has sent.
        (
            "GET",
            "/containers/se$(cret)/stats",
            r"GET (/v[\d.]+)?/containers/[^/]+/stats",
        ),
        // A `!` rule stands against it, also where no rule allows the method.
        ("GET", "/containers/web/top", NONE),
        ("POST", "/containers/web/stop", NONE),
        // Root on the host, and commands.
        ("POST", "/v1.41/containers/create", NONE),
        ("POST", "/containers/web/exec", NONE),
        ("GET", "/containers/web/attach/ws", NONE),
        ("POST", "/containers/web/start", NONE),
        // No endpoint, and no request.
        ("GET", "/no/such", NONE),
        ("GET", "/a/../b", NONE),
    ] {
        let body = ask(&mut client, method, path);
        let said = body.split_once(" This rule would allow it: ");
        match rule {
            NONE => assert_eq!(said, None, "{method} {path}: {body}"),
            rule => assert_eq!(
                said.map(|(_, rule)| rule),
                Some(rule),
                "{method} {path}: {body}"
            ),
        }
        if path.contains("..") {
            client = Client::connect(&folder.path().join("doxy.sock"));
        }
    }
    assert_eq!(process.stop().code, Some(0));
}

#[test]
fn nobody_is_told_unless_the_socket_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let toml = r#"
docker-socket = "engine.sock"
patterns = "/info"
[socket.told]
proxy-socket = "told.sock"
explain-denials = true
[socket.silent]
proxy-socket = "silent.sock"
"#;
    fs::write(folder.path().join("doxy.toml"), toml).unwrap();
    let mut command = doxy(folder.path());
    command
        .env_remove("DOXY_PROXY_SOCKET")
        .env_remove("DOXY_DOCKER_SOCKET");
    let process = Process::start(command.args(["--config", "doxy.toml"]));
    for (socket, told) in [("told.sock", true), ("silent.sock", false)] {
        let mut client = Client::connect(&folder.path().join(socket));
        let body = ask(&mut client, "GET", "/version");
        assert_eq!(
            body.contains("This rule would allow it"),
            told,
            "{socket}: {body}"
        );
        assert!(body.starts_with("'/version' is not allowed."), "{body}");
    }
    assert_eq!(process.stop().code, Some(0));
}

/// A script's denial has the script's words alone; what it passes on to the rules is theirs.
#[cfg(feature = "script")]
#[test]
fn a_script_has_the_last_word() {
    const SCRIPT: &str =
        "fn decide(req) {\n    if req.path == \"/version\" { deny(\"no\") } else { pass() }\n}\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules"), "/info\n").unwrap();
    fs::write(folder.path().join("policy.rhai"), SCRIPT).unwrap();
    let args = [
        "--pattern-file",
        "rules",
        "--script",
        "policy.rhai",
        "--explain-denials",
    ];
    let process = Process::start(doxy(folder.path()).args(args));
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    assert_eq!(ask(&mut client, "GET", "/version"), "no");
    let body = ask(&mut client, "GET", "/_ping");
    assert!(
        body.ends_with(r"would allow it: GET (/v[\d.]+)?/_ping"),
        "{body}"
    );
    assert_eq!(process.stop().code, Some(0));
}
