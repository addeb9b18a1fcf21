//! What the admin side says.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Found, found, started, verify};
use crate::doors::address;
use crate::support::files::chmod;
use crate::support::process::{Process, copy_binary, doxy as doxy_command, unprivileged};
use crate::support::{Certificates, Need, Setup, needs};

/// An admin side that says this.
pub(super) fn admin(status: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = status.to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                head.extend(byte);
            }
            assert!(head.starts_with(b"GET /api/status HTTP/1.1\r\n"));
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("tcp://{address}")
}

/// A status of a doxy that is well, whose policy has this hash.
pub(super) fn status(hash: &str) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"), "pid": 7, "user": {"uid": 65534, "gid": 65534},
        "sandbox": "no capabilities, no-new-privs, landlock v6, seccomp",
        "reloads": {"ok": 2, "failed": 0, "last": null, "last_error": null},
        "log": {"dropped": 0},
        "sockets": [{"name": "doxy.sock", "dry_run": false, "policy": {"hash": hash}}],
    })
}

/// The hash of the policy that the settings have, by what the line says of another one.
fn hash(found: &Found) -> String {
    let (_, says) = found.of("policy")[0];
    let (_, behind) = says.split_once(" is, ").unwrap();
    behind.split(' ').next().unwrap().to_owned()
}

#[test]
fn what_it_says_of_doxy() {
    let (_engine, doxy) = started(Setup::new());
    let pid = doxy.process.pid();
    let look = |status: &Value| {
        let mut status = status.clone();
        status["pid"] = json!(pid.as_raw_pid());
        verify(doxy.folder(), &["--admin", &admin(&status)])
    };
    let found = look(&status("0123456789abcdef"));
    let words = "another one is in force than the settings have now: 0123456789abcdef is, ";
    found.is("policy", "failed", words);
    let well = status(&hash(&found));
    let found = look(&well);
    found.is("admin", "ok", &format!("process {pid}"));
    found.is("user", "ok", "uid 65534, gid 65534");
    found.is(
        "sandbox",
        "ok",
        "no capabilities, no-new-privs, landlock v6, seccomp",
    );
    found.is("reload", "ok", "2 since the start");
    found.is("log", "ok", "no line was dropped");
    found.is("policy", "ok", "10 rules from ");
    let name = |name: &str| json!([{"name": name, "policy": {}}]);
    for (at, value, check, level, words) in [
        (
            "/version",
            json!("9.9.9"),
            "admin",
            "warning",
            "doxy 9.9.9, process ",
        ),
        ("/sandbox", json!("off"), "sandbox", "warning", "off"),
        (
            "/sandbox",
            json!("user doxy, no capabilities, off"),
            "sandbox",
            "warning",
            "off",
        ),
        (
            "/sandbox",
            json!("seccomp; missing: landlock (x)"),
            "sandbox",
            "warning",
            "missing",
        ),
        (
            "/reloads/last_error",
            json!("rules:1: no\nhelp: x"),
            "reload",
            "failed",
            ": rules:1: no",
        ),
        (
            "/log/dropped",
            json!(3),
            "log",
            "warning",
            "3 lines were dropped",
        ),
        (
            "/sockets/0/dry_run",
            json!(true),
            "policy",
            "warning",
            "a dry run",
        ),
        (
            "/sockets",
            json!([]),
            "policy",
            "warning",
            "the doxy of the admin side does not serve this socket",
        ),
    ] {
        let mut status = well.clone();
        *status.pointer_mut(at).unwrap() = value;
        look(&status).is(check, level, words);
    }
    let mut root = well.clone();
    root["user"] = json!({"uid": 0, "gid": 0});
    look(&root).is("user", "ok", "uid 0");
    root["sandbox"] = json!("off");
    look(&root).is("user", "warning", "root, with all that root may");
    let mut more = well.clone();
    more["sockets"]
        .as_array_mut()
        .unwrap()
        .extend(name("old").as_array().unwrap().clone());
    let found = look(&more);
    let lines = found.of("policy");
    assert_eq!(lines.len(), 2, "{lines:?}");
    let words = "doxy serves this socket, which these settings do not have";
    assert_eq!(lines[1], ("warning", words));
    // What is no status of a doxy is none of a doxy that is well.
    let found = look(&json!({}));
    let words = "the doxy of the admin side does not serve this socket";
    found.is("policy", "warning", words);
    found.is("admin", "warning", "doxy unknown");
}

#[test]
fn an_admin_side_that_is_named_and_not_there_has_failed() {
    let (_engine, doxy) = started(Setup::new());
    let found = verify(doxy.folder(), &["--admin", "admin.sock"]);
    found.is(
        "admin",
        "failed",
        "the admin side at admin.sock: no such file",
    );
    found.is(
        "policy",
        "skipped",
        "not known: the admin side does not answer",
    );
    found.is("ping", "ok", "");
}

/// The admin side of the binary, found by `admin-listen` of the settings.
#[test]
fn a_real_admin_side_knows_what_is_in_force() {
    let setup = Setup::new()
        .rules("/_ping")
        .args(["--admin-listen", "admin.sock"]);
    let (_engine, doxy) = started(setup);
    let rules = |text: &str| fs::write(doxy.path("rules"), text).unwrap();
    let args = ["--pattern-file", "rules", "--admin-listen", "admin.sock"];
    let look = || verify(doxy.folder(), &args);
    let found = look();
    assert_eq!(found.json["failed"], 0, "{}", found.ended);
    assert_eq!(found.json["skipped"], 0, "{}", found.ended);
    let pid = doxy.process.pid();
    found.is("admin", "ok", &format!("process {pid}"));
    found.is("policy", "ok", "1 rule from rules; hash ");
    found.is("reload", "ok", "0 since the start");
    // The file has changed, and doxy has not been told.
    rules("/_ping\n/info\n");
    look().is(
        "policy",
        "failed",
        "another one is in force than the settings have now",
    );
    doxy.process.signal(Signal::HUP);
    doxy.logged("reloaded");
    let found = look();
    found.is("policy", "ok", "2 rules from rules; hash ");
    found.is("reload", "ok", "1 since the start");
    // A reload that was refused.
    rules("/a)|(/b\n");
    doxy.process.signal(Signal::HUP);
    doxy.logged("not reloaded");
    let found = look();
    found.is("settings", "failed", "rules:1");
    found.is("reload", "failed", "the last one failed");
    found.is("policy", "skipped", "the settings cannot be read");
}

#[test]
fn a_socket_of_another_doxy_than_that_of_the_admin_side() {
    let (_engine, doxy) = started(Setup::new());
    let other = Setup::new().args(["--admin-listen", "admin.sock"]).start();
    let admin = other.path("admin.sock").display().to_string();
    let found = verify(doxy.folder(), &["--admin", &admin]);
    let [one, two] = [&doxy, &other].map(|doxy| doxy.process.pid());
    let words = format!("process {one} listens there; the admin side is that of process {two}");
    found.is("socket", "failed", &words);
}

/// By the addresses of one name: each that only one of them has is a warning.
#[test]
fn addresses_that_only_doxy_or_only_the_settings_have() {
    let (_engine, doxy) = started(Setup::new());
    let mut status = status("x");
    status["pid"] = json!(doxy.process.pid().as_raw_pid());
    let first = verify(doxy.folder(), &["--admin", &admin(&status)]);
    let hash = hash(&first);
    let socket = &mut status["sockets"][0];
    socket["policy"]["hash"] = json!(hash);
    let at = |address: &str| json!({"address": address, "kind": "unix", "mode": "0660"});
    socket["addresses"] = json!([at("doxy.sock")]);
    let look = |status: &Value| verify(doxy.folder(), &["--admin", &admin(status)]);
    look(&status).is("policy", "ok", "");
    status["sockets"][0]["addresses"] = json!([at("other.sock")]);
    let found = look(&status);
    let lines: Vec<_> = found
        .of("policy")
        .into_iter()
        .filter(|it| it.0 == "warning")
        .collect();
    let words = [
        "the doxy of the admin side does not listen at doxy.sock",
        "doxy listens at other.sock, which these settings do not have",
    ];
    assert_eq!(lines, words.map(|words| ("warning", words)));
    assert_eq!(found.json["failed"], 0, "{}", found.ended);
}

/// An admin side that accepts and says nothing. Without the change it took five seconds, whatever was asked for.
#[test]
fn an_admin_side_that_hangs_has_as_long_as_all_else() {
    let (_engine, doxy) = started(Setup::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let found = verify(doxy.folder(), &["--admin", &address, "--timeout", "600ms"]);
    found.is("admin", "failed", "no answer within 600ms");
}

/// Of what a user may not look at, nothing is known: that is no failure.
#[test]
fn one_who_may_look_at_nothing() {
    if !needs(Need::Root) {
        return;
    }
    let setup = Setup::new().args(["--admin-listen", "admin.sock"]);
    let (engine, doxy) = started(setup);
    chmod(engine.path(), 0o600);
    chmod(doxy.folder(), 0o755);
    copy_binary(doxy.folder());
    let Some(mut command) = unprivileged(doxy.folder()) else {
        return;
    };
    command.args(["verify", "--format", "json", "--admin", "admin.sock"]);
    let found = found(Process::spawn(&mut command).end());
    assert_eq!(found.ended.code, Some(0), "{}", found.ended);
    found.is("admin", "skipped", "this user may not ask the admin side");
    found.is("policy", "skipped", "this user may not ask the admin side");
    found.is("socket", "skipped", "this user may not connect");
    found.is(
        "engine",
        "skipped",
        "this user may not ask the engine itself",
    );
    assert!(found.of("ping").is_empty());
}

/// Over TLS, by the certificate in its file.
#[test]
fn an_admin_side_behind_tls() {
    let certificates = Certificates::new();
    certificates.certify(&["localhost"]);
    let admin = format!("tcp://{}", address());
    let [certificate, key] = ["localhost", "localhost-key"];
    let [certificate, key] = [certificate, key].map(|name| certificates.path(name));
    let toml = format!(
        "admin-listen = {admin:?}\ntls-cert = {certificate:?}\ntls-key = {key:?}\n\
         [socket.one]\nproxy-socket = \"doxy.sock\"\n[socket.two]\nproxy-socket = \"tcp://{}\"\n",
        address()
    );
    let (_engine, doxy) = started(Setup::new().config(&toml));
    let mut command = doxy_command(doxy.folder());
    command.env_remove("DOXY_PROXY_SOCKET");
    command.args(["verify", "--format", "json", "--config", "doxy.toml"]);
    let found = found(Process::spawn(&mut command).end());
    let pid = doxy.process.pid();
    found.is("admin", "ok", &format!("process {pid}"));
    assert_eq!(found.json["failed"], 0, "{}", found.ended);
    assert_eq!(found.json["skipped"], 0, "{}", found.ended);
}

/// It is there, and who asks has no certificate to show. That is no fault of doxy's.
#[test]
fn an_admin_side_for_clients_with_certificates() {
    let certificates = Certificates::new();
    certificates.certify(&["localhost"]);
    let admin = address();
    let [certificate, key, ca] = ["localhost", "localhost-key", "ca"];
    let [certificate, key, ca] = [certificate, key, ca].map(|name| certificates.path(name));
    let toml = format!(
        "admin-listen = \"tcp://{admin}\"\ntls-cert = {certificate:?}\ntls-key = {key:?}\n\
         tls-client-ca = {ca:?}\n[socket.one]\nproxy-socket = \"doxy.sock\"\n"
    );
    let (_engine, doxy) = started(Setup::new().config(&toml));
    let look = |folder: &Path| {
        let mut command = doxy_command(folder);
        command.env_remove("DOXY_PROXY_SOCKET");
        command.args(["verify", "--format", "json", "--config", "doxy.toml"]);
        found(Process::spawn(&mut command).end())
    };
    let there = look(doxy.folder());
    there.is("admin", "skipped", "only to who shows a certificate");
    there.is("policy", "skipped", "only to who shows a certificate");
    assert_eq!(there.json["failed"], 0, "{}", there.ended);
    // Nobody there, and what speaks no TLS, is a failure still.
    let other = address();
    let toml = toml.replace(&admin.to_string(), &other.to_string());
    let setup = Setup::new().config(&toml);
    look(&setup.path("")).is("admin", "failed", "the admin side at");
    let plain = TcpListener::bind(other).unwrap();
    thread::spawn(move || {
        for stream in plain.incoming() {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        }
    });
    look(&setup.path("")).is("admin", "failed", "the admin side at");
}
