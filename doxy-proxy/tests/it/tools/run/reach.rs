//! What a command tries in order to get at the engine's own socket: by every path, past every process, by
//! descriptors, and by undoing what was done.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};

use super::{GROUP, Place, USER, engine, fifo, has_namespaces};
use crate::support::files::chmod;
use crate::support::process::{Ended, Process, doxy};
use crate::support::{Need, needs};

/// Every way that a process has to ask an engine for its secrets. Whatever it prints does not count: the
/// engine knows what it was asked.
const ATTEMPTS: &str = r#"
try() { ask "$1" /secrets; }
exec 2>/dev/null
try "$ENGINE"; try /run/docker.sock; try /var/run/docker.sock; try "$FOLDER/engine/second.sock"
cd "$FOLDER/engine" && try docker.sock; try ./../engine/docker.sock
for process in /proc/1 /proc/self $(grep -l "$FOLDER\|doxy" /proc/[0-9]*/cmdline | sed 's,/cmdline,,'); do
    try "$process/root$ENGINE"; try "$process/cwd/engine/docker.sock"; try "$process/cwd/docker.sock"
    for open in "$process"/fd/*; do try "$open"; try "$open/docker.sock"; try "$open/engine/docker.sock"; done
done
umount "$ENGINE"; umount -l "$FOLDER/engine"; umount /run; try "$ENGINE"
mount --bind "$FOLDER" /mnt; try /mnt/engine/docker.sock
unshare -Urm sh -c '
    umount "$ENGINE"; umount -l "$FOLDER/engine"; umount -l /run
    curl -s -m 20 --unix-socket "$ENGINE" http://d/secrets
    mount --bind "$FOLDER" /mnt; curl -s -m 20 --unix-socket /mnt/engine/docker.sock http://d/secrets
    mount --bind / /mnt; curl -s -m 20 --unix-socket "/mnt$ENGINE" http://d/secrets'
nsenter -t $PPID -m -U curl -s -m 20 --unix-socket "$ENGINE" http://d/secrets
nsenter -t 1 -m curl -s -m 20 --unix-socket "$ENGINE" http://d/secrets
ln "$ENGINE" "$FOLDER/link"; try "$FOLDER/link"
mv "$FOLDER/engine" "$FOLDER/other"; try "$FOLDER/other/docker.sock"
rm -f "$ENGINE"; try "$ENGINE"
ask "$own" /info > /dev/null
exit 0"#;

#[test]
fn nothing_leads_to_the_engine_of_another_user() {
    if !needs(Need::Root) || !needs(Need::Tool("curl")) {
        return;
    }
    let place = Place::new(0, 0o660);
    let ended = Process::spawn(&mut place.apart(&[], ATTEMPTS)).end();
    assert!(ended.success(), "{ended}");
    assert_eq!(place.asked(), ["/info"]);
}

#[test]
fn nothing_leads_past_what_lies_over_the_engine() {
    let place = Place::new(0, 0o666);
    // The folder of the engine is the user's: it may do there what it likes.
    if rustix::process::geteuid().is_root() {
        for folder in ["", "engine"] {
            std::os::unix::fs::chown(place.path(folder), Some(65_534), None).unwrap();
        }
    }
    let Some(mut command) = place.covered(&[], ATTEMPTS) else {
        return;
    };
    let ended = Process::spawn(&mut command).end();
    if !needs(Need::Tool("curl")) || !has_namespaces(&ended) {
        return;
    }
    assert!(ended.success(), "{ended}");
    assert_eq!(place.asked(), ["/info"]);
}

/// Without either way the same attempts work: the tests above could see it.
#[test]
fn what_is_advisory_leads_to_the_engine_and_says_so() {
    let place = Place::new(0, 0o666);
    let Some(mut command) = place.covered(&["--advisory"], ATTEMPTS) else {
        return;
    };
    if !needs(Need::Tool("curl")) {
        return;
    }
    let ended = Process::spawn(&mut command).end();
    let engine = place.path("engine/docker.sock");
    let line = format!(
        "doxy: WARNING: ADVISORY ONLY: the command can open {} itself, and do everything past doxy\n",
        engine.display()
    );
    assert!(ended.stderr.contains(&line), "{ended}");
    let asked = place.asked();
    assert!(
        asked.iter().filter(|path| *path == "/secrets").count() > 3,
        "{asked:?}"
    );
}

/// An engine that is started anew removes its socket and makes another one. What lies over it must not go
/// with it.
#[test]
fn a_new_socket_of_the_engine_is_covered_too() {
    let place = Place::new(0, 0o666);
    let again = place.path("again");
    fifo(&again);
    let script = "ask $ENGINE /secrets; echo; read line < $FOLDER/again; ask $ENGINE /secrets; ask $own /info";
    let Some(mut command) = place.covered(&[], script) else {
        return;
    };
    let process = Process::spawn(&mut command);
    process.prints();
    let at = place.path("engine/docker.sock");
    let Place { folder, fake } = place;
    drop(fake);
    let fake = engine(&at, 0, 0o666);
    let place = Place { folder, fake };
    // For reading too, so that opening waits for nobody.
    let pipe = OpenOptions::new().read(true).write(true).open(&again);
    let mut pipe = pipe.unwrap();
    pipe.write_all(b"go\n").unwrap();
    let ended = process.end();
    if needs(Need::Tool("curl")) && has_namespaces(&ended) {
        assert_eq!(ended.stdout, "403\n\n403\n200\n", "{ended}");
        assert_eq!(place.asked(), ["/info"]);
    }
}

/// A folder that was entered before it was covered still shows what is beneath.
#[test]
fn the_current_folder_is_covered_too() {
    let place = Place::new(0, 0o666);
    let script = "ask docker.sock /secrets; ask ./second.sock /secrets; pwd";
    let Some(mut command) = place.covered(&[], script) else {
        return;
    };
    let folder = place.path("engine");
    std::fs::hard_link(place.path("bin"), folder.join("bin")).unwrap();
    let ended = Process::spawn(command.current_dir(&folder)).end();
    if needs(Need::Tool("curl")) && has_namespaces(&ended) {
        let expected = format!("403\n000\n{}\n", folder.display());
        assert_eq!(ended.stdout, expected, "{ended}");
        assert_eq!(place.asked(), [""; 0]);
    }
}

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

/// A name of the socket in another folder cannot be covered, because nobody can find it.
#[test]
fn a_socket_with_a_name_elsewhere_is_not_covered() {
    let place = Place::new(0, 0o666);
    let link = place.path("link.sock");
    std::fs::hard_link(place.path("engine/docker.sock"), &link).unwrap();
    let Some(command) = place.covered(&[], "ask \"$FOLDER/link.sock\" /secrets") else {
        return;
    };
    let stderr = not_started(command);
    let said = "the socket has another name somewhere (a hard link), which cannot be covered";
    assert!(stderr.contains(said), "{stderr}");
    assert_eq!(place.asked(), [""; 0]);
    // Another user is kept out by the mode, which is that of every name.
    if needs(Need::Root) {
        let place = Place::new(0, 0o660);
        let link = place.path("link.sock");
        std::fs::hard_link(place.path("engine/docker.sock"), &link).unwrap();
        let mut command = place.apart(&[], "ask \"$FOLDER/link.sock\" /secrets");
        let ended = Process::spawn(&mut command).end();
        assert!(ended.stderr.is_empty(), "{ended}");
        assert_eq!(place.asked(), [""; 0], "{ended}");
    }
}

/// A policy that only tells what it would deny keeps nothing from the engine.
#[test]
fn a_dry_run_is_refused() {
    let place = Place::new(0, 0o660);
    let Some(mut command) = place.covered(&["--dry-run"], "ask \"$own\" /secrets") else {
        return;
    };
    let stderr = not_started(place.covered(&["--dry-run"], "exit 0").unwrap());
    let said = "doxy: dry-run: what the policy denies would reach the engine\nhelp: ";
    assert!(stderr.starts_with(said), "{stderr}");
    command.env("DOXY_DRY_RUN", "1h");
    assert!(not_started(command).starts_with(said));
    assert_eq!(place.asked(), [""; 0]);
}

/// The command may be of the same user as the proxy, and of the policy's file.
#[test]
fn a_policy_that_the_command_changes_does_not_count() {
    let place = Place::new(0, 0o666);
    let file = place.path("my.pattern");
    std::fs::write(&file, "/version\n").unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
    }
    let script = "ask $own /version; echo '* .*' > my.pattern
        for process in /proc/[0-9]*; do
            [ \"$(cut -d' ' -f4 $process/stat)\" = $PPID ] && [ $process != /proc/$$ ] || continue
            kill -HUP ${process#/proc/} && echo told
        done 2>/dev/null
        for count in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do ask $own /secrets; done | uniq";
    let Some(mut command) = place.covered(&["--pattern-file", "my.pattern"], script) else {
        return;
    };
    let ended = Process::spawn(&mut command).end();
    if needs(Need::Tool("curl")) && has_namespaces(&ended) {
        assert_eq!(ended.stdout, "200\ntold\n403\n", "{ended}");
        assert_eq!(place.asked(), ["/version"]);
    }
    // Nor may it be read anew by itself.
    std::fs::write(place.path("watch.toml"), "watch = true\n").unwrap();
    let said = "the command could change the policy that it runs under\nhelp: leave it out";
    for options in [&["--watch"][..], &["--config", "watch.toml"]] {
        let stderr = not_started(place.covered(options, "exit 0").unwrap());
        assert!(stderr.contains(said), "{options:?}: {stderr}");
    }
    let mut command = place.covered(&[], "exit 0").unwrap();
    command.env("DOXY_WATCH", "true");
    let stderr = not_started(command);
    assert!(stderr.contains(said), "{stderr}");
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

/// What doxy says of a command that it does not start. Nothing of the command runs.
#[track_caller]
fn not_started(mut command: Command) -> String {
    let ended = Process::spawn(&mut command).end();
    assert_eq!(ended.code, Some(2), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
    ended.stderr
}

#[test]
fn a_command_that_could_open_the_engine_is_not_started() {
    if !needs(Need::Root) {
        return;
    }
    let user = USER.to_string();
    let group = GROUP.to_string();
    for (owner, mode, options, said) in [
        (
            0,
            0o666,
            &["--user", &user, "--group", &group][..],
            "can open it",
        ),
        (
            GROUP,
            0o660,
            &["--user", &user, "--group", &group],
            "can open it",
        ),
        (0, 0o660, &["--user", &user, "--group", "0"], "can open it"),
        (0, 0o660, &["--user", "root"], "root can open every socket"),
        (0, 0o660, &[], "root can open every socket"),
    ] {
        let place = Place::new(owner, mode);
        let command = place.run(doxy(place.folder.path()), options, "echo started");
        let stderr = not_started(command);
        assert!(stderr.contains(said), "{options:?}: {stderr}");
        assert!(stderr.contains("--advisory"), "{options:?}: {stderr}");
        // The user may still not pass the folder.
        chmod(&place.path("engine"), 0o700);
        if options.len() == 4 && owner == 0 && mode == 0o660 && options[3] == group {
            let mut command = place.run(doxy(place.folder.path()), options, "echo started");
            assert!(Process::spawn(&mut command).end().success());
        }
    }
    // Nobody knows who will be able to open what is not there yet.
    let place = Place::new(0, 0o660);
    std::fs::remove_file(place.path("engine/docker.sock")).unwrap();
    let stderr = not_started(place.apart(&[], "echo started"));
    let setting = format!(
        "doxy: DOXY_DOCKER_SOCKET={}: there is no socket yet",
        place.path("engine/docker.sock").display()
    );
    assert!(stderr.starts_with(&setting), "{stderr}");
    assert!(
        stderr.contains("\nhelp: start the engine first, or name its socket with --docker-socket"),
        "{stderr}"
    );
    // The network has no users.
    let mut command = place.apart(&[], "echo started");
    command.env("DOXY_DOCKER_SOCKET", "tcp://127.0.0.1:1");
    let stderr = not_started(command);
    assert!(stderr.contains("can be reached without doxy"), "{stderr}");
}

/// A folder that the user enters only because it is there already leads to what its path does not.
#[test]
fn the_current_folder_must_be_within_the_users_reach() {
    if !needs(Need::Root) {
        return;
    }
    let place = Place::new(0, 0o666);
    chmod(place.folder.path(), 0o700);
    let mut command = place.apart(&[], "ask docker.sock /secrets");
    command.current_dir(place.path("engine"));
    let stderr = not_started(command);
    let said = "doxy: the current folder: the command's user cannot enter it by its path";
    assert!(stderr.starts_with(said), "{stderr}");
    assert_eq!(place.asked(), [""; 0]);
}

/// An engine in a folder that everybody writes to cannot be covered.
#[test]
fn a_folder_for_everybody_is_not_covered() {
    let place = Place::new(0, 0o666);
    chmod(&place.path("engine"), 0o777);
    let Some(command) = place.covered(&[], "echo started") else {
        return;
    };
    let stderr = not_started(command);
    let without = stderr.contains("cannot make a user namespace");
    let said = "the engine's socket is in a folder that others need as it is";
    assert!(without || stderr.contains(said), "{stderr}");
}

/// The proxy is confined, and not for the command to look into.
#[test]
fn the_proxy_is_confined_and_closed() {
    let place = Place::new(0, 0o666);
    let script = "
        for process in /proc/[0-9]*; do
            [ \"$(tr '\\0' ' ' < $process/cmdline)\" = \"$(tr '\\0' ' ' < /proc/$PPID/cmdline)\" ] || continue
            [ $process = /proc/$PPID ] && continue
            grep -E '^(NoNewPrivs|Seccomp|CapEff):' $process/status | tr -d '\\t '
            readlink $process/root || echo closed; head -c 1 $process/environ || echo closed
        done 2>/dev/null";
    let Some(mut command) = place.covered(&[], script) else {
        return;
    };
    let ended = Process::spawn(command.process_group(0)).end();
    if has_namespaces(&ended) {
        let expected = "CapEff:0000000000000000\nNoNewPrivs:1\nSeccomp:2\nclosed\nclosed\n";
        assert_eq!(ended.stdout, expected, "{ended}");
    }
}
