//! What a start with these settings would read.

use std::fs;

use super::{GOOD, check, folder, places};
use crate::support::process::{Process, doxy};

/// Without files: what a start with these settings would read, and all that is wrong with it.
#[test]
fn what_the_settings_name() {
    let config = "debug = true\n[socket.a]\nproxy-socket = \"a.sock\"\npattern-file = \"a.pattern\"\n\
                  [socket.b]\nproxy-socket = \"b.sock\"\npatterns = \"/info\"\n";
    let files = [
        ("doxy.toml", config),
        ("other.toml", "debug = true\n"),
        ("a.pattern", GOOD),
    ];
    for args in [
        &["--config=doxy.toml"][..],
        &["doxy.toml"],
        &["--config", "other.toml", "doxy.toml"],
    ] {
        let folder = folder(&files);
        let mut command = doxy(folder.path());
        let command = command.env_remove("DOXY_PROXY_SOCKET").arg("check");
        let ended = Process::spawn(command.args(args)).end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended
                .stdout
                .starts_with("doxy.toml:7:13: warning: matches no path with a version"),
            "{ended:?}"
        );
        for part in [
            "checked a: 1 rule from a.pattern; opens: info\n",
            "checked b: 1 rule from doxy.toml:7",
        ] {
            assert!(ended.stdout.contains(part), "{part}: {ended:?}");
        }
        assert!(
            fs::read_dir(folder.path()).unwrap().count() == 3,
            "it creates nothing"
        );
    }
    let ended = check(&[], &[]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended
            .stdout
            .contains("embedded rules:27:1: warning: opens GET /images/search (egress)")
    );
    let ended = check(
        &[("a.pattern", "/a)\n/b)\n")],
        &["--pattern-file=a.pattern", "--format=json"],
    );
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        places(&ended),
        ["a.pattern:1:3 error", "a.pattern:2:3 error"]
    );
}

/// Whatever is wrong in one table hides nothing of the others, nor the rest of its own.
#[test]
fn all_errors_of_a_configuration() {
    let config = r#"threds = 2
head-timeout = "soon"
[socket.a]
proxy-socket = "a.sock"
pattern-file = "a.pattern"
socket-mode = "0999"
idle-timeout = "x"
allow-uid = ["no-such-user", "neither-this"]
[socket.b]
proxy-socket = "b.sock"
patern-file = "a.pattern"
debug = true
[socket.c]
pattern-file = "a.pattern"
[socket.d]
proxy-socket = "d.sock"
patterns = """
/d)
/info
/e)
"""
"#;
    let files = [("doxy.toml", config), ("a.pattern", "/a)\n/info\n/b)\n")];
    let folder = folder(&files);
    let mut command = doxy(folder.path());
    let command = command.env_remove("DOXY_PROXY_SOCKET");
    let ended = Process::spawn(command.args(["check", "doxy.toml", "--format=json"])).end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(
        places(&ended),
        [
            "doxy.toml:1:1 error",
            "doxy.toml:11:1 error",
            "doxy.toml:12:1 error",
            "doxy.toml:13:9 error",
            "a.pattern:1:3 error",
            "a.pattern:3:3 error",
            "doxy.toml:6:15 error",
            "doxy.toml:8:14 error",
            "doxy.toml:8:30 error",
            "doxy.toml:2:16 error",
            "doxy.toml:7:16 error",
            "doxy.toml:18:3 error",
            "doxy.toml:20:3 error",
        ]
    );
    // A start tells the first alone, in two lines.
    let mut command = doxy(folder.path());
    let command = command.env_remove("DOXY_PROXY_SOCKET");
    let ended = Process::spawn(command.args(["--config", "doxy.toml"])).end();
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr,
        "doxy: doxy.toml:1:1: unknown key `threds`\nhelp: is `threads` meant?\n"
    );
}
