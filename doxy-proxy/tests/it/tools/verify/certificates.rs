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
