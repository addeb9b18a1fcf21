//! Sockets that the service manager passes on: a process is started as systemd does it, and serves them.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{InheritedSockets, Policy, Server, Service, Upstream, UpstreamAddr};

use crate::support::runtime::runtime;
use crate::support::{Client, Fake};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
const ENGINE: &str = "DOXY_TEST_ENGINE";

/// Serves what was passed to it, until it is ended. Started by other tests, in a process of its own.
#[test]
#[ignore = "part of another test, which starts it in a process of its own"]
fn inside() {
    let engine = std::env::var_os(ENGINE).expect("the engine's path, which another test gives");
    let mut sockets = InheritedSockets::take().unwrap();
    let upstream = Upstream::new(UpstreamAddr::Unix(engine.into()), Duration::from_secs(5));
    let rules = RuleSet::parse("t", b"GET /info").unwrap();
    runtime().block_on(async {
        let mut server = Server::start(1, 100).unwrap();
        let socket = server.add(Service::new("passed", Policy::new(rules), upstream));
        for name in ["web", "local"] {
            for listener in sockets.listen(name).unwrap() {
                server.listen(listener, socket).unwrap();
            }
        }
        sockets.all_used().unwrap();
        std::future::pending::<()>().await;
    });
}

/// A process, which is ended with this.
struct Passed(Child);

impl Drop for Passed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts [`inside`] with these descriptors as numbers 3 and 4.
fn start(three: OwnedFd, four: OwnedFd, engine: &Fake) -> Passed {
    let exe = std::env::current_exe().unwrap();
    let shell = "exec 3<&0 4<&1 0</dev/null 1>&2
        export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:local
        exec \"$0\" --exact inherited::inside --ignored --nocapture";
    let child = Command::new("sh")
        .args(["-c", shell])
        .arg(exe)
        .env(ENGINE, engine.path())
        .stdin(Stdio::from(three))
        .stdout(Stdio::from(four))
        .stderr(Stdio::null())
        .spawn();
    Passed(child.unwrap())
}

#[test]
fn sockets_of_both_kinds_are_served_and_stay_when_the_process_ends() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    for _ in 0..2 {
        let passed = start(
            tcp.try_clone().unwrap().into(),
            unix.try_clone().unwrap().into(),
            &fake,
        );
        // Who connects before it serves waits in the queue: nobody is turned away.
        assert_eq!(Client::connect_tcp(address).ask(GET).status(), 200);
        assert_eq!(Client::connect(&path).ask(GET).status(), 200);
        drop(passed);
        assert!(path.exists());
    }
}
