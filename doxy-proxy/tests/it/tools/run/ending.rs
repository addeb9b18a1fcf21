//! How a command ends, and doxy with it.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::process::Signal;

use super::{Place, fifo, has_namespaces};
use crate::support::process::{Process, doxy};
use crate::support::{Need, needs, wait};

#[test]
fn the_exit_code_is_the_commands() {
    if !needs(Need::Root) {
        return;
    }
    let place = Place::new(0, 0o660);
    for (script, code) in [
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 255", 255),
        ("kill -TERM $$", 128 + 15),
        ("kill -KILL $$", 128 + 9),
        // A child of it that goes on does not keep doxy.
        (
            "sleep 1000 > /dev/null 2>&1 & echo $! > /dev/stderr; exit 3",
            3,
        ),
    ] {
        let ended = Process::spawn(&mut place.apart(&[], script)).end();
        assert_eq!(ended.code, Some(code), "{script}: {ended}");
        if let Ok(pid) = ended.stderr.trim().parse() {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, Signal::KILL).unwrap();
        }
    }
    for (program, code, said) in [
        ("/no/such/program", 127, "no such file or directory"),
        ("/etc/passwd", 126, "permission denied"),
    ] {
        let mut command = doxy(place.folder.path());
        command.env("DOXY_DOCKER_SOCKET", place.path("engine/docker.sock"));
        command.env_remove("DOXY_PROXY_SOCKET");
        command.args(["run", "--user", "4710", "--group", "4711", "--", program]);
        let ended = Process::spawn(&mut command).end();
        assert_eq!(ended.code, Some(code), "{ended}");
        assert_eq!(ended.stderr, format!("doxy: {program}: {said}\n"));
    }
}

#[test]
fn signals_are_passed_on() {
    if !needs(Need::Root) {
        return;
    }
    let place = Place::new(0, 0o660);
    fifo(&place.path("never"));
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
    ] {
        let script = format!(
            "trap 'echo {name} >&2; exit 5' {name}
            echo $own; read line < $FOLDER/never"
        );
        let process = Process::spawn(&mut place.apart(&[], &script));
        process.prints();
        // One that comes just before the shell waits is only handled with the next one.
        wait::until("the command has the signal", || {
            process.signal(signal);
            process.log().contains(name).then_some(())
        });
        let ended = process.end();
        assert_eq!(ended.code, Some(5), "{name}: {ended}");
        let socket = ended.stdout.trim_end();
        assert!(!PathBuf::from(socket).parent().unwrap().exists());
    }
    // One that the command does not handle ends it, and the number says so.
    let process = Process::spawn(&mut place.apart(&[], "echo; exec sleep 1000"));
    process.prints();
    process.signal(Signal::TERM);
    assert_eq!(process.end().code, Some(128 + 15));
}

/// Nobody cleans up after a doxy that was killed, but nothing goes on without it. A proxy that has become
/// another user is told by other means than one that has not.
#[test]
fn proxy_and_command_end_with_a_doxy_that_is_killed() {
    if !needs(Need::Root) {
        return;
    }
    let place = Place::new(47_110, 0o660);
    for proxy in [None, Some("65534")] {
        let script = "for process in /proc/[0-9]*; do
                [ \"$(cut -d' ' -f4 $process/stat)\" = $PPID ] && [ $process != /proc/$$ ] || continue
                echo proxy $(grep ^Uid: $process/status)
            done 2>/dev/null
            echo $$ $own; exec sleep 1000";
        let mut command = place.apart(&[], &format!("{{ {script}; }} >&2"));
        if let Some(user) = proxy {
            command.env("DOXY_USER", user).env("DOXY_GROUP", user);
        }
        let process = Process::spawn(&mut command);
        let log = process.logged("docker.sock\n");
        let (pid, socket) = log.split_once(' ').unwrap();
        let user = proxy.unwrap_or("0");
        let line = format!("proxy Uid: {user} {user} {user} {user}\n");
        assert!(process.log().contains(&line), "{}", process.log());
        let socket = PathBuf::from(socket);
        assert!(UnixStream::connect(&socket).is_ok());
        process.signal(Signal::KILL);
        wait::until("the proxy ends", || UnixStream::connect(&socket).err());
        // It is nobody's child any more, so somebody else may have to wait for it: what counts is that it
        // runs no more.
        wait::until("the command ends", || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
        let _ = fs::remove_dir_all(socket.parent().unwrap());
    }
}

/// Its folder may be full of other things when it ends.
#[test]
fn the_folder_is_gone_with_all_that_is_in_it() {
    let place = Place::new(0, 0o666);
    let script =
        "cd $(dirname $own); mkdir -p a/b; ln -s / a/link; echo x > a/b/c; rm -f $own; echo $PWD";
    let Some(mut command) = place.covered(&[], script) else {
        return;
    };
    let ended = Process::spawn(&mut command).end();
    if has_namespaces(&ended) {
        assert!(ended.success(), "{ended}");
        assert!(!PathBuf::from(ended.stdout.trim()).exists(), "{ended}");
    }
}

/// The command's user may stop the proxy, if it is the same: that keeps neither doxy nor the proxy.
#[test]
fn a_stopped_proxy_ends_with_the_command() {
    let place = Place::new(0, 0o666);
    // The first finds the proxy: it is no child of the command's own.
    const FIND: &str = "for process in /proc/[0-9]*; do
            [ \"$(cut -d' ' -f4 $process/stat)\" = $PPID ] && [ $process != /proc/$$ ] || continue
            proxy=${process#/proc/}
        done 2>/dev/null
        kill -STOP $proxy; echo $proxy; ";
    for script in [
        "exit 3",
        // It goes on stopping the proxy.
        "(while kill -STOP $proxy; do :; done) > /dev/null 2>&1 & exit 3",
    ] {
        let Some(mut command) = place.covered(&[], &format!("{FIND}{script}")) else {
            return;
        };
        let ended = Process::spawn(&mut command).end();
        if !has_namespaces(&ended) {
            return;
        }
        assert_eq!(ended.code, Some(3), "{script}: {ended}");
        let proxy = ended.stdout.trim();
        assert!(fs::metadata(format!("/proc/{proxy}")).is_err(), "{ended}");
    }
    // Nor does it stay when doxy is killed.
    let Some(mut command) = place.covered(&[], &format!("{FIND}exec sleep 1000")) else {
        return;
    };
    let process = Process::spawn_group(&mut command);
    process.prints();
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", process.pid()));
    let children = children.unwrap();
    assert_eq!(children.split_whitespace().count(), 2, "{children}");
    process.signal(Signal::KILL);
    for child in children.split_whitespace() {
        wait::until("proxy and command end", || {
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
    }
}
