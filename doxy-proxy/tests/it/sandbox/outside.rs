//! The sandbox of the running binary, seen from outside.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use super::{GET, Status, answer};
use crate::support::files::listing;
use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake};

#[test]
fn doxy_serves_under_the_default_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let process = Process::start(doxy(folder.path()).arg("--debug"));
    let line = process.logged("sandbox: ");
    assert!(line.contains("no capabilities, no-new-privs, "), "{line}");
    assert!(line.contains(", seccomp"), "{line}");
    Status::of(process.pid()).is_locked();
    let mut client = Client::connect(&at("doxy.sock"));
    for _ in 0..3 {
        assert_eq!(client.ask(GET).status(), 502);
        let engine = Fake::at(&at("engine.sock"), answer);
        assert_eq!(client.ask(GET).status(), 200);
        drop(engine);
    }
    process.logged("GET /info");
    drop(client);
    process.stop();
    assert_eq!(listing(folder.path()), [].into());
}

#[test]
fn the_sandbox_permits_a_tcp_engine_by_address_and_by_name() {
    let engine = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = engine.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in engine.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    for host in ["127.0.0.1", "localhost"] {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("tcp://{host}:{port}");
        let process = Process::start(doxy(folder.path()).args(["--docker-socket", &address]));
        for _ in 0..3 {
            let mut client = Client::connect(&folder.path().join("doxy.sock"));
            assert_eq!(client.ask(GET).status(), 200, "{host}");
        }
        process.stop();
    }
}

#[test]
fn the_sandbox_can_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(doxy(folder.path()).args(["--sandbox", "off"]));
    assert!(process.logged("sandbox: ").ends_with("sandbox: off"));
    let own = Status::of(rustix::process::getpid());
    let status = Status::of(process.pid());
    for field in ["NoNewPrivs", "Seccomp:", "CapEff"] {
        assert_eq!(status.get(field), own.get(field), "{field}");
    }
    process.stop();
}
