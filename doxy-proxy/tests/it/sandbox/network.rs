//! Serving over TCP and TLS in the sandbox, with an engine at a unix socket or behind TLS: all of it
//! works, and nothing else can be reached.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::privilege::{Needs, SandboxMode, drop_privileges};
use doxy_proxy::{
    ListenConfig, Policy, Server, Service, TlsClient, TlsClientFiles, TlsServer, TlsServerFiles,
    Upstream, UpstreamAddr,
};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustls::version::TLS13;

use super::{GET, answer};
use crate::support::process::{Process, command};
use crate::support::runtime::runtime;
use crate::support::{Certificates, Client, Doxy, Fake};

const ENGINE: &str = "DOXY_TEST_ENGINE";
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PATIENCE: Duration = Duration::from_secs(5);

fn service(upstream: Upstream) -> Service {
    let rules = RuleSet::parse("x", b"GET /info").unwrap();
    Service::new("test", Policy::new(rules), upstream)
}

/// The engine that a test's variable names: a path, or `HOST:PORT` behind TLS.
fn engine() -> (UpstreamAddr, Upstream) {
    let engine = std::env::var(ENGINE).expect("an engine, which another test gives");
    if engine.starts_with('/') {
        let engine = UpstreamAddr::Unix(engine.into());
        return (engine.clone(), Upstream::new(engine, PATIENCE));
    }
    let files = TlsClientFiles {
        authorities: "ca".into(),
        certificate: Some(("localhost".into(), "localhost-key".into())),
    };
    let tls = TlsClient::read(&files, &engine).unwrap();
    let engine = UpstreamAddr::Tcp(engine);
    (engine.clone(), Upstream::with_tls(engine, PATIENCE, tls))
}

/// Runs in a process of its own, and serves until it is ended.
#[test]
#[ignore = "part of other tests, which start it in a process of its own"]
fn inside() {
    let (address, upstream) = engine();
    let mut needs = Needs::default();
    needs.add_engine(&address);
    let tls = TlsServer::read(&TlsServerFiles {
        certificate: "localhost".into(),
        key: "localhost-key".into(),
        client_authorities: Some("ca".into()),
    });
    // Something that nobody may connect to, and a client's socket.
    let other = std::net::TcpListener::bind(ANY).unwrap();
    let beyond = other.local_addr().unwrap();
    let _client = TcpStream::connect(beyond).unwrap();
    let (client, _) = other.accept().unwrap();
    runtime().block_on(async {
        let listeners = [ANY, ANY].map(|any| ListenConfig::Tcp(any).listen().unwrap());
        let [plain, secure] = listeners;
        let told = format!("listening on {plain} and {secure}");
        let in_force =
            drop_privileges(None, SandboxMode::Auto, &"--sandbox", &[&address], &needs).unwrap();
        assert!(in_force.contains(", seccomp"), "{in_force}");
        let landlock = in_force.contains(", landlock v");
        let mut server = Server::start(2, 100).unwrap();
        let shared = service(upstream);
        let mut secured = shared.clone();
        secured.tls = Some(tls.unwrap());
        for (service, listener) in [(shared, plain), (secured, secure)] {
            let socket = server.add(service);
            server.listen(listener, socket).unwrap();
        }
        if landlock || matches!(address, UpstreamAddr::Unix(_)) {
            assert!(
                TcpStream::connect(beyond).is_err(),
                "it reaches another port"
            );
        }
        leads_nowhere(&client, beyond, landlock);
        eprintln!("{told}");
        std::future::pending::<()>().await;
    });
}

/// A client's socket can be made to forget its client. It must lead nowhere else then.
fn leads_nowhere(client: &TcpStream, other: SocketAddr, landlock: bool) {
    rustix::net::connect_unspec(client).unwrap();
    let fast = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.cast_unsigned());
    let sent = rustix::net::sendto(client, b"x", fast, &other);
    assert_eq!(sent, Err(Errno::PERM));
    if landlock {
        assert_eq!(rustix::net::connect(client, &other), Err(Errno::ACCESS));
    }
}

fn another(folder: &Path, engine: &str) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut command = command(exe.to_str().unwrap(), folder);
    command
        .args(["--exact", "sandbox::network::inside"])
        .args(["--ignored", "--nocapture"])
        .env(ENGINE, engine);
    command
}

#[test]
fn tcp_and_tls_are_served_and_nothing_else_is_reached() {
    let certificates = Certificates::new();
    certificates.certify(&["localhost", "127.0.0.1"]);
    let folder = certificates.path("");
    let fake = Fake::at(&folder.join("engine.sock"), answer);
    // The engine behind TLS is a doxy, which asks for a certificate.
    let upstream = Upstream::new(UpstreamAddr::Unix(fake.path().to_owned()), PATIENCE);
    let mut far = service(upstream);
    far.tls = Some(certificates.server("localhost", true));
    let far = Doxy::serving(ListenConfig::Tcp(ANY), far, Duration::ZERO);
    let port = far.address().port();
    for engine in [
        fake.path().to_str().unwrap().to_owned(),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
    ] {
        serves(&certificates, &folder, &engine);
    }
}

#[track_caller]
fn serves(certificates: &Certificates, folder: &Path, engine: &str) {
    let process = Process::spawn(&mut another(folder, engine));
    let line = process.logged("listening on ");
    let addresses = line.split("tcp://").skip(1);
    let addresses: Vec<SocketAddr> = addresses
        .map(|text| text.split(' ').next().unwrap().parse().unwrap())
        .collect();
    let [plain, secure] = addresses[..] else {
        panic!("{line}");
    };
    for _ in 0..2 {
        assert_eq!(
            Client::connect_tcp(plain).ask(GET).status(),
            200,
            "{engine}"
        );
        let tls = certificates.connection(Some("localhost"), &[&TLS13]);
        let mut client = Client::connect_tcp(secure).secured(tls).unwrap();
        for _ in 0..2 {
            assert_eq!(client.ask(GET).status(), 200, "{engine}");
        }
    }
}
