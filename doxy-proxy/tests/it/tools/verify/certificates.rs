//! Certificates and their dates.

use std::fs;

use super::{engine, verify_with};
use crate::doors::address;
use crate::support::{Certificates, Setup};

#[test]
fn what_is_in_the_files_and_what_is_shown() {
    let certificates = Certificates::new();
    certificates.certify(&["localhost"]).certify(&["other"]);
    let tcp = format!("tcp://{}", address());
    let setup = Setup::new();
    let at = |name: &str| setup.path(name).display().to_string();
    let put = |from: &str, to: &str| fs::copy(certificates.path(from), at(to)).unwrap();
    put("localhost", "cert");
    put("localhost-key", "key");
    put("ca", "ca");
    let settings = [
        ("DOXY_PROXY_SOCKET", tcp.clone()),
        ("DOXY_TLS_CERT", "cert".to_owned()),
        ("DOXY_TLS_KEY", "key".to_owned()),
        ("DOXY_TLS_CLIENT_CA", "ca".to_owned()),
    ];
    let (cert, key, folder) = (at("cert"), at("key"), setup.path(""));
    let mut setup = setup;
    for (name, value) in &settings {
        setup = setup.env(name, value);
    }
    let _engine = engine(&folder);
    let doxy = setup.start();
    let variables: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    let look = || verify_with(doxy.folder(), &[], &variables);
    let found = look();
    found.is("socket", "ok", "TLS is spoken there");
    found.is("ping", "skipped", "this has no certificate of a client");
    let lines = found.of("certificate");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| line.0 == "ok"), "{lines:?}");
    let shown = [
        "shown: valid until ",
        "in the file: valid until ",
        "authorities: valid until ",
    ];
    for ((_, says), words) in lines.iter().zip(shown) {
        assert!(says.starts_with(words), "{says}");
    }
    let failed = |words: &str| {
        let found = look();
        let lines = found.of("certificate");
        let is = |(level, says): &&(&str, &str)| *level == "failed" && says.contains(words);
        assert!(
            lines.iter().any(|line| is(&line)),
            "no {words:?}: {lines:?}"
        );
        assert_eq!(found.ended.code, Some(1), "{words}");
    };
    fs::copy(certificates.path("other"), &cert).unwrap();
    failed("doxy shows another certificate than ");
    failed("this key does not belong to the certificate");
    fs::remove_file(&key).unwrap();
    failed("no such file or directory");
    fs::write(&cert, "nothing").unwrap();
    failed("there is no certificate in it");
    // A handshake that is not finished is nobody's fault.
    assert!(!doxy.process.log().contains("no connection"));
}

/// A doxy behind TLS, in front of an engine behind TLS: with certificates that are valid for so many days.
#[test]
fn dates_of_doxy_and_of_its_engine() {
    for (from, until, level, words) in [
        (-10, 60, "ok", "valid until "),
        (-10, 3, "warning", "(3 days)"),
        (-10, -2, "failed", "expired on "),
        (2, 60, "failed", "not valid before "),
    ] {
        let certificates = Certificates::new();
        let (outside, inside) = (address(), address());
        let ip = inside.ip().to_string();
        certificates.certify_days(&["localhost"], from, until);
        certificates.certify_days(&[&ip], from, until);
        let path = |name: &str| certificates.path(name).display().to_string();
        let tcp = |address| format!("tcp://{address}");
        let setup = Setup::new();
        let _engine = engine(&setup.path(""));
        let _inside = setup
            .rules("/_ping\n/version")
            .env("DOXY_PROXY_SOCKET", &tcp(inside))
            .env("DOXY_TLS_CERT", &path(&ip))
            .env("DOXY_TLS_KEY", &path(&format!("{ip}-key")))
            .start();
        let settings = [
            ("DOXY_PROXY_SOCKET", tcp(outside)),
            ("DOXY_TLS_CERT", path("localhost")),
            ("DOXY_TLS_KEY", path("localhost-key")),
            ("DOXY_DOCKER_SOCKET", tcp(inside)),
            ("DOXY_DOCKER_TLS_CA", path("ca")),
        ];
        let setup = settings
            .iter()
            .fold(Setup::new(), |setup, (name, value)| setup.env(name, value));
        let doxy = setup.start();
        let variables: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let found = verify_with(doxy.folder(), &[], &variables);
        let lines = found.of("certificate");
        // As doxy shows it, in the file, the engine's authority, and as the engine shows it.
        let [shown, file, authority, of_engine] = lines[..] else {
            panic!("{lines:?}");
        };
        assert_eq!(authority.0, "ok");
        for (got, says) in [shown, file, of_engine] {
            assert_eq!(got, level, "{says}");
            assert!(says.contains(words), "{says}");
        }
        // Doxy is asked through TLS whatever its dates are; the engine is not.
        found.is("denial", "ok", "doxy denies what is no endpoint");
        match level {
            "failed" => found.is(
                "engine",
                "failed",
                "the TLS handshake failed: its certificate ",
            ),
            _ => found.is("engine", "ok", "Docker 28.5.2"),
        }
    }
}
