//! The command line, through the binary: what it prints, what it takes, and what is wrong with it.
//!
//! doxy runs in a folder of its own and is told relative paths, so that messages can be compared
//! word for word. The two variables that say where its sockets are point into that folder, and an
//! option beats them: what a case leaves open cannot hit anything of the machine's.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::listening::{full, stale};
use crate::support::process::{Ended, Process, command, doxy};
use crate::support::{Client, Fake};

/// The environment, for cases that set nothing there.
const NONE: &[(&str, &str)] = &[];
const PING: &str = "GET /_ping?secret HTTP/1.1\r\nHost: d\r\n\r\n";

/// The names of everything in a folder.
pub(crate) fn listing(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder with everything in it that the cases name.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [
        ("file", &b"no socket\n"[..]),
        ("good.pattern", b"# one\n\n/_ping\nPOST /x\n"),
        ("empty.pattern", b""),
        ("comments.pattern", b"# none\n\n   \n# here\n"),
        ("regex.pattern", b"/a\n/b\n# 3\n\n/c\n/d\n/a)|(/b\n/e\n"),
        ("method.pattern", b"/a\n\nGTE /x\n"),
        ("binary.pattern", b"/a\n/caf\xE9\n"),
    ] {
        fs::write(at(name), text).unwrap();
    }
    fs::create_dir(at("sub")).unwrap();
    symlink(".", at("link")).unwrap();
    symlink("doxy.sock", at("dangling.sock")).unwrap();
    folder
}

/// Wrong settings: exit code 2, `words` in the line that says what is wrong, a line of help, and
/// nothing done.
#[track_caller]
fn refused(args: &[&str], vars: &[(&str, &str)], words: &[&str]) -> String {
    let folder = folder();
    refused_by(doxy(folder.path()).args(args), vars, folder.path(), words)
}

/// The same of a command that is ready to be run in `folder`.
#[track_caller]
fn refused_by(
    command: &mut Command,
    vars: &[(&str, &str)],
    folder: &Path,
    words: &[&str],
) -> String {
    let before = listing(folder);
    let ended = start_to_end(command.envs(vars.iter().copied()));
    assert_eq!(ended.code, Some(2), "{command:?}: {ended:?}");
    assert_eq!(ended.stdout, "", "{command:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    let [first, second] = lines[..] else {
        panic!("{command:?}: not two lines: {lines:?}");
    };
    let formed = first.starts_with("doxy: ") && second.starts_with("help: ");
    assert!(formed, "{command:?}: {lines:?}");
    for word in words {
        assert!(first.contains(word), "{command:?}: no {word:?}: {first:?}");
    }
    assert_eq!(listing(folder), before, "{command:?}: left behind");
    ended.stderr
}

/// The cases in a table: name and value of a setting, then the two lines that are said of it.
fn cases(table: &str) -> impl Iterator<Item = (&str, &str, String)> {
    table.split("\n\n").map(|case| {
        let (setting, said) = case.trim_start().split_once('\n').unwrap();
        let (name, value) = setting.split_once(' ').unwrap();
        (name, value, format!("doxy: {}\n", said.trim_end()))
    })
}

fn option(name: &str) -> String {
    format!("--{name}")
}

fn variable(name: &str) -> String {
    format!("DOXY_{}", name.to_uppercase().replace('-', "_"))
}

/// Each setting is wrong, as an option and as a variable, and no more is said than the two lines.
#[track_caller]
fn says(table: &str) {
    for (name, value, said) in cases(table) {
        assert_eq!(refused(&[&option(name), value], NONE, &[]), said, "option");
        let variable = variable(name);
        assert_eq!(refused(&[], &[(&variable, value)], &[]), said, "variable");
    }
}

/// Runs a doxy that should end by itself. One that listens instead is stopped.
#[track_caller]
fn start_to_end(command: &mut Command) -> Ended {
    let process = Process::spawn(command);
    if process.listens() {
        process.signal(Signal::TERM);
    }
    process.end()
}

#[test]
fn options_that_do_not_exist_or_have_no_value() {
    refused(&["--pattern", "good.pattern"], NONE, &["--pattern"]);
    refused(&["--socket-mode"], NONE, &["--socket-mode"]);
    refused(&["--docker-socket="], NONE, &["--docker-socket"]);
    refused(&["--proxy-socket="], NONE, &["--proxy-socket"]);
    refused(&["--pattern-file="], NONE, &["--pattern-file"]);
    refused(&["--socket-mode="], NONE, &["--socket-mode"]);
    refused(&["--debug=yes"], NONE, &["--debug", "yes"]);
    refused(&[], &[("DOXY_DEBUG", "maybe")], &["maybe", "--debug"]);
    let twice = ["--proxy-socket", "a", "--proxy-socket", "b"];
    refused(&twice, NONE, &["--proxy-socket"]);
    for arg in ["--nope", "run"] {
        let said = format!(
            "doxy: unexpected argument '{arg}' found\nhelp: `doxy --help` lists the options\n"
        );
        assert_eq!(refused(&[arg], NONE, &[]), said);
    }
}

/// A path is bytes.
#[test]
fn paths_that_are_no_text() {
    let folder = folder();
    let odd = |name: &[u8]| OsStr::from_bytes(name).to_owned();
    let (socket, engine, rules) = (odd(b"d\xFF"), odd(b"e\xFF"), odd(b"r\xFF"));
    fs::write(folder.path().join(&rules), "/_ping\n").unwrap();
    let fake = Fake::at(&folder.path().join(&engine), |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .is_ok()
    });
    let mut command = doxy(folder.path());
    command.arg("--docker-socket").arg(&engine);
    command.arg("--proxy-socket").arg(&socket);
    command.arg("--pattern-file").arg(&rules);
    let process = Process::start(&mut command);
    let reply = Client::connect(&folder.path().join(&socket)).ask(PING);
    assert_eq!(reply.status(), 200, "{reply:?}");
    process.stop();
    drop(fake);
}

#[test]
fn modes_and_times() {
    says(
        "
socket-mode rw
--socket-mode rw: this is no file mode
help: write it in octal, such as 0660 for owner and group

socket-mode 1777
--socket-mode 1777: this is no file mode
help: write it in octal, such as 0660 for owner and group

socket-mode 0888
--socket-mode 0888: this is no file mode
help: write it in octal, such as 0660 for owner and group

shutdown-grace x
--shutdown-grace x: this is no length of time
help: write a number of seconds, or one with a unit: 10s, 500ms, 2m

shutdown-grace 10 s
--shutdown-grace 10 s: this is no length of time
help: write a number of seconds, or one with a unit: 10s, 500ms, 2m
",
    );
}

#[test]
fn pattern_files() {
    says(
        r"
pattern-file no.pattern
no.pattern: cannot read the pattern file: no such file or directory
help: name a readable file with --pattern-file; without the option the embedded defaults apply

pattern-file sub
sub: cannot read the pattern file: is a directory
help: name a readable file with --pattern-file; without the option the embedded defaults apply

pattern-file empty.pattern
empty.pattern: there are no rules in it, so nothing would be allowed
help: a rule is a line like `^/v1\.41/containers/json$`; to deny everything, write `!.*`

pattern-file comments.pattern
comments.pattern: there are no rules in it, so nothing would be allowed
help: a rule is a line like `^/v1\.41/containers/json$`; to deny everything, write `!.*`

pattern-file regex.pattern
regex.pattern:7:3: `)` closes no group
help: remove it, or write `\)` for the character

pattern-file method.pattern
method.pattern:3:1: unknown method `GTE`
help: the methods are HEAD, GET, POST, PUT, PATCH, DELETE, OPTIONS, or `*` for any, joined by commas

pattern-file binary.pattern
binary.pattern:2:5: the line is not valid UTF-8
help: save the file as UTF-8; a single byte has no meaning in a path
",
    );
}

#[test]
fn the_socket_to_create() {
    says(
        "
proxy-socket no/doxy.sock
proxy socket no/doxy.sock: folder no: no such file or directory
help: create the folder first, or choose another path

proxy-socket file/doxy.sock
proxy socket file/doxy.sock: folder file: not a directory
help: choose a folder that doxy may read and write

proxy-socket file
proxy socket file: there is a file that is not a socket
help: doxy removes nothing but its own sockets, choose another path or remove it
",
    );
    for path in ["sub", "link", "dangling.sock", ".", "..", "/", "no/"] {
        refused(&["--proxy-socket", path], NONE, &["proxy socket", path]);
    }
}

/// The longest path has 107 bytes and the zero behind them: clients cannot reach a longer one.
#[test]
fn the_length_of_paths() {
    let longest = "x".repeat(107);
    let folder = folder();
    let process = Process::start(doxy(folder.path()).args(["--proxy-socket", &longest]));
    assert!(listing(folder.path()).contains(&longest));
    process.stop();
    for length in [200, 109, 108] {
        let path = "x".repeat(length);
        says(&format!(
            "
docker-socket {path}
--docker-socket {path}: the path is too long for a socket
help: a socket's path has at most 107 bytes

proxy-socket {path}
proxy socket {path}: the path is too long for a socket
help: a socket's path has at most 107 bytes, choose a shorter one
"
        ));
    }
}

#[test]
fn the_engine_being_the_proxy() {
    for path in [
        "doxy.sock",
        "./doxy.sock",
        "unix://doxy.sock",
        "link/doxy.sock",
        "unix://link/doxy.sock",
        "sub/../doxy.sock",
    ] {
        let shown = path.strip_prefix("unix://").unwrap_or(path);
        says(&format!(
            "
docker-socket {path}
--docker-socket {shown}: this is the proxy socket too
help: give doxy a path of its own with --proxy-socket
"
        ));
    }
}

/// The link leads to doxy once doxy listens: every request would go to doxy itself, without end.
#[test]
fn the_engine_being_a_link_to_a_proxy_that_is_not_there_yet() {
    says(
        "
docker-socket dangling.sock
--docker-socket dangling.sock: this leads to the proxy socket
help: name the engine's own socket
",
    );
}

#[test]
fn the_engine_being_a_stale_socket_that_doxy_would_replace() {
    let folder = folder();
    let socket = folder.path().join("doxy.sock");
    stale(&socket);
    let absolute = socket.to_str().unwrap();
    for path in ["doxy.sock", "dangling.sock", "link/doxy.sock", absolute] {
        let mut command = doxy(folder.path());
        let words = [path, "this is the proxy socket too"];
        refused_by(
            command.args(["--docker-socket", path]),
            NONE,
            folder.path(),
            &words,
        );
    }
}

#[test]
fn the_engine() {
    says(
        "
docker-socket sub
--docker-socket sub: this is a folder
help: mounted into a container, a socket that does not exist becomes a folder: start the engine first

docker-socket file
--docker-socket file: this is not a socket
help: name the engine's socket, such as /var/run/docker.sock

docker-socket http://engine:2375
--docker-socket http://engine:2375: unknown kind of address
help: use a path, unix://PATH or tcp://HOST:PORT

docker-socket ssh://me@engine
--docker-socket ssh://me@engine: unknown kind of address
help: use a path, unix://PATH or tcp://HOST:PORT

docker-socket unix://
--docker-socket unix://: the path is empty
help: name the engine's socket, such as /var/run/docker.sock
",
    );
    for address in [
        "engine",
        ":2375",
        "engine:0",
        "engine:65536",
        "engine:2375/v1.41",
    ] {
        says(&format!(
            "
docker-socket tcp://{address}
--docker-socket tcp://{address}: no host and port
help: write tcp://HOST:PORT, such as tcp://127.0.0.1:2375
"
        ));
    }
}

/// The highest number is nobody's: it means "leave it as it is" to the kernel.
#[test]
fn owners_groups_and_scripts() {
    says(
        "
socket-owner no-such-user
--socket-owner no-such-user: no such user in /etc/passwd
help: use a name from there, or a number

socket-group no-such-group
--socket-group no-such-group: no such group in /etc/group
help: use a name from there, or a number

socket-group 4294967295
--socket-group 4294967295: no such group in /etc/group
help: use a name from there, or a number
",
    );
    let (what, help) = if cfg!(feature = "script") {
        (
            "policy.rhai: cannot read the policy script: no such file or directory",
            "name a readable file with --script, or leave the option and DOXY_SCRIPT out",
        )
    } else {
        (
            "--script policy.rhai: this doxy was built without scripts",
            "build it with the feature `script`, which is on by default, or leave the option and DOXY_SCRIPT out",
        )
    };
    says(&format!("script policy.rhai\n{what}\nhelp: {help}"));
}

/// The command line of doxy without the rights of root; none if that cannot be had here.
pub(crate) fn unprivileged(folder: &Path) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        return Some(doxy(folder));
    }
    if !Path::new("/usr/bin/setpriv").exists() {
        eprintln!("no /usr/bin/setpriv: what is forbidden to root is not tested");
        return None;
    }
    let mut command = command("/usr/bin/setpriv", folder);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "./bin"]);
    Some(command)
}

/// Puts the binary where everybody can run it.
pub(crate) fn copy_binary(folder: &Path) {
    // By another process: a file that this one writes cannot be run while a fork of it, in
    // another test, still has it open.
    let copied = Command::new("cp")
        .args([
            env!("CARGO_BIN_EXE_doxy").as_ref(),
            folder.join("bin").as_os_str(),
        ])
        .status();
    assert!(copied.unwrap().success());
}

#[test]
fn what_is_forbidden() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    copy_binary(folder.path());
    let _engine = UnixListener::bind(at("closed.sock")).unwrap();
    fs::create_dir(at("closed")).unwrap();
    for name in ["closed.sock", "closed", "good.pattern"] {
        chmod(&at(name), 0);
    }
    stale(&at("sub/stale.sock"));
    chmod(&at("sub/stale.sock"), 0o666);
    fs::create_dir(at("open")).unwrap();
    chmod(&at("open"), 0o777);
    let theirs = at("open/theirs.sock");
    let _live = UnixListener::bind(&theirs).unwrap();
    chmod(&theirs, 0);
    chmod(&at("sub"), 0o555);
    chmod(folder.path(), 0o555);

    for (name, value, said) in cases(
        "
proxy-socket sub/doxy.sock
proxy socket sub/doxy.sock: permission denied
help: choose a folder in which doxy may create files

proxy-socket sub/stale.sock
proxy socket sub/stale.sock: cannot remove a stale socket: permission denied
help: remove it by hand

proxy-socket closed/doxy.sock
proxy socket closed/doxy.sock: folder closed: permission denied
help: choose a folder that doxy may read and write

proxy-socket open/theirs.sock
proxy socket open/theirs.sock: cannot tell whether the socket there is in use: permission denied
help: choose another path, or remove the socket

docker-socket closed.sock
--docker-socket closed.sock: permission denied
help: run doxy as root or as a member of the socket's group (often `docker`)

docker-socket closed/engine.sock
--docker-socket closed/engine.sock: permission denied
help: run doxy as root or as a member of the socket's group (often `docker`)

pattern-file good.pattern
good.pattern: cannot read the pattern file: permission denied
help: name a readable file with --pattern-file; without the option the embedded defaults apply

socket-owner 0
proxy socket open/doxy.sock: cannot set owner and group: operation not permitted
help: start doxy as root, or leave out --socket-owner and --socket-group
",
    ) {
        let Some(mut command) = unprivileged(folder.path()) else {
            return;
        };
        command.args([&option(name), value]);
        let vars = [("DOXY_PROXY_SOCKET", "open/doxy.sock")];
        let stderr = refused_by(&mut command, &vars, folder.path(), &[]);
        assert_eq!(stderr, said);
        assert_eq!(listing(&at("sub")), ["stale.sock".to_owned()].into());
        assert_eq!(listing(&at("open")), ["theirs.sock".to_owned()].into());
    }
    // So that they can be removed by who is not root.
    for name in ["closed", "sub", "."] {
        chmod(&at(name), 0o755);
    }
}

/// A full disk behind a log, or a pipe that nobody reads: no reason for another exit code.
#[test]
fn an_error_that_cannot_be_printed_has_the_same_exit_code() {
    for args in [&["--socket-mode", "rw"][..], &["--nope"]] {
        let folder = folder();
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let status = doxy(folder.path())
            .args(args)
            .stdin(Stdio::null())
            .stderr(full)
            .status();
        assert_eq!(status.unwrap().code(), Some(2), "{args:?}");
    }
}

#[test]
fn version_and_help() {
    let folder = folder();
    let version = format!("doxy {}\n", env!("CARGO_PKG_VERSION"));
    for option in ["--version", "-V", "-v"] {
        let ended = start_to_end(doxy(folder.path()).arg(option));
        assert_eq!(ended.code, Some(0), "{option}: {ended:?}");
        assert_eq!(ended.stdout, version, "{option}");
        assert_eq!(ended.stderr, "", "{option}");
    }
    for help in ["--help", "-h"] {
        let mut command = doxy(folder.path());
        command.env_clear();
        let ended = start_to_end(command.arg(help));
        assert_eq!(ended.code, Some(0), "{help}: {ended:?}");
        assert_eq!(ended.stderr, "", "{help}");
        for name in [
            "docker-socket",
            "proxy-socket",
            "pattern-file",
            "socket-mode",
            "socket-owner",
            "socket-group",
            "shutdown-grace",
            "debug",
        ]
        .into_iter()
        .chain(cfg!(feature = "script").then_some("script"))
        {
            // An option and its variable are one line of the list.
            let line = ended
                .stdout
                .lines()
                .find(|line| line.trim_start().starts_with(&option(name)));
            let line = line.unwrap_or_else(|| panic!("{help}: no --{name}"));
            assert!(line.contains(&variable(name)), "{help}: {line}");
        }
        // What is not in this binary is not spoken of.
        assert_eq!(
            ended.stdout.contains("script"),
            cfg!(feature = "script"),
            "{help}"
        );
        for word in [
            "--help",
            "--version",
            "[default: /var/run/docker.sock]",
            "[default: /tmp/doxy.sock]",
            "[default: 0660]",
            "[default: 10s]",
            "/etc/doxy.pattern",
            "unix://PATH",
            "tcp://HOST:PORT",
            "Examples:",
            "DOCKER_HOST=unix:///tmp/doxy.sock",
            "Exit codes: 0 ",
        ] {
            assert!(ended.stdout.contains(word), "{help}: no {word:?}");
        }
    }
    // Neither of them does anything, whatever else is wrong.
    let ended = start_to_end(doxy(folder.path()).args(["--socket-mode", "rw", "--version"]));
    assert_eq!((ended.code, ended.stdout), (Some(0), version));
}

/// Settings that are right: what doxy says of them when it listens.
#[track_caller]
fn listens(args: &[&str], vars: &[(&str, &str)], line: &str) {
    let folder = folder();
    let process = Process::start(doxy(folder.path()).args(args).envs(vars.iter().copied()));
    let logged = process.logged(" listening on ");
    assert!(logged.ends_with(line), "{args:?} {vars:?}: {logged}");
    let ended = process.stop();
    assert_eq!(ended.stdout, "", "{args:?} {vars:?}");
}

#[test]
fn the_line_at_the_start_says_what_is_in_force() {
    let version = env!("CARGO_PKG_VERSION");
    let line = format!(
        "doxy {version} listening on doxy.sock (mode 0660), Docker engine at engine.sock, \
         2 rules from good.pattern"
    );
    listens(&["--pattern-file", "good.pattern"], NONE, &line);
    listens(&[], &[("DOXY_PATTERN_FILE", "good.pattern")], &line);
    let line = format!(
        "doxy {version} listening on sub/d.sock (mode 0600), Docker engine at \
         tcp://127.0.0.1:2375, 2 rules from link/good.pattern"
    );
    let named = [
        ("DOXY_PROXY_SOCKET", "sub/d.sock"),
        ("DOXY_DOCKER_SOCKET", "tcp://127.0.0.1:2375"),
        ("DOXY_PATTERN_FILE", "link/good.pattern"),
        ("DOXY_SOCKET_MODE", "600"),
        ("DOXY_SHUTDOWN_GRACE", "500ms"),
    ];
    let options = [
        "--proxy-socket",
        "sub/d.sock",
        "--docker-socket=tcp://127.0.0.1:2375",
        "--pattern-file",
        "link/good.pattern",
        "--socket-mode=0600",
        "--shutdown-grace=0",
    ];
    listens(&[], &named, &line);
    listens(&options, NONE, &line);
    // An option beats its variable, even one that is wrong.
    let wrong = [
        ("DOXY_PROXY_SOCKET", "no/such/folder/d.sock"),
        ("DOXY_DOCKER_SOCKET", "http://nowhere"),
        ("DOXY_PATTERN_FILE", "empty.pattern"),
        ("DOXY_SOCKET_MODE", "rw"),
        ("DOXY_SHUTDOWN_GRACE", "x"),
    ];
    listens(&options, &wrong, &line);
}

#[test]
fn without_a_pattern_file_the_embedded_rules_are_used_and_it_is_said() {
    if Path::new("/etc/doxy.pattern").exists() {
        eprintln!("/etc/doxy.pattern exists: the embedded rules are not tested");
        return;
    }
    listens(
        &[],
        NONE,
        "10 rules from the embedded defaults (/etc/doxy.pattern does not exist)",
    );
}

/// Whether a request is logged with these settings.
#[track_caller]
fn logs(args: &[&str], vars: &[(&str, &str)], expected: bool) {
    let folder = folder();
    let fake = Fake::start();
    let process = Process::start(
        doxy(folder.path())
            .args(args)
            .args(["--pattern-file", "good.pattern", "--docker-socket"])
            .arg(fake.path())
            .envs(vars.iter().copied()),
    );
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    let reply = client.ask(PING);
    assert_eq!(reply.status(), 200, "{args:?} {vars:?}");
    drop(client);
    let log = process.stop().stderr;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("/_ping")).collect();
    assert_eq!(
        lines.len(),
        usize::from(expected),
        "{args:?} {vars:?}: {log}"
    );
    for word in ["200", "GET", "/_ping"] {
        let said = lines.iter().all(|line| line.contains(word));
        assert!(said, "{args:?} {vars:?}: no {word} in {log}");
    }
    assert!(!log.contains("secret"), "{args:?} {vars:?}: {log}");
}

#[test]
fn a_line_a_request_if_asked_for() {
    logs(&[], NONE, false);
    logs(&["--debug"], NONE, true);
    for (value, expected) in [
        ("1", true),
        ("true", true),
        ("yes", true),
        ("on", true),
        ("0", false),
        ("false", false),
        ("no", false),
        ("off", false),
    ] {
        logs(&[], &[("DOXY_DEBUG", value)], expected);
    }
    logs(&["--debug"], &[("DOXY_DEBUG", "0")], true);
}

#[test]
fn a_variable_that_is_no_setting_is_named() {
    let folder = folder();
    let process = Process::start(
        doxy(folder.path())
            .env("DOXY_PROXY_SOKET", "/tmp/x")
            .env("DOXY_PORTABLE", "1"),
    );
    let log = process.stop().stderr;
    assert!(
        log.contains("DOXY_PROXY_SOKET is not one of doxy's"),
        "{log}"
    );
    assert!(!log.contains("DOXY_PORTABLE"), "{log}");
}

/// Doxy looks whether it may connect; an engine with no room for that is one that is busy.
#[test]
fn an_engine_whose_queue_is_full_does_not_keep_doxy_from_starting() {
    let folder = folder();
    let path = folder.path().join("engine.sock");
    let (_engine, _queued) = full(&path);
    Process::start(&mut doxy(folder.path())).stop();
}
