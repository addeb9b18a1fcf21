//! Without settings, only with an admin side: what that says it serves is looked at.

use serde_json::json;

use super::inside::{admin, status};
use super::{Found, engine, found, started};
use crate::support::Setup;
use crate::support::process::{Process, doxy as doxy_command};

/// What is found without any settings.
fn look(folder: &std::path::Path, admin: &str) -> Found {
    let mut command = doxy_command(folder);
    command.env_remove("DOXY_PROXY_SOCKET");
    command.env_remove("DOXY_DOCKER_SOCKET");
    command.args(["verify", "--format", "json", "--admin", admin]);
    found(Process::spawn(&mut command).end())
}

/// Without the change the default path is judged, where nobody listens.
#[test]
fn the_sockets_are_those_that_the_admin_side_names() {
    let setup = Setup::new()
        .rules("/_ping")
        .args(["--admin-listen", "admin.sock"]);
    let [one, engine] =
        ["doxy.sock", "engine.sock"].map(|name| setup.path(name).display().to_string());
    let setup = setup.env("DOXY_PROXY_SOCKET", &one);
    let (_engine, doxy) = started(setup.env("DOXY_DOCKER_SOCKET", &engine));
    let found = look(doxy.folder(), "admin.sock");
    let words = "none are given: looked at is what the admin side says it serves";
    found.is("settings", "skipped", words);
    found.is("socket", "ok", "mode 0660, ");
    found.is("ping", "ok", "the engine answers through doxy");
    found.is("denial", "ok", "");
    found.is("policy", "ok", "1 rule from rules; hash ");
    found.is("engine", "ok", "Docker 28.5.2");
    assert_eq!(found.json["failed"], 0, "{}", found.ended);
    assert!(
        !found.ended.stdout.contains("/tmp/doxy.sock"),
        "{}",
        found.ended
    );
}

/// What it names and cannot be found from here is named, and is no failure.
#[test]
fn what_only_settings_know_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let _engine = engine(folder.path());
    let mut status = status("0123456789abcdef");
    status["sockets"][0]["addresses"] = json!([
        {"address": "doxy.sock", "kind": "unix", "mode": "0660"},
        {"address": "tcp://127.0.0.1:1", "kind": "tls", "mode": null},
    ]);
    let socket = |name: &str, address: &str, kind: &str, engine: &str| {
        json!({
            "name": name, "dry_run": false, "engine": engine, "policy": {"described": "x", "hash": "y"},
            "addresses": [{"address": address, "kind": kind, "mode": null}],
        })
    };
    let more = status["sockets"].as_array_mut().unwrap();
    more.push(socket("fd", "fd://one", "unix", "engine.sock"));
    more.push(socket("tcp", "fd://two", "tcp", "tcp://127.0.0.1:2"));
    let found = look(folder.path(), &admin(&status));
    let socket = found.of("socket");
    assert_eq!(socket.len(), 4, "{}", found.ended);
    assert!(socket.iter().all(|line| line.0 == "skipped"), "{socket:?}");
    let engines = found.of("engine");
    assert_eq!(engines.len(), 2, "{}", found.ended);
    assert!(
        engines.iter().all(|line| line.0 == "skipped"),
        "{engines:?}"
    );
    assert_eq!(found.json["failed"], 0, "{}", found.ended);
}

#[test]
fn an_admin_side_that_is_none_leaves_nothing_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let found = look(folder.path(), "admin.sock");
    found.is("admin", "failed", "no such file");
    assert!(found.of("socket").is_empty(), "{}", found.ended);
    // One that names what is no address.
    let mut status = status("x");
    status["sockets"][0]["addresses"] = json!([{"address": "ftp://x", "kind": "unix"}]);
    let found = look(folder.path(), &admin(&status));
    let lines = found.of("admin");
    assert!(
        lines.contains(&("failed", "--admin ftp://x: unknown kind of address")),
        "{lines:?}"
    );
}
