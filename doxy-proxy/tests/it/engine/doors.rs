//! A configuration with several doors in front of a real engine: the docker CLI by unix socket and by
//! TLS with a certificate, a plain client by TCP, each by its own rules, and a second doxy behind the
//! first one's TLS.

use std::net::SocketAddr;
use std::process::Stdio;

use crate::doors::address;
use crate::support::process::Ended;
use crate::support::{Binary, Certificates, Client, Setup};

use super::{docker, docker_command, docker_ok, real, run, unique};

/// The docker CLI, which verifies doxy and shows a certificate of its own.
fn over_tls(at: SocketAddr, certificates: &Certificates, args: &[&str], input: &str) -> Ended {
    let mut command = docker_command("/nonexistent".as_ref());
    command
        .env("DOCKER_HOST", format!("tcp://{at}"))
        .arg("--tlsverify")
        .arg("--tlscacert")
        .arg(certificates.path("ca"))
        .arg("--tlscert")
        .arg(certificates.path("ci"))
        .arg("--tlskey")
        .arg(certificates.key("ci"))
        .args(args);
    let mut shell = std::process::Command::new("sh");
    // The CLI half-closes the stream when its input ends.
    shell.args(["-c", "printf %s \"$INPUT\" | \"$@\"", "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.env("INPUT", input);
    shell.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell.stderr(Stdio::piped());
    run(&mut shell)
}

#[test]
fn the_cli_comes_in_by_every_door() {
    let Some(engine) = real::engine() else {
        return;
    };
    let (tcp, tls) = (address(), address());
    let certificates = Certificates::new();
    certificates
        .certify(&[&tls.ip().to_string()])
        .certify(&["ci", "ci.test"]);
    let server = tls.ip().to_string();
    let toml = format!(
        r#"
        [socket.cli]
        proxy-socket = "cli.sock"
        patterns = """
(/v[0-9.]+)?/(_ping|version|containers/json)
"""
        [socket.metrics]
        proxy-socket = "tcp://{tcp}"
        patterns = "/info"
        [socket.ci]
        proxy-socket = "tcp://{tls}"
        tls-cert = "{cert}"
        tls-key = "{key}"
        tls-client-ca = "{ca}"
        allow-cert = "dns:ci.test"
        patterns = """
* .*
!.*/export
"""
        "#,
        cert = certificates.path(&server).display(),
        key = certificates.key(&server).display(),
        ca = certificates.path("ca").display(),
    );
    let doxy = Setup::new().engine(&engine.socket).config(&toml).start();
    doxy.logged(&format!("listening on tcp://{tls}"));
    let image = engine.image();
    let cli = doxy.path("cli.sock");
    docker_ok(&cli, ["ps"]);
    let denied = docker(&cli, ["info"]);
    assert!(denied.stderr.contains("is not allowed"), "{denied}");
    let mut metrics = Client::connect_tcp(tcp);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: doxy:2375\r\n\r\n");
    assert_eq!(metrics.ask(get("/info")).status(), 200);
    assert_eq!(metrics.ask(get("/containers/json")).status(), 403);

    let name = unique();
    let line = [
        "run",
        "--rm",
        "-i",
        "--network",
        "none",
        "--name",
        &name,
        &image.name,
        "cat",
    ];
    let echoed = over_tls(tls, &certificates, &line, "through TLS, and half-closed");
    assert_eq!(echoed.stdout, "through TLS, and half-closed", "{echoed}");
    let denied = over_tls(tls, &certificates, &["export", "x"], "");
    assert!(denied.stderr.contains("is not allowed"), "{denied}");

    // The second doxy speaks TLS to the first one.
    let behind = Setup::new()
        .args([
            "--docker-socket",
            &format!("tcp://{tls}"),
            "--patterns",
            "* .*",
        ])
        .args([
            "--docker-tls-ca".as_ref(),
            certificates.path("ca").as_os_str(),
            "--docker-tls-cert".as_ref(),
            certificates.path("ci").as_os_str(),
            "--docker-tls-key".as_ref(),
            certificates.key("ci").as_os_str(),
        ]);
    let behind: Binary = behind.start();
    let name = unique();
    let line = [
        "run",
        "--rm",
        "--network",
        "none",
        "--name",
        &name,
        &image.name,
        "echo",
        "twice",
    ];
    assert_eq!(docker_ok(&behind.socket(), line).trim_end(), "twice");
    behind.stop();
    doxy.stop();
}
