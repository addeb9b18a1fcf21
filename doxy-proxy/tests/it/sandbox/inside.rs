//! Tries from inside what the sandbox must forbid.
//!
//! Tests start this test binary again, to run [`inside`] in a process of its own. It enters the
//! sandbox as doxy does, and then tries what must be forbidden. The binary `doxy` contains no such
//! code.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::privilege::{Needs, Network, SandboxReport, enter};
use doxy_proxy::{Listener, Policy, Service, UnixListenConfig, Upstream, UpstreamAddr, serve};
use rustix::process::{Signal, getppid, kill_process};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

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
/// How many attempts of this process the sandbox has refused.
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// The command that runs only [`inside`], in `folder`.
fn another(role: &str, folder: &Path) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut command = command(exe.to_str().unwrap(), folder);
    command
        .args(["--exact", "sandbox::inside::inside"])
        .args(["--ignored", "--nocapture"])
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
        "tcp" => inside_with_a_tcp_engine(),
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

/// Whether Landlock is in force.
fn landlock(in_force: &SandboxReport) -> bool {
    let mut parts = in_force.parts.iter();
    parts.any(|part| part.starts_with("landlock"))
}

#[track_caller]
fn forbidden<T>(what: &str, tried: std::io::Result<T>) {
    let error = tried.err().unwrap_or_else(|| panic!("{what} works"));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
    REFUSED.fetch_add(1, Ordering::SeqCst);
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
    check_inside("unix", folder.path(), 20, 13);
    assert_eq!(listing(&folder.path().join("sock")), [].into());
    assert_eq!(
        fs::read(folder.path().join("log/access.log")).unwrap(),
        b"two"
    );
}

/// Returns whether Landlock was in force.
fn inside_with_a_unix_engine() -> bool {
    let engine = UpstreamAddr::Unix("engine.sock".into());
    let mut needs = Needs::of(&engine);
    needs.read_files.push("rules/a.pattern".into());
    needs.write_files.push("log/access.log".into());
    needs.remove_files.push("sock/doxy.sock".into());
    needs.read_folders.push("/proc".into());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = other.local_addr().unwrap();
    // This thread replaces files from outside: Landlock does not apply to threads that exist
    // already.
    let (replace, replaced) = (mpsc::channel::<()>(), mpsc::channel());
    thread::spawn(move || {
        replace.1.recv().unwrap();
        fs::write("new", "/_ping").unwrap();
        fs::rename("new", "rules/a.pattern").unwrap();
        fs::rename("log/access.log", "log/access.log.1").unwrap();
        replaced.0.send(()).unwrap();
    });

    runtime().block_on(async {
        let bind = UnixListenConfig {
            path: "sock/doxy.sock".into(),
            mode: 0o600,
            owner: None,
            group: None,
        };
        let listener = Listener::Unix(bind.listen().unwrap());
        // As doxy does. Some capabilities would let root see more of other processes.
        let none = rustix::thread::CapabilitySet::empty();
        let none = rustix::thread::CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        };
        rustix::thread::set_capabilities(None, none).unwrap();
        let in_force = enter(&needs);
        let service = Service::new(
            "test",
            Policy::new(RuleSet::parse("x", b"/info").unwrap()),
            Upstream::new(engine, Duration::from_secs(10)),
        );
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = serve(vec![(listener, service)], 1, Duration::ZERO, async {
            let _ = stopped.await;
        });
        // A thread that is started later is in the sandbox, too.
        let client = thread::spawn(move || {
            let ask = || {
                Client::connect(Path::new("sock/doxy.sock"))
                    .ask(GET)
                    .status()
            };
            assert_eq!(ask(), 200);
            let landlock = landlock(&in_force);
            if landlock {
                files(|| {
                    replace.0.send(()).unwrap();
                    replaced.1.recv().unwrap();
                });
            }
            programs();
            forbidden("TCP", TcpStream::connect(other));
            forbidden("UDP", UdpSocket::bind("127.0.0.1:0"));
            forbidden("listening", TcpListener::bind("127.0.0.1:0"));
            // The proxy still serves.
            assert_eq!(ask(), 200);
            drop(stop);
            landlock
        });
        served.await.unwrap();
        client.join().unwrap()
    })
}

fn files(replace: impl FnOnce()) {
    for secret in ["secret", "/etc/passwd"] {
        forbidden(secret, fs::read(secret));
    }
    // It may read what is public about other processes, but reaches no file through their /proc
    // entries or its own.
    let parent = format!("/proc/{}", getppid().unwrap());
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
    let parent = getppid().unwrap();
    forbidden(
        "a signal",
        kill_process(parent, Signal::WINCH).map_err(Into::into),
    );
    let own = rustix::process::getuid();
    // Without the sandbox every user may call this.
    forbidden(
        "setuid",
        rustix::thread::set_thread_uid(own).map_err(Into::into),
    );
    let privileges = rustix::thread::no_new_privs().unwrap();
    assert!(privileges);
}

#[test]
fn the_sandbox_with_a_tcp_engine_refuses_all_else() {
    let folder = tempfile::tempdir().unwrap();
    check_inside("tcp", folder.path(), 9, 4);
}

/// Returns whether Landlock was in force.
fn inside_with_a_tcp_engine() -> bool {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (engine, other) = (listen(), listen());
    let [engine_at, other_at] = [&engine, &other].map(|it| it.local_addr().unwrap());
    // By name: in a thread of its own, because a sandbox applies to its thread for good.
    let named = thread::spawn(move || {
        let needs = Needs::of(&UpstreamAddr::Tcp(format!(
            "localhost:{}",
            engine_at.port()
        )));
        let in_force = enter(&needs);
        let found: Vec<_> = ("localhost", engine_at.port())
            .to_socket_addrs()
            .unwrap()
            .collect();
        assert!(found.contains(&engine_at), "{found:?}");
        TcpStream::connect(engine_at).unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap();
        if landlock(&in_force) {
            forbidden("another port", TcpStream::connect(other_at));
            fs::read("/etc/passwd").unwrap();
        }
        programs();
    });
    named.join().unwrap();
    let needs = Needs::of(&UpstreamAddr::Tcp(engine_at.to_string()));
    assert_eq!(needs.network, Network::Port(engine_at.port()));
    let in_force = enter(&needs);
    TcpStream::connect(engine_at).unwrap();
    forbidden("UDP", UdpSocket::bind("127.0.0.1:0"));
    let landlock = landlock(&in_force);
    if landlock {
        forbidden("another port", TcpStream::connect(other_at));
        forbidden("listening", TcpListener::bind("127.0.0.1:0"));
        forbidden("a file", fs::read("/etc/passwd"));
    }
    landlock
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
