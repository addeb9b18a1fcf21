#![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::fs;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;

/// A folder with a configuration, and what reads it.
fn source(text: &str) -> (TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.toml");
    fs::write(&path, text).unwrap();
    let mut given = Layer::default();
    given.add(Setting::option("config", path.as_os_str()));
    (folder, Source::new(given))
}

/// A table of a socket with this key.
fn table(name: usize, key: &str) -> String {
    format!("[socket.s{name}]\nproxy-socket = \"{name}.sock\"\n{key}\n")
}

/// A policy takes the time and the memory of its automata.
#[test]
fn equal_policies_are_loaded_once() {
    let keys = [
        "patterns = \"/a\"",
        "patterns = \"/a\"",
        "pattern-file = \"a.pattern\"",
        "pattern-file = \"a.pattern\"",
        "pattern-file = \"a.pattern\"\npatterns = \"/a\"",
        "patterns = \"/a \"",
    ];
    let tables = keys.iter().enumerate().map(|(at, key)| table(at, key));
    let (folder, source) = source(&tables.collect::<String>());
    fs::write(folder.path().join("a.pattern"), "/a\n").unwrap();
    let config = source.load().unwrap();
    let policies: Vec<_> = config.sockets.iter().map(|it| &it.policy).collect();
    for (one, policy) in policies.iter().enumerate() {
        for (other, with) in policies.iter().enumerate() {
            let shared = one == other || matches!((one, other), (0, 1) | (1, 0) | (2, 3) | (3, 2));
            assert_eq!(Arc::ptr_eq(policy, with), shared, "{one} {other}");
        }
    }
    // A reload reads the files anew.
    fs::write(folder.path().join("a.pattern"), "/a\n/b\n").unwrap();
    let again = source.load().unwrap();
    let described = |config: &Config| config.sockets.get(2).map(|it| it.policy.described.clone());
    assert!(described(&config).unwrap().starts_with("1 rule from"));
    assert!(described(&again).unwrap().starts_with("2 rules from"));
}

#[test]
fn a_thousand_sockets_have_one_policy() {
    let tables: String = (0..1000).map(|at| table(at, "")).collect();
    let (folder, source) = source(&format!("patterns = \"/a\"\n{tables}"));
    let config = source.load().unwrap();
    let first = config.sockets.first().unwrap();
    let sharing = |it: &&SocketConfig| Arc::ptr_eq(&it.policy, &first.policy);
    assert_eq!(config.sockets.iter().filter(sharing).count(), 1000);
    let file = folder.path().join("doxy.toml");
    assert_eq!(config.shared.needs.read_files, config.shared.files);
    assert_eq!(config.shared.files, [file]);
}

#[test]
fn files_that_a_reload_reads() {
    let (folder, source) = source(
        "docker-socket = \"tcp://127.0.0.1:2376\"\ndocker-tls-ca = \"e-ca\"\n\
         docker-tls-cert = \"e-cert\"\ndocker-tls-key = \"e-key\"\n\
         proxy-socket = \"tcp://127.0.0.1:1\"\ntls-cert = \"cert\"\ntls-key = \"key\"\n\
         tls-client-ca = \"ca\"\npattern-file = \"a.pattern\"\n",
    );
    fs::write(folder.path().join("a.pattern"), "/a\n").unwrap();
    let config = source.load().unwrap();
    let names: Vec<_> = config
        .shared
        .files
        .iter()
        .filter_map(|file| file.strip_prefix(folder.path()).ok()?.to_str())
        .collect();
    let expected = [
        "a.pattern",
        "ca",
        "cert",
        "doxy.toml",
        "e-ca",
        "e-cert",
        "e-key",
        "key",
    ];
    assert_eq!(names, expected);
    assert_eq!(config.shared.needs.ports, [2376]);
}

/// What is given twice holds where it stands nearest, and lists are never mixed.
#[test]
fn a_list_of_a_table_replaces_that_of_the_top() {
    let (_folder, source) = source(&format!(
        "allow-uid = [1, 2]\npatterns = \"/a\"\n{}{}",
        table(1, "allow-uid = 3"),
        table(2, ""),
    ));
    let config = source.load().unwrap();
    let uids: Vec<_> = config
        .sockets
        .iter()
        .map(|it| it.peers.uids.clone())
        .collect();
    assert_eq!(uids, [vec![3], vec![1, 2]]);
}

#[test]
fn addresses_over_tcp_say_so() {
    let warned = |text: &str| {
        let (_folder, source) = source(&format!("patterns = \"/a\"\n{text}"));
        source.load().unwrap().warnings
    };
    let tcp = "proxy-socket = \"tcp://10.0.0.1:1\"\nallow-container = \"x\"\n";
    assert_eq!(warned(tcp).len(), 1);
    let tls = "tls-cert = \"c\"\ntls-key = \"k\"\n";
    assert_eq!(warned(&format!("{tcp}{tls}")), <[String; 0]>::default());
    let unix = "proxy-socket = \"a.sock\"\nallow-container = \"x\"\n";
    assert_eq!(warned(unix), <[String; 0]>::default());
    for (address, keys, expected) in [
        (
            "10.0.0.1",
            "insecure-tcp = true\n",
            Some("everyone who reaches tcp://10.0.0.1:1 "),
        ),
        (
            "10.0.0.1",
            "insecure-tcp = true\nallow-from = \"0.0.0.0/0\"\n",
            Some("everyone "),
        ),
        (
            "10.0.0.1",
            "allow-from = \"10.0.0.0/8\"\n",
            Some("tcp://10.0.0.1:1 has no TLS"),
        ),
        ("127.0.0.1", "insecure-tcp = true\n", None),
        ("127.0.0.1", "allow-from = \"10.0.0.0/8\"\n", None),
    ] {
        let tcp = format!("proxy-socket = \"tcp://{address}:1\"\n{keys}");
        match (warned(&tcp).as_slice(), expected) {
            ([], None) => {}
            ([said], Some(words)) => assert!(said.contains(words), "{said}"),
            (said, _) => assert_eq!(said, <[String; 0]>::default(), "{address} {keys}"),
        }
    }
    let from = "proxy-socket = \"tcp://10.0.0.1:1\"\nallow-from = \"10.0.0.0/8\"\n";
    assert_eq!(warned(&format!("{from}{tls}")), <[String; 0]>::default());
    let everyone = "proxy-socket = \"tcp://10.0.0.1:1\"\ninsecure-tcp = true\n";
    assert_eq!(warned(&format!("{everyone}{tls}")).len(), 1);
}

#[test]
fn a_format_without_a_log_says_so() {
    let log = "access-log = \"log\"";
    let (json, text) = ("log-format = \"json\"", "log-format = \"text\"");
    for (top, first, second, expected) in [
        ("", "", "", 0),
        (json, "", "", 1),
        (text, "", "", 1),
        ("log-format = \"journald\"", "", "", 0),
        // Another socket uses it.
        (json, log, "", 0),
        // It was turned off by somebody.
        (json, "access-log = \"off\"", "", 0),
        (&format!("{json}\n{log}"), "", "", 0),
        ("", json, text, 2),
        (log, json, json, 0),
        // The one socket that has a log has a format of its own.
        (text, "", &format!("{log}\n{json}"), 1),
    ] {
        let tables = [table(1, first), table(2, second)].concat();
        let (_folder, source) = source(&format!("{top}\npatterns = \"/a\"\n{tables}"));
        let said = source.load().unwrap().warnings;
        let about = |it: &&String| it.contains("set access-log to a file");
        let count = said.iter().filter(about).count();
        assert_eq!(
            (count, said.len()),
            (expected, expected),
            "{top} {first} {second}: {said:?}"
        );
    }
}

/// What stands at the top is for those sockets that can use it.
#[test]
fn tls_is_for_the_sockets_that_have_tcp() {
    let (_folder, source) = source(&format!(
        "patterns = \"/a\"\ntls-cert = \"c\"\ntls-key = \"k\"\ndocker-tls-ca = \"ca\"\n{}\
         [socket.tcp]\nproxy-socket = \"tcp://127.0.0.1:1\"\ndocker-socket = \"tcp://engine:1\"\n",
        table(1, ""),
    ));
    let config = source.load().unwrap();
    let tls = config.sockets.iter();
    let tls: Vec<_> = tls
        .map(|it| (it.tls.is_some(), it.engine_tls.is_some()))
        .collect();
    assert_eq!(tls, [(false, false), (true, true)]);
}
