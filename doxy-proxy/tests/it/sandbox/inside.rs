//! Tries from inside what the sandbox must forbid.
//!
//! Tests start this test binary again, to run [`inside`] in a process of its own. It enters the
//! sandbox as doxy does, and then tries what must be forbidden. The binary `doxy` contains no such
//! code.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::privilege::{Needs, Network, SandboxMode, drop_privileges};
use doxy_proxy::{Listener, Policy, Server, Service, UnixListenConfig, Upstream, UpstreamAddr};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use super::attempts::{
    Attempts, REFUSED, everything_else_works, forbidden, socket_pair, sockets_can_be_added,
};
use super::{GET, answer};
use crate::support::files::listing;
use crate::support::needs::missing;
use crate::support::process::{Process, command};
use crate::support::runtime::runtime;
use crate::support::{Client, Fake};

/// The variable that tells the process which part to run.
const ROLE: &str = "TEST_ROLE_OF_DOXY";

/// The line that [`inside`] prints at its end begins with this.
const REPORT: &str = "inside the sandbox: ";

/// The command that runs only [`inside`], in `folder`.
fn another(role: &str, folder: &Path) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut command = command(exe.to_str().unwrap(), folder);
    command
        .args(["--exact", "sandbox::inside::inside"])
        .args(["--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "1")
        .env(ROLE, role);
    command
}

/// Runs in a process of its own, which [`another`] starts.
#[test]
#[ignore = "part of other tests, which start it in a process of its own"]
fn inside() {
    let role = std::env::var(ROLE).expect("a role, which another test gives");
    let landlock = match role.as_str() {
        "unix" => inside_with_a_unix_engine(),
        "address" => inside_with_a_tcp_engine("127.0.0.1"),
        "name" => inside_with_a_tcp_engine("localhost"),
        "abort" => inside_without_return(|| std::process::abort()),
        "abort of a thread" => inside_without_return(|| {
            let _ = thread::spawn(|| std::process::abort()).join();
        }),
        refused => without(refused),
    };
    let refused = REFUSED.load(Ordering::SeqCst);
    eprintln!("{REPORT}{refused} attempts refused, Landlock {landlock}");
}

/// Runs [`inside`], and checks in its report that the sandbox refused `all` attempts. Without
/// Landlock `by_landlock` of them cannot be made.
#[track_caller]
fn check_inside(role: &str, folder: &Path, all: usize, by_landlock: usize) {
    let ended = Process::spawn(&mut another(role, folder)).end();
    assert_eq!(ended.code, Some(0), "{ended}");
    let report = ended
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix(REPORT));
    if report != Some(&*format!("{all} attempts refused, Landlock true")) {
        let without = format!("{} attempts refused, Landlock false", all - by_landlock);
        assert_eq!(report, Some(&*without), "{ended}");
        missing("the kernel has no Landlock; what only Landlock refuses is not tested");
    }
}

/// Enters the sandbox as doxy does.
fn enter(engine: &UpstreamAddr, needs: &Needs) -> bool {
    let in_force =
        drop_privileges(None, SandboxMode::Auto, &"--sandbox", &[engine], needs).unwrap();
    assert!(in_force.contains(", seccomp"), "{in_force}");
    in_force.contains(", landlock v")
}

#[test]
fn the_sandbox_with_a_unix_engine_refuses_all_else() {
    let folder = tempfile::tempdir().unwrap();
    let _engine = Fake::at(&folder.path().join("engine.sock"), answer);
    for name in ["rules", "log", "sock"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("secret"), "secret").unwrap();
    fs::write(folder.path().join("rules/a.pattern"), "/info").unwrap();
    check_inside("unix", folder.path(), 39, 14);
    assert_eq!(listing(&folder.path().join("sock")), [].into());
    assert_eq!(
        fs::read(folder.path().join("log/access.log")).unwrap(),
        b"two"
    );
}

/// Returns whether Landlock was in force.
#[expect(
    clippy::zombie_processes,
    reason = "the sandbox forbids waiting for it"
)]
fn inside_with_a_unix_engine() -> bool {
    let engine = UpstreamAddr::Unix("engine.sock".into());
    let mut needs = Needs::default();
    needs.add_engine(&engine);
    needs.read_files.push("rules/a.pattern".into());
    needs.write_files.push("log/access.log".into());
    needs.sockets.push("sock/doxy.sock".into());
    needs.read_folders.push("/proc".into());
    // Replaces files from outside: the filter applies to every thread of this process.
    let mut outside = Command::new("sh")
        .args([
            "-c",
            "read go; printf /_ping > new; mv new rules/a.pattern; mv log/access.log log/access.log.1; \
             echo done",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pair = socket_pair();
    let attempts = Attempts::prepare(None);

    runtime().block_on(async {
        let bind = UnixListenConfig {
            path: "sock/doxy.sock".into(),
            mode: 0o600,
            owner: None,
            group: None,
        };
        let listener = Listener::Unix(bind.listen().unwrap());
        let landlock = enter(&engine, &needs);
        let service = Service::new(
            "test",
            Policy::new(RuleSet::parse("x", b"/info").unwrap()),
            Upstream::new(engine, Duration::from_secs(10)),
        );
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = async {
            let mut server = Server::start(1, service.limits.connections).unwrap();
            let socket = server.add(service);
            server.listen(listener, socket).unwrap();
            let _ = stopped.await;
            server.stop("the test ends", Duration::ZERO).await;
        };
        // A thread that is started later is in the sandbox, too.
        let client = thread::spawn(move || {
            // With the calls of a proxy alone: no timeouts.
            let ask = || {
                let mut stream = UnixStream::connect("sock/doxy.sock").unwrap();
                stream.write_all(GET.as_bytes()).unwrap();
                let mut begin = [0; 12];
                stream.read_exact(&mut begin).unwrap();
                assert_eq!(&begin, b"HTTP/1.1 200");
            };
            ask();
            if landlock {
                files(|| {
                    writeln!(outside.stdin.take().unwrap(), "go").unwrap();
                    let mut said = String::new();
                    let mut output = outside.stdout.take().unwrap();
                    output.read_to_string(&mut said).unwrap();
                    assert_eq!(said, "done\n");
                });
                forbidden("a socket elsewhere", UnixListener::bind("log/x.sock"));
            }
            programs();
            attempts.are_refused();
            sockets_can_be_added("sock");
            everything_else_works(&pair);
            forbidden("UDP", UdpSocket::bind("127.0.0.1:0"));
            forbidden("listening", TcpListener::bind("127.0.0.1:0"));
            // The proxy still serves.
            ask();
            drop(stop);
            landlock
        });
        served.await;
        client.join().unwrap()
    })
}

fn files(replace: impl FnOnce()) {
    for secret in ["secret", "/etc/passwd"] {
        forbidden(secret, fs::read(secret));
    }
    // It may read what is public about other processes, but reaches no file through their /proc
    // entries or its own.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t"));
    let parent = format!("/proc/{}", parent.unwrap());
    assert!(!fs::read(format!("{parent}/comm")).unwrap().is_empty());
    forbidden("environ", fs::read(format!("{parent}/environ")));
    for root in [parent.as_str(), "/proc/self", "/proc/1"] {
        forbidden(root, fs::read(format!("{root}/root/etc/passwd")));
    }
    forbidden("listing /", fs::read_dir("/"));
    forbidden("listing its folder", fs::read_dir("."));
    forbidden("a new file", fs::write("new", ""));
    forbidden("a new rule", fs::write("rules/b.pattern", "/.*"));
    forbidden("a changed rule", fs::write("rules/a.pattern", "/.*"));
    forbidden("removing a rule", fs::remove_file("rules/a.pattern"));
    // Landlock returns another error here (EXDEV), as between two file systems.
    assert!(fs::hard_link("secret", "log/secret").is_err());
    forbidden("a folder", fs::create_dir("log/x"));
    let append = || {
        let mut options = fs::File::options();
        options.append(true).create(true).open("log/access.log")
    };
    append().unwrap().write_all(b"one").unwrap();
    assert_eq!(fs::read("rules/a.pattern").unwrap(), b"/info");
    replace();
    assert_eq!(fs::read("rules/a.pattern").unwrap(), b"/_ping");
    append().unwrap().write_all(b"two").unwrap();
}

fn programs() {
    // By execve alone, and by fork and execve.
    forbidden::<()>("exec", Err(Command::new("/bin/true").exec()));
    forbidden("a process", Command::new("/bin/true").spawn());
    let own = rustix::process::getuid();
    // Without the sandbox every user may call this.
    forbidden(
        "setuid",
        rustix::thread::set_thread_uid(own).map_err(Into::into),
    );
}

#[test]
fn the_sandbox_with_a_tcp_engine_refuses_all_else() {
    // The resolver of glibc loads its modules at the first lookup, so code may be mapped then.
    let code = usize::from(cfg!(target_env = "gnu"));
    for (role, all, by_landlock) in [("address", 29, 2), ("name", 24 - 2 * code, 1)] {
        let folder = tempfile::tempdir().unwrap();
        check_inside(role, folder.path(), all, by_landlock);
    }
}

/// Returns whether Landlock was in force.
fn inside_with_a_tcp_engine(host: &str) -> bool {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (engine, other) = (listen(), listen());
    let [port, other_port] = [&engine, &other].map(|it| it.local_addr().unwrap().port());
    let other = SocketAddr::from(([127, 0, 0, 1], other_port));
    let named = host.parse::<IpAddr>().is_err();
    let address = UpstreamAddr::Tcp(format!("{host}:{port}"));
    let mut needs = Needs::default();
    needs.add_engine(&address);
    let expected = [Network::Addresses, Network::Names];
    assert_eq!(needs.network, expected[usize::from(named)]);
    assert!(needs.ports.contains(&port));
    let pair = socket_pair();
    let mut attempts = Attempts::prepare(Some(other));
    attempts.named = named;
    let landlock = enter(&address, &needs);
    // In a thread of its own, as tokio looks names up.
    let found = move || {
        let found = (host, port).to_socket_addrs();
        let found = found.unwrap().find(SocketAddr::is_ipv4).unwrap();
        TcpStream::connect(found).unwrap();
    };
    thread::scope(|scope| scope.spawn(found).join().unwrap());
    attempts.are_refused();
    everything_else_works(&pair);
    programs();
    if named {
        UdpSocket::bind("127.0.0.1:0").unwrap();
    } else {
        forbidden("UDP", UdpSocket::bind("127.0.0.1:0"));
        forbidden("binding", TcpListener::bind("127.0.0.1:0"));
    }
    if landlock {
        forbidden("another port", TcpStream::connect(other));
        if named {
            fs::read("/etc/passwd").unwrap();
        } else {
            forbidden("a file", fs::read("/etc/passwd"));
        }
    }
    landlock
}

/// A fault that ends the process ends it at once, in the sandbox too.
#[test]
fn the_sandbox_lets_doxy_abort() {
    for role in ["abort", "abort of a thread"] {
        let folder = tempfile::tempdir().unwrap();
        let ended = Process::spawn(&mut another(role, folder.path())).end();
        assert_eq!(ended.code, None, "{role}: {ended}");
        assert!(!ended.stderr.contains("it goes on"), "{role}: {ended}");
    }
}

fn inside_without_return(act: fn()) -> bool {
    let engine = UpstreamAddr::Unix("engine.sock".into());
    enter(&engine, &Needs::default());
    act();
    eprintln!("it goes on");
    false
}

/// Replaces this process by a doxy for which one system call does not exist.
fn without(refused: &str) -> ! {
    let call = match refused {
        "without-landlock" => libc::SYS_landlock_create_ruleset,
        "without-seccomp" => libc::SYS_seccomp,
        other => panic!("{other}"),
    };
    let filter = SeccompFilter::new(
        [(call, vec![])].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program = BpfProgram::try_from(filter.unwrap()).unwrap();
    apply_filter(&program).unwrap();
    let args = std::env::var("TEST_ARGS_OF_DOXY").unwrap();
    let error = Command::new(env!("CARGO_BIN_EXE_doxy"))
        .args(args.split_whitespace())
        .exec();
    panic!("{error}");
}

#[test]
fn a_missing_kernel_feature_is_logged_or_an_error() {
    for (role, missing) in [
        (
            "without-landlock",
            "landlock (not in this kernel or container)",
        ),
        ("without-seccomp", "seccomp (function not implemented)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = another(role, folder.path());
        let process = Process::start(command.env("TEST_ARGS_OF_DOXY", "--sandbox auto"));
        let line = process.logged("sandbox: ");
        assert!(line.contains("no-new-privs"), "{line}");
        assert!(
            line.contains("; missing: ") && line.contains(missing),
            "{line}"
        );
        assert_eq!(
            Client::connect(&folder.path().join("doxy.sock"))
                .ask(GET)
                .status(),
            502
        );
        process.stop();

        // The error names the setting as it was given.
        for (args, variable, given) in [
            ("--sandbox require", "auto", "--sandbox require"),
            ("", "require", "DOXY_SANDBOX=require"),
        ] {
            let mut command = another(role, folder.path());
            let command = command.env("TEST_ARGS_OF_DOXY", args);
            let ended = Process::spawn(command.env("DOXY_SANDBOX", variable)).end();
            assert_eq!(ended.code, Some(2), "{ended:?}");
            let (first, help) = ended.stderr.trim_end().split_once('\n').unwrap();
            let begins = format!("doxy: {given}: missing: ");
            assert!(first.starts_with(&begins), "{first}");
            assert!(first.contains(missing), "{first}");
            assert!(help.starts_with("help: "), "{help}");
        }
        assert_eq!(listing(folder.path()), [].into());
    }
}
