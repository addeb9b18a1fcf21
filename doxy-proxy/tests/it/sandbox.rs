//! What doxy gives up: tried from inside, and seen from outside on the running binary.
//!
//! From inside: [`inside`] is this test binary started once more, in a process of its own, which
//! enters the sandbox as doxy does and then tries what is forbidden. The binary `doxy` has nothing
//! of the kind in it.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::privilege::{Needs, Network, SandboxReport, enter};
use doxy_proxy::{Policy, Service, UnixListenConfig, Upstream, UpstreamAddr, serve};
use rustix::process::{Pid, Signal, getppid, kill_process};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::support::files::{chmod, listing};
use crate::support::process::{Process, command, copy_binary, doxy, unprivileged};
use crate::support::{Client, Fake, Recorded};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
/// What the process inside is to do.
const ROLE: &str = "TEST_ROLE_OF_DOXY";
/// A group that is nobody's.
const GROUP: u32 = 47_110;

fn answer(_: &Recorded, stream: &mut std::os::unix::net::UnixStream) -> bool {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
        .is_ok()
}

/// This test binary once more, running only [`inside`], in `folder`.
fn another(role: &str, folder: &Path) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut command = command(exe.to_str().unwrap(), folder);
    command
        .args(["--exact", "sandbox::inside", "--nocapture"])
        .env(ROLE, role);
    command
}

/// Runs in a process of its own, when [`another`] has started it. Otherwise it has nothing to do.
#[test]
fn inside() {
    match std::env::var(ROLE).as_deref() {
        Ok("unix") => inside_with_a_unix_engine(),
        Ok("tcp") => inside_with_a_tcp_engine(),
        Ok(refused) => without(refused),
        Err(_) => {}
    }
}

#[track_caller]
fn tried(role: &str, folder: &Path) {
    let ended = Process::spawn(&mut another(role, folder)).end();
    eprintln!("{}", ended.stderr);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.contains("1 passed"), "{ended:#?}");
}

/// Whether Landlock is in force; if the kernel has none, that is said.
fn landlock(in_force: &SandboxReport) -> bool {
    let there = in_force
        .parts
        .iter()
        .any(|part| part.starts_with("landlock"));
    if !there {
        eprintln!("{in_force}: what Landlock forbids is not tested");
    }
    there
}

#[track_caller]
fn forbidden<T>(what: &str, tried: std::io::Result<T>) {
    let error = tried.err().unwrap_or_else(|| panic!("{what} works"));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
}

#[test]
fn from_inside_with_a_unix_engine() {
    let folder = tempfile::tempdir().unwrap();
    let _engine = Fake::at(&folder.path().join("engine.sock"), answer);
    for name in ["rules", "log", "sock"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("secret"), "secret").unwrap();
    fs::write(folder.path().join("rules/a.pattern"), "/info").unwrap();
    tried("unix", folder.path());
    assert_eq!(listing(&folder.path().join("sock")), [].into());
    assert_eq!(
        fs::read(folder.path().join("log/access.log")).unwrap(),
        b"two"
    );
}

fn inside_with_a_unix_engine() {
    let engine = UpstreamAddr::Unix("engine.sock".into());
    let mut needs = Needs::of(&engine);
    needs.read_files.push("rules/a.pattern".into());
    needs.write_files.push("log/access.log".into());
    needs.remove_files.push("sock/doxy.sock".into());
    needs.read_folders.push("/proc".into());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = other.local_addr().unwrap();
    // Somebody outside who replaces files: a thread that is there before is not in Landlock.
    let (replace, replaced) = (mpsc::channel::<()>(), mpsc::channel());
    thread::spawn(move || {
        replace.1.recv().unwrap();
        fs::write("new", "/_ping").unwrap();
        fs::rename("new", "rules/a.pattern").unwrap();
        fs::rename("log/access.log", "log/access.log.1").unwrap();
        replaced.0.send(()).unwrap();
    });

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bind = UnixListenConfig {
            path: "sock/doxy.sock".into(),
            mode: 0o600,
            owner: None,
            group: None,
        };
        let listener = bind.listen().unwrap();
        // As doxy does; with some of them root sees more of other processes.
        let none = rustix::thread::CapabilitySet::empty();
        let none = rustix::thread::CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        };
        rustix::thread::set_capabilities(None, none).unwrap();
        let in_force = enter(&needs);
        let proxy = Service::new(
            Policy::new(RuleSet::parse("x", b"/info").unwrap()),
            Arc::new(Upstream::new(engine, Duration::from_secs(10))),
        );
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = serve(listener, proxy, Duration::ZERO, async {
            let _ = stopped.await;
        });
        // A thread that is started later, and in the sandbox too.
        let client = thread::spawn(move || {
            let ask = || {
                Client::connect(Path::new("sock/doxy.sock"))
                    .ask(GET)
                    .status()
            };
            assert_eq!(ask(), 200);
            if landlock(&in_force) {
                files(|| {
                    replace.0.send(()).unwrap();
                    replaced.1.recv().unwrap();
                });
            }
            programs();
            forbidden("TCP", TcpStream::connect(other));
            forbidden("UDP", UdpSocket::bind("127.0.0.1:0"));
            forbidden("listening", TcpListener::bind("127.0.0.1:0"));
            // And it still serves.
            assert_eq!(ask(), 200);
            drop(stop);
        });
        served.await.unwrap();
        client.join().unwrap();
    });
}

fn files(replace: impl FnOnce()) {
    for secret in ["secret", "/etc/passwd"] {
        forbidden(secret, fs::read(secret));
    }
    // Of other processes what everybody may know, and no way round by their files or its own.
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
    // Another error there, as if the folders were on two disks.
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
    // By the call itself, and as a program would be run.
    forbidden::<()>("exec", Err(Command::new("/bin/true").exec()));
    forbidden("a process", Command::new("/bin/true").spawn());
    let parent = getppid().unwrap();
    forbidden(
        "a signal",
        kill_process(parent, Signal::WINCH).map_err(Into::into),
    );
    let own = rustix::process::getuid();
    // Which is allowed to everybody otherwise.
    forbidden(
        "setuid",
        rustix::thread::set_thread_uid(own).map_err(Into::into),
    );
    let privileges = rustix::thread::no_new_privs().unwrap();
    assert!(privileges);
}

#[test]
fn from_inside_with_a_tcp_engine() {
    tried("tcp", tempfile::tempdir().unwrap().path());
}

fn inside_with_a_tcp_engine() {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (engine, other) = (listen(), listen());
    let [engine_at, other_at] = [&engine, &other].map(|it| it.local_addr().unwrap());
    // By name, in a thread that is in no sandbox's way afterwards but shares the filter's first one.
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
    if landlock(&in_force) {
        forbidden("another port", TcpStream::connect(other_at));
        forbidden("listening", TcpListener::bind("127.0.0.1:0"));
        forbidden("a file", fs::read("/etc/passwd"));
    }
}

/// Becomes a doxy for which a system call does not exist.
fn without(refused: &str) {
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
        .args(args.split(' '))
        .exec();
    panic!("{error}");
}

#[test]
fn what_the_kernel_lacks_is_said_or_refused() {
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

        let mut command = another(role, folder.path());
        let ended = Process::spawn(command.env("TEST_ARGS_OF_DOXY", "--sandbox require")).end();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let (first, help) = ended.stderr.trim_end().split_once('\n').unwrap();
        assert!(
            first.starts_with("doxy: --sandbox require: missing: "),
            "{first}"
        );
        assert!(first.contains(missing), "{first}");
        assert!(help.starts_with("help: "), "{help}");
        assert_eq!(listing(folder.path()), [].into());
    }
}

/// Lines of /proc/PID/status.
struct Status(String);

impl Status {
    #[track_caller]
    fn of(pid: Pid) -> Self {
        Self(fs::read_to_string(format!("/proc/{pid}/status")).unwrap())
    }

    #[track_caller]
    fn get(&self, name: &str) -> Vec<&str> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap()
            .trim_start_matches(':')
            .split_whitespace()
            .collect()
    }

    #[track_caller]
    fn is_locked(&self) {
        assert_eq!(self.get("NoNewPrivs"), ["1"]);
        assert_eq!(self.get("Seccomp:"), ["2"]);
        self.has_no_capabilities();
    }

    #[track_caller]
    fn has_no_capabilities(&self) {
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            assert_eq!(self.get(set), ["0000000000000000"], "{set}");
        }
    }
}

#[test]
fn everything_goes_on_under_the_default_sandbox() {
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
fn an_engine_over_tcp_is_reached_by_address_and_by_name() {
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
fn it_can_be_switched_off() {
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

fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not root: becoming another user is not tested");
    }
    root
}

/// A folder that everybody may pass through, and in `mode` do more.
fn open_folder(mode: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    chmod(folder.path(), mode);
    folder
}

/// An engine whose socket is for root and a group.
fn engine(folder: &Path, group: u32, mode: u32) -> Fake {
    let path = folder.join("engine.sock");
    let engine = Fake::at(&path, answer);
    chown(&path, Some(0), Some(group)).unwrap();
    chmod(&path, mode);
    engine
}

#[test]
fn root_is_given_up_for_a_user_with_no_more_than_the_engines_group() {
    if !root() {
        return;
    }
    for (options, group, groups) in [
        (vec![], GROUP, vec![GROUP]),
        (vec!["--sandbox", "off"], GROUP, vec![GROUP]),
        (vec!["--sandbox", "require"], 4711, vec![]),
    ] {
        let folder = open_folder(0o777);
        let at = |name: &str| folder.path().join(name);
        let mode = if groups.is_empty() { 0o666 } else { 0o660 };
        let fake = engine(folder.path(), group, mode);
        let mut command = doxy(folder.path());
        command
            .args(["--user", "4710", "--group", "4711"])
            .args(&options);
        let process = Process::start(&mut command);
        let status = Status::of(process.pid());
        assert_eq!(status.get("Uid"), ["4710"; 4]);
        assert_eq!(status.get("Gid"), ["4711"; 4]);
        let expected: Vec<_> = groups.iter().map(u32::to_string).collect();
        assert_eq!(status.get("Groups"), expected);
        status.has_no_capabilities();
        if !options.contains(&"off") {
            status.is_locked();
        }
        let socket = fs::metadata(at("doxy.sock")).unwrap();
        assert_eq!((socket.uid(), socket.gid()), (4710, 4711));
        let mut client = Client::connect(&at("doxy.sock"));
        assert_eq!(client.ask(GET).status(), 200);
        drop(fake);
        assert_eq!(client.ask(GET).status(), 502);
        let _fake = engine(folder.path(), group, mode);
        assert_eq!(client.ask(GET).status(), 200);
        drop(client);
        let log = process.stop().stderr;
        assert!(!log.contains("WARN"), "{log}");
        assert!(!at("doxy.sock").exists());
    }
}

#[test]
fn what_the_user_will_not_be_able_to_do_is_said_at_the_start() {
    if !root() {
        return;
    }
    let folder = open_folder(0o755);
    let _fake = engine(folder.path(), GROUP, 0o660);
    fs::write(folder.path().join("a.pattern"), "/info").unwrap();
    chmod(&folder.path().join("a.pattern"), 0o600);
    for _ in 0..2 {
        let mut command = doxy(folder.path());
        command.args(["--pattern-file", "a.pattern"]);
        let process = Process::start(command.args(["--user", "4710", "--group", "4711"]));
        process.logged("WARN as user 4710: a.pattern cannot be read again");
        // It stays, and the next start replaces it.
        process.logged("WARN as user 4710: doxy.sock stays behind when doxy stops");
        let mut client = Client::connect(&folder.path().join("doxy.sock"));
        assert_eq!(client.ask(GET).status(), 200);
        drop(client);
        process.stop();
        assert!(folder.path().join("doxy.sock").exists());
    }
}

#[track_caller]
fn refused(folder: &Path, args: &[&str]) -> String {
    refused_by(doxy(folder), folder, args)
}

#[track_caller]
fn refused_by(mut command: Command, folder: &Path, args: &[&str]) -> String {
    let before = listing(folder);
    let ended = Process::spawn(command.args(args)).end();
    assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
    assert_eq!(listing(folder), before, "{args:?}: left behind");
    ended.stderr
}

#[test]
fn users_that_there_are_not() {
    let folder = tempfile::tempdir().unwrap();
    for (args, said) in [
        (
            &["--user", "no-such-user"][..],
            "--user no-such-user: no such user in /etc/passwd\n\
             help: use a name from there, or a number",
        ),
        (
            &["--user", "4294967295"],
            "--user 4294967295: no such user in /etc/passwd\n\
             help: use a name from there, or a number",
        ),
        (
            &["--user", "471147"],
            "--user 471147: /etc/passwd does not say what group this user has\n\
             help: name the group with --group",
        ),
        (
            &["--user", "root", "--group", "no-such-group"],
            "--group no-such-group: no such group in /etc/group\n\
             help: use a name from there, or a number",
        ),
        (
            &["--group", "root"],
            "--group root: this is the group of --user, which is not given\n\
             help: name the user as well, or leave it out",
        ),
        (
            &["--sandbox", "maybe"],
            "--sandbox maybe: unknown choice\nhelp: write `auto`, `require` or `off`",
        ),
    ] {
        assert_eq!(refused(folder.path(), args), format!("doxy: {said}\n"));
    }
}

#[test]
fn users_that_cannot_reach_the_engine() {
    if !root() {
        return;
    }
    let folder = open_folder(0o755);
    let user = ["--user", "4710", "--group", "4711"];
    let reach = |folder: &Path| refused(folder, &user);
    let named = refused(folder.path(), &["--user", "nobody"]);
    assert_eq!(
        named,
        "doxy: --user nobody: there is no engine.sock, so what group it takes is not known\n\
         help: start the engine first, or name the group that its socket will have with --group\n"
    );
    // With a group named it may come later.
    Process::start(doxy(folder.path()).args(user)).stop();
    fs::remove_file(folder.path().join("doxy.sock")).unwrap();

    let fake = engine(folder.path(), 0, 0o660);
    assert_eq!(
        reach(folder.path()),
        "doxy: --user 4710: only root and its group may write to engine.sock\n\
         help: give the engine's socket a group of its own (dockerd --group), or say --group root\n"
    );
    let beyond = "doxy: --user 4710: this user cannot reach engine.sock, not with the socket's group \
                  either\nhelp: let the socket's group write to it, and everybody pass through the \
                  folders it is in\n";
    drop(fake);
    let fake = engine(folder.path(), GROUP, 0o600);
    assert_eq!(reach(folder.path()), beyond);
    drop(fake);
    let _fake = engine(folder.path(), GROUP, 0o660);
    chmod(folder.path(), 0o700);
    assert_eq!(reach(folder.path()), beyond);
}

#[test]
fn who_is_not_root_can_only_stay_who_it_is() {
    let folder = open_folder(0o777);
    copy_binary(folder.path());
    let Some(command) = unprivileged(folder.path()) else {
        return;
    };
    assert_eq!(
        refused_by(command, folder.path(), &["--user", "1", "--group", "1"]),
        "doxy: --user 1: cannot become this user: operation not permitted\n\
         help: start doxy as root (in a container with SETUID, SETGID, CHOWN and FOWNER), or leave \
         it out\n"
    );
    let ids = [
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    ];
    let ids = ids.map(|id| if root() { 65534 } else { id }.to_string());
    let [user, group] = &ids;
    let mut command = unprivileged(folder.path()).unwrap();
    let process = Process::start(command.args(["--user", user, "--group", group]));
    let status = Status::of(process.pid());
    assert_eq!(status.get("Uid"), [user; 4]);
    status.is_locked();
    process.stop();
}

/// What belongs to others is opened by a capability, which then is the only one left.
#[test]
fn root_keeps_the_one_capability_that_opens_what_is_not_its_own() {
    if !root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let engines = folder.path().join("theirs");
    fs::create_dir(&engines).unwrap();
    let _fake = Fake::at(&engines.join("engine.sock"), answer);
    chmod(&engines, 0o700);
    chown(&engines, Some(4710), None).unwrap();
    let mut command = doxy(folder.path());
    let process = Process::start(command.args(["--docker-socket", "theirs/engine.sock"]));
    let line = process.logged("sandbox: ");
    assert!(
        line.contains("capability dac_override only (for theirs/engine.sock)"),
        "{line}"
    );
    assert_eq!(
        Status::of(process.pid()).get("CapEff"),
        ["0000000000000002"]
    );
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    assert_eq!(client.ask(GET).status(), 200);
    drop(client);
    process.stop();
}
