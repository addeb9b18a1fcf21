//! What a command tries in order to get at the engine's own socket: by every path, past every process, by
//! descriptors, and by undoing what was done.

mod descriptors;
mod refused;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::{Place, engine, fifo, has_namespaces};
use crate::support::process::Process;
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

/// What doxy says of a command that it does not start. Nothing of the command runs.
#[track_caller]
fn not_started(mut command: Command) -> String {
    let ended = Process::spawn(&mut command).end();
    assert_eq!(ended.code, Some(2), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
    ended.stderr
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
