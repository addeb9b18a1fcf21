//! Which risks a policy opens: told at start, and refused over TCP without client certificates.

#[cfg(feature = "script")]
use std::fs;

use super::{NONE, refused, start_to_end};
use crate::support::process::{Process, doxy};

const TCP: &str = "--proxy-socket=tcp://127.0.0.1:2375";

const BOTH: &str = "doxy: --proxy-socket tcp://127.0.0.1:2375: everyone who gets in over TCP would have \
                    host-root (POST /containers/create) and exec (POST /containers/create)
help: set tls-client-ca with tls-cert and tls-key, allow less, or accept it: accept-risk host-root,exec
";

#[test]
fn policies_that_no_tcp_address_may_have() {
    let create = "POST (/v[\\d.]+)?/containers/create";
    assert_eq!(refused(&[TCP, "--patterns", create], NONE, &[]), BOTH);
    for (rules, accepted, words) in [
        // One name, and one version.
        (
            "POST /v1.30/containers/vault/exec",
            "",
            &["host-root", "exec (POST /containers/{name}/exec)"][..],
        ),
        (
            "/v1.41/containers/x/attach/ws",
            "",
            &["exec (GET /containers/{name}/attach/ws)"],
        ),
        (".*", "", &["would have exec (GET"]),
        ("* .*\n!.*/exec", "exec", &["would have host-root (POST"]),
        (
            create,
            "host-root",
            &["would have exec (POST /containers/create)"],
        ),
        (
            create,
            "exec",
            &["would have host-root (POST /containers/create)"],
        ),
        (create, "secrets,files-out", &["host-root", "exec"]),
    ] {
        let accept = format!("--accept-risk={accepted}");
        let mut args = vec![TCP, "--patterns", rules];
        if !accepted.is_empty() {
            args.push(&accept);
        }
        refused(&args, NONE, words);
        // Also on a wider address, and beside a unix socket.
        let more = ["--proxy-socket=x.sock", "--insecure-tcp"];
        refused(&[&args[..], &more].concat(), NONE, words);
    }
    let said = refused(
        &["--accept-risk", "root"],
        NONE,
        &["--accept-risk root: no class of risk"],
    );
    assert!(
        said.contains("help: the classes are host-root, exec, secrets, files-out, "),
        "{said}"
    );
}

#[test]
fn policies_that_a_tcp_address_may_have() {
    let create = "POST (/v[\\d.]+)?/containers/create";
    for args in [
        &[TCP, "--patterns", create, "--accept-risk", "exec,host-root"][..],
        &[
            TCP,
            "--patterns",
            "/containers/[^/]+/(json|logs|archive|export)",
        ],
        &[TCP, "--patterns", "* .*\n!POST .*\n!GET .*\n!PUT .*"],
        &[TCP, "--preset", "original"],
        &["--proxy-socket", "x.sock", "--patterns", create],
        &[
            TCP,
            "--patterns",
            create,
            "--tls-cert=c",
            "--tls-key=k",
            "--tls-client-ca=a",
        ],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ended = start_to_end(doxy(folder.path()).args(args).args(["config", "show"]));
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
    }
    // Without certificates of clients TLS proves nothing about them.
    refused(
        &[TCP, "--patterns", create, "--tls-cert=c", "--tls-key=k"],
        NONE,
        &["host-root"],
    );
}

/// A script that denies is no risk; one that allows, or whose answer depends, is.
#[cfg(feature = "script")]
#[test]
fn scripts_over_tcp() {
    for (decide, words) in [
        (
            "if req.method == \"POST\" { return deny(\"no\"); } pass()",
            &[][..],
        ),
        (
            "if req.method == \"GET\" && req.endpoint.ends_with(\"/json\") { return allow(); } deny(\"no\")",
            &[],
        ),
        // Without a method, a name can end so too: POST /libpod/images/scp/x/json.
        (
            "if req.endpoint.ends_with(\"/json\") { return allow(); } deny(\"no\")",
            &["host-root"],
        ),
        // It looks at the query of every request.
        (
            "if req.query.flag(\"size\") { return deny(\"no\"); } pass()",
            &[],
        ),
        // Samples have no name, no header and one version.
        (
            "if req.template == \"/containers/create\" && req.query.name == \"web\" { return allow(); } deny(\"no\")",
            &["host-root"],
        ),
        (
            "if req.version == \"1.43\" { return allow(); } deny(\"no\")",
            &["host-root"],
        ),
        (
            "if req.headers[\"user-agent\"] == \"x\" { return allow(); } deny(\"no\")",
            &["host-root"],
        ),
        (
            "if req.path.matches(\"/v1.43/containers/[^/]+/exec\") { return allow(); } deny(\"no\")",
            &["exec"],
        ),
        ("allow()", &["host-root", "exec"]),
        (
            "if req.endpoint.ends_with(\"/attach/ws\") { return allow(); } pass()",
            &["would have exec"],
        ),
        (
            "if req.endpoint.ends_with(\"/create\") && req.json().Image == \"x\" { return allow(); } deny(\"no\")",
            &["host-root"],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("fn decide(req) {{\n    {decide}\n}}\n");
        fs::write(folder.path().join("policy.rhai"), text).unwrap();
        let args = [
            TCP,
            "--patterns=/info",
            "--script=policy.rhai",
            "config",
            "show",
        ];
        let ended = start_to_end(doxy(folder.path()).args(args));
        let code = if words.is_empty() { 0 } else { 2 };
        assert_eq!(ended.code, Some(code), "{decide}: {}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{decide}: {}", ended.stderr);
        }
    }
}

#[test]
fn the_start_line_names_what_is_open() {
    for (rules, opens) in [
        ("/_ping", "nothing of risk"),
        ("/info", "info"),
        ("(/v[\\d.]+)?/containers/[^/]+/json", "secrets, info"),
        (
            "POST /v[\\d.]+/containers/create",
            "host-root, exec, files-out, files-in, state, egress",
        ),
        ("!.*", "nothing of risk"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(doxy(folder.path()).args(["--patterns", rules]));
        let line = process.logged(" listening on ");
        assert!(
            line.ends_with(&format!("; opens: {opens}")),
            "{rules}: {line}"
        );
        assert_eq!(process.stop().code, Some(0));
    }
}
