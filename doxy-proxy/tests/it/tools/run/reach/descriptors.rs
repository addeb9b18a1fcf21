//! What a command inherits: open files, standard input, the terminal.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};

use crate::support::files::chmod;
use crate::support::process::{Ended, Process};
use crate::support::{Need, needs};
use crate::tools::run::{Place, has_namespaces};

/// Descriptors that whoever starts doxy has open stay behind: one of a folder leads past every cover.
#[test]
fn a_command_inherits_three_descriptors() {
    let place = Place::new(0, 0o666);
    let script =
        "for number in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$number ] && echo $number; done
        ask /proc/self/fd/7/docker.sock /secrets";
    let Some(run) = place.covered(&[], script) else {
        return;
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec 7<engine 8</dev/null; exec \"$0\" \"$@\""]);
    shell.arg(run.get_program()).args(run.get_args());
    shell.env_clear().envs(
        run.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell.current_dir(place.folder.path());
    let ended = Process::spawn(&mut shell).end();
    if needs(Need::Tool("curl")) && has_namespaces(&ended) {
        assert_eq!(ended.stdout, "0\n1\n2\n000\n", "{ended}");
        assert_eq!(place.asked(), [""; 0]);
    }
}

#[test]
fn a_folder_as_standard_input_is_refused() {
    let place = Place::new(0, 0o666);
    let Some(mut command) = place.covered(&[], "exit 0") else {
        return;
    };
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY)
        .open(place.path("engine"));
    let output = command
        .stdin(Stdio::from(folder.unwrap()))
        .output()
        .unwrap();
    let ended = Ended {
        code: output.status.code(),
        stdout: String::new(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    if has_namespaces(&ended) {
        assert_eq!(ended.code, Some(2), "{ended}");
        let said = "doxy: standard input: it is a folder, or only names a file, and leads past";
        assert!(ended.stderr.starts_with(said), "{ended}");
    }
}

/// A descriptor that only names the socket opens it by /proc/self/fd, whatever lies over its path.
#[test]
fn a_name_of_the_socket_as_standard_input_is_refused() {
    let place = Place::new(0, 0o666);
    let Some(mut command) = place.covered(&[], "ask /proc/self/fd/0 /secrets") else {
        return;
    };
    // The standard library takes the flag out again where the C library is musl.
    let path = place.path("engine/docker.sock");
    let socket = rustix::fs::open(&path, OFlags::PATH, Mode::empty()).unwrap();
    let output = command.stdin(Stdio::from(socket)).output().unwrap();
    let ended = Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert_eq!(place.asked(), [""; 0], "{ended}");
    if has_namespaces(&ended) {
        assert_eq!(ended.code, Some(2), "{ended}");
        let said = "doxy: standard input: it is a folder, or only names a file";
        assert!(ended.stderr.starts_with(said), "{ended}");
    }
}

/// A connection that whoever starts doxy has made is no way of the command's, and leads past doxy all the same.
#[test]
fn a_connection_to_the_engine_as_standard_input_is_refused() {
    let place = Place::new(0, 0o666);
    let second = place.path("other.sock");
    let _other = std::os::unix::net::UnixListener::bind(&second).unwrap();
    let gone = place.path("gone.sock");
    let _gone = std::os::unix::net::UnixListener::bind(&gone).unwrap();
    let engine = place.path("engine/docker.sock");
    let renamed = place.path("engine/second.sock");
    for (socket, refused) in [
        (&engine, true),
        // The same socket by another name.
        (&renamed, true),
        (&second, false),
        // Who it was cannot be told any more.
        (&gone, true),
    ] {
        let connect = || {
            let connected = std::os::unix::net::UnixStream::connect(socket).unwrap();
            Stdio::from(std::os::fd::OwnedFd::from(connected))
        };
        let mut commands = vec![];
        if rustix::process::geteuid().is_root() {
            let mut command = place.apart(&[], "exit 5");
            command.stdin(connect());
            commands.push((0o660, command));
        }
        if let Some(mut command) = place.covered(&[], "exit 5") {
            command.stdin(connect());
            commands.push((0o666, command));
        }
        if socket == &gone {
            std::fs::remove_file(&gone).unwrap();
        }
        for (mode, mut command) in commands {
            chmod(&engine, mode);
            let output = command.output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            if stderr.contains("cannot make a user namespace") {
                continue;
            }
            let said = "doxy: standard input: it is connected to ";
            let (code, says) = if refused { (2, true) } else { (5, false) };
            assert_eq!(output.status.code(), Some(code), "{socket:?}: {stderr}");
            assert_eq!(stderr.starts_with(said), says, "{socket:?}: {stderr}");
        }
    }
}

/// Without the terminal of whoever started doxy nothing can be typed into it.
#[test]
fn the_command_has_no_terminal_and_no_rights() {
    if !needs(Need::Root) {
        return;
    }
    let place = Place::new(0, 0o660);
    let script = "grep -E '^(Groups|NoNewPrivs|Cap...):' /proc/self/status | tr -d '\\t '
        cut -d' ' -f5,6,7 /proc/$$/stat; echo $$";
    let ended = Process::spawn(&mut place.apart(&[], script)).end();
    let lines: Vec<_> = ended.stdout.lines().collect();
    let (status, rest) = lines.split_at(lines.len() - 2);
    let none = "0000000000000000";
    let expected = [
        "Groups:".to_owned(),
        format!("CapInh:{none}"),
        format!("CapPrm:{none}"),
        format!("CapEff:{none}"),
        format!("CapBnd:{none}"),
        format!("CapAmb:{none}"),
        "NoNewPrivs:1".to_owned(),
    ];
    assert_eq!(status, expected, "{ended}");
    // It leads a group and a session, and has no terminal.
    let own = rest[1];
    assert_eq!(rest[0], format!("{own} {own} 0"), "{ended}");
}
