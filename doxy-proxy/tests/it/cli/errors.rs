//! Invalid values of settings: the two lines that doxy prints for each.

use super::{NONE, folder, refused, says, start_to_end};
use crate::support::files::listing;
use crate::support::process::{Process, doxy};

#[test]
fn values() {
    says(
        "
socket-mode rw
--socket-mode rw: invalid file mode
help: write it in octal, such as 0660 for owner and group

socket-mode 1777
--socket-mode 1777: invalid file mode
help: write it in octal, such as 0660 for owner and group

socket-mode 0888
--socket-mode 0888: invalid file mode
help: write it in octal, such as 0660 for owner and group

socket-mode 432
--socket-mode 432: in octal this is 0432: others may connect, and the owner may not
help: write 0660 if 432 is decimal

socket-mode 420
--socket-mode 420: in octal this is 0420: the group may connect, and the owner may not
help: write 0644 if 420 is decimal

socket-mode 438
--socket-mode 438: invalid file mode
help: write 0666 if 438 is decimal

socket-mode 504
--socket-mode 504: in octal this is 0504: nobody may connect
help: write 0770 if 504 is decimal

socket-mode 0602
--socket-mode 0602: in octal this is 0602: others may connect, and the group may not
help: write it in octal, such as 0660 for owner and group

socket-mode 0466
--socket-mode 0466: in octal this is 0466: others may connect, and the owner may not
help: write it in octal, such as 0660 for owner and group

shutdown-grace x
--shutdown-grace x: invalid duration
help: write a number of seconds, or numbers with units: 10s, 500ms, 2m, 1h30m

idle-timeout 0
--idle-timeout 0: must be greater than 0
help: write one such as 30s

head-timeout 0s
--head-timeout 0s: must be greater than 0
help: write one such as 30s

threads 1025
--threads 1025: invalid number
help: write a whole number from 1 to 1024

max-connections 0
--max-connections 0: invalid number
help: write a whole number greater than 0

max-body 1G
--max-body 1G: invalid size
help: write a number of bytes greater than 0, with or without a unit: 65536, 512k, 1M

log-format xml
--log-format xml: unknown choice
help: write `text`, `json` or `journald`

sandbox on
--sandbox on: unknown choice
help: write `auto`, `require` or `off`

allow-uid root,no-such-user
--allow-uid no-such-user: no such user in /etc/passwd
help: use a name from there, or a number

shutdown-grace 10 s
--shutdown-grace 10 s: invalid duration
help: write a number of seconds, or numbers with units: 10s, 500ms, 2m, 1h30m
",
    );
}

#[test]
fn only_the_journal_takes_its_format() {
    for (log, format, said) in [
        (
            "stdout",
            "journald",
            "only the journal takes this format, and --access-log stdout leads elsewhere\n\
             help: write access-log `journal`, or log-format `json`",
        ),
        (
            "./journal",
            "journald",
            "only the journal takes this format, and --access-log ./journal leads elsewhere\n\
             help: write access-log `journal`, or log-format `json`",
        ),
        (
            "journal",
            "json",
            "the journal takes fields, and --access-log journal leads there\n\
             help: write `journald`, or leave log-format out",
        ),
        (
            "journal",
            "text",
            "the journal takes fields, and --access-log journal leads there\n\
             help: write `journald`, or leave log-format out",
        ),
    ] {
        let args = ["--access-log", log, "--log-format", format];
        let expected = format!("doxy: --log-format {format}: {said}");
        assert_eq!(refused(&args, NONE, &[]).trim_end(), expected);
    }
}

#[test]
fn pattern_files() {
    says(
        r"
pattern-file no.pattern
no.pattern: cannot read the pattern file: no such file or directory
help: name a readable file with --pattern-file; without this option the embedded defaults apply

pattern-file sub
sub: cannot read the pattern file: this is a folder, not a file
help: name a readable file with --pattern-file; without this option the embedded defaults apply

pattern-file empty.pattern
empty.pattern: the file has no rules, so nothing would be allowed
help: a rule is a line like `(/v[\d.]+)?/containers/json`; to deny everything, write `!.*`

pattern-file comments.pattern
comments.pattern: the file has no rules, so nothing would be allowed
help: a rule is a line like `(/v[\d.]+)?/containers/json`; to deny everything, write `!.*`

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
--proxy-socket no/doxy.sock: folder no: no such file or directory
help: create the folder first, or choose another path

proxy-socket file/doxy.sock
--proxy-socket file/doxy.sock: folder file: not a directory
help: choose a folder that doxy may read and write

proxy-socket file
--proxy-socket file: there is a file that is not a socket
help: doxy removes nothing but its own sockets, choose another path or remove it

proxy-socket sub
--proxy-socket sub: there is a folder
help: Docker makes a folder where a socket to be mounted is missing: remove the folder (rmdir), start doxy before the container, and mount the folder around the socket; if the folder is yours, name a file in it

proxy-socket http://engine
--proxy-socket http://engine: unknown kind of address
help: use a path such as /run/doxy/docker.sock, unix://PATH, tcp://ADDRESS:PORT or fd://NAME

proxy-socket unix://
--proxy-socket unix://: the path is empty
help: name the socket to create
",
    );
    for address in ["127.0.0.1:2375", ":2375", "2375"] {
        says(&format!(
            "
proxy-socket {address}
--proxy-socket {address}: this is a network address without tcp://
help: write tcp://ADDRESS:PORT, such as tcp://127.0.0.1:2375; if it is a file, put ./ in front
"
        ));
    }
    for path in ["sub", "link", "dangling.sock", ".", "..", "/", "no/"] {
        refused(&["--proxy-socket", path], NONE, &["--proxy-socket ", path]);
    }
}

/// The longest path has 107 bytes and a terminating zero: clients cannot connect to a longer one.
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
--proxy-socket {path}: the path is too long for a socket
help: a socket's path has at most 107 bytes, choose a shorter one
"
        ));
    }
}

/// The highest number is no user: for the kernel it means "do not change".
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
            "name a readable file with --script, or leave out --script and DOXY_SCRIPT",
        )
    } else {
        (
            "policy.rhai: this doxy was built without policy scripts",
            "build it with the feature `script`, which is on by default, or leave out --script and DOXY_SCRIPT",
        )
    };
    says(&format!("script policy.rhai\n{what}\nhelp: {help}"));
}

#[test]
fn tools_warn_of_variables_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = doxy(folder.path());
    let args = ["explain", "GET", "/_ping"];
    let ended = start_to_end(command.args(args).env("DOXY_PRESETS", "traefik"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warning = "doxy: warning: the variable DOXY_PRESETS is not a setting of doxy; is DOXY_PRESET meant?\n";
    assert_eq!(ended.stderr, warning);
    assert!(ended.stdout.contains("allow"), "{ended:?}");
}
