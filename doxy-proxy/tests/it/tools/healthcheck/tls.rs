//! Over TCP and TLS.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::{BRIEFLY, engine, says, told};
use crate::doors::address;
use crate::support::process::{Process, doxy};
use crate::support::{Certificates, Setup};

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
