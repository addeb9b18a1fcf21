//! Limits for clients, and which peers may connect.

use std::io::Write as _;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getuid, prlimit};

use crate::support::files::chmod;
use crate::support::{Binary, Client, Fake, Need, needs, wait};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";

#[test]
fn a_connection_above_the_limit_gets_503() {
    let fake = Fake::start();
    let doxy = Binary::start(fake.path(), &["--max-connections", "3"]);
    let mut clients: Vec<_> = (0..3).map(|_| doxy.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask(GET).status(), 200);
    }
    let mut fourth = doxy.connect();
    let reply = fourth.reply("GET").unwrap();
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.message(), "doxy is at its limit of 3 connections");
    assert_eq!(fourth.rest(), b"");
    for client in &mut clients {
        assert_eq!(client.ask(GET).status(), 200);
    }
    // When one client has closed, another may connect.
    clients.pop();
    wait::until("a free connection", || {
        let mut client = doxy.connect();
        client.try_send(GET.as_bytes());
        (client.reply("GET")?.status() == 200).then_some(())
    });
    doxy.stop();
}

#[test]
fn a_slow_head_gets_408() {
    let fake = Fake::start();
    let doxy = Binary::start(fake.path(), &["--head-timeout", "50ms"]);
    for begun in ["G", "GET /info HTTP/1.1\r\nHost: d\r\nX: "] {
        let mut client = doxy.connect();
        client.send(begun);
        let reply = client.reply("GET").unwrap();
        assert_eq!(reply.status(), 408, "{begun:?}");
        assert_eq!(client.rest(), b"");
    }
    // The timeout also applies between requests.
    let mut client = doxy.connect();
    client.send(format!("{GET}GET /in"));
    assert_eq!(client.reply("GET").unwrap().status(), 200);
    assert_eq!(client.reply("GET").unwrap().status(), 408);
    doxy.stop();
}

#[test]
fn the_idle_timeout_closes_idle_connections_only() {
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let fake = Fake::with(move |_, stream| {
        wait.lock().unwrap().recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .is_ok()
    });
    let doxy = Binary::start(
        fake.path(),
        &["--idle-timeout", "30ms", "--head-timeout", "30ms"],
    );
    let mut busy = doxy.connect();
    busy.send(GET);
    fake.wait_for(1);
    // The idle timeout closes another connection while this one waits for its response.
    let mut idle = doxy.connect();
    assert_eq!(idle.rest(), b"");
    go_on.send(()).unwrap();
    assert_eq!(busy.reply("GET").unwrap().status(), 200);
    assert_eq!(busy.rest(), b"");
    doxy.stop();
}

#[test]
fn doxy_recovers_when_it_had_no_file_descriptors() {
    let fake = Fake::start();
    let doxy = Binary::start(fake.path(), &[]);
    let id = Some(doxy.process.pid());
    let limit = |current: u64| {
        let maximum = Some(current);
        let current = maximum;
        prlimit(id, Resource::Nofile, Rlimit { current, maximum }).unwrap();
    };
    // doxy closes an idle connection to the engine to free its descriptor.
    assert_eq!(doxy.ask(GET).status(), 200);
    limit(doxy.process.descriptors().len() as u64 + 6);
    let mut clients: Vec<_> = (0..40).map(|_| doxy.connect()).collect();
    doxy.process.logged("cannot accept a connection");
    drop(clients.split_off(1));
    wait::until("an answer", || {
        (doxy.ask(GET).status() == 200).then_some(())
    });
    assert_eq!(clients.remove(0).ask(GET).status(), 200);
    doxy.stop();
}

#[test]
fn flooding_clients_do_not_starve_others() {
    let fake = Fake::start();
    let doxy = Binary::start(fake.path(), &[]);
    let socket = doxy.socket();
    let flood = "GET /secrets HTTP/1.1\r\nHost: d\r\n\r\n".repeat(2000);
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let (socket, flood) = (socket.clone(), flood.clone());
            std::thread::spawn(move || {
                let mut client = Client::connect(&socket);
                let mut reader = client.another();
                let reading = std::thread::spawn(move || reader.rest().len());
                for _ in 0..5 {
                    client.send(&flood);
                }
                client.end();
                reading.join().unwrap()
            })
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(doxy.ask(GET).status(), 200);
    }
    for flood in floods {
        assert!(flood.join().unwrap() > 10_000 * 100);
    }
    doxy.stop();
}

/// The user id of the tests.
fn me() -> String {
    getuid().as_raw().to_string()
}

#[test]
fn allow_uid_and_allow_gid_use_the_peer_credentials() {
    let group = rustix::process::getgid().as_raw().to_string();
    for (args, allowed) in [
        (vec!["--allow-uid", &*me()], true),
        (vec!["--allow-uid", "54321,54322"], false),
        (vec!["--allow-uid", "54321", "--allow-uid", &*me()], true),
        (vec!["--allow-gid", &*group], true),
        (vec!["--allow-gid", "54321"], false),
        (vec!["--allow-uid", "54321", "--allow-gid", &*group], true),
    ] {
        let fake = Fake::start();
        let doxy = Binary::start(fake.path(), &args);
        let mut client = doxy.connect();
        if allowed {
            assert_eq!(client.ask(GET).status(), 200, "{args:?}");
        } else {
            // The response comes without a request.
            let reply = client.reply("GET").unwrap();
            assert_eq!(reply.status(), 403, "{args:?}");
            let message = format!("user {} may not use this socket", me());
            assert_eq!(reply.message(), message);
            assert_eq!(client.rest(), b"");
            assert!(fake.requests().is_empty());
        }
        doxy.stop();
    }
}

#[test]
fn rejected_peers_do_not_count_against_the_connection_limit() {
    if !needs(Need::Root) {
        return; // only root can be two users
    }
    let args = [
        "--allow-uid",
        "0",
        "--max-connections",
        "2",
        "--socket-mode",
        "666",
    ];
    let fake = Fake::start();
    let doxy = Binary::start(fake.path(), &args);
    chmod(doxy.folder(), 0o755);
    let path = doxy.socket();
    // A thread can have another user than its process. These clients send nothing, and stay.
    let strangers = std::thread::spawn(move || {
        let user = Some(rustix::process::Uid::from_raw(12345));
        rustix::thread::set_thread_res_uid(None, user, None).unwrap();
        (0..50).map(|_| Client::connect(&path)).collect::<Vec<_>>()
    });
    let mut strangers = strangers.join().unwrap();
    let mut own: Vec<_> = (0..2).map(|_| doxy.connect()).collect();
    for client in &mut own {
        assert_eq!(client.ask(GET).status(), 200);
    }
    assert_eq!(strangers[0].reply("GET").unwrap().status(), 403);
    doxy.stop();
}

#[test]
fn allow_gid_considers_supplementary_groups() {
    if !(needs(Need::Root) && needs(Need::Tool("curl")) && needs(Need::Tool("setpriv"))) {
        return;
    }
    let fake = Fake::start();
    let args = ["--allow-gid", "54321", "--socket-mode", "666"];
    let doxy = Binary::start(fake.path(), &args);
    chmod(doxy.folder(), 0o755);
    for (groups, status) in [("54320,54321", "200"), ("54320", "403")] {
        let answer = std::process::Command::new("setpriv")
            .args(["--reuid", "12345", "--regid", "12345", "--groups", groups])
            .args(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .arg("--unix-socket")
            .arg(doxy.socket())
            .arg("http://d/info")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert_eq!(told, status, "{groups}: {answer:?}");
    }
    doxy.stop();
}

#[test]
fn the_debug_line_names_the_peer() {
    let fake = Fake::start();
    let doxy = Binary::start(fake.path(), &["--debug"]);
    assert_eq!(doxy.ask(GET).status(), 200);
    let line = doxy.process.logged("GET /info");
    let id = std::process::id();
    let command = std::fs::read_to_string(Path::new("/proc/self/comm")).unwrap();
    let caller = format!("| uid {}, gid ", me());
    let process = format!("pid {id} {}, request ", command.trim());
    assert!(line.contains(&caller) && line.contains(&process), "{line}");
    let (_, request) = line.rsplit_once(' ').unwrap();
    assert_eq!(request.len(), 16, "{line}");
    doxy.stop();
}

#[test]
fn a_client_that_does_not_read_refusals_blocks_no_other() {
    let fake = Fake::start();
    let doxy = Binary::start(fake.path(), &[]);
    let client = doxy.connect();
    let flood = "GET /secrets HTTP/1.1\r\nHost: d\r\n\r\n".repeat(200_000);
    // This client sends requests and never reads. doxy must stop reading them, and still serve
    // others.
    let taken = client.offer(flood.as_bytes(), || {
        assert_eq!(doxy.ask(GET).status(), 200);
    });
    assert!(taken < flood.len(), "all requests were read");
    doxy.stop();
}
