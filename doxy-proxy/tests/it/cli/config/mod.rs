//! The file: what is wrong with one, in two lines that begin with its place; and what doxy serves by one.

pub(super) mod command;
mod form;
mod sockets;

use std::fs;

use super::{NONE, PING, folder, refused, refused_by};
use crate::support::files::listing;
use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake};

/// Runs doxy by a file with this text, without the variables that name sockets.
#[track_caller]
fn says(text: &str, said: &str) {
    let folder = folder();
    fs::write(folder.path().join("doxy.toml"), text).unwrap();
    let mut command = doxy(folder.path());
    command.env_remove("DOXY_PROXY_SOCKET");
    command.args(["--config", "doxy.toml"]);
    let printed = refused_by(&mut command, NONE, folder.path(), &[]);
    assert_eq!(printed, format!("doxy: {}\n", said.trim()), "{text}");
}

/// Each case: the text of a file, a line with `=>`, and what doxy says of it.
#[track_caller]
pub(super) fn table(cases: &str) {
    for case in cases.split("\n\n") {
        let (text, said) = case.split_once("\n=>\n").unwrap();
        says(text.trim_start(), said);
    }
}

/// Two sockets with rules of their own, in a folder that is not the one doxy was started in.
#[test]
fn each_socket_has_the_rules_of_its_table() {
    let folder = folder();
    let conf = folder.path().join("conf");
    fs::create_dir(&conf).unwrap();
    fs::write(conf.join("a.pattern"), "/a\n").unwrap();
    fs::write(
        conf.join("doxy.toml"),
        "max-connections = 10\n\
         [socket.a]\nproxy-socket = [\"a.sock\", \"../a2.sock\"]\npattern-file = \"a.pattern\"\n\
         patterns = '''\n/also\n'''\n\
         [socket.b]\nproxy-socket = \"b.sock\"\npatterns = \"/_ping\\n/b\"\nsocket-mode = \"0600\"\n",
    )
    .unwrap();
    let fake = Fake::start();
    let mut command = doxy(folder.path());
    command.env_remove("DOXY_PROXY_SOCKET");
    command.args([
        "--config",
        "conf/doxy.toml",
        "--patterns",
        "/c",
        "--docker-socket",
    ]);
    let process = Process::start(command.arg(fake.path()));
    for words in [
        "listening on conf/b.sock (mode 0600)",
        "listening on conf/../a2.sock (mode 0660)",
        "2 rules from conf/a.pattern and conf/doxy.toml:6",
        "2 rules from conf/doxy.toml:10:12: patterns",
        "WARN --patterns /c: no socket uses it, because every table in the file has its own",
    ] {
        process.logged(words);
    }
    let status = |socket: &str, path: &str| {
        let mut client = Client::connect(&folder.path().join(socket));
        let request = PING.replace("/_ping?secret", path);
        client.ask(request).status()
    };
    for (socket, path, expected) in [
        ("conf/a.sock", "/a", 200),
        ("conf/a.sock", "/also", 200),
        ("conf/a.sock", "/b", 403),
        ("conf/a.sock", "/c", 403),
        ("a2.sock", "/a", 200),
        ("conf/b.sock", "/b", 200),
        ("conf/b.sock", "/a", 403),
    ] {
        assert_eq!(status(socket, path), expected, "{socket} {path}");
    }
    let log = process.stop().stderr;
    assert!(log.contains("on b: no rule allows this path"), "{log}");
    assert!(!listing(folder.path()).contains("conf/a.sock"));
}

#[test]
fn options_over_variables_over_the_file_over_defaults() {
    for (text, args, vars, mode) in [
        ("debug = true", &[][..], NONE, "0660"),
        ("socket-mode = 0o600", &[], NONE, "0600"),
        (
            "socket-mode = 0o600",
            &[],
            &[("DOXY_SOCKET_MODE", "0666")][..],
            "0666",
        ),
        (
            "socket-mode = 0o600",
            &["--socket-mode", "0620"],
            &[("DOXY_SOCKET_MODE", "0666")],
            "0620",
        ),
    ] {
        let folder = folder();
        fs::write(folder.path().join("doxy.toml"), text).unwrap();
        let mut command = doxy(folder.path());
        command.args(["--config", "doxy.toml"]).args(args);
        let process = Process::start(command.envs(vars.iter().copied()));
        process.logged(&format!("listening on doxy.sock (mode {mode})"));
        process.stop();
    }
}

/// A compose file needs no second file.
#[test]
fn rules_in_a_variable() {
    let folder = folder();
    let mut command = doxy(folder.path());
    let process = Process::start(command.env("DOXY_PATTERNS", "# mine\n/_ping\nPOST /x\n"));
    process.logged("2 rules from DOXY_PATTERNS");
    process.stop();
    let wrong = refused(&[], &[("DOXY_PATTERNS", "/_ping\nGTE /x")], &[]);
    assert!(wrong.starts_with("doxy: DOXY_PATTERNS:2:1: unknown method `GTE`\n"));
    let none = refused(&[], &[("DOXY_PATTERNS", "# a\n# b\n")], &[]);
    assert!(none.starts_with("doxy: DOXY_PATTERNS=# a…: no rules, so nothing would be allowed\n"));
    let both = ["--patterns", "/a)", "--pattern-file", "good.pattern"];
    assert!(refused(&both, NONE, &[]).starts_with("doxy: --patterns:1:3: `)` closes no group\n"));
}
