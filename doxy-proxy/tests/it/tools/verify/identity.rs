//! Who listens and who answers: a doxy, that of the admin side, or somebody who says so.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use super::{BRIEFLY, Found, engine, found, started, verify, verify_with};
use crate::doors::address;
use crate::support::process::{Process, command};
use crate::support::{Need, Setup, needs};

/// An HTTP server that takes the name of doxy, and says what a doxy does.
const FAKE: &str = r#"
import os, socket, sys
open(f"/proc/{os.getpid()}/comm", "w").write(sys.argv[1])
server = socket.socket(socket.AF_UNIX)
server.bind("doxy.sock")
os.chmod("doxy.sock", 0o660)
server.listen()
print("listens", flush=True)
while True:
    client = server.accept()[0]
    client.recv(4096)
    head = b"HTTP/1.1 403 Forbidden\r\nX-Doxy-Request-Id: 0123456789abcdef\r\nContent-Length: 0\r\n\r\n"
    client.sendall(head)
    client.close()
"#;

/// A process is what it runs, and not what it calls itself. Without the change each is `ok`.
#[test]
fn a_process_that_takes_the_name_of_doxy_or_of_the_service_manager() {
    if !needs(Need::Tool("python3")) {
        return;
    }
    for name in ["doxy", "systemd"] {
        let folder = tempfile::tempdir().unwrap();
        let _engine = engine(folder.path());
        let mut command = command("python3", folder.path());
        // It may be started by a script, which has to find it.
        command.envs(std::env::vars_os());
        let fake = Process::spawn(command.args(["-c", FAKE, name]));
        fake.prints();
        let found = verify(folder.path(), &BRIEFLY);
        let words = format!("(process {})", fake.pid());
        found.is("socket", "failed", &words);
        found.is("socket", "failed", "not doxy listens there, but /");
        assert!(found.of("ping").is_empty(), "{}", found.ended);
    }
}

/// By TCP nobody sees who listens: what answers has to have doxy's sign. Without the change each is a warning
/// at most.
#[test]
fn what_answers_without_the_sign_of_doxy() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let _engine = engine(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let settings = [("DOXY_PROXY_SOCKET", &*format!("tcp://{at}"))];
        let found = verify_with(folder.path(), &[], &settings);
        found.is("denial", "failed", "what answers there is not doxy");
        assert!(found.of("ping").is_empty(), "{}", found.ended);
    }
}

/// The socket of the engine, by its path and by a link.
#[test]
fn the_engine_in_the_place_of_doxy() {
    let folder = tempfile::tempdir().unwrap();
    let _engine = engine(folder.path());
    symlink("engine.sock", folder.path().join("doxy.sock")).unwrap();
    for path in ["doxy.sock", "engine.sock"] {
        let found = verify(folder.path(), &["--proxy-socket", path]);
        found.is("socket", "failed", "this is the engine's own socket");
        assert!(found.of("ping").is_empty(), "{}", found.ended);
    }
}

/// A link to the socket of a doxy is as good as the socket.
#[test]
fn a_link_to_the_socket() {
    let setup = Setup::new()
        .rules("/_ping")
        .args(["--admin-listen", "admin.sock"]);
    let (_engine, doxy) = started(setup);
    symlink("doxy.sock", doxy.path("link.sock")).unwrap();
    let args = [
        "--proxy-socket",
        "link.sock",
        "--pattern-file",
        "rules",
        "--admin",
        "admin.sock",
    ];
    let found = verify(doxy.folder(), &args);
    assert_eq!(found.json["failed"], 0, "{}", found.ended);
    assert_eq!(found.json["warnings"], 0, "{}", found.ended);
    found.is("policy", "ok", "1 rule from rules; hash ");
}

/// An admin side that has no process here to be known by: the number in its status tells.
#[test]
fn an_admin_side_over_tcp_of_another_doxy() {
    let at = format!("tcp://{}", address());
    let (_engine, doxy) = started(Setup::new());
    let other = Setup::new().args(["--admin-listen", &at]).start();
    let [one, two] = [&doxy, &other].map(|doxy| doxy.process.pid());
    let found = verify(doxy.folder(), &["--admin", &at]);
    let words = format!("process {one} listens there; the admin side is that of process {two}");
    found.is("socket", "failed", &words);
    let cure = found.cure("socket");
    assert!(cure.contains("there are two doxys"), "{cure}");
    assert!(cure.contains("DOXY_ADMIN"), "{cure}");
}

/// In a namespace of its own the doxy is process 1 for itself, and another one here.
#[test]
fn a_doxy_with_a_process_namespace_of_its_own() {
    if !needs(Need::Root) || !needs(Need::Tool("unshare")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let _engine = engine(folder.path());
    let script = "exec \"$0\" --admin-listen admin.sock";
    let mut unshare = command("unshare", folder.path());
    unshare.args(["--pid", "--fork", "--kill-child", "sh", "-c", script]);
    let _doxy = Process::start(unshare.arg(env!("CARGO_BIN_EXE_doxy")));
    let found = verify(folder.path(), &["--admin-listen", "admin.sock"]);
    found.is("admin", "ok", ", process 1");
    found.is("socket", "ok", "");
    assert_eq!(found.json["failed"], 0, "{}", found.ended);
    assert!(found.of("listener").is_empty(), "{}", found.ended);
    // From another namespace nobody sees who listens, and nothing is taken for wrong.
    let found = elsewhere(folder.path());
    found.is("socket", "ok", "a process listens");
    found.is("listener", "skipped", "cannot be seen from here");
    assert_eq!(found.json["failed"], 0, "{}", found.ended);
}

/// What a doxy finds that is in a process namespace of its own.
fn elsewhere(folder: &Path) -> Found {
    let mut unshare = command("unshare", folder);
    unshare.args([
        "--pid",
        "--fork",
        "--mount-proc",
        env!("CARGO_BIN_EXE_doxy"),
    ]);
    unshare.args(["verify", "--format", "json", "--admin-listen", "admin.sock"]);
    found(Process::spawn(&mut unshare).end())
}

/// Nobody may have changed whose the socket is.
#[test]
fn a_socket_that_was_given_to_somebody() {
    if !needs(Need::Root) {
        return;
    }
    let (_engine, doxy) = started(Setup::new());
    assert!(verify(doxy.folder(), &[]).of("listener").is_empty());
    std::os::unix::fs::chown(doxy.socket(), Some(4_000_000), None).unwrap();
    let found = verify(doxy.folder(), &[]);
    found.is(
        "listener",
        "warning",
        "the socket belongs to uid 4000000, and a process of uid 0 listens",
    );
    let found = verify(doxy.folder(), &["--socket-owner", "4000000"]);
    assert!(found.of("listener").is_empty(), "{}", found.ended);
    fs::remove_file(doxy.socket()).unwrap();
}
